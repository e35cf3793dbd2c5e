"""Tables, times and sizes for people."""

from collections.abc import Iterable, Sequence
from datetime import timedelta


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows below their head, each column as wide as it needs; the last one is not padded."""
    lines = [head, *(tuple(map(plain, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def plain(text: str) -> str:
    """What a printer or a server says, without what a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)


def duration(span: timedelta) -> str:
    """The two largest units: 3 d 4 h, 4 min 5 s."""
    left = max(round(span.total_seconds()), 0)
    parts: list[str] = []
    for name, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def ago(span: timedelta) -> str:
    """How long it is since then."""
    return f"{duration(span)} ago"


def size(count: float) -> str:
    """Bytes, in thousands of them: 3 B, 1.5 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"
