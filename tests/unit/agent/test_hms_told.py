"""What the agent says of HMS entries and print errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.bambu.hms_watch import FAULT_PAUSES, NO_ERRORS, PRINT_ERROR, paused_by_itself, told
from edge_agent.drivers.bambu.state import Picture
from printpipe.domain import hms

WORDS = st.integers(0, 2**32 - 1)


@given(WORDS, st.integers(1, 2**32 - 1))
def test_an_entry_is_told_as_the_cloud_reads_it(attr: int, code: int) -> None:
    data, read = told((attr, code)), hms.of_words(attr, code)
    assert read is not None
    assert (data["hmsCode"], data["severity"], data["module"]) == (read.hms_code, read.severity, read.module)
    assert (data["attr"], data["code"]) == (attr, code)
    assert data["description"]


@given(st.integers(1, 2**32 - 1))
def test_a_print_error_is_told_by_its_code_and_its_class(error: int) -> None:
    data, read = told((error, PRINT_ERROR)), hms.of_print_error(error)
    assert read is not None
    assert (data["hmsCode"], data["module"], data["printError"]) == (read.hms_code, read.module, error)
    classes = {"4": "fatal", "8": "serious", "C": "info"}
    assert data["severity"] == classes.get(data["hmsCode"][5], "unknown")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ((0x05000500, 0x00010007), "Developer Mode"),
        ((0x0D000200, 0x00010001), "Filament runout"),
        ((0x05004003, PRINT_ERROR), "could not read the file"),
        ((0x0300800F, PRINT_ERROR), "door"),
        ((0x07028011, PRINT_ERROR), "AMS 3"),
        ((0x03008004, PRINT_ERROR), "filament ran out"),
        ((0x0300ABCD, PRINT_ERROR), "0300_ABCD"),
    ],
)
def test_what_somebody_has_to_act_on_is_said_in_words(entry: tuple[int, int], words: str) -> None:
    assert words in told(entry)["description"]


def test_a_printer_pauses_by_itself_where_something_is_wrong() -> None:
    assert paused_by_itself(Picture(gcode_state="PAUSE", print_error=0x03008004))
    assert all(paused_by_itself(Picture(gcode_state="PAUSE", stage=stage)) for stage in FAULT_PAUSES)
    assert not paused_by_itself(Picture(gcode_state="PAUSE", stage=16))
    assert not any(paused_by_itself(Picture(gcode_state="PAUSE", print_error=error)) for error in (0, *NO_ERRORS))
