"""The document store: collections of JSON-like documents with versions and atomic batches.

A path is ``collection/id``. Field names in updates and queries may be dotted (``state.version``).
Values are None, bool, int, float, str, bytes, aware UTC datetimes (microseconds), lists and dicts of these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, Protocol, Self


@dataclass(frozen=True)
class Version:
    """When a document was last written. `place` orders the writes of the whole store: a later commit's is greater.

    Writes of one commit may share a place.
    """

    token: str
    place: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Document:
    """One stored document."""

    path: str
    data: Mapping[str, Any]
    version: Version

    @property
    def id(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    def value(self, field: str) -> Any:
        """A field's value; its name may be dotted. Raises KeyError where there is none."""
        return reduce(lambda part, name: part[name], field.split("."), self.data)


@dataclass(frozen=True)
class Increment:
    """Inside an update: adds a number to the field (a missing field counts as 0)."""

    by: int | float


class _Remove:
    def __repr__(self) -> str:
        return "REMOVE"


REMOVE = _Remove()
"""Inside an update: removes the field."""


@dataclass(frozen=True)
class Create:
    """Writes a document that must not exist yet."""

    path: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Put:
    """Writes a document whole, whether it exists or not."""

    path: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """Changes fields of a document that must exist, at `if_version` where one is given."""

    path: str
    fields: Mapping[str, Any]
    if_version: Version | None = None


@dataclass(frozen=True)
class Delete:
    """Removes a document; a missing one is no error unless `if_version` is given."""

    path: str
    if_version: Version | None = None


Write = Create | Put | Update | Delete
Operator = Literal["==", "<", "<=", ">", ">=", "in", "array_contains"]


@dataclass(frozen=True)
class Where:
    """One condition of a query."""

    field: str
    op: Operator
    value: Any


@dataclass(frozen=True)
class Query:
    """Documents of one collection; ties in the order fall to the id, in the last order's direction.

    `order` holds pairs of field and direction. A document that lacks an ordered field is not found.
    `after` continues behind a document: its values of the ordered fields, then its id.
    """

    collection: str
    where: Sequence[Where] = field(default=())
    order: Sequence[tuple[str, Literal["asc", "desc"]]] = field(default=())
    limit: int | None = None
    after: Sequence[Any] | None = None


class PreconditionFailed(Exception):
    """A write's condition does not hold; nothing of its batch was written."""


class DocumentExists(PreconditionFailed):
    """A `Create` found a document."""


class DocumentMissing(PreconditionFailed):
    """An `Update` found none."""


class DocumentChanged(PreconditionFailed):
    """An `if_version` named another version than the stored one."""


class Listener(Protocol):
    """A live query; close it when it is no longer needed."""

    @property
    def alive(self) -> bool:
        """Whether calls still come; one that has failed for good is to be closed, and begun anew."""

    def close(self) -> None:
        """Ends the calls; safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Documents(Protocol):
    """The store. Every method raises `domain.errors.Unavailable` within 8 s where the backend is out of reach."""

    def get(self, path: str) -> Document | None:
        """The document, or None."""

    def get_many(self, paths: Iterable[str]) -> dict[str, Document]:
        """The documents that exist, by path, in one call."""

    def commit(self, *writes: Write) -> list[Version]:
        """Writes all or nothing; the new version of each (of a deleted document: a version that matches nothing).

        Raises a `PreconditionFailed`.
        """

    def query(self, query: Query) -> list[Document]:
        """The documents found, in order. Raises `domain.errors.IndexMissing`, as do `count` and `total`."""

    def count(self, query: Query) -> int:
        """How many documents match, without reading them (`limit` bounds the count)."""

    def total(self, query: Query, field: str) -> int | float:
        """What a field's numbers come to in the documents that match, without reading them (`limit` bounds them).

        A query with conditions names the field in its order, so that there is an index that holds both.
        """

    def listen(self, query: Query, on_change: Callable[[list[Document]], None]) -> Listener:
        """Calls `on_change` with all that matches, at once and after every change, from another thread."""
