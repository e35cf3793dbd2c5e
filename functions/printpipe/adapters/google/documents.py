"""The document store on Firestore."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.field_path import FieldPath
from google.protobuf.timestamp_pb2 import Timestamp

from printpipe.adapters.document_queries import select
from printpipe.adapters.document_rules import check_query, check_write, full_order, split_field
from printpipe.adapters.google.reach import BUDGET, ONCE, UNREACHABLE, reach
from printpipe.domain.errors import IndexMissing, Unavailable
from printpipe.domain.ports.documents import (
    REMOVE,
    Create,
    Delete,
    Document,
    DocumentChanged,
    DocumentExists,
    DocumentMissing,
    Increment,
    Listener,
    PreconditionFailed,
    Put,
    Query,
    Update,
    Version,
    Write,
)

_SERVICE = "Firestore"
_NO_VERSION = Version("deleted")


class GoogleDocuments:
    """The store in one Firestore database. A version is the update time, in nanoseconds."""

    def __init__(self, project: str, *, database: str = "(default)") -> None:
        self._client = firestore.Client(project=project, database=database)

    def get(self, path: str) -> Document | None:
        """The document, or None."""
        return self.get_many([path]).get(path)

    def get_many(self, paths: Iterable[str]) -> dict[str, Document]:
        """The documents that exist, by path, in one call."""
        references = [self._client.document(path) for path in dict.fromkeys(paths)]
        if not references:
            return {}

        def attempt(timeout: float) -> list[Any]:
            return list(self._client.get_all(references, retry=ONCE, timeout=timeout))

        found = [_document(snapshot) for snapshot in reach(_SERVICE, attempt) if snapshot.exists]
        return {document.path: document for document in found}

    def commit(self, *writes: Write) -> list[Version]:
        """Writes all or nothing, as one batch with preconditions.

        A batch whose answer is lost is sent again only where a second effect is ruled out; where the outcome remains
        unknown it raises `Unavailable`, never a `PreconditionFailed` that its own first attempt may have caused.
        """
        if not writes:
            return []
        batch = self._client.batch()
        for write in writes:
            check_write(write)
            self._add(batch, write)
        lost = False

        def attempt(timeout: float) -> Any:
            nonlocal lost
            try:
                return batch.commit(retry=ONCE, timeout=timeout)
            except UNREACHABLE:
                lost = True
                raise

        try:
            with _conditions():
                results = reach(_SERVICE, attempt, repeatable=_repeatable(writes))
        except PreconditionFailed as error:
            if lost:
                raise Unavailable("Firestore's answer was lost") from error
            raise
        return [
            _NO_VERSION if isinstance(write, Delete) else _version(result.update_time)
            for write, result in zip(writes, results, strict=True)
        ]

    def query(self, query: Query) -> list[Document]:
        """The documents found, in order."""
        if _finds_nothing(query):
            return []
        built = self._build(query)
        with _conditions():
            snapshots = reach(_SERVICE, lambda timeout: list(built.stream(retry=ONCE, timeout=timeout)))
        return [_document(snapshot) for snapshot in snapshots]

    def count(self, query: Query) -> int:
        """How many documents match, counted by Firestore."""
        return 0 if _finds_nothing(query) else int(_aggregated(self._build(query).count()))

    def total(self, query: Query, field: str) -> int | float:
        """What a field's numbers come to in the documents that match, added up by Firestore."""
        if _finds_nothing(query):
            return 0
        value: int | float = _aggregated(self._build(query).sum(_path(field)))
        return value

    def listen(self, query: Query, on_change: Callable[[list[Document]], None]) -> Listener:
        """Calls `on_change` with all that matches, at once and after every change, from another thread.

        Returns after the first call.
        """
        check_query(query)
        first = threading.Event()

        def tell(snapshots: list[Any], *_: object) -> None:
            try:
                # The client hands them over in an order of its own where a query's is descending.
                on_change(select([_document(snapshot) for snapshot in snapshots], query))
            finally:
                first.set()

        listener = _Listener(self._build(query).on_snapshot(tell))
        if not first.wait(BUDGET):
            listener.close()
            raise Unavailable(f"{_SERVICE} does not answer")
        return listener

    def _add(self, batch: Any, write: Write) -> None:
        reference = self._client.document(write.path)
        match write:
            case Create(data=data):
                batch.create(reference, dict(data))
            case Put(data=data):
                batch.set(reference, dict(data))
            case Update(fields=fields, if_version=version):
                batch.update(reference, {_path(name): _sent(value) for name, value in fields.items()}, _option(version))
            case Delete(if_version=version):
                batch.delete(reference, _option(version))

    def _build(self, query: Query) -> Any:
        check_query(query)
        built: Any = self._client.collection(query.collection)
        for where in query.where:
            built = built.where(filter=FieldFilter(_path(where.field), where.op, where.value))
        order = full_order(query)
        for name, direction in order:
            built = built.order_by(_path(name), direction=_direction(direction))
        if query.after is not None:
            # Firestore breaks ties by the id in the last order's direction anyway; a cursor must say so.
            built = built.order_by("__name__", direction=_direction(order[-1][1] if order else "asc"))
            *values, name = query.after
            built = built.start_after([*values, self._client.collection(query.collection).document(name)])
        return built if query.limit is None else built.limit(query.limit)


class _Listener:
    def __init__(self, watch: Any) -> None:
        self._watch = watch

    @property
    def alive(self) -> bool:
        return bool(self._watch.is_active)

    def close(self) -> None:
        self._watch.unsubscribe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _conditions() -> Iterator[None]:
    """Firestore's refusals in the port's words."""
    try:
        yield
    except exceptions.AlreadyExists as error:
        raise DocumentExists(error.message) from error
    except exceptions.NotFound as error:
        raise DocumentMissing(error.message) from error
    except exceptions.FailedPrecondition as error:
        if "index" in error.message:
            url = re.search(r"https://\S+", error.message)
            raise IndexMissing(url[0] if url else "") from error
        raise DocumentChanged(error.message) from error
    except exceptions.InvalidArgument as error:
        raise ValueError(error.message) from error


def _aggregated(query: Any) -> Any:
    """The one value that Firestore makes of all that an aggregation's query finds."""
    with _conditions():
        results = reach(_SERVICE, lambda timeout: list(query.get(retry=ONCE, timeout=timeout)))
    return results[0][0].value


def _repeatable(writes: Iterable[Write]) -> bool:
    """Whether sending the batch twice cannot add twice: a condition that the first effect breaks guards them all."""
    guarded = any(isinstance(write, Create) or getattr(write, "if_version", None) for write in writes)
    adds = any(
        isinstance(value, Increment) for write in writes if isinstance(write, Update) for value in write.fields.values()
    )
    return guarded or not adds


def _finds_nothing(query: Query) -> bool:
    """Firestore refuses a membership in nothing, which no document fulfils."""
    return any(where.op == "in" and not where.value for where in query.where)


def _path(name: str) -> str:
    return str(FieldPath(*split_field(name)).to_api_repr())


def _direction(direction: str) -> str:
    return str(firestore.Query.DESCENDING if direction == "desc" else firestore.Query.ASCENDING)


def _sent(value: Any) -> Any:
    if value is REMOVE:
        return firestore.DELETE_FIELD
    return firestore.Increment(value.by) if isinstance(value, Increment) else value


def _option(version: Version | None) -> Any:
    if version is None:
        return None
    seconds, _, nanos = version.token.partition(".")
    try:
        moment = Timestamp(seconds=int(seconds), nanos=int(nanos))
    except ValueError:
        raise DocumentChanged("no document has that version") from None
    return firestore.Client.write_option(last_update_time=moment)


def _version(moment: Any) -> Version:
    stamp = moment.timestamp_pb()
    return Version(f"{stamp.seconds}.{stamp.nanos:09d}", stamp.seconds * 1_000_000_000 + stamp.nanos)


def _document(snapshot: Any) -> Document:
    data: Mapping[str, Any] = _received(snapshot.to_dict())
    return Document(snapshot.reference.path, data, _version(snapshot.update_time))


def _received(value: Any) -> Any:
    match value:
        case datetime():
            return datetime.combine(value.date(), value.time(), UTC)
        case dict():
            return {name: _received(item) for name, item in value.items()}
        case list():
            return [_received(item) for item in value]
    return value
