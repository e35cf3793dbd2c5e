"""Firestore's rules for conditions and order, over documents in memory."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cmp_to_key
from heapq import nsmallest
from typing import Any

from printpipe.adapters.document_rules import check_query, full_order, split_field
from printpipe.domain.ports.documents import Document, Query, Where

MISSING: Any = object()

Key = tuple[int, Any]


def field_of(data: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted field, or `MISSING`."""
    value: Any = data
    for part in split_field(name):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def sort_key(value: Any) -> Key:
    """Orders values of all types: first by type, as Firestore documents it, then by value."""
    match value:
        case None:
            return 0, 0
        case bool():
            return 1, value
        case int() | float():
            return 2, float("-inf") if math.isnan(value) else value
        case datetime():
            return 3, value
        case str():
            return 4, value
        case bytes():
            return 5, value
        case list() | tuple():
            return 6, tuple(sort_key(item) for item in value)
        case Mapping():
            return 7, tuple((name, sort_key(value[name])) for name in sorted(value))
    raise TypeError(f"a document cannot hold a {type(value).__name__}")


def select(documents: Iterable[Document], query: Query) -> list[Document]:
    """Those that the query finds, in its order, behind its cursor, up to its limit."""
    check_query(query)
    order = full_order(query)
    conditions = [_condition(where) for where in query.where]
    found: Iterator[Document] = (
        document
        for document in documents
        if all(condition(document.data) for condition in conditions)
        and all(field_of(document.data, name) is not MISSING for name, _ in order)
    )
    signs = [-1 if direction == "desc" else 1 for _, direction in order]
    signs.append(signs[-1] if signs else 1)

    def keys(document: Document) -> list[Key]:
        return [*(sort_key(field_of(document.data, name)) for name, _ in order), sort_key(document.id)]

    def compare(left: Sequence[Key], right: Sequence[Key]) -> int:
        for sign, one, other in zip(signs, left, right, strict=True):
            if one != other:
                return sign if one > other else -sign
        return 0

    if query.after is not None:
        cursor = [sort_key(value) for value in query.after]
        found = (document for document in found if compare(keys(document), cursor) > 0)
    comparable = cmp_to_key(compare)

    def rank(document: Document) -> Any:
        return comparable(keys(document))

    return sorted(found, key=rank) if query.limit is None else nsmallest(query.limit, found, key=rank)


def _condition(where: Where) -> Callable[[Mapping[str, Any]], bool]:
    if where.op == "in":
        wanted = [sort_key(value) for value in where.value]
        return lambda data: (value := field_of(data, where.field)) is not MISSING and sort_key(value) in wanted
    key = sort_key(where.value)

    def holds(data: Mapping[str, Any]) -> bool:
        value = field_of(data, where.field)
        if value is MISSING:
            return False
        if where.op == "array_contains":
            return isinstance(value, list) and key in [sort_key(item) for item in value]
        own = sort_key(value)
        if own[0] != key[0]:
            return False
        match where.op:
            case "==":
                return own == key
            case "<":
                return bool(own < key)
            case "<=":
                return bool(own <= key)
            case ">":
                return bool(own > key)
            case ">=":
                return bool(own >= key)
        raise ValueError(f"no such operator: {where.op}")

    return holds
