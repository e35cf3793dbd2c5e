"""The document port's small print, the same in both stores: what is refused, and what a query's order is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from printpipe.domain.ports.documents import REMOVE, Create, Delete, Increment, Put, Query, Update, Write

MAX_MEMBERS = 30

_INTEGERS = range(-(2**63), 2**63)


def split_path(path: str) -> tuple[str, str]:
    """Collection and id of `collection/id`. Raises `ValueError` for anything else."""
    collection, _, name = path.partition("/")
    if not collection or not name or "/" in name or name in {".", ".."}:
        raise ValueError(f"not a document's path: {path!r}")
    return collection, name


def split_field(name: str) -> tuple[str, ...]:
    """The parts of a dotted field name. Raises `ValueError` where one is empty."""
    parts = tuple(name.split("."))
    if not all(parts):
        raise ValueError(f"not a field's name: {name!r}")
    return parts


def check_write(write: Write) -> None:
    """Raises `ValueError` or `TypeError` for a write that Firestore would refuse."""
    split_path(write.path)
    match write:
        case Create(data=data) | Put(data=data):
            check_value(data)
        case Update(fields=fields):
            check_fields(fields)
        case Delete():
            pass


def check_fields(fields: Mapping[str, Any]) -> None:
    """Refuses an update of nothing, one that names a field together with a part of it, and bad values."""
    if not fields:
        raise ValueError("an update of no field")
    paths = sorted(split_field(name) for name in fields)
    for shorter, longer in pairwise(paths):
        if longer[: len(shorter)] == shorter:
            raise ValueError(f"fields overlap: {'.'.join(shorter)} and {'.'.join(longer)}")
    for value in fields.values():
        if value is not REMOVE and not isinstance(value, Increment):
            check_value(value)


def check_value(value: object, *, in_list: bool = False) -> None:
    """Refuses naive times, integers beyond 64 bits, a list in a list, and every type the port does not name."""
    match value:
        case None | bool() | float() | str() | bytes():
            return
        case int():
            if value not in _INTEGERS:
                raise ValueError("an integer of more than 64 bits")
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a time without a zone")
        case Mapping():
            for name, item in value.items():
                if not isinstance(name, str) or not name:
                    raise TypeError(f"not a field's name: {name!r}")
                check_value(item)
        case list() | tuple():
            if in_list:
                raise ValueError("a list directly inside a list")
            for item in value:
                check_value(item, in_list=True)
        case _:
            raise TypeError(f"a document cannot hold a {type(value).__name__}")


def check_query(query: Query) -> None:
    """Raises `ValueError` for a membership in more values than Firestore takes."""
    for where in query.where:
        if where.op == "in" and len(where.value) > MAX_MEMBERS:
            raise ValueError(f"`in` takes at most {MAX_MEMBERS} values")


def full_order(query: Query) -> Sequence[tuple[str, Literal["asc", "desc"]]]:
    """The query's order with the fields of its range conditions appended, as Firestore does; the id comes after.

    `Query.after` has a value for each of these fields, then the id. Raises `ValueError` where it has not.
    """
    order = list(query.order)
    direction = order[-1][1] if order else "asc"
    ranged = {condition.field for condition in query.where if condition.op in {"<", "<=", ">", ">="}}
    order += [(name, direction) for name in sorted(ranged - {name for name, _ in order})]
    if query.after is not None and len(query.after) != len(order) + 1:
        raise ValueError(f"`after` needs a value for each of {[name for name, _ in order]}, then the id")
    return order
