"""HTML that is put together from elements, and escaped where it is text."""

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Markup:
    """An element; text that is not markup is escaped."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(content: Iterable[str]) -> Markup:
    """What comes one after the other; text that is not markup is escaped."""
    return Markup("".join(each if isinstance(each, Markup) else html.escape(each) for each in content))
