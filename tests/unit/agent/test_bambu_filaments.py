"""What is loaded, as real printers report it, and what a start does about it."""

from typing import Any

import pytest

from edge_agent.command import Command
from edge_agent.drivers.bambu.commands import StartOptions, start_3mf, start_options
from edge_agent.drivers.bambu.filaments import Filament, slot_name
from edge_agent.drivers.bambu.merge import merge
from edge_agent.drivers.bambu.starts import filament_fault
from edge_agent.drivers.bambu.state import picture
from edge_agent.execution import Refused
from tests.unit.agent.bambu_fixtures import recorded

WHITE_PLA = Filament(0, "PLA", "#FFFFFF", 80)
GREEN_PETG = Filament(2, "PETG", "#2FA36B")
HT_PA = Filament(128, "PA-CF", "#000000", 100)
LOADED = (WHITE_PLA, GREEN_PETG, HT_PA)


def options(**metadata: Any) -> StartOptions:
    return start_options(Command.model_validate({"commandId": "c", "commandType": "start_print", "metadata": metadata}))


def wire(raw: dict[str, Any]) -> list[dict[str, Any]]:
    found = picture(raw).filaments
    assert found is not None
    return [each.wire() for each in found]


def ams(*trays: dict[str, Any], unit: str = "0", **more: Any) -> dict[str, Any]:
    return {"ams": {"ams": [{"id": unit, "tray": list(trays)}], **more}}


def test_several_ams_and_an_ams_ht_are_read() -> None:
    seen = picture(recorded("x1c_multi_ams.json")["pushall"]["print"])
    assert seen.filaments is not None
    assert [(each.slot, each.kind) for each in seen.filaments] == [
        *((slot, "PLA") for slot in range(4)),
        *((slot, "ABS") for slot in range(4, 8)),
        *((slot, "ABS") for slot in (9, 10, 11)),
        (128, "PA-CF"),
    ]
    assert seen.filaments[4].wire() == {"slot": 4, "type": "ABS", "color": "#D32941", "remain": 21}
    assert seen.nozzle_diameter == 0.4


def test_an_empty_tray_and_an_empty_holder_are_left_out() -> None:
    assert wire(recorded("p2s_idle_pushall.json")["print"]) == [
        {"slot": 0, "type": "PLA", "color": "#545454", "remain": 62},
        {"slot": 2, "type": "PETG", "color": "#FFFFFF", "remain": 15},
        {"slot": 3, "type": "PETG", "color": "#000000", "remain": 84},
    ]


def test_what_is_left_is_told_only_where_it_is_known() -> None:
    p1 = wire(recorded("p1_full.json")["print"])
    assert p1[2] == {"slot": 2, "type": "PETG", "color": "#BCBCBC"}
    a1 = wire(recorded("a1.json")["pushall"]["print"])
    assert a1[0] == {"slot": 0, "type": "PLA", "color": "#76D9F4", "remain": 100}
    assert a1[-1] == {"slot": 254, "type": "PLA", "color": "#FFFFFF"}


def test_nothing_is_known_until_the_printer_tells() -> None:
    assert picture({"gcode_state": "IDLE"}).filaments is None
    assert picture({"ams": {"ams": []}}).filaments == ()
    assert wire({"vt_tray": {"id": "254", "tray_type": "TPU", "tray_color": "ff0000ff", "remain": 0}}) == [
        {"slot": 254, "type": "TPU", "color": "#FF0000"}
    ]
    assert picture({"vt_tray": {"id": "254", "tray_type": "", "tray_color": "00000000"}}).filaments == ()


def test_of_two_external_spools_the_main_one_counts_while_it_is_loaded() -> None:
    right = {"id": "255", "tray_type": "PLA", "tray_color": "FFFFFFFF"}
    left = {"id": "254", "tray_type": "TPU", "tray_color": "000000FF"}
    assert wire({"vir_slot": [left, right]})[0]["type"] == "PLA"
    assert wire({"vir_slot": [left, {**right, "tray_type": ""}]})[0]["type"] == "TPU"


def test_a_spool_that_is_pulled_out_is_gone_though_its_data_stay() -> None:
    spool = {"tray_type": "PLA", "tray_color": "FFFFFFFF", "remain": 5}
    trays = ({"id": "0", **spool}, {"id": "1", **spool})
    assert [each["slot"] for each in wire(ams(*trays, ams_exist_bits="1", tray_exist_bits="2"))] == [1]
    assert wire(ams(*trays, ams_exist_bits="0", tray_exist_bits="3")) == []
    assert [each["slot"] for each in wire(ams(*trays, tray_exist_bits="what"))] == [0, 1]


def test_a_spool_change_comes_as_a_delta() -> None:
    raw = recorded("p2s_idle_pushall.json")["print"]
    raw = merge(raw, ams({"id": "0", "state": 26}, tray_exist_bits="c"))
    assert [each["slot"] for each in wire(raw)] == [2, 3]
    raw = merge(raw, ams({"id": "0", "tray_type": "ABS", "tray_color": "D32941FF"}, tray_exist_bits="d"))
    assert wire(raw)[0] == {"slot": 0, "type": "ABS", "color": "#D32941"}


@pytest.mark.parametrize(
    "strange",
    [
        {"id": "x", "tray_type": "PLA"},
        {"id": "7", "tray_type": "PLA"},
        {"id": "1" * 400, "tray_type": "PLA"},
        {"id": "0", "tray_type": None},
        {"tray_type": "PLA"},
        "tray",
    ],
)
def test_what_cannot_be_is_left_out(strange: Any) -> None:
    assert picture(ams(strange)).filaments == ()
    assert picture({"ams": {"ams": [strange, None]}}).filaments == ()


def test_an_unreadable_colour_is_left_out() -> None:
    tray = {"id": "0", "tray_type": "PLA \ud83d", "tray_color": "red", "remain": 250}
    assert wire(ams(tray)) == [{"slot": 0, "type": "PLA ?"}]


@pytest.mark.parametrize(
    ("raw", "diameter"),
    [
        ({"nozzle_diameter": "0.6"}, 0.6),
        ({"nozzle_diameter": 0.2}, 0.2),
        ({"nozzle_diameter": ""}, None),
        ({"nozzle_diameter": "wide"}, None),
        ({"nozzle_diameter": "nan"}, None),
        ({"device": {"nozzle": {"info": [{"id": 1, "diameter": 0.8}, {"id": 0, "diameter": 0.4}]}}}, 0.4),
        ({"device": {"nozzle": {"info": []}}}, None),
        ({"device": {"nozzle": {"info": None}}}, None),
        ({}, None),
    ],
)
def test_the_nozzles_diameter(raw: dict[str, Any], diameter: float | None) -> None:
    assert picture(raw).nozzle_diameter == diameter


@pytest.mark.parametrize(
    ("slot", "name"),
    [(0, "AMS slot A1"), (7, "AMS slot B4"), (129, "AMS slot HT-B"), (254, "the external spool")],
)
def test_slots_have_the_names_of_the_screen(slot: int, name: str) -> None:
    assert slot_name(slot) == name


@pytest.mark.parametrize(
    ("metadata", "use_ams", "mapping"),
    [
        ({"amsMapping": [0, -1, 6]}, True, [0, -1, 6]),
        ({"amsMapping": [0], "useAms": True}, True, [0]),
        ({"amsMapping": [-1, 129]}, True, [-1, 129]),
        ({"amsMapping": [254]}, False, []),
        ({"amsMapping": [-1, 254], "useAms": True}, False, []),
        ({"amsMapping": [-1]}, False, []),
        ({"amsMapping": [-1], "useAms": False}, False, []),
        ({"amsMapping": [], "useAms": False}, False, []),
        ({"useAms": True}, True, []),
        ({}, False, []),
    ],
)
def test_where_a_start_takes_its_filament_from(metadata: dict[str, Any], use_ams: bool, mapping: list[int]) -> None:
    fields = start_3mf(options(**metadata), "a.3mf", "a", "1", "").fields
    assert (fields["use_ams"], fields["ams_mapping"]) == (use_ams, mapping)
    assert [each["ams_id"] for each in fields.get("ams_mapping2", [])] == [
        255 if slot < 0 else slot if slot >= 128 else slot // 4 for slot in mapping
    ]


def test_newer_firmware_reads_unit_and_slot() -> None:
    fields = start_3mf(options(amsMapping=[6, -1, 128]), "a.3mf", "a", "1", "").fields
    assert fields["ams_mapping2"] == [
        {"ams_id": 1, "slot_id": 2},
        {"ams_id": 255, "slot_id": 255},
        {"ams_id": 128, "slot_id": 0},
    ]


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"amsMapping": [0, 254]}, "takes its filament from one"),
        ({"amsMapping": [0], "useAms": False}, "useAms is false"),
        ({"amsMapping": [-1], "useAms": True}, "names no slot"),
        ({"expectedFilaments": [{"slot": 0}]}, "expectedFilaments.0.type"),
        ({"expectedFilaments": [{"slot": 0, "type": "PLA", "color": "red"}]}, "#RRGGBB"),
    ],
)
def test_a_contradiction_is_refused(metadata: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        options(**metadata)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"amsMapping": [0, -1, 2, 128]}, None),
        ({"amsMapping": [0, 3]}, "AMS slot A4 is empty"),
        ({"amsMapping": [129]}, "AMS slot HT-B is empty"),
        ({"amsMapping": [254]}, None),
        ({"useAms": True}, None),
        ({"amsMapping": [0], "expectedFilaments": [{"slot": 0, "type": "pla", "color": "#ffffff"}]}, None),
        ({"amsMapping": [2], "expectedFilaments": [{"slot": 2, "type": "PETG"}]}, None),
        (
            {"amsMapping": [2], "expectedFilaments": [{"slot": 2, "type": "PLA"}]},
            "AMS slot A3 holds PETG; the print needs PLA",
        ),
        (
            {"amsMapping": [0], "expectedFilaments": [{"slot": 0, "type": "PLA", "color": "#000000"}]},
            "AMS slot A1 holds PLA in #FFFFFF; the print needs #000000",
        ),
        (
            {"expectedFilaments": [{"slot": 254, "type": "PLA"}]},
            "the external spool is empty; the print needs PLA",
        ),
    ],
)
def test_a_start_is_held_against_what_is_loaded(metadata: dict[str, Any], fault: str | None) -> None:
    assert filament_fault(options(**metadata), LOADED) == fault


def test_a_printer_that_tells_nothing_prints_only_what_expects_nothing() -> None:
    assert filament_fault(options(amsMapping=[0]), None) is None
    wanted = filament_fault(options(amsMapping=[0], expectedFilaments=[{"slot": 0, "type": "PLA"}]), None)
    assert wanted == "the printer does not say which filaments are loaded"
