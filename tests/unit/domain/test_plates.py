"""What a printer's sights say of its plate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from printpipe.domain.plates import has_said_since, is_blind, sight, soils
from printpipe.domain.printer_records import Sight

NOON = datetime(2025, 10, 31, 12, tzinfo=UTC)
ACTIVITIES = ["idle", "preparing", "printing", "paused", "completed", "failed", "offline", "unknown"]


def seen(state: str, minutes: float = 0, **more: Any) -> Sight:
    """What a status shows, so many minutes after noon."""
    return sight({"state": state, **more}, NOON + timedelta(minutes=minutes))


@pytest.mark.parametrize("before", [None, *ACTIVITIES[:6]])
def test_what_is_being_printed_lies_on_the_plate(before: str | None) -> None:
    former = seen(before) if before else None
    for throughout in (True, False):
        assert soils(seen("printing", 1), former, throughout=throughout)
        assert soils(seen("paused", 1), former, throughout=throughout)
        for state in ("idle", "preparing", "offline", "unknown"):
            assert not soils(seen(state, 1), former, throughout=throughout)


def test_an_end_that_is_seen_first_may_have_left_a_print() -> None:
    assert soils(seen("completed"), None, throughout=True)
    assert soils(seen("failed"), None, throughout=False)


@pytest.mark.parametrize("before", ["idle", "preparing", "printing", "paused", "failed"])
def test_a_turn_into_the_end_may_have_left_a_print(before: str) -> None:
    assert soils(seen("completed", 0.1), seen(before), throughout=True)
    assert not soils(seen("completed", 600), seen("completed"), throughout=True)


BLIPS = [
    ("completed", 1.9, False),
    ("idle", 1.9, False),
    ("failed", 1.9, False),
    ("completed", 2, True),
    ("idle", 120, True),
    ("printing", 0.5, True),
    ("paused", 0.5, True),
    ("preparing", 0.5, True),
]


@pytest.mark.parametrize(("before", "minutes", "soiled"), BLIPS)
def test_no_print_is_as_short_as_a_blip_of_the_line(before: str, minutes: float, *, soiled: bool) -> None:
    for state in ("completed", "failed"):
        assert soils(seen(state, minutes), seen(before), throughout=False) is soiled


BENCHY = {"printJobId": "job-1", "fileName": "Benchy.gcode.3mf"}
NAMES = [
    ({"printJobId": "job-1"}, {"printJobId": "job-2"}, True),
    (BENCHY, BENCHY | {"printJobId": "job-2"}, True),
    (BENCHY, BENCHY | {"fileName": "cube.3mf"}, False),
    (BENCHY, {"fileName": "cube.3mf"}, True),
    (BENCHY, {"file_name": "/sdcard/benchy.3mf"}, False),
    ({"fileName": "my part.gcode"}, {"fileName": "my_part"}, False),
    (BENCHY, {}, False),
    ({}, BENCHY, False),
    ({"printJobId": "job-1"}, {"fileName": "cube.3mf"}, False),
    ({"fileName": "x" * 20_000 + "1"}, {"fileName": "x" * 20_000 + "2"}, True),
]


@pytest.mark.parametrize(("before", "now", "soiled"), NAMES)
def test_another_job_that_has_ended_was_printed(before: dict[str, Any], now: dict[str, Any], *, soiled: bool) -> None:
    former, later = seen("completed", **before), seen("completed", 0.5, **now)
    assert soils(later, former, throughout=True) is soiled
    assert soils(later, former, throughout=False) is soiled


def test_a_picture_of_just_before_says_nothing_against_a_person() -> None:
    assert not has_said_since(None, seen("completed"))
    for minutes, said in ((-1, False), (0, False), (0.1, True), (1.9, True), (2, False), (60, False)):
        assert has_said_since(NOON + timedelta(minutes=minutes), seen("completed")) is said


def test_what_shows_nothing_is_blind() -> None:
    assert [state for state in ACTIVITIES if is_blind(seen(state))] == ["offline", "unknown"]
    assert is_blind(seen("idle", online=False))
    assert is_blind(sight({"bedTemp": 60}, NOON))
