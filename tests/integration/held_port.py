"""A port that lets nothing through until it is released: a line that is up and slow."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

LIMIT_SECONDS = 30.0


class HeldPort:
    """Takes connections for another port of a host, and joins them to it once released."""

    def __init__(self, host: str, port: int) -> None:
        self.reached = threading.Event()
        """Set when somebody has connected."""
        self._target = (host, port)
        self._released = threading.Event()
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]

    def release(self) -> None:
        """From now on everything passes."""
        self._released.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self.reached.set()
        with client:
            if not self._released.wait(LIMIT_SECONDS):
                return
            with contextlib.suppress(OSError), socket.create_connection(self._target, timeout=5) as server:
                server.settimeout(None)
                back = threading.Thread(target=_pass, args=(server, client), daemon=True)
                back.start()
                _pass(client, server)
                back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
