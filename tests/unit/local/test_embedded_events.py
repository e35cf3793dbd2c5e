"""The embedded store's changes reach a trigger as Firestore's would."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cloudevents.http import from_http

from local.embedded_events import events_of
from printpipe.adapters.embedded.changes import Change
from printpipe.domain.ports.documents import Document, Version
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
    [event] = events_of(created, "demo-p")
    assert event.function == "trigger-command-created"
    change = read_change(from_http(event.headers(), event.body))
    assert (change.path, change.before, change.after) == ("printer_commands/c1", None, EVERY_TYPE)


def test_other_changes_call_nobody() -> None:
    before, after = document("printer_commands/c1", {"n": 1}), document("printer_commands/c1", {"n": 2})
    assert events_of(Change("updated", "printer_commands/c1", before, after), "demo-p") == []
    assert events_of(Change("deleted", "printer_commands/c1", before, None), "demo-p") == []
    assert events_of(Change("created", "files/f1", None, document("files/f1", {})), "demo-p") == []
