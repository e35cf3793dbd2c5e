"""A line that can stall: what was sent on it is not lost, it arrives when the line works again."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class StalledLine:
    """Joins its connections to another port of a host; `stall` holds those of now, and later ones if it is said."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._gates: list[threading.Event] = []
        self._cut = False
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]

    def stall(self, *, later: bool = False) -> None:
        """From now on nothing passes the present connections, and `later` ones neither."""
        self._cut = later
        for gate in self._gates:
            gate.clear()

    def release(self) -> None:
        """Deliver what was held."""
        self._cut = False
        for gate in self._gates:
            gate.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.release()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                gate = threading.Event()
                self._gates.append(gate)
                if not self._cut:
                    gate.set()
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, target, gate), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, gate: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            gate.wait()
            target.sendall(data)
    gate.wait()
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
