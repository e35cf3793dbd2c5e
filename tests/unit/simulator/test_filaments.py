"""What is loaded into a simulated printer, and how it reports it."""

from typing import Any

import pytest

from local.simulator import frames
from local.simulator.filaments import AMS_ALONE, Filaments
from local.simulator.machine import Machine
from local.simulator.models import MODELS

PLA = {"type": "PLA", "color": "#ff8000"}


def frame_of(setup: dict[str, Any], model: str = "X1C") -> frames.Frame:
    machine = Machine(MODELS[model])
    machine.filaments = Filaments.parse(setup)
    return frames.full_frame(machine, beat=0, developer_mode=True)


def test_units_and_trays_are_reported_as_real_printers_do() -> None:
    loaded = [{"slot": 6, "remain": 40, **PLA}, {"slot": 128, "type": "PA-CF", "color": "#000000"}]
    frame = frame_of({"units": [0], "loaded": loaded})
    units = frame["ams"]["ams"]
    assert [(unit["id"], len(unit["tray"])) for unit in units] == [("0", 4), ("1", 4), ("128", 1)]
    assert units[0]["tray"] == [{"id": str(number)} for number in range(4)]
    spool = units[1]["tray"][2]
    assert (spool["id"], spool["tray_type"], spool["tray_color"], spool["remain"]) == ("2", "PLA", "FF8000FF", 40)
    assert units[2]["tray"][0]["tray_type"] == "PA-CF"
    assert (frame["ams"]["ams_exist_bits"], frame["ams"]["tray_exist_bits"]) == ("13", "10040")


def test_a_printer_without_ams_has_its_external_spool() -> None:
    frame = frame_of({"loaded": [{"slot": 254, **PLA}]}, "P1S")
    assert (frame["ams"]["ams"], frame["ams"]["ams_exist_bits"]) == ([], "0")
    assert (frame["vt_tray"]["id"], frame["vt_tray"]["tray_type"]) == ("254", "PLA")
    assert frame_of({})["vt_tray"]["tray_type"] == ""


def test_the_nozzle_is_reported_in_both_protocols() -> None:
    frame = frame_of({"nozzle_diameter": 0.6})
    assert (frame["nozzle_diameter"], frame["device"]["nozzle"]["info"][0]["diameter"]) == ("0.6", 0.6)


def test_what_is_left_out_stays() -> None:
    changed = Filaments.parse({"loaded": [{"slot": 1, **PLA}]}, AMS_ALONE)
    assert (changed.units, list(changed.loaded)) == ((0,), [1])
    assert Filaments.parse({"nozzle_diameter": 0.2}, AMS_ALONE).loaded == AMS_ALONE.loaded
    assert Filaments.parse(changed.describe()) == changed


@pytest.mark.parametrize(
    "setup",
    [
        {"spools": []},
        {"loaded": {}},
        {"loaded": [{"slot": 0, "type": "PLA"}]},
        {"loaded": [{"slot": 16, **PLA}]},
        {"loaded": [{"slot": -1, **PLA}]},
        {"loaded": [{"slot": True, **PLA}]},
        {"loaded": [{"slot": 0, "type": "", "color": "#FFFFFF"}]},
        {"loaded": [{"slot": 0, "type": "PLA", "color": "FFFFFFFF"}]},
        {"loaded": [{"slot": 0, "remain": 101, **PLA}]},
        {"loaded": [{"slot": 0, "brand": "x", **PLA}]},
        {"units": [4]},
        {"units": 1},
        {"nozzle_diameter": 0},
        {"nozzle_diameter": "0.4"},
    ],
)
def test_what_cannot_be_is_refused(setup: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        Filaments.parse(setup)
