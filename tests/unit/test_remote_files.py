"""Remote files: what is fetched over HTTPS, and every way into a private network that is not."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from printpipe.adapters.remote import HttpsRemoteFiles
from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.ports.remote import RemoteFile
from printpipe.domain.web_addresses import Address, is_public_address
from tests.hostile_urls import HOSTILE_FORMS, PRIVATE, PUBLIC
from tests.tls_server import TlsServer, certificate

HOST = "files.example.org"
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
BODY = b"G28\n" * 50_000
LIMIT = 1_000_000


@dataclass
class Site:
    """A web server on loopback under a certificate for `files.example.org` and `*.cdn.example.org`."""

    port: int
    ca_file: Path
    requests: list[tuple[str, str]] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def files(
        self,
        *more_hosts: str,
        resolver: Callable[[str], Sequence[Address]] | None = None,
        address_check: Callable[[Address], bool] = lambda address: address == LOOPBACK,
        total: float = 10.0,
        trusted: bool = True,
    ) -> HttpsRemoteFiles:
        return HttpsRemoteFiles(
            frozenset({f"{HOST}:{self.port}", f"*.cdn.example.org:{self.port}", *more_hosts}),
            timeout_total=total,
            connect_timeout=min(total, 2.0),
            ca_file=self.ca_file if trusted else None,
            resolver=resolver or self.resolve,
            address_check=address_check,
        )

    def resolve(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        return [LOOPBACK]


class Answers(BaseHTTPRequestHandler):
    """What a server may do; the path chooses."""

    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def drip(self, data: bytes) -> None:
        for _ in range(600):
            self.wfile.write(data)
            self.wfile.flush()
            if self.server.stopping.wait(0.05):  # type: ignore[attr-defined]
                return

    def do_GET(self) -> None:
        self.site.requests.append((self.headers["Host"], self.path))
        self.close_connection = True
        path = self.path.partition("?")[0].lstrip("/")
        try:
            if path.startswith("redirect/"):
                self.head(int(path[9:12]), Location=self.path.partition("?to=")[2])
            elif path.startswith("status/"):
                self.head(int(path[7:]), Content_Length="0")
            else:
                getattr(self, f"get_{path.rpartition('/')[2].partition('.')[0]}")()
        except OSError:
            return

    def get_part(self) -> None:
        self.head(Content_Length=str(len(BODY)), Content_Type="text/plain; charset=utf-8")
        self.wfile.write(BODY)

    def get_named(self) -> None:
        self.head(Content_Length="4", Content_Disposition="attachment; filename*=UTF-8''Schl%C3%BCssel.3mf")
        self.wfile.write(b"G28\n")

    def get_quoted(self) -> None:
        self.head(Content_Length="4", Content_Disposition='attachment; filename="my lid.gco"; size=4')
        self.wfile.write(b"G28\n")

    def get_garbled(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
        head += b"Content-Disposition: attachment; filename*1*=x\xff'%zz; filename*=u'\r\n\r\n"
        self.wfile.write(head + b"G28\n")

    def get_escaping(self) -> None:
        self.head(Content_Length="4", Content_Disposition='attachment; filename="../../etc/passwd"')
        self.wfile.write(b"G28\n")

    def get_chunked(self) -> None:
        self.head(Transfer_Encoding="chunked")
        for start in range(0, len(BODY), 7_777):
            piece = BODY[start : start + 7_777]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def get_chunks_cut(self) -> None:
        self.head(Transfer_Encoding="chunked")
        self.wfile.write(b"ff\r\nG28\n")

    def get_chunks_endless(self) -> None:
        self.head(Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"10000\r\n" + b"G" * 65_536 + b"\r\n")

    def get_chunk_size_endless(self) -> None:
        self.head(Transfer_Encoding="chunked")
        self.drip(b"0")

    def get_endless(self) -> None:
        self.head(Content_Length=str(1 << 40))
        while True:
            self.wfile.write(b"G28\n" * 10_000)

    def get_short(self) -> None:
        self.head(Content_Length="100")
        self.wfile.write(b"G28\n")

    def get_lengthless(self) -> None:
        self.head()
        self.wfile.write(b"G28\n")

    def get_twolengths(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nG28\nG28\n")

    def get_compressed(self) -> None:
        self.head(Content_Length="4", Content_Encoding="gzip")
        self.wfile.write(b"\x1f\x8b\x08\x00")

    def get_garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    def get_headers_many(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n")

    def get_headers_slow(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"X")

    def get_continues(self) -> None:
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n")

    def get_silent(self) -> None:
        self.drip(b"")

    def get_slow(self) -> None:
        self.head(Content_Length="100000")
        self.drip(b"G")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ca_file, server_file = certificate(tmp_path_factory.mktemp("tls"), HOST, "*.cdn.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)

    class Handler(Answers):
        pass

    server = TlsServer(context, Handler)
    site = Handler.site = Site(server.server_address[1], ca_file)

    def noted(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        site.server_names.append(name)

    context.sni_callback = noted
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield site
    server.stopping.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def site(running: Site) -> Site:
    running.requests.clear()
    running.server_names.clear()
    running.asked.clear()
    return running


def fetched(files: HttpsRemoteFiles, url: str, limit: int = LIMIT) -> tuple[RemoteFile, bytes]:
    with files.fetch(url, limit) as file:
        assert file.stream.tell() == 0
        content = file.stream.read()
    assert len(content) == file.size
    return file, content


def refusal(files: HttpsRemoteFiles, url: str, limit: int = LIMIT) -> InvalidInput | TooLarge:
    with pytest.raises((InvalidInput, TooLarge)) as caught:
        fetched(files, url, limit)
    assert caught.value.field == "gcodeUrl"
    assert isinstance(caught.value, InvalidInput | TooLarge)
    return caught.value


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


# What is fetched


def test_a_file_is_fetched_from_the_checked_address_under_the_hosts_name(site: Site) -> None:
    file, content = fetched(site.files(), f"{site.url}/a/part.gcode?key=1#top")
    assert content == BODY
    assert (file.file_name, file.content_type, file.size) == ("part.gcode", "text/plain; charset=utf-8", len(BODY))
    assert site.requests == [(f"{HOST}:{site.port}", "/a/part.gcode?key=1")]
    assert site.server_names == [HOST]
    assert site.asked == [HOST], "the name is looked up once"


def test_a_chunked_file_and_one_of_exactly_the_limit(site: Site) -> None:
    assert fetched(site.files(), f"{site.url}/chunked.gcode")[1] == BODY
    assert fetched(site.files(), f"{site.url}/part.gcode", len(BODY))[1] == BODY


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_under_the_same_checks(site: Site, status: int) -> None:
    to = f"https://a.cdn.example.org:{site.port}/part.gcode"
    file, content = fetched(site.files(), f"{site.url}/redirect/{status}/first.gcode?to={to}")
    assert content == BODY
    assert file.file_name == "first.gcode"
    assert site.asked == [HOST, "a.cdn.example.org"]
    assert site.server_names == [HOST, "a.cdn.example.org"]


def test_three_redirects_are_followed_and_no_more(site: Site) -> None:
    url = f"{site.url}/part.gcode"
    for _ in range(3):
        url = f"{site.url}/redirect/302?to={url}"
    assert fetched(site.files(), url)[1] == BODY
    assert "more than 3" in refusal(site.files(), f"{site.url}/redirect/302?to={url}").message


def test_a_redirect_may_be_relative(site: Site) -> None:
    assert fetched(site.files(), f"{site.url}/redirect/302?to=/part.gcode")[1] == BODY


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("named", "Schlüssel.3mf"),
        ("x/named.gcode", "Schlüssel.3mf"),
        ("escaping.gcode", "escaping.gcode"),
        ("quoted", "my lid.gco"),
        ("garbled.gcode", "garbled.gcode"),
        ("part.my%20lid.gcode", "part.my lid.gcode"),
        ("part.gcode/../part.%2e%2e%2fa.gcode", "part.../a.gcode"),
        ("part", "part"),
    ],
)
def test_the_name_is_the_servers_or_the_urls(site: Site, path: str, name: str) -> None:
    assert fetched(site.files(), f"{site.url}/{path}")[0].file_name == name


def test_the_context_ends_the_stream(site: Site) -> None:
    with site.files().fetch(f"{site.url}/part.gcode", LIMIT) as file:
        stream = file.stream
    assert stream.closed
    with pytest.raises(RuntimeError, match="the caller's own"), site.files().fetch(f"{site.url}/part.gcode", LIMIT):
        raise RuntimeError("the caller's own")


# Who may be asked


@pytest.mark.parametrize("url", HOSTILE_FORMS)
def test_a_hostile_url_is_refused_before_anything_is_asked(site: Site, url: str) -> None:
    files = site.files(HOST, "*.cdn.example.org")
    assert isinstance(refusal(files, url), InvalidInput)
    assert (site.asked, site.requests) == ([], [])


def test_without_an_allow_list_everything_is_refused(site: Site) -> None:
    files = HttpsRemoteFiles(frozenset(), resolver=site.resolve)
    for url in (site.url, "https://storage.googleapis.com/bucket/part.gcode"):
        assert "not one that files may be fetched from" in refusal(files, url).message
    assert site.asked == []


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "localhost", "127.0.0.1", "[::1]", "10.1", "0x7f.1", "https://files.example.org", "a.example.org/",
     "a..example.org", "*.*.example.org", "a.*.example.org", "a.example.org:0", "a.example.org:99999", "é.example.org"],
)  # fmt: skip
def test_an_allow_list_holds_names_only(entry: str) -> None:
    with pytest.raises(ValueError, match="not a host"):
        HttpsRemoteFiles(frozenset({entry}))


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_resolves_into_a_private_network_is_refused(site: Site, address: str) -> None:
    private = ipaddress.ip_address(address)
    public = [ipaddress.ip_address(text) for text in PUBLIC[:2]]
    for mixture in ([private], [*public, private], [private, *public]):
        files = site.files(resolver=dict.fromkeys([HOST], mixture).__getitem__, address_check=is_public_address)
        assert "not a public one" in refusal(files, f"{site.url}/part.gcode").message
    assert site.requests == []


def test_public_addresses_are_public() -> None:
    assert [text for text in PUBLIC if not is_public_address(ipaddress.ip_address(text))] == []


def test_the_default_check_refuses_this_machine(site: Site) -> None:
    files = HttpsRemoteFiles(frozenset({f"{HOST}:{site.port}"}), ca_file=site.ca_file, resolver=site.resolve)
    assert "not a public one" in refusal(files, f"{site.url}/part.gcode").message
    assert site.requests == []


def test_a_name_that_changes_its_address_gains_nothing(site: Site) -> None:
    """The first look-up shows a good address; a second one, had it been made, a bad one."""
    turns: list[Sequence[Address]] = [[LOOPBACK], [ipaddress.ip_address("127.0.0.9")]]
    files = site.files(resolver=lambda _: turns.pop(0))
    assert fetched(files, f"{site.url}/part.gcode")[1] == BODY
    assert len(turns) == 1


def test_a_redirect_to_a_name_that_resolves_into_a_private_network_is_refused(site: Site) -> None:
    def resolver(host: str) -> Sequence[Address]:
        return [LOOPBACK] if host == HOST else [LOOPBACK, ipaddress.ip_address("10.0.0.1")]

    to = f"https://inside.cdn.example.org:{site.port}/part.gcode"
    assert "not a public one" in refusal(site.files(resolver=resolver), f"{site.url}/redirect/302?to={to}").message
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "to",
    ["", "http://files.example.org/part.gcode", "https://evil.example/part.gcode", "https://127.0.0.1/part.gcode",
     "//169.254.169.254/computeMetadata/v1/", "https://[::1]/a", "https://[::1/a", "https://u@files.example.org/a",
     "https://files.example.org:22/a", "file:///etc/passwd", "javascript:alert(1)", "gopher://127.0.0.1:6379/_",
     "\\\\evil\\a",
     "https://files.example.org%2eevil.example/a"],
)  # fmt: skip
def test_a_redirect_out_of_the_allow_list_is_refused(site: Site, to: str) -> None:
    assert isinstance(refusal(site.files(), f"{site.url}/redirect/302?to={to}"), InvalidInput)
    assert len(site.requests) <= 4
    assert set(site.asked) == ({HOST} if site.asked else set())


def test_a_certificate_must_be_the_names_and_of_a_known_authority(site: Site) -> None:
    other = f"https://other.example.org:{site.port}/part.gcode"
    assert "certificate" in refusal(site.files(f"other.example.org:{site.port}"), other).message
    assert "certificate" in refusal(site.files(trusted=False), f"{site.url}/part.gcode").message
    assert site.requests == []


# What may be delivered


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("compressed.gcode", "compressed"),
        ("short.gcode", "whole|properly"),
        ("lengthless.gcode", "how long"),
        ("twolengths.gcode", "how long|properly"),
        ("chunks_cut.gcode", "properly"),
        ("garbage", "properly"),
        ("headers_many", "properly"),
        ("status/204", "status 204"),
        ("status/206", "status 206"),
        ("status/304", "status 304"),
        ("status/404", "status 404"),
        ("status/500", "status 500"),
    ],
)
def test_an_answer_that_is_no_whole_file_is_refused(site: Site, path: str, message: str) -> None:
    error = refusal(site.files(), f"{site.url}/{path}")
    assert isinstance(error, InvalidInput)
    assert any(part in error.message for part in message.split("|")), error.message


@pytest.mark.parametrize(
    ("path", "limit"),
    [("part.gcode", len(BODY) - 1), ("chunked.gcode", len(BODY) - 1), ("endless", LIMIT), ("chunks_endless", LIMIT)],
)
def test_more_bytes_than_allowed_are_too_large(site: Site, path: str, limit: int) -> None:
    with within(3):
        assert isinstance(refusal(site.files(), f"{site.url}/{path}", limit), TooLarge)


@pytest.mark.parametrize("path", ["slow", "headers_slow", "continues", "silent", "chunk_size_endless"])
def test_a_slow_answer_ends_with_the_deadline(site: Site, path: str) -> None:
    with within(2):
        assert "in time" in refusal(site.files(total=0.4), f"{site.url}/{path}").message


def test_slow_redirects_share_one_deadline(site: Site) -> None:
    def resolver(_: str) -> Sequence[Address]:
        time.sleep(0.15)
        return [LOOPBACK]

    url = f"{site.url}/redirect/302?to={site.url}/redirect/302?to={site.url}/part.gcode"
    with within(2):
        assert "in time" in refusal(site.files(total=0.4, resolver=resolver), url).message


def test_a_host_that_accepts_and_says_nothing_ends_with_the_deadline(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, within(2):
        port = mute.getsockname()[1]
        files = site.files(f"{HOST}:{port}", total=0.4)
        assert "in time" in refusal(files, f"https://{HOST}:{port}/part.gcode").message


def test_a_host_that_is_not_there(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "out of reach" in refusal(site.files(f"{HOST}:{port}"), f"https://{HOST}:{port}/part.gcode").message


def test_the_next_address_is_tried_where_one_is_dead(site: Site) -> None:
    dead = ipaddress.ip_address("127.0.0.77")
    files = site.files(resolver=lambda _: [dead, LOOPBACK], address_check=lambda _: True)
    assert fetched(files, f"{site.url}/part.gcode")[1] == BODY


def test_names_that_are_unknown_or_take_too_long_to_look_up(site: Site) -> None:
    def unknown(_: str) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert "unknown" in refusal(site.files(resolver=unknown), f"{site.url}/a").message
    assert "unknown" in refusal(site.files(resolver=lambda _: []), f"{site.url}/a").message
    release = threading.Event()

    def stuck(_: str) -> Sequence[Address]:
        release.wait(10)
        return [LOOPBACK]

    with within(2):
        assert "in time" in refusal(site.files(resolver=stuck, total=0.3), f"{site.url}/a").message
    release.set()


def test_nothing_stays_open(site: Site) -> None:
    """Every thread of a fetch ends with it, whatever its end."""
    for path in ("part.gcode", "compressed", "endless", "garbage", "status/404"):
        with suppress(InvalidInput, TooLarge):
            fetched(site.files(), f"{site.url}/{path}")
    deadline = time.monotonic() + 3
    while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
