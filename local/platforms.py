"""The functions' ports for a process that is not a function: to seed a stack, to look at what it stores."""

import os
import threading
from collections.abc import Mapping

from printpipe.domain.ports.platform import Platform
from printpipe.runtime import ports
from printpipe.runtime.settings import parse

_environment = threading.Lock()
_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")


def open_platform(environment: Mapping[str, str]) -> Platform:
    """The ports of functions that run in that environment; all but the remote files are made at once.

    Google's clients look for the emulators in the process's own environment while they are made, so it is lent to
    them for as long: stacks on several emulators can be looked at from one process.
    """
    platform = ports.platform(parse(environment))
    with _environment:
        before = {name: os.environ.get(name) for name in _EMULATORS}
        os.environ.update({name: environment[name] for name in _EMULATORS if name in environment})
        try:
            _ = platform.documents, platform.files, platform.bus, platform.keys
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
    return platform
