"""Which composite index Firestore needs for a query, and whether a `firestore.indexes.json` has it.

Conditions of equality alone are answered from the single-field indexes, merged; so is one range or order alone.
Equality together with a range or an order on another field, or several orders, need a composite index: the fields of
the equalities first, then those of the order. https://firebase.google.com/docs/firestore/query-data/index-overview
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

from printpipe.adapters.document_rules import full_order
from printpipe.domain.errors import IndexMissing
from printpipe.domain.ports.documents import Query

_CONSOLE = "https://console.firebase.google.com/project/_/firestore/indexes?create_composite="
_MODES = {"asc": "ASCENDING", "desc": "DESCENDING"}
_CONTAINS = "CONTAINS"

Field = tuple[str, str]
"""A field and how it is indexed: `ASCENDING`, `DESCENDING` or, by the members of a list, `CONTAINS`."""


@dataclass(frozen=True, order=True)
class Index:
    """A composite index; the order of its first fields, those of equalities, does not matter to a query."""

    collection: str
    fields: tuple[Field, ...]

    def serves(self, needed: Self, equalities: int) -> bool:
        """Whether it is as good as `needed`, which begins with that many equalities."""
        mine, theirs = self.fields, needed.fields
        return (
            self.collection == needed.collection
            and sorted(mine[:equalities]) == sorted(theirs[:equalities])
            and mine[equalities:] == theirs[equalities:]
        )


@dataclass(frozen=True)
class Need:
    """The fields that a query asks for: those of its equalities, sorted, and those of its ranges and order."""

    collection: str
    equal: tuple[Field, ...]
    ordered: tuple[Field, ...]

    @classmethod
    def of(cls, query: Query) -> Self:
        """What the query needs to be indexed."""
        fixed = {where.field for where in query.where if where.op == "=="}
        order = full_order(replace(query, after=None))  # where it continues does not matter
        ordered = tuple((name, _MODES[direction]) for name, direction in order if name not in fixed)
        modes = {
            where.field: _CONTAINS if where.op == "array_contains" else _MODES["asc"]
            for where in query.where
            if where.op in ("==", "in", "array_contains") and where.field not in dict(ordered)
        }
        return cls(query.collection, tuple(sorted(modes.items())), ordered)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them."""
        return self.equal + self.ordered

    @property
    def composite(self) -> Index | None:
        """The index that somebody must create; None where single-field indexes, which are always there, are enough."""
        enough = not self.ordered or (len(self.ordered) == 1 and not self.equal)
        return None if enough else Index(self.collection, self.fields)


@dataclass(frozen=True)
class Indexes:
    """What one `firestore.indexes.json` says: composite indexes, and fields by collection that have no index."""

    composites: Collection[Index]
    exempt: Collection[tuple[str, str]]

    @classmethod
    def read(cls, file: Path) -> Self:
        """The file's content."""
        content = json.loads(file.read_text())
        composites = {
            Index(
                index["collectionGroup"],
                tuple((field["fieldPath"], field.get("order") or field["arrayConfig"]) for field in index["fields"]),
            )
            for index in content["indexes"]
        }
        exempt = {
            (override["collectionGroup"], override["fieldPath"])
            for override in content.get("fieldOverrides", [])
            if not override["indexes"]
        }
        return cls(composites, exempt)

    def check(self, query: Query) -> None:
        """Raises `IndexMissing` where Firestore would refuse the query."""
        need = Need.of(query)
        needed = need.composite
        if needed is None:
            missing = any(self._is_exempt(need.collection, name) for name, _ in need.fields)
        else:
            missing = not any(index.serves(needed, len(need.equal)) for index in self.composites)
        if missing:
            names = ",".join(f"{name} {mode}" for name, mode in need.fields)
            raise IndexMissing(f"{_CONSOLE}{quote(f'{need.collection}: {names}')}")

    def _is_exempt(self, collection: str, name: str) -> bool:
        return any(
            collection == each and (name == field or name.startswith(f"{field}.")) for each, field in self.exempt
        )
