"""A TLS connection to a printer's camera, which ends with its limit; the access code goes to nobody else."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

from edge_agent.camera.limit import Broken, Limit
from edge_agent.drivers.base import CameraFailed

BLOCK = 64 * 1024

Secure = Callable[[], ssl.SSLContext]
"""Makes the context that verifies the printer, whatever its address. Raises OSError where that cannot be."""


class Ended(Broken):
    """The printer has closed the connection."""


class Line:
    """What is read blocks until it is there, the printer has closed, or the limit is reached."""

    def __init__(self, connection: socket.socket, limit: Limit) -> None:
        self._connection = connection
        self._limit = limit
        self._held = bytearray()

    def send(self, content: bytes) -> None:
        """Send it all. Raises CameraFailed."""
        try:
            self._connection.settimeout(self._limit.left())
            self._connection.sendall(content)
        except OSError as error:
            raise Broken(f"the line to the camera broke: {_reason(error)}") from None

    def read(self, count: int) -> bytes:
        """Exactly so many bytes. Raises CameraFailed, Ended where the printer closes before."""
        while len(self._held) < count:
            self._more()
        return self._taken(count)

    def read_until(self, end: bytes, most: int) -> bytes:
        """The bytes up to and with `end`. Raises CameraFailed likewise, or where there are more than `most`."""
        while (at := self._held.find(end)) < 0:
            if len(self._held) > most:
                raise Broken("the camera answers with what cannot be read")
            self._more()
        return self._taken(at + len(end))

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _more(self) -> None:
        while True:
            self._connection.settimeout(self._limit.step())
            try:
                block = self._connection.recv(BLOCK)
            except TimeoutError:
                continue
            except OSError as error:
                raise Ended(f"the line to the camera broke: {_reason(error)}") from None
            if not block:
                raise Ended("the camera closed the connection")
            self._held += block
            return


@contextlib.contextmanager
def opened(address: str, port: int, secure: Secure, limit: Limit) -> Iterator[Line]:
    """A connection to whom the context has verified; it is closed at the end. Raises CameraFailed."""
    connection = _connected(address, port, secure, limit)
    try:
        yield Line(connection, limit)
    finally:
        connection.close()


def _connected(address: str, port: int, secure: Secure, limit: Limit) -> socket.socket:
    try:
        context = secure()
    except OSError as error:
        raise CameraFailed("refused", f"the CA file cannot be used: {error}") from None
    try:
        plain = socket.create_connection((address, port), limit.left())
        try:
            plain.settimeout(limit.left())
            return context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
    except ssl.SSLCertVerificationError as error:
        raise CameraFailed(
            "refused", f"the camera's certificate is not the printer's: {error.verify_message}"
        ) from None
    except OSError as error:
        raise CameraFailed("unreachable", f"the camera cannot be reached: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
