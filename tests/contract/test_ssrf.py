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
from tests.hostile_urls import HOSTILE_URLS

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
    """The functions of a deployment that allows one host, and two that lie on loopback, for files and notifications."""

    cloud: Cloud
    canary: Canary


@pytest.fixture(scope="module")
def guarded(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    canary = Canary()
    hosts = [ALLOWED, "*.cdn.example.org", f"canary.localhost:{canary.port}", f"localhost.localdomain:{canary.port}"]
    folder = tmp_path_factory.mktemp("guarded")
    try:
        allowed = dict.fromkeys(("GCODE_URL_ALLOWED_HOSTS", "WEBHOOK_ALLOWED_HOSTS"), ",".join(hosts))
        with running(cloud.backend, folder, **allowed) as functions:
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


def test_a_hostile_url_is_no_address_to_send_notifications_to(guarded: Guarded, tenant: Site) -> None:
    admin = guarded.cloud.token(tenant.organization, "admin")
    for url in HOSTILE_URLS:
        body = {"name": "hall", "kind": "webhook", "address": url.replace("{port}", str(guarded.canary.port))}
        answer = guarded.cloud.call("POST", "/api/v1/notifications", token=admin, json=body)
        assert answer.status_code == 422, f"{url}: {answer.text}"
        assert answer.json()["error"]["details"]["field"] == "address", answer.text
        assert not guarded.canary.touched(), url
    listed = guarded.cloud.call("GET", "/api/v1/notifications", token=admin)
    assert (listed.status_code, listed.json()["total_count"]) == (200, 0)


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
