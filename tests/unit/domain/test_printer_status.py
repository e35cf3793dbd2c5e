"""What is remembered of a printer's status is small, and still tells one status from another."""

from typing import Any

import pytest

from printpipe.domain.printer_status import Gist, activity

LONG = "x" * 20_000


def test_a_gist_is_small_however_long_the_words_are() -> None:
    gist = Gist.of({"state": LONG, "gcodeState": LONG, "fileName": LONG, "hms": [LONG], "printError": LONG})
    assert len(repr(gist)) < 1000


def test_long_words_that_differ_at_their_end_differ() -> None:
    before = Gist.of({"state": "RUNNING", "fileName": LONG + "1"})
    assert Gist.of({"state": "RUNNING", "fileName": LONG + "2"}).turns(before)
    assert not Gist.of({"state": "RUNNING", "fileName": LONG + "1", "layer": 2}).turns(before)
    assert Gist.of({"state": LONG + "1"}).turns(Gist.of({"state": LONG + "2"}))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"state": "idle", "gcodeState": "RUNNING"}, "idle"),
        ({"state": "unknown", "gcodeState": "RUNNING"}, "printing"),
        ({"state": 7, "gcode_state": "PAUSE"}, "paused"),
        ({"gcodeState": "SLICING"}, "preparing"),
        ({"gcodeState": "PREPARE"}, "preparing"),
        ({"gcodeState": "FINISH"}, "completed"),
        ({"gcodeState": "FAILED"}, "failed"),
        ({"gcodeState": "IDLE"}, "idle"),
        ({"state": "BUSY"}, "preparing"),
        ({"state": " Printing "}, "printing"),
        ({"state": "ATTENTION"}, "paused"),
        ({"state": "STOPPED"}, "failed"),
        ({"state": "offline"}, "offline"),
        ({"state": "idle", "online": False}, "offline"),
        ({"state": "idle", "online": None}, "idle"),
        ({"state": LONG, "gcodeState": ["RUNNING"]}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_a_printer_does_is_read_from_its_state(status: dict[str, Any], expected: str) -> None:
    assert activity(status) == expected
