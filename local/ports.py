"""Free ports for servers that cannot take one themselves."""

import os
import random
import socket
from collections import deque

RANGE = (20_000, 30_000)
"""Below the ports that systems hand out by themselves, so that nobody is given one between our look and its use."""

_SLICE = 100
_given: deque[int] = deque(maxlen=_SLICE // 2)
"""What this process was given last, and may not have put to use yet."""


def free_port() -> int:
    """A free port on the loopback interface.

    Several processes that look at the same time each look among a hundred of their own first, and none is given one
    again soon: between the look and the use a port is nobody's.
    """
    first = RANGE[0] + os.getpid() * _SLICE % (RANGE[1] - RANGE[0])
    chance = random.SystemRandom()
    own = range(first, first + _SLICE)
    for port in (*chance.sample(own, _SLICE), *chance.sample(range(*RANGE), 2 * _SLICE)):
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.append(port)
        return port
    raise OSError(f"no free port between {RANGE[0]} and {RANGE[1]}")
