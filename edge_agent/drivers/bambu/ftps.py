"""Files onto the printer: implicit FTPS on port 990, as the printers' servers want it (protocol notes, section E)."""

import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from edge_agent.drivers.bambu.identity import Target, context_for
from edge_agent.drivers.base import LineBroken, StorageErrorCode, StorageFailed
from edge_agent.execution import Dropped, Refused
from edge_agent.logs import log

BLOCK = 64 * 1024
UNWRAP_SECONDS = 5.0
DATA_SECONDS = 60.0
NO_SUCH_FILE = "550"
NO_SPACE = ("552", "452")
NO_SECURE_DATA = ("502", "504", "534", "536")
OPEN_DATA = frozenset({"030", "039"})
"""A1 mini and A1, by serial prefix: some of them have no TLS on the data connections (protocol notes, section E)."""


class NotVerified(StorageFailed):
    """The certificate is not the printer's, and the access code was not shown to whoever has it."""

    def __init__(self, serial: str, error: ssl.SSLCertVerificationError) -> None:
        super().__init__("refused", f"the printer's certificate is not that of {serial}: {error.verify_message}")
        self.code_of_openssl = error.verify_code


class ImplicitFtps(ftplib.FTP_TLS):
    """FTP over TLS from the first byte; the data connections reuse the control connection's TLS session."""

    has_secure_data = True

    def open(self, host: str, port: int, timeout: float) -> None:
        """Connect, shake hands and read the greeting."""
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout)
        self.af, self.sock = plain.family, plain
        self.sock = self.context.wrap_socket(plain)
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="replace")
        self.welcome = self.getresp()

    def makepasv(self) -> tuple[str, int]:
        """Only the port of the answer is used: the address in it may be wrong."""
        _, port = super().makepasv()
        return self.host, port

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open the data connection, send the command, then shake hands."""
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 (it is FTPS)
        if not self.has_secure_data:
            return plain, size
        control = cast("ssl.SSLSocket", self.sock)
        return self.context.wrap_socket(plain, session=control.session), size

    def protect(self, *, or_not: bool) -> None:
        """Ask for TLS on the data connections. Raises ftplib.error_perm where that is refused.

        `or_not`: do without it where the server has none.
        """
        try:
            self.prot_p()
        except ftplib.error_perm as error:
            if not or_not or not str(error).startswith(NO_SECURE_DATA):
                raise
            self.prot_c()
            self.has_secure_data = False


def upload(printer: Target, source: Path, name: str, progress: Callable[[int], None], reply_seconds: float) -> None:
    """Write `source` to the printer's root as `name` and verify its size there: the size decides, not the reply.

    `progress` is called between blocks with the bytes sent so far, and may raise. Raises StorageFailed, OSError on a
    lost connection.
    """
    if any(character in name for character in "\r\n/"):
        raise StorageFailed("refused", "the file name cannot be used on the printer")
    size = source.stat().st_size
    ftp = login(printer)
    try:
        complaint = _store(ftp, source, name, progress, reply_seconds)
        if complaint is None and _holds(ftp, name, size):
            return
    except (Dropped, Refused):
        ftp.close()
        _remove(printer, name)
        raise
    finally:
        ftp.close()
    ftp = login(printer)
    try:
        there = size_of(ftp, name)
        if there == size:
            return
        if there is not None:
            _delete(ftp, name)
    finally:
        ftp.close()
    message = f"the printer holds {there or 0} of {size} bytes" + (f": {complaint}" if complaint else "")
    if complaint is not None and complaint.startswith(NO_SPACE):
        raise StorageFailed("no_space", message)
    raise LineBroken("interrupted", message)


def size_on_printer(printer: Target, name: str) -> int | None:
    """The size of the printer's file, None where it has none. Raises StorageFailed, OSError."""
    ftp = login(printer)
    try:
        return size_of(ftp, name)
    finally:
        ftp.close()


def _remove(printer: Target, name: str) -> None:
    """Delete what a cancelled transfer left, as far as that can be done."""
    try:
        ftp = login(printer)
        try:
            _delete(ftp, name)
        finally:
            ftp.close()
    except (OSError, StorageFailed) as error:
        log("partial_file_left", "WARNING", name=name, reason=str(error))


@contextmanager
def passing() -> Iterator[None]:
    """What passes by itself, a closed connection or a temporary reply (4xx), is an OSError: worth another attempt."""
    try:
        yield
    except EOFError as error:
        raise OSError("the printer closed the file connection") from error
    except (ftplib.error_temp, ftplib.error_proto, ftplib.error_reply) as error:
        raise OSError(str(error)) from error


def login(printer: Target) -> ImplicitFtps:
    """A connection on which the access code was accepted. Raises StorageFailed, OSError."""
    ftp = ImplicitFtps(context=context_for(printer))
    try:
        with passing():
            ftp.open(printer.address, printer.ftps_port, DATA_SECONDS)
            ftp.login("bblp", printer.access_code, secure=False)
            ftp.protect(or_not=printer.serial[:3] in OPEN_DATA)
            ftp.voidcmd("TYPE I")
    except ssl.SSLCertVerificationError as error:
        ftp.close()
        raise NotVerified(printer.serial, error) from None
    except ftplib.error_perm as error:
        ftp.close()
        raise StorageFailed("refused", f"the printer refused the access code for files: {error}") from None
    except BaseException:
        ftp.close()
        raise
    return ftp


def _store(
    ftp: ImplicitFtps, source: Path, name: str, progress: Callable[[int], None], reply_seconds: float
) -> str | None:
    """Send the file; what the printer or the line complained of, if anything. Refused before data: StorageFailed."""
    try:
        with passing():
            data = ftp.transfercmd(f"STOR {name}")
    except ftplib.error_perm as error:
        code: StorageErrorCode = "no_space" if str(error).startswith(NO_SPACE) else "refused"
        raise StorageFailed(code, f"the printer refused the file: {error}") from None
    broken: str | None = None
    try:
        data.settimeout(DATA_SECONDS)
        with source.open("rb") as file:
            while block := file.read(BLOCK):
                progress(file.tell() - len(block))
                data.sendall(block)
        _say_end(data)
    except OSError as error:
        broken = str(error) or type(error).__name__
    finally:
        data.close()
    try:
        if ftp.sock is not None:
            ftp.sock.settimeout(UNWRAP_SECONDS if broken else reply_seconds)
        ftp.voidresp()
    except (ftplib.Error, OSError, EOFError) as error:
        return str(error) or broken or type(error).__name__
    return broken


def _say_end(data: socket.socket) -> None:
    """Close TLS properly, for a bounded time: some servers never answer, others lose the end without it."""
    if not isinstance(data, ssl.SSLSocket):
        return
    data.settimeout(UNWRAP_SECONDS)
    try:
        data.unwrap()
    except OSError:
        return


def _holds(ftp: ImplicitFtps, name: str, size: int) -> bool:
    """Whether the file is there whole; False too where the connection does not tell any more."""
    try:
        return size_of(ftp, name) == size
    except OSError:
        return False


def size_of(ftp: ImplicitFtps, name: str) -> int | None:
    """The size of the file, None where there is none."""
    try:
        with passing():
            return ftp.size(name)
    except ftplib.error_perm as error:
        if str(error).startswith(NO_SUCH_FILE):
            return None
        raise StorageFailed("refused", f"the printer does not tell the file's size: {error}") from None


def _delete(ftp: ImplicitFtps, name: str) -> None:
    try:
        ftp.delete(name)
    except (ftplib.Error, EOFError) as error:
        log("partial_file_left", "WARNING", name=name, reason=str(error))
