"""The errors that a print file can cause; every message says what is wrong with the file."""

from printpipe.domain.errors import InvalidInput, TooLarge

_FIELD = "file"
_SHOWN = 80


def refused(message: str) -> InvalidInput:
    """The file is not one that can be printed."""
    return InvalidInput(message, field=_FIELD)


def oversized(message: str) -> TooLarge:
    """The file is, or unpacks to, more bytes than allowed."""
    return TooLarge(message, field=_FIELD)


def quoted(name: str) -> str:
    """A name from the file, fit for a message: printable and short."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in name[:_SHOWN])
    return f"'{shown}…'" if len(name) > _SHOWN else f"'{shown}'"
