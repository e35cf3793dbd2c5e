"""What stops a printer from working is told to the cloud once when it begins and once when it is over."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.config import Timing
from edge_agent.drivers.bambu import troubles
from edge_agent.drivers.problems import Problem, ProblemWatch
from edge_agent.execution import Rooms
from edge_agent.reporters.events import EventReporter
from tests.unit.agent.agent_rooms import events, rooms_in

REFUSED = troubles.refused("Not authorized")
MISSING = Problem("wrong_certificate", "unknown", facts={"fingerprint": "ab" * 32})


def watch(rooms: Rooms, serial: str = "01P00A1") -> ProblemWatch:
    return ProblemWatch(serial, rooms, EventReporter(serial, "192.0.2.7", rooms))


def told(rooms: Rooms) -> list[tuple[str, str]]:
    """The problems told, as their reasons and whether they are there or over."""
    began, over = events(rooms, "printer_problem"), events(rooms, "printer_problem_cleared")
    assert {event["eventStatus"] for event in began} <= {"warning"}
    assert {event["eventStatus"] for event in over} <= {"info"}
    return [(event["errorData"]["reason"], "there") for event in began] + [
        (event["errorData"]["reason"], "over") for event in over
    ]


def test_each_edge_is_told_once_also_after_a_restart(tmp_path: Path) -> None:
    with rooms_in(tmp_path, Timing()) as rooms:
        mine = watch(rooms)
        mine.see(None)
        for _ in range(3):
            mine.see(REFUSED)
    with rooms_in(tmp_path, Timing()) as rooms:
        mine = watch(rooms)
        mine.see(replace(REFUSED, text="in other words"))
        assert told(rooms) == [("access_code_refused", "there")]
        watch(rooms, "another").see(None)
        mine.see(None)
        mine.see(None)
        assert told(rooms) == [("access_code_refused", "there"), ("access_code_refused", "over")]
    with rooms_in(tmp_path, Timing()) as rooms:
        watch(rooms).see(None)
        assert len(told(rooms)) == 2


def test_another_problem_is_told_with_what_belongs_to_it(tmp_path: Path) -> None:
    with rooms_in(tmp_path, Timing()) as rooms:
        mine = watch(rooms)
        mine.see(REFUSED)
        mine.see(MISSING)
        assert [reason for reason, _ in told(rooms)] == ["access_code_refused", "wrong_certificate"]
        last = events(rooms, "printer_problem")[-1]
        assert (last["message"], last["printerSerial"]) == ("unknown", "01P00A1")
        assert last["errorData"]["fingerprint"] == "ab" * 32


def test_a_lasting_problem_says_since_when() -> None:
    lasting = troubles.unreachable("timed out").lasting(datetime(2026, 3, 1, 12, 5, tzinfo=UTC))
    assert lasting.text == "the printer cannot be reached: timed out, since 2026-03-01 12:05 UTC"
    assert lasting.facts == {"since": "2026-03-01T12:05:00.000Z"}
