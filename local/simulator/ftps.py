"""The printers' implicit FTPS: TLS 1.2 from the first byte, one user, one folder per printer."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from local.simulator.broker import USER
from local.simulator.faults import Faults

FOLDERS = ("cache", "model", "timelapse")
"""Folders beside the files in the root, as on a printer's card."""

NOWHERE = "192.0.2.1"
"""An address for documentation: nobody has it."""
_POLL_SECONDS = 0.05

# Without a handler of its own pyftpdlib writes its log to standard error.
logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())


class _Authorizer(DummyAuthorizer):  # type: ignore[misc]  # pyftpdlib has no types
    """Refuses even the right code while the printer refuses passwords."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        if self._faults.refuse_password:
            raise AuthenticationFailed("Authentication failed.")
        super().validate_authentication(username, password, handler)


class _Data(TLS_DTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """A data connection whose downloads can be slow, and can break."""

    def __init__(self, sock: Any, cmd_channel: Any) -> None:
        self._downloaded = 0
        self._due = 0.0
        self._rest: Any = None
        super().__init__(sock, cmd_channel)

    def send(self, data: bytes) -> int:
        faults = self.cmd_channel.faults
        if self.cmd != "RETR" or not (faults.cut_download_after or faults.download_rate):
            return int(super().send(data))
        if faults.cut_download_after:
            data = data[: max(faults.cut_download_after - self._downloaded, 1)]
        sent = int(super().send(data))
        self._downloaded += sent
        if 0 < faults.cut_download_after <= self._downloaded:
            faults.cut_download_after = 0
            self._pause(0, self._cut)
        elif faults.download_rate:
            now = time.monotonic()
            self._due = max(self._due, now) + sent / faults.download_rate
            if self._due - now > _POLL_SECONDS:
                self._pause(self._due - now, lambda: self.add_channel(events=self.ioloop.WRITE))
        return sent

    def close(self) -> None:
        if not self._closed and self.cmd == "STOR":
            self._spoil()
        if self._rest is not None and not self._rest.cancelled:
            self._rest.cancel()
        super().close()

    def _spoil(self) -> None:
        """What the faults make of an upload that is over."""
        faults = self.cmd_channel.faults
        if faults.upload_kept and self.file_obj is not None and not self.file_obj.closed:
            self.file_obj.truncate(faults.upload_kept)
            faults.upload_kept = 0
        if faults.complains_of_uploads:
            self._resp = ("426 Failure reading network stream.", logging.getLogger("pyftpdlib").debug)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self.del_channel()
        self._rest = self.ioloop.call_later(seconds, then, _errback=self.handle_error)

    def _cut(self) -> None:
        """Both connections end without a word, as where somebody pulls the plug."""
        control = self.cmd_channel
        for channel in (self, control):
            channel.socket.sock_shutdown(socket.SHUT_RDWR)
        control.close()


class _Handler(TLS_FTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """Secures the control connection before the greeting."""

    banner = "simulated printer"
    auth_failed_timeout = 0.5
    tls_control_required = True
    dtp_handler = _Data
    faults: Faults

    @property
    def masquerade_address(self) -> str | None:  # pyftpdlib's name
        return NOWHERE if self.faults.wrong_data_host else None

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)
        super().handle()

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # pyftpdlib's name
        if self.faults.disk_full:
            self._shutdown_connecting_dtp()
            if self.data_channel is not None:
                self.data_channel.close()
            self.respond("552 Requested file action aborted: exceeded storage allocation.")
            return None
        return super().ftp_STOR(file, mode)

    def ftp_PROT(self, line: str) -> None:  # pyftpdlib's name
        if self.faults.data_in_clear and line.upper() == "P":
            self.respond("536 PROT P is not supported.")
            return
        super().ftp_PROT(line)

    def ftp_MLSD(self, path: str) -> Any:  # pyftpdlib's name
        if not self.faults.answers_mlsd:
            self.respond("500 Unknown command.")
            return None
        return super().ftp_MLSD(path)


class FtpsService:
    """The FTPS servers of all printers of a farm, in one thread."""

    def __init__(self) -> None:
        self._ioloop = IOLoop.factory()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator-ftps", daemon=True)

    def add(self, address: tuple[str, int], *, access_code: str, certificate: Path, root: Path, faults: Faults) -> int:
        """Serve `root` on this address; before `begin`. The port is returned."""
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(certificate))
        authorizer = _Authorizer(faults)
        authorizer.add_user(USER, access_code, str(root), perm="elradfmwMT")
        handler = type(
            "PrinterHandler",
            (_Handler,),
            {"ssl_context": context, "authorizer": authorizer, "faults": faults},
        )
        server = FTPServer(address, handler, ioloop=self._ioloop)
        return int(server.address[1])

    def begin(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop and end every connection."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._ioloop.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._ioloop.loop(_POLL_SECONDS, blocking=False)
