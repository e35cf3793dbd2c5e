"""`firestore.indexes.json`: it is what the queries need, and what it does not hold is refused."""

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.index_rules import Index, Indexes, Need
from printpipe.domain.errors import IndexMissing
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Query, Where
from printpipe.services import store
from tools import indexes

STORE = Path(store.__path__[0])
PACKAGE = STORE.parents[1]
A, B = Where("a", "==", 1), Where("b", "==", 1)
SOME = Where("c", "in", [1, 2])
MEMBER = Where("tags", "array_contains", "x")
ABOVE = Where("n", ">", 0)

Order = Sequence[tuple[str, Literal["asc", "desc"]]]


@pytest.mark.parametrize(
    ("where", "order", "fields"),
    [
        ([], [], None),
        ([A], [], None),
        ([A, B, SOME], [], None),
        ([A, MEMBER], [], None),
        ([ABOVE], [], None),
        ([ABOVE], [("n", "desc")], None),
        ([], [("n", "desc")], None),
        ([A], [("a", "desc")], None),
        ([SOME], [("c", "asc")], None),
        ([A, ABOVE], [], "a+ n+"),
        ([B, A], [("n", "desc")], "a+ b+ n-"),
        ([SOME, A], [("n", "desc")], "a+ c+ n-"),
        ([MEMBER], [("n", "asc")], "tags* n+"),
        ([SOME, A], [("c", "desc")], "a+ c-"),
        ([A, ABOVE], [("n", "desc")], "a+ n-"),
        ([ABOVE], [("n", "asc"), ("m", "desc")], "n+ m-"),
        ([ABOVE], [("m", "desc")], "m- n-"),
        ([], [("z", "desc"), ("m", "asc")], "z- m+"),
        ([ABOVE, Where("n", "<", 9)], [], None),
        ([ABOVE, Where("m", "<", 9)], [], "m+ n+"),
        ([A], [("a", "asc"), ("n", "asc")], "a+ n+"),
    ],
)
def test_a_query_needs_the_index_that_firestore_says(where: list[Where], order: Order, fields: str | None) -> None:
    index = Need.of(Query("things", where, order, limit=3)).composite
    marks = {"ASCENDING": "+", "DESCENDING": "-", "CONTAINS": "*"}
    assert (index and " ".join(f"{name}{marks[mode]}" for name, mode in index.fields)) == fields


def test_where_a_query_continues_changes_nothing() -> None:
    page = Query("things", [A], [("n", "asc")], after=[1, "id"])
    assert Need.of(page) == Need.of(Query("things", [A], [("n", "asc")]))


def test_the_file_is_what_the_queries_need() -> None:
    assert indexes.FILE.read_text() == indexes.text(), "write it again: python -m tools.indexes"


def test_every_query_is_answered_from_the_file() -> None:
    known = Indexes.read(indexes.FILE)
    asked = list(indexes.possible_queries())
    for query in asked:
        known.check(query)
    assert len(asked) > len(list(indexes.makers())) > 5


def test_every_condition_that_can_be_left_out_is_tried_both_ways() -> None:
    pending = {
        tuple(where.field for where in query.where)
        for query in indexes.possible_queries()
        if query.collection == "printer_commands" and query.order == [("expiresAt", "asc")]
    }
    assert pending >= {
        ("recipientId", "status"),
        ("recipientId", "status", "expiresAt"),
        ("recipientId", "printerSerial", "status"),
        ("recipientId", "printerSerial", "status", "expiresAt"),
    }


def test_the_promised_index_is_in_the_file() -> None:
    fields = (("recipientId", "ASCENDING"), ("status", "ASCENDING"), ("createdAt", "DESCENDING"))
    assert Index("printer_commands", fields) in Indexes.read(indexes.FILE).composites


def test_free_payloads_are_kept_out_of_the_indexes_and_what_expires_is_removed() -> None:
    overrides = {
        (each["collectionGroup"], each["fieldPath"]): each
        for each in json.loads(indexes.FILE.read_text())["fieldOverrides"]
    }
    for free in (
        ("files", "encryptedData"),
        ("files", "plates"),
        ("printer_commands", "metadata"),
        ("printer_events", "errorData"),
        ("printer_events", "statusData"),
        ("printer_status_updates", "status"),
        ("printers", "state"),
    ):
        assert overrides[free]["indexes"] == []
    assert overrides["printer_commands", "lease"]["indexes"] == []  # its parts stand in a composite index alone
    assert overrides["idempotency_keys", "expiresAt"]["ttl"] is True
    assert len(overrides) <= 200  # what Firestore has room for


def test_the_file_names_collections_that_there_are() -> None:
    content = indexes.content()
    named = {each["collectionGroup"] for part in ("indexes", "fieldOverrides") for each in content[part]}
    assert named <= set(vars(Collections()).values())


def test_a_parameter_that_no_sample_stands_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="no sample"):
        indexes.samples(complex)


def test_no_query_is_made_outside_the_list() -> None:
    rooms = ("services", "endpoints", "triggers", "runtime")
    files = {file: ast.parse(file.read_text()) for room in rooms for file in (PACKAGE / room).rglob("*.py")}
    makers = {
        file
        for file, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Query"
    }
    assert makers == set(STORE.glob("*queries.py"))


def file_of(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "firestore.indexes.json"
    file.write_text(json.dumps(content))
    return file


def test_the_embedded_store_refuses_what_its_file_does_not_hold(tmp_path: Path) -> None:
    fields = [{"fieldPath": "b", "order": "ASCENDING"}, {"fieldPath": "a", "order": "ASCENDING"}]
    content = {
        "indexes": [
            {
                "collectionGroup": "things",
                "queryScope": "COLLECTION",
                "fields": [*fields, {"fieldPath": "n", "order": "DESCENDING"}],
            }
        ],
        "fieldOverrides": [
            {"collectionGroup": "things", "fieldPath": "free", "indexes": []},
            {
                "collectionGroup": "things",
                "fieldPath": "until",
                "ttl": True,
                "indexes": [{"order": "ASCENDING", "queryScope": "COLLECTION"}],
            },
        ],
    }
    store = EmbeddedDocuments(tmp_path / "documents.db", indexes=file_of(tmp_path, content))
    store.commit(Create("things/1", {"a": 1, "b": 1, "n": 1, "free": {"x": 1}, "until": 1}))
    answered = (
        Query("things", [A, B], [("n", "desc")]),  # whichever equality comes first
        Query("things", [A, B]),
        Query("things", [Where("until", ">", 0)]),
    )
    for query in answered:
        assert [document.id for document in store.query(query)] == ["1"]
        assert store.count(query) == 1
    refused = (
        Query("things", [A, B], [("n", "asc")]),
        Query("things", [A], [("n", "desc")]),
        Query("others", [A, B], [("n", "desc")]),
        Query("things", [Where("free.x", "==", 1)]),
    )
    for query in refused:
        for ask in (
            store.query,
            store.count,
            lambda query: store.total(query, "n"),
            lambda query: store.listen(query, lambda _: None),
        ):
            with pytest.raises(IndexMissing) as error:
                ask(query)
            assert error.value.url.startswith("https://console.firebase.google.com/")
            assert query.collection in error.value.url
    store.close()


def test_a_store_without_a_file_answers_everything(tmp_path: Path) -> None:
    store = EmbeddedDocuments(tmp_path / "documents.db")
    assert store.query(Query("things", [A, B], [("n", "asc"), ("m", "desc")])) == []
    store.close()
