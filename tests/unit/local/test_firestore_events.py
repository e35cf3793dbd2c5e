"""The emulator's events become those that production sends."""

import base64
from email.message import Message
from typing import Any

import pytest
from cloudevents.http import from_http
from google.events.cloud.firestore import DocumentEventData
from google.protobuf.struct_pb2 import NULL_VALUE

from local.firestore_events import mend
from printpipe.runtime.events import read_change

NAME = "projects/demo-p/databases/(default)/documents/printer_commands/c1"


def headers(kind: str) -> "Message[str, str]":
    message: Message[str, str] = Message()
    message["ce-specversion"] = "1.0"
    message["ce-id"] = "event-1"
    message["ce-type"] = f"google.cloud.firestore.document.v1.{kind}"
    message["ce-source"] = "//firestore.googleapis.com/projects/projects/demo-p/databases/(default)"
    message["ce-time"] = "2026-01-02T03:04:05Z"
    message["ce-subject"] = "documents/printer_commands/c1"
    return message


def body(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bytes:
    data = DocumentEventData()
    for side, fields in (("old_value", before), ("value", after)):
        if fields is not None:
            document = getattr(data._pb, side)
            document.name = NAME
            for name, value in fields.items():
                set_value(document.fields[name], value)
    data._pb.update_mask.SetInParent()
    return base64.b64encode(data._pb.SerializeToString())


def set_value(target: Any, value: Any) -> None:
    match value:
        case None:
            target.null_value = NULL_VALUE
        case bool():
            target.boolean_value = value
        case int():
            target.integer_value = value
        case str():
            target.string_value = value
        case dict():
            target.map_value.SetInParent()
            for name, item in value.items():
                set_value(target.map_value.fields[name], item)


def test_a_created_event_is_raw_protobuf_from_the_right_source() -> None:
    event = mend("trigger-x", headers("created"), body(None, {"status": "pending", "n": 3, "on": True, "none": None}))
    assert event is not None
    assert event.function == "trigger-x"
    assert event.source == "//firestore.googleapis.com/projects/demo-p/databases/(default)"
    assert event.document == "printer_commands/c1"
    change = read_change(from_http(event.headers(), event.body))
    assert (change.path, change.before) == ("printer_commands/c1", None)
    assert change.after == {"status": "pending", "n": 3, "on": True, "none": None}


def test_an_update_names_the_fields_that_changed() -> None:
    before = {"same": 1, "status": "pending", "gone": 1, "state": {"version": 1, "kept": 1}}
    after = {"same": 1, "status": "done", "new": None, "state": {"version": 2, "kept": 1}}
    event = mend("trigger-x", headers("updated"), body(before, after))
    assert event is not None
    data = DocumentEventData()
    data._pb.ParseFromString(event.body)
    assert list(data._pb.update_mask.field_paths) == ["gone", "new", "state.version", "status"]


def test_a_write_that_changes_nothing_is_dropped() -> None:
    same = {"status": "pending", "state": {"version": 1}}
    assert mend("trigger-x", headers("updated"), body(same, same)) is None


def test_the_phantom_of_a_delete_is_dropped() -> None:
    assert mend("trigger-x", headers("created"), body(None, None)) is None


def test_a_delete_is_kept() -> None:
    event = mend("trigger-x", headers("deleted"), body({"status": "done"}, None))
    assert event is not None
    assert read_change(from_http(event.headers(), event.body)).before == {"status": "done"}


def test_a_body_that_is_not_base64_is_an_error() -> None:
    with pytest.raises(ValueError):
        mend("trigger-x", headers("created"), b"\x00\x01")
