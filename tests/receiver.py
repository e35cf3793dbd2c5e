"""Somebody's web server, on loopback and over TLS, that takes what is posted to it and answers as it is told."""

import ipaddress
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from printpipe.adapters.outbound import HttpsOutbound
from printpipe.domain.web_addresses import Address
from tests.tls_server import TlsServer, certificate

HOST = "hooks.example.org"
HOSTS = (HOST, "*.cdn.example.org", "ntfy.sh", "discord.com", "hooks.slack.com")
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")


@dataclass(frozen=True)
class Posted:
    """A request as it came; the headers' names are in lower case."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What has come, and what is answered: `answers` one by one, then 200. While it is `held` it answers nothing."""

    port: int
    ca_file: Path
    posted: list[Posted] = field(default_factory=list)
    answers: deque[tuple[int, Mapping[str, str]]] = field(default_factory=deque)
    looked_up: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """An allow-list with its own name, and any below another."""
        return frozenset({f"{HOST}:{self.port}", f"*.cdn.example.org:{self.port}"})

    def answer(self, *answers: int | tuple[int, Mapping[str, str]]) -> None:
        self.answers.extend((each, {}) if isinstance(each, int) else each for each in answers)

    def outbound(
        self,
        *,
        resolver: Callable[[str], Sequence[Address]] | None = None,
        address_check: Callable[[Address], bool] = lambda address: address == LOOPBACK,
        total: float = 10.0,
        trusted: bool = True,
    ) -> HttpsOutbound:
        return HttpsOutbound(
            timeout_total=total,
            timeout=min(total, 2.0),
            ca_file=self.ca_file if trusted else None,
            resolver=resolver or self.resolve,
            address_check=address_check,
        )

    def resolve(self, host: str) -> Sequence[Address]:
        self.looked_up.append(host)
        return [LOOPBACK]

    def hold(self) -> None:
        """Answers wait until `go_on` is set."""
        self.came.clear()
        self.go_on.clear()

    def reset(self) -> None:
        self.go_on.set()
        for each in (self.posted, self.answers, self.looked_up):
            each.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_POST(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver = self.receiver
        receiver.posted.append(Posted(self.command, self.headers["Host"], self.path, headers, body))
        receiver.came.set()
        receiver.go_on.wait(10)
        status, more = receiver.answers.popleft() if receiver.answers else (200, {})
        try:
            self.send_response(status)
            for name, value in {"Content-Length": "2", **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")
        except OSError:
            return

    do_GET = do_PUT = do_POST


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """A receiver, for as long as the context is open."""
    ca_file, server_file = certificate(folder, *HOSTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)

    class Handler(_Handler):
        pass

    server = TlsServer(context, Handler)
    receiver = Handler.receiver = Receiver(server.server_address[1], ca_file)
    receiver.go_on.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
