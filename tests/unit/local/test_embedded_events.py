"""The embedded store's changes reach a trigger as Firestore's would."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import pytest
from cloudevents.http import from_http

from local.embedded_events import EVENT_TYPE, events_of
from printpipe.adapters.embedded.changes import Change
from printpipe.domain.ports.documents import Document, Version
from printpipe.runtime import catalog
from printpipe.runtime.events import read_change

EVERY_TYPE = {
    "none": None,
    "yes": True,
    "count": 7,
    "share": 0.5,
    "text": "Größe",
    "raw": b"\x00\xff",
    "at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "map": {"inner": {"deep": 1}, "empty": {}},
    "list": [1, "two", {"three": 3}],
}


def document(path: str, data: Mapping[str, object]) -> Document:
    return Document(path, data, Version("1"))


def test_a_new_command_arrives_with_all_its_values() -> None:
    created = Change("created", "printer_commands/c1", None, document("printer_commands/c1", EVERY_TYPE))
    [event] = events_of(created, "demo-p", catalog.rows().values())
    assert event.function == "trigger-command-created"
    change = read_change(from_http(event.headers(), event.body))
    assert (change.path, change.before, change.after) == ("printer_commands/c1", None, EVERY_TYPE)


def watcher_of(kind: str) -> catalog.Row:
    """A made-up function that is told of this kind of change of teapots."""
    trigger = catalog.Trigger(firestore=f"{EVENT_TYPE}{kind}", document="teapots/{teapotId}")  # type: ignore[arg-type]
    return catalog.Row(
        name=f"trigger-teapot-{kind}",
        trigger=trigger,
        uses=frozenset({"documents"}),
        memory=256,
        cpu=1,
        concurrency=1,
        timeout=60,
        min_instances=0,
        max_instances=1,
    )


@pytest.mark.parametrize("kind", ["created", "updated", "deleted"])
def test_a_change_calls_those_who_watch_its_kind_or_every_kind(kind: Literal["created", "updated", "deleted"]) -> None:
    before = None if kind == "created" else {"n": 1}
    after = None if kind == "deleted" else {"n": 2}
    sides = [None if data is None else document("teapots/t1", data) for data in (before, after)]
    rows = [watcher_of(each) for each in ("created", "updated", "deleted", "written")]
    events = events_of(Change(kind, "teapots/t1", *sides), "demo-p", rows)
    assert [(event.function, event.type) for event in events] == [
        (f"trigger-teapot-{kind}", f"{EVENT_TYPE}{kind}"),
        ("trigger-teapot-written", f"{EVENT_TYPE}written"),
    ]
    assert len({event.id for event in events}) == 2
    for event in events:
        change = read_change(from_http(event.headers(), event.body))
        assert (change.path, change.id, change.before, change.after) == ("teapots/t1", "t1", before, after)


def test_other_documents_call_nobody() -> None:
    for path in ("files/f1", "teapots_of_old/t1"):
        change = Change("created", path, None, document(path, {}))
        assert events_of(change, "demo-p", [watcher_of("created"), watcher_of("written")]) == []
