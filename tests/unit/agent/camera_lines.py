"""Lines to a camera of which a test says all that comes over them."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from edge_agent.camera.limit import Limit
from edge_agent.camera.line import Line

SECONDS = 5.0


@contextmanager
def line_with(content: bytes, *, open_end: bool = False, seconds: float = SECONDS, step: float = 0.0) -> Iterator[Line]:
    """A line on which this has come, and whose other end is closed unless it stays open."""
    ours, theirs = socket.socketpair()
    ticks = itertools.count()
    clock = (lambda: next(ticks) * step) if step else time.monotonic
    sender = threading.Thread(target=_send, args=(theirs, content, open_end))
    sender.start()
    with closing(theirs), closing(ours):
        yield Line(ours, Limit(seconds, clock, threading.Event(), lambda: None))
    sender.join()


def _send(end: socket.socket, content: bytes, open_end: bool) -> None:
    try:
        end.sendall(content)
        if not open_end:
            end.shutdown(socket.SHUT_WR)
    except OSError:
        return
