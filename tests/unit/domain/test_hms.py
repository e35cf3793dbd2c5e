"""What HMS codes and print errors say."""

import pytest

from printpipe.domain import hms

CONTRACT = {
    "0300_0300_0002_0003": ("hotbed", "critical", "Hotbed heating abnormal"),
    "0500_0200_0001_0001": ("extruder", "error", "Nozzle temperature abnormal"),
    "0500_0300_0002_0001": ("extruder", "critical", "Nozzle heating failed"),
    "0700_0300_0001_0002": ("motion", "error", "Homing failed"),
    "0C00_0100_0001_0001": ("ams", "error", "AMS communication error"),
    "0D00_0200_0001_0001": ("filament", "error", "Filament runout"),
}


@pytest.mark.parametrize("code", CONTRACT)
def test_the_contracts_codes_say_what_the_contract_says(code: str) -> None:
    entry = hms.of_text(code)
    assert entry is not None
    assert (entry.module, entry.severity, entry.description) == CONTRACT[code]
    assert entry.attr is not None
    assert entry.code is not None
    assert hms.of_words(entry.attr, entry.code) == entry


OTHERS = {
    "0300_0300_0002_0004": ("motion_controller", "serious"),
    "0500_0500_0001_0007": ("mainboard", "fatal"),
    "0700_2000_0003_0001": ("ams", "common"),
    "0801_0300_0004_0001": ("toolhead", "info"),
    "0C00_0100_0001_0004": ("xcam", "fatal"),
    "1200_2000_0002_0001": ("ams", "serious"),
    "1803_2000_0002_0001": ("ams_ht", "serious"),
    "0D00_0200_0001_0002": ("unknown", "fatal"),
    "0300_0300_0009_0001": ("motion_controller", "unknown"),
}


@pytest.mark.parametrize("code", OTHERS)
def test_every_other_code_is_read_as_printers_mean_it(code: str) -> None:
    entry = hms.of_text(code)
    assert entry is not None
    assert (entry.module, entry.severity) == OTHERS[code]
    assert (entry.hms_code, entry.description) == (code, None)


def test_the_raw_words_unit_and_part_are_kept() -> None:
    entry = hms.of_words(0x0702_2300, 0x0002_0011)
    assert entry is not None
    assert entry.data() == {
        "hmsCode": "0702_2300_0002_0011",
        "module": "ams",
        "severity": "serious",
        "description": None,
        "attr": 0x0702_2300,
        "code": 0x0002_0011,
        "printError": None,
        "unit": 2,
        "part": 0x23,
    }


@pytest.mark.parametrize("text", ["HMS_0500-0500-0001-0007", "0500-0500-0001-0007", " 0500_0500_0001_0007 "])
def test_a_code_is_read_as_people_copy_it(text: str) -> None:
    entry = hms.of_text(text)
    assert entry is not None
    assert entry.hms_code == "0500_0500_0001_0007"


def test_lower_case_is_the_same_code() -> None:
    assert hms.of_text("0c00_0100_0001_0001") == hms.of_text("0C00_0100_0001_0001")


@pytest.mark.parametrize(
    "text", ["", "550", "0300", "0300_0300_0002", "0300_0300_0002_00034", "0300_0300_0002_000G", "٠300_0300_0002_0003"]
)
def test_another_text_is_no_code(text: str) -> None:
    assert hms.of_text(text) is None


def test_a_print_error_tells_its_module_alone() -> None:
    entry = hms.of_print_error(50348044)
    assert entry is not None
    assert (entry.hms_code, entry.module, entry.severity) == ("0300_400C", "motion_controller", "unknown")
    assert (entry.print_error, entry.attr, entry.code) == (50348044, None, None)


REPORTS: dict[str, tuple[dict[str, object], str | None]] = {
    "the client's": ({"hmsCode": "0300_0300_0002_0003", "severity": "critical"}, "0300_0300_0002_0003"),
    "snake case": ({"hms_code": "0300_0300_0002_0003"}, "0300_0300_0002_0003"),
    "the two words alone": ({"attr": 83887360, "code": 65543}, "0500_0500_0001_0007"),
    "a print error of our agent": ({"hmsCode": "0300_8003", "attr": 50364419, "code": 0}, "0300_8003"),
    "the text before the words": (
        {"hmsCode": "0300_0300_0002_0003", "attr": 83887360, "code": 65543},
        "0300_0300_0002_0003",
    ),
    "no code": ({"description": "it smells"}, None),
    "a number for a text": ({"hmsCode": 50348044}, None),
    "words that are too large": ({"attr": 2**32, "code": 1}, None),
    "words below zero": ({"attr": 1, "code": -1}, None),
    "truth for words": ({"attr": True, "code": True}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("case", REPORTS)
def test_a_report_is_about_the_code_that_it_tells(case: str) -> None:
    told, expected = REPORTS[case]
    entry = hms.of_report(told)
    assert (entry.hms_code if entry else None) == expected
