"""Frames of real printers: merged deeply, and brought into the normal form."""

from typing import Any

import pytest

from edge_agent.drivers.bambu.hms import code_text, decode, error_text
from edge_agent.drivers.bambu.merge import is_full, merge
from edge_agent.drivers.bambu.state import picture
from tests.unit.agent.bambu_fixtures import recorded


def test_a_recorded_delta_changes_only_what_it_names() -> None:
    full = recorded("p1_full.json")["print"]
    delta = recorded("p1_delta.json")["print"]
    merged = merge(full, delta)
    assert is_full(full)
    assert not is_full(delta)
    seen = picture(merged)
    assert (seen.nozzle, seen.bed, seen.remaining_seconds) == (229.9375, 64.96875, 6000)
    assert (seen.state, seen.percent, seen.layer, seen.total_layers) == ("printing", 11, 20, 749)
    assert merged["ams"] == full["ams"]


def test_an_idle_p2s_is_read() -> None:
    full = recorded("p2s_idle_pushall.json")["print"]
    seen = picture(full)
    assert (seen.state, seen.active, seen.layer) == ("completed", False, 750)
    assert seen.lights["chamber_light"] == "on"
    assert seen.chamber == 24
    assert seen.signature_required is True
    assert len(seen.hms) == len(full["hms"])


def test_an_a1_is_read() -> None:
    seen = picture(recorded("a1.json")["pushall"]["print"])
    assert (seen.state, seen.bed, seen.speed_level, seen.lights) == ("idle", 29.75, 2, {"chamber_light": "off"})


def test_a_fragment_of_the_ams_leaves_its_trays() -> None:
    full = recorded("x1c_multi_ams.json")["pushall"]["print"]
    merged = merge(full, {"ams": {"tray_tar": "3"}})
    assert merged["ams"]["ams"] == full["ams"]["ams"]
    assert merged["ams"]["tray_tar"] == "3"


def test_trays_merge_by_id_and_a_bare_id_empties_one() -> None:
    known: dict[str, Any] = {
        "ams": {"ams": [{"id": "0", "tray": [{"id": "0", "tray_type": "PLA"}, {"id": "1", "remain": 4}]}]}
    }
    merged = merge(known, {"ams": {"ams": [{"id": "0", "tray": [{"id": "0"}, {"id": "1", "remain": 3}]}]}})
    assert merged["ams"]["ams"][0]["tray"] == [{"id": "0"}, {"id": "1", "remain": 3}]
    assert known["ams"]["ams"][0]["tray"][0] == {"id": "0", "tray_type": "PLA"}


def test_other_lists_are_replaced() -> None:
    known = {"hms": [{"attr": 1, "code": 2}], "lights_report": [{"node": "a", "mode": "on"}]}
    merged = merge(known, {"hms": [], "lights_report": [{"node": "b", "mode": "off"}]})
    assert merged == {"hms": [], "lights_report": [{"node": "b", "mode": "off"}]}


def test_numbers_come_as_text_packed_or_negative() -> None:
    seen = picture(
        {
            "gcode_state": "RUNNING",
            "mc_percent": "41",
            "home_flag": -1,
            "device": {"bed": {"info": {"temp": 3932220}}},
            "fan_gear": 25855,
            "mc_remaining_time": None,
            "hms": [{"attr": "83887616", "code": 131184}, {"attr": None}],
        }
    )
    assert (seen.percent, seen.homed, seen.remaining_seconds) == (41, True, None)
    assert (seen.bed, seen.bed_target) == (60, 60)
    assert (round(seen.fans["part"]), round(seen.fans["aux"])) == (100, 39)
    assert seen.hms == ((83887616, 131184),)


def test_hms_codes_of_the_contract_go_before_the_general_rule() -> None:
    entry = decode(0x03000300, 0x00020003)
    assert (entry.text, entry.module, entry.severity) == ("0300_0300_0002_0003", "hotbed", "critical")
    lidar = decode(0x0C000100, 0x00010001)
    assert (lidar.module, lidar.severity) == ("ams", "error")


def test_other_hms_codes_are_decoded_as_the_printer_means_them() -> None:
    entry = decode(83887616, 131184)
    assert (entry.text, entry.module, entry.severity) == ("0500_0600_0002_0070", "mainboard", "serious")
    assert entry.text == code_text(entry.attr, entry.code)
    assert decode(0x0C000200, 0x00030001).severity == "common"
    assert decode(0x99000200, 0x00090001).module == "unknown"
    assert error_text(50348044) == "0300_400C"


@pytest.mark.parametrize("number", [10**400, "nan", float("inf"), 1e30, [], "1" * 500])
def test_impossible_numbers_are_none(number: Any) -> None:
    seen = picture({"mc_percent": number, "bed_temper": number, "hms": [{"attr": number, "code": 1}]})
    assert (seen.percent, seen.bed, seen.hms) == (None, None, ())


def test_codes_are_words_of_32_bits_and_names_can_be_written() -> None:
    seen = picture({"hms": [{"attr": -1, "code": 2**40 + 5}], "print_error": -1, "subtask_name": "vase \ud83d"})
    assert seen.hms == ((0xFFFFFFFF, 5),)
    assert seen.print_error == 0xFFFFFFFF
    assert seen.subtask_name.encode()


def test_the_hint_that_developer_mode_is_off() -> None:
    assert picture({"fun": "20000000"}).refuses_unsigned
    assert not picture({"fun": "10000000"}).refuses_unsigned
