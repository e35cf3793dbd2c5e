"""The topics' schemas: written from the models, with numbers that stay, and good for everything that is published."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseError

from printpipe.domain.commands import STORAGE_TYPES, TYPES, canonical
from printpipe.domain.messages import DEAD_LETTERS, MODELS, TOPICS, Message
from printpipe.domain.ports.documents import Query
from printpipe.triggers import command_created, command_ended, event_written, file_created, job_written
from printpipe.triggers.change import Change
from tests.farm import Farm, embedded_farm
from tests.published import check
from tools import messages
from tools.messages import Reused

WHEN = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
EVERY = (
    "schema_version event_id kind organization_id recipient_id printer_id printer_serial occurred_at request_id "
    "traceparent "
)
NUMBERED: Mapping[str, Mapping[str, str]] = {
    "printer-commands": {
        "CommandMessage": EVERY
        + "command_id command_type lane sequence printer_ip_address metadata created_at expires_at",
        "CommandMessage.Metadata": "reason print_job_id nozzle_temp bed_temp chamber_temp file_name plate_index "
        "param_path use_ams ams_mapping expected_filaments enable_timelapse job_id file_id unencrypted_data url "
        "percent fan axes slot x y z e feedrate gcode transfer_id path size nozzle_index object_ids bed_level "
        "vibration motor_noise nozzle_offset",
        "CommandMessage.Metadata.ExpectedFilament": "slot type color",
        "CommandMessage.Metadata.JobNote": "print_job_id product_name product_id",
    },
    "job-events": {
        "JobEvent": EVERY + "about job_id status former run reason command_id command_type command_lane "
        "printer_event_id has_picture freed updated_at"
    },
    "hms-events": {"HmsEvent": EVERY + "printer_event_id hms_code severity job_id has_picture"},
    "file-events": {"FileEvent": EVERY + "file_id file_name file_kind size"},
    "notifications": {"NotificationEvent": EVERY + "delivery_id channel_id"},
}
"""The fields of each message in the order of their numbers, from 1 on: what was published once means that for ever."""

METADATA: Mapping[str, Mapping[str, Any]] = {
    "stop": {"printJobId": "job-1"},
    "set_temperature": {"nozzleTemp": 220, "bedTemp": 60.5, "chamberTemp": 40, "nozzleIndex": 1},
    "start_print": {
        "fileName": "cube.3mf",
        "plateIndex": 2,
        "paramPath": "Metadata/plate_2.gcode",
        "useAms": True,
        "amsMapping": [0, -1, 3],
        "expectedFilaments": [{"slot": 254, "type": "PLA", "color": "#00AE42"}, {"slot": 0, "type": "PETG"}],
        "enable_timelapse": False,
        "jobId": "job-1",
        "fileId": "file-1",
        "unencryptedData": {"printJobId": "job-1", "productName": "Cube", "productId": "PROD-55"},
    },
    "download": {"fileId": "file-1", "fileName": "a.3mf", "url": "https://example.org/a.3mf", "jobId": "job-1"},
    "set_speed": {"percent": 100},
    "set_fan": {"percent": 50.5, "fan": "aux"},
    "set_flow_rate": {"percent": 95},
    "home": {"axes": "xy"},
    "load_filament": {"slot": 1},
    "unload_filament": {"slot": 4},
    "move": {"x": 1, "y": -2.5, "z": 0.1, "e": 3, "feedrate": 1500},
    "send_gcode": {"gcode": "M106 S0"},
    "skip_objects": {"objectIds": [3, 7]},
    "calibrate": {"bedLevel": True, "vibration": True, "motorNoise": False, "nozzleOffset": False},
    "fetch_file": {"transferId": "dl_1", "path": "/cube.3mf", "fileName": "cube.3mf", "size": 2**40},
    "send_file": {"transferId": "dl_1", "fileId": "file-1", "fileName": "cube.3mf"},
}
"""All that commands carry; the others may carry a reason."""

COMMANDS = {**TYPES, **STORAGE_TYPES}


def message(topic: str, **fields: Any) -> Message:
    """A message of a topic with all of its fields."""
    told: dict[str, Any] = {
        "event_id": "event-1",
        "kind": "something",
        "organization_id": "org-1",
        "recipient_id": "site-1",
        "printer_id": "printer-1",
        "printer_serial": "01P00A123456789",
        "occurred_at": WHEN,
        "request_id": "request-1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "about": "job",
        **dict.fromkeys(("job_id", "status", "former", "reason", "command_id", "command_type", "command_lane"), "text"),
        **dict.fromkeys(("printer_event_id", "hms_code", "severity", "delivery_id", "channel_id"), "text"),
        **dict.fromkeys(("file_id", "file_name", "file_kind", "printer_ip_address"), "text"),
        **dict.fromkeys(("updated_at", "created_at", "expires_at"), WHEN),
        "has_picture": True,
        "freed": True,
        "run": 2,
        "size": 2**40,
        "sequence": 1_760_000_000_123_456,
        "lane": "normal",
        "metadata": {},
        **fields,
    }
    return MODELS[topic].model_validate({name: told[name] for name in MODELS[topic].model_fields if name in told})


def numbers(topic: str) -> dict[str, str]:
    """What the file of a topic says, in the form of `NUMBERED`."""
    found = messages.Numbers.of((messages.FOLDER / f"{topic}.proto").read_text())
    places: dict[str, dict[int, str]] = {}
    for (path, name), (number, _) in found.given.items():
        places.setdefault(path, {})[number] = name
    for path, gone in found.reserved.items():
        places[path] |= gone
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in places.values())
    return {path: " ".join(name for _, name in sorted(each.items())) for path, each in places.items()}


@pytest.mark.parametrize("topic", MODELS)
def test_the_file_of_a_topic_is_current(topic: str) -> None:
    written = (messages.FOLDER / f"{topic}.proto").read_text()

    assert written == messages.text(topic, written), "`python -m tools.messages` writes it"


def test_every_topic_but_that_of_dead_letters_has_a_schema() -> None:
    assert {file.stem for file in messages.FOLDER.glob("*.proto")} == {*TOPICS} - {DEAD_LETTERS}


@pytest.mark.parametrize("topic", MODELS)
def test_a_number_never_changes_its_meaning(topic: str) -> None:
    found = numbers(topic)

    assert found.keys() >= NUMBERED[topic].keys()
    for path, fields in NUMBERED[topic].items():
        assert f"{found[path]} ".startswith(f"{fields} "), "a number means another field than it did"


def test_a_new_field_gets_the_next_number() -> None:
    written = messages.text("file-events")
    former = written.replace("  optional string file_kind = 13;\n", "").replace("size = 14", "size = 13")

    assert "optional int64 size = 13;" in messages.text("file-events", former)
    assert "optional string file_kind = 14;" in messages.text("file-events", former)


def test_what_is_gone_gives_its_number_and_its_name_to_nobody() -> None:
    written = messages.text("file-events")
    former = written.replace("\n}", "\n  optional string colour = 15;\n  optional bool old = 16;\n}")

    found = messages.text("file-events", former)
    assert '  reserved 15, 16;\n  reserved "colour", "old";\n' in found
    assert messages.text("file-events", found) == found
    taken = found.replace('"colour"', '"size"').replace("  optional int64 size = 14;\n", "")
    with pytest.raises(Reused, match="size"):
        messages.text("file-events", taken)


def test_a_field_does_not_become_something_else() -> None:
    former = messages.text("file-events").replace("optional int64 size", "optional string size")

    with pytest.raises(Reused, match="size"):
        messages.text("file-events", former)


@pytest.mark.parametrize("topic", MODELS)
def test_a_message_is_allowed_with_all_of_its_fields_and_with_the_least_of_them(topic: str) -> None:
    full = message(topic)
    least = {name: None for name, field in MODELS[topic].model_fields.items() if field.default is None}

    check(topic, full.content())
    check(topic, message(topic, **least, traceparent="").content())
    assert MODELS[topic].model_validate_json(full.content()) == full


@pytest.mark.parametrize("topic", MODELS)
def test_each_field_of_another_type_and_each_unknown_one_is_refused(topic: str) -> None:
    fields = json.loads(message(topic).content())
    for name in fields:
        with pytest.raises(ParseError):
            check(topic, json.dumps({**fields, name: [["of no type"]]}).encode())
    with pytest.raises(ParseError):
        check(topic, json.dumps({**fields, "unknownField": 1}).encode())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_may_be_published(name: str) -> None:
    given = METADATA.get(name, {"reason": "too warm"})
    parsed = COMMANDS[name].metadata.model_validate(given)
    assert canonical(parsed) == given, "every field that a command can carry is tried"
    assert set(given) == {field.alias or each for each, field in type(parsed).model_fields.items()}

    for metadata in (given, {}):
        check("printer-commands", message("printer-commands", command_type=name, metadata=metadata).content())
    with pytest.raises(ParseError):
        check("printer-commands", message("printer-commands", metadata={**given, "beyond": 1}).content())


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return embedded_farm(tmp_path)


def changes(farm: Farm, collection: str, *, former: Mapping[str, Any] | None = None) -> Iterator[Change]:
    """What a trigger is told of the documents that a collection holds, each of which was otherwise before."""
    for number, document in enumerate(farm.documents.query(Query(collection))):
        before = None if former is None else {**document.data, **former}
        yield Change(f"event-{number}", document.path, before, document.data)


def test_what_the_store_tells_is_as_the_schemas_say(farm: Farm) -> None:
    printer = farm.printer()
    first, second = (farm.order(farm.file(("PLA", "#FFFFFF"))) for _ in range(2))
    for job in (first, second):
        farm.send(job)
    (start,) = farm.starts(printer)
    farm.take(start.command_id)
    for kind in ("job_started", "hms_error", "hms_cleared", "job_completed"):
        farm.happens(first, kind)
    context = farm.context()
    farm.bus.create_subscription("all-commands", "printer-commands")
    for topic in ("job-events", "hms-events", "file-events"):
        farm.bus.create_subscription(topic, topic)

    for change in changes(farm, "printer_commands", former={"status": "pending"}):
        command_ended.handle(change, context)
        created = Change(change.event_id, change.path, None, {**(change.after or {}), "status": "pending"})
        command_created.handle(created, context)
    for change in changes(farm, "print_jobs", former={"status": "held"}):
        job_written.handle(change, context)
    for change in changes(farm, "printer_events"):
        event_written.handle(change, context)
    for change in changes(farm, "files"):
        file_created.handle(change, context)

    told = {name: farm.bus.pull(name, 50, 0) for name in ("all-commands", "job-events", "hms-events", "file-events")}
    kinds = {name: sorted({each.attributes["type"] for each in received}) for name, received in told.items()}
    assert kinds == {
        "all-commands": ["start_print"],
        "job-events": ["command_completed", "job_completed", "job_queued", "job_started"],
        "hms-events": ["hms_cleared", "hms_error"],
        "file-events": ["file_created"],
    }
