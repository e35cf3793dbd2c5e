"""Writes `firestore.indexes.json`, for `firebase deploy --only firestore:indexes`: `python -m tools.indexes`.

The composite indexes are those that the queries of `services/store/*queries.py` need, with every condition that they
can leave out in and out. The single-field overrides keep what no query asks for out of the indexes, where every write
would be slowed by it, and name the fields whose time removes their document. A field of which composite indexes alone
are made needs no index of its own. https://firebase.google.com/docs/firestore/solutions/index-map-field
"""

import inspect
import itertools
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from printpipe import domain
from printpipe.adapters.index_rules import Index, Need
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query
from printpipe.domain.records import Record
from printpipe.services import store

FILE = Path(__file__).resolve().parents[2] / "firestore.indexes.json"

PROMISED = (
    Index(
        "printer_commands",
        (("recipientId", "ASCENDING"), ("status", "ASCENDING"), ("createdAt", "DESCENDING")),
    ),
)
"""Indexes that clients of the store itself rely on, whether our own queries need them or not."""

EXPIRING = {
    "dead_letters": "expiresAt",
    "enrollment_codes": "expiresAt",
    "idempotency_keys": "expiresAt",
    "notification_deliveries": "expiresAt",
    "printer_status_updates": "expiresAt",
    "processed_events": "expiresAt",
    "rate_limits": "expiresAt",
    "socket_tickets": "expiresAt",
}
"""The field of a collection whose time, once past, lets Firestore remove the document."""

OPAQUE_TEXTS = frozenset(
    {"access_code", "content", "encrypted_data", "notes", "unencrypted_data", "sealed", "upload_url"}
)
"""Long or encrypted texts and bytes, by which nobody could look for anything."""

_SAMPLES: Mapping[Any, Sequence[Any]] = {
    str: ["text"],
    int: [1],
    float: [1.5],
    bool: [False, True],
    datetime: [datetime(2025, 1, 1, tzinfo=UTC)],
    NoneType: [None],
    Collections: [Collections()],
}
_INNERMOST = re.compile(r"\{(?:[^{}\[\]]|\[\])*\}")
_STORED_AT = re.compile(r"`(\w+)/\{")


def samples(hint: Any) -> Sequence[Any]:
    """Values of a type that stand for all. Raises `TypeError` for a type that has none here."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return [value for each in arguments for value in samples(each)]
    if origin is Literal:
        return arguments
    if origin is Sequence:
        return [samples(arguments[0])]
    if origin is tuple:
        return list(itertools.product(*map(samples, arguments)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)
    if hint not in _SAMPLES:
        raise TypeError(f"no sample of {hint}")
    return _SAMPLES[hint]


def possible_queries() -> Iterator[Query]:
    """Every query that the services can make, but for its values."""
    for make in makers():
        hints = get_type_hints(make)
        hints.pop("return")
        for values in itertools.product(*(samples(hint) for hint in hints.values())):
            yield make(**dict(zip(hints, values, strict=True)))


def makers() -> Iterator[Callable[..., Query]]:
    """The functions that make the queries."""
    for module in _modules(store):
        if module.__name__.endswith("queries"):
            for name, make in inspect.getmembers(module, inspect.isfunction):
                if make.__module__ == module.__name__ and not name.startswith("_"):
                    yield make


def composites(asked: Iterable[Query]) -> list[Index]:
    """The indexes that answer these queries, and the promised ones, sorted."""
    needed = {index for query in asked if (index := Need.of(query).composite)}
    return sorted(needed | set(PROMISED))


def unindexed(asked: Iterable[Query]) -> list[tuple[str, str]]:
    """Collection and field of everything structured or opaque that no query asks a single-field index for, sorted."""
    single = [need for need in map(Need.of, asked) if need.composite is None]
    wanted = {(need.collection, name.split(".")[0]) for need in single for name, _ in need.fields}
    free = {
        (collection, field.alias or name)
        for collection, record in stored_records()
        for name, field in record.model_fields.items()
        if name in OPAQUE_TEXTS or _is_structured(field.annotation)
    }
    return sorted(free - wanted)


def stored_records() -> Iterator[tuple[str, type[Record]]]:
    """The collections and what is stored in them: a record's docstring begins with its path."""
    for module in _modules(domain):
        for _, record in inspect.getmembers(module, inspect.isclass):
            if record.__module__ == module.__name__ and issubclass(record, Record):
                path = _STORED_AT.match(record.__doc__ or "")
                yield from [(path[1], record)] if path else []


def content() -> dict[str, Any]:
    """What the file holds."""
    asked = list(possible_queries())
    overrides: dict[tuple[str, str], dict[str, Any]] = {each: {} for each in unindexed(asked)}
    overrides |= {each: {"ttl": True} for each in EXPIRING.items()}
    return {
        "indexes": [
            {
                "collectionGroup": index.collection,
                "queryScope": "COLLECTION",
                "fields": [
                    {"fieldPath": name, "arrayConfig" if mode == "CONTAINS" else "order": mode}
                    for name, mode in index.fields
                ],
            }
            for index in composites(asked)
        ],
        "fieldOverrides": [
            {"collectionGroup": collection, "fieldPath": field, **more, "indexes": []}
            for (collection, field), more in sorted(overrides.items())
        ],
    }


def text() -> str:
    """The file's text: a field or an override a line."""
    return _INNERMOST.sub(_one_line, json.dumps(content(), indent=2)) + "\n"


def _modules(package: ModuleType) -> list[ModuleType]:
    return [import_module(f"{package.__name__}.{each.name}") for each in pkgutil.iter_modules(package.__path__)]


def _one_line(found: re.Match[str]) -> str:
    return re.sub(r"\s+", " ", found[0])


def _is_structured(hint: Any) -> bool:
    """Whether values of the type are mappings, records or lists of these."""
    origin = get_origin(hint)
    if origin in (Union, UnionType, tuple):
        return any(_is_structured(each) for each in get_args(hint))
    kind = origin or hint
    return isinstance(kind, type) and issubclass(kind, Mapping | Record)


if __name__ == "__main__":
    FILE.write_text(text())
