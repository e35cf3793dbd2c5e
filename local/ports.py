"""Free ports for servers that cannot take one themselves."""

import random
import socket

RANGE = (20_000, 30_000)
"""Below the ports that systems hand out by themselves, so that nobody is given one between our look and its use."""


def free_port() -> int:
    """A free port on the loopback interface."""
    for port in random.SystemRandom().sample(range(*RANGE), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 20000 and 30000")
