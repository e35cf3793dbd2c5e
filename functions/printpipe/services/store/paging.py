"""Long lists, a page at a time, the newest first: where a page ends is told to the caller as an opaque text."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from printpipe.domain.errors import InvalidInput
from printpipe.domain.ports.documents import Document, Documents, Query
from printpipe.domain.values import Id

MAX_LIMIT = 200
DEFAULT_LIMIT = 100

_MOST_SIFTED = 1000
_FEWEST_SIFTED = 200

After = tuple[datetime, str]
"""Behind which document a page begins: when that was created, and its id."""

_T = TypeVar("_T")
_ID: TypeAdapter[str] = TypeAdapter(Id)


@dataclass(frozen=True)
class Slice:
    """Which part of a list is asked for."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    @property
    def after(self) -> After | None:
        """Where it begins. Raises `InvalidInput` for a cursor that is none of ours."""
        if self.cursor is None:
            return None
        try:
            moment, name = json.loads(urlsafe_b64decode(self.cursor.encode("ascii")))
            return datetime.fromtimestamp(moment / 1_000_000, UTC), _ID.validate_python(name)
        except (ValueError, TypeError, OverflowError, OSError, RecursionError):
            raise InvalidInput("The cursor is not one that a list gave", field="cursor") from None


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Part of a list; with `next_cursor` the next part begins."""

    items: Sequence[_T]
    next_cursor: str | None


def read(documents: Documents, query: Query, wanted: Slice, parse: Callable[[Document], _T]) -> Page[_T]:
    """The page that the query finds; its limit is one above what is wanted, which tells whether there is more."""
    found = documents.query(query)
    shown = found[: wanted.limit]
    more = len(found) > wanted.limit
    return Page([parse(each) for each in shown], _cursor_behind(shown[-1]) if more else None)


def sift(
    find: Callable[[After | None, int], Sequence[Document]], wanted: Slice, parse: Callable[[Document], _T | None]
) -> Page[_T]:
    """The page of what `parse` lets through, of documents found behind a place, so many at most, the newest first.

    It looks at `_MOST_SIFTED` documents: a page of what is rare may end before it is full. Once it has let something
    out, it asks for `_FEWEST_SIFTED` at once, however few are wanted.
    """
    passed: list[_T] = []
    looked_at, after, size = 0, wanted.after, wanted.limit
    while True:
        found = find(after, size + 1)
        for place, document in enumerate(found[:size]):
            parsed = parse(document)
            passed += [] if parsed is None else [parsed]
            looked_at += 1
            if len(passed) == wanted.limit or looked_at == _MOST_SIFTED:
                return Page(passed, _cursor_behind(document) if place + 1 < len(found) else None)
            after = (document.data["createdAt"], document.id)
        if len(found) <= size:
            return Page(passed, None)
        size = min(max(wanted.limit, _FEWEST_SIFTED), _MOST_SIFTED - looked_at)


def _cursor_behind(last: Document) -> str:
    """With which a page begins behind a document."""
    moment = round(last.data["createdAt"].timestamp() * 1_000_000)
    return urlsafe_b64encode(json.dumps([moment, last.id]).encode()).decode()
