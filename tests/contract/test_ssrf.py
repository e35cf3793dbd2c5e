"""URLs that would have us fetch what their sender cannot reach: refused before anything is asked of anyone.

Here through HTTP. What needs a server on an allowed host is shown in `tests/unit/test_remote_files.py`: redirects (into
private networks, to other schemes, hosts and ports, too many), names that resolve into private networks at once, among
public addresses or at the second look, slow, silent, endless, compressed and broken answers, certificates.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from local.ports import free_port
from tests.cloud import Cloud, Site, running

ONE_BACKEND_AT_REDUCED_COUNTS = True

ALLOWED = "files.example.org"


class Canary:
    """A server on loopback to which nobody may connect, on one port of both kinds of address."""

    def __init__(self) -> None:
        self.port = free_port()
        self._listening = [socket.create_server(("127.0.0.1", self.port))]
        with suppress(OSError):
            self._listening.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for each in self._listening:
            each.setblocking(False)

    def touched(self) -> bool:
        """Whether anybody has connected since it was asked last."""
        found = False
        for each in self._listening:
            with suppress(BlockingIOError):
                each.accept()[0].close()
                found = True
        return found

    def close(self) -> None:
        for each in self._listening:
            each.close()


@dataclass(frozen=True)
class Guarded:
    """The functions of a deployment that takes files from one host, and from two that lie on loopback."""

    cloud: Cloud
    canary: Canary


@pytest.fixture(scope="module")
def guarded(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    canary = Canary()
    hosts = [ALLOWED, "*.cdn.example.org", f"canary.localhost:{canary.port}", f"localhost.localdomain:{canary.port}"]
    folder = tmp_path_factory.mktemp("guarded")
    try:
        with running(cloud.backend, folder, GCODE_URL_ALLOWED_HOSTS=",".join(hosts)) as functions:
            yield Guarded(functions, canary)
    finally:
        canary.close()


@pytest.fixture(scope="module")
def tenant(guarded: Guarded) -> Site:
    """A tenant to whose LAN client nothing is ever stored."""
    return guarded.cloud.new_site()


@pytest.fixture(scope="module")
def own_file(guarded: Guarded, tenant: Site) -> dict[str, Any]:
    """A file of the same tenant, at its other recipient."""
    return guarded.cloud.upload(tenant.agent_recipient)


@pytest.fixture(scope="module")
def foreign_file(guarded: Guarded) -> dict[str, Any]:
    """Another tenant's file."""
    return guarded.cloud.upload(guarded.cloud.new_site().lan_recipient)


HOSTILE_URLS = [
    # other schemes, and none
    "http://files.example.org/a.gcode", "HTTP://127.0.0.1:{port}/a.gcode", "ftp://127.0.0.1:{port}/a.gcode",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_GET", "dict://127.0.0.1:{port}/info", "data:text/plain,G28",
    "javascript:alert(1)", "gs://bucket/a.gcode", "jar:https://127.0.0.1:{port}!/a.gcode", "//127.0.0.1:{port}/a.gcode",
    "a.gcode", "https:127.0.0.1:{port}/a.gcode", "https:///a.gcode", "https://",
    # IPv4 in every notation
    "https://127.0.0.1:{port}/a.gcode", "https://127.1:{port}/a.gcode", "https://127.0.1:{port}/a.gcode",
    "https://2130706433:{port}/a.gcode", "https://0x7f000001:{port}/a.gcode", "https://0x7f.0.0.1:{port}/a.gcode",
    "https://0177.0.0.1:{port}/a.gcode", "https://017700000001:{port}/a.gcode", "https://0:{port}/a.gcode",
    "https://0.0.0.0:{port}/a.gcode", "https://127.0.0.1.:{port}/a.gcode", "https://10.0.0.1/a.gcode",
    "https://172.16.0.1/a.gcode", "https://192.168.1.1/a.gcode", "https://100.64.0.1/a.gcode",
    # IPv6, mapped, translated, tunnelled, with a zone
    "https://[::1]:{port}/a.gcode", "https://[::]:{port}/a.gcode", "https://[0:0:0:0:0:0:0:1]:{port}/a.gcode",
    "https://[::ffff:127.0.0.1]:{port}/a.gcode", "https://[::ffff:7f00:1]:{port}/a.gcode",
    "https://[::127.0.0.1]:{port}/a.gcode", "https://[64:ff9b::7f00:1]:{port}/a.gcode",
    "https://[2002:7f00:1::]:{port}/a.gcode", "https://[fe80::1%25eth0]:{port}/a.gcode",
    "https://[::1%25lo]:{port}/a.gcode", "https://[fd00::1]/a.gcode", "https://[::1/a.gcode",
    # metadata servers
    "https://169.254.169.254/computeMetadata/v1/a.gcode", "https://2852039166/a.gcode", "https://0xa9fea9fe/a.gcode",
    "https://0251.0376.0251.0376/a.gcode", "https://[::ffff:a9fe:a9fe]/a.gcode", "https://[fd00:ec2::254]/a.gcode",
    "https://metadata.google.internal/computeMetadata/v1/a.gcode", "https://metadata/a.gcode",
    # user names and what looks like them
    "https://files.example.org@127.0.0.1:{port}/a.gcode", "https://files.example.org:443@127.0.0.1:{port}/a.gcode",
    "https://user:word@files.example.org/a.gcode", "https://@files.example.org/a.gcode",
    "https://127.0.0.1:{port}\\@files.example.org/a.gcode", "https://127.0.0.1:{port}%2f@files.example.org/a.gcode",
    "https://127.0.0.1:{port}#@files.example.org/a.gcode", "https://127.0.0.1:{port}?@files.example.org/a.gcode",
    # names: local ones, allowed ones' lookalikes, other letters, encoded
    "https://localhost:{port}/a.gcode", "https://LOCALHOST.:{port}/a.gcode", "https://canary.localhost:{port}/a.gcode",
    "https://localhost.localdomain:{port}/a.gcode", "https://files.example.org./a.gcode",
    "https://files.example.org.evil.example/a.gcode", "https://evilfiles.example.org/a.gcode",
    "https://cdn.example.org/a.gcode", "https://a_b.cdn.example.org/a.gcode", "https://①②⑦.⓪.⓪.①:{port}/a.gcode",
    "https://127。0。0。1:{port}/a.gcode", "https://fіles.example.org/a.gcode", "https://ﬁles.example.org/a.gcode",
    "https://%31%32%37.0.0.1:{port}/a.gcode", "https://%66iles.example.org/a.gcode",
    "https://files.example.org%00.evil.example/a.gcode", "https://files.example.org%2eevil.example/a.gcode",
    # ports
    "https://files.example.org:22/a.gcode", "https://files.example.org:{port}/a.gcode",
    "https://files.example.org:0/a.gcode", "https://files.example.org:65979/a.gcode",
    "https://files.example.org:443:{port}/a.gcode", "https://files.example.org:/a.gcode",
    # line ends, blanks, length
    "https://files.example.org/a\r\nHost: 127.0.0.1", "https://files.example.org/a b.gcode",
    " https://files.example.org/a.gcode", "https://files.example.org/\x00.gcode",
    "https://files.example.org/" + "a" * 3_000 + ".gcode",
]  # fmt: skip


def order(site: Site, url: str) -> dict[str, Any]:
    return {"recipientId": site.lan_recipient, "productId": "PROD-URL", "printerSerial": "01S00A", "gcodeUrl": url}


def assert_refused(guarded: Guarded, site: Site, url: str, statuses: tuple[int, ...] = (400,)) -> None:
    """By every way that a URL can come, with nothing asked, sent or stored."""
    body = order(site, url)
    nested = {**body, "gcodeUrl": None, "jobMetadata": {"gcodeUrl": url}}
    for path, sent in (("/upload", body), ("/api/print-jobs", body), ("/api/print-jobs", nested)):
        answer = guarded.cloud.call("POST", path, key=site.lan_key, json=sent)
        assert answer.status_code in statuses, f"{path}: {answer.text}"
        assert answer.json()["detail"].rpartition(".")[2] == "gcodeUrl", answer.text
    assert not guarded.canary.touched()
    for collection in ("files", "uploads", "print_jobs", "printer_commands"):
        assert guarded.cloud.documents(collection, site.lan_recipient) == []


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_url_is_refused(guarded: Guarded, tenant: Site, url: str) -> None:
    assert_refused(guarded, tenant, url.replace("{port}", str(guarded.canary.port)))


def test_the_canary_would_notice(guarded: Guarded) -> None:
    socket.create_connection(("127.0.0.1", guarded.canary.port), timeout=5).close()
    assert guarded.canary.touched()
    assert not guarded.canary.touched()


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.googleapis.com/{bucket}/{name}",
        "https://storage.googleapis.com:444/{bucket}/{name}",
        "https://storage.googleapis.com./{bucket}/{name}",
        "https://user@storage.googleapis.com/{bucket}/{name}",
        "https://storage.googleapis.com@127.0.0.1:{port}/{bucket}/{name}",
        "https://storage.googleapis.com.evil.example/{bucket}/{name}",
        "https://{bucket}.storage.googleapis.com.evil.example/{name}",
        "https://{bucket}.storage.googleapis.com@127.0.0.1:{port}/{name}",
        "https://{bucket}.evil.example/{name}",
        "https://evil-{bucket}.storage.googleapis.com/{name}",
        "https://x.{bucket}.storage.googleapis.com/{name}",
        "https://storage.googleapis.com/another/{name}",
        "https://storage.googleapis.com/{bucket}x/{name}",
        "https://storage.googleapis.com/another/../{bucket}/{name}",
        "https://storage.googleapis.com//{bucket}/{name}",
        "https://storage.googleapis.com\\{bucket}/{name}",
        "gs://{bucket}/{name}",
    ],
)
def test_what_only_looks_like_the_own_bucket_is_none(
    guarded: Guarded, tenant: Site, own_file: dict[str, Any], url: str
) -> None:
    names = {"bucket": own_file["gcsBucket"], "name": own_file["gcsPath"], "port": guarded.canary.port}
    assert_refused(guarded, tenant, url.format(**names))


@pytest.mark.parametrize(
    "form", ["https://storage.googleapis.com/{bucket}/{name}", "https://{bucket}.storage.googleapis.com/{name}"]
)
@pytest.mark.parametrize(
    "name",
    [
        "{other}", "./{other}", "../{bucket}/{other}", "x/../{other}", "%2e%2e/{bucket}/{other}", "/{other}",
        "{other}%00", "{other}/", "", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "files/", "*",
    ],
)  # fmt: skip
def test_in_the_own_bucket_only_the_tenants_own_files_exist(
    guarded: Guarded, tenant: Site, foreign_file: dict[str, Any], form: str, name: str
) -> None:
    names = {"bucket": foreign_file["gcsBucket"], "other": foreign_file["gcsPath"]}
    assert_refused(guarded, tenant, form.replace("{name}", name).format(**names), (404,))


def test_a_key_for_one_recipient_reads_no_others_file(guarded: Guarded, tenant: Site, own_file: dict[str, Any]) -> None:
    url = f"https://storage.googleapis.com/{own_file['gcsBucket']}/{own_file['gcsPath']}"
    assert_refused(guarded, tenant, url, (404,))
    body = {**order(tenant, url), "recipientId": tenant.agent_recipient}
    answer = guarded.cloud.call("POST", "/upload", key=tenant.organization_key, json=body)
    assert (answer.status_code, answer.json().get("sha256")) == (200, own_file["sha256"]), answer.text
