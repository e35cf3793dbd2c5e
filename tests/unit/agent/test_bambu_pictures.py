"""What newer firmware reports: each nozzle, packed temperatures, the air duct, flags, the camera, skipped objects."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.drivers.bambu.extruders import Nozzle
from edge_agent.drivers.bambu.filaments import EXTERNAL
from edge_agent.drivers.bambu.merge import merge
from edge_agent.drivers.bambu.state import AMS_CHANGING, AMS_IDLE, picture
from tests.counts import count
from tests.unit.agent.bambu_fixtures import recorded

_FIELDS = (
    "airduct ams ams_exist_bits ams_status bed bed_temper big_fan1_speed ctc device extruder fan_gear fun gcode_state "
    "home_flag hms id info ipcam ipcam_record lights_report mc_percent mode node nozzle nozzle_temper parts "
    "print_error s_obj sdcard snow stat state stg_cur temp timelapse tray tray_now tray_type vir_slot vt_tray "
    "wifi_signal"
)
_NAMES = _FIELDS.split()


def extruder(info: list[dict[str, Any]], state: int = 2) -> dict[str, Any]:
    return {"device": {"extruder": {"info": info, "state": state}}}


def test_both_nozzles_are_read_with_what_they_hold() -> None:
    right, left = {"id": 0, "temp": 220 << 16 | 218, "snow": 0x0102}, {"id": 1, "temp": "31", "snow": 0xFFFF}
    seen = picture(extruder([right, left], state=0x12))
    assert seen.nozzles == (Nozzle(0, 218.0, 220.0, 6), Nozzle(1, 31.0, 0.0, None))
    assert (seen.active_nozzle, seen.nozzle, seen.nozzle_target) == (1, 31.0, 0.0)
    assert seen.in_nozzles == frozenset({6})
    assert seen.nozzle_at(2) is None


@pytest.mark.parametrize(
    ("snow", "slot"),
    [(0x0000, 0), (0x0303, 15), (0x8000, 128), (0xFF00, EXTERNAL), (0xFE00, EXTERNAL), (0xFFFF, None), (0x00FF, None)],
)
def test_where_a_nozzles_filament_comes_from(snow: int, slot: int | None) -> None:
    seen = picture(extruder([{"id": 0, "snow": snow}]))
    assert seen.in_nozzles == (frozenset() if slot is None else {slot})


@pytest.mark.parametrize(
    ("tray", "slots"),
    [("255", set()), ("254", {EXTERNAL}), ("6", {6}), (6, {6}), ("128", {128}), ("?", None), (None, None)],
)
def test_older_firmware_tells_it_by_the_tray(tray: Any, slots: set[int] | None) -> None:
    assert picture({"ams": {"tray_now": tray}}).in_nozzles == slots


def test_a_temperature_below_the_packed_ones_has_no_target() -> None:
    seen = picture({"device": {"bed": {"info": {"temp": 21}}, "ctc": {"info": {"temp": 45 << 16 | 30}}}})
    assert (seen.bed, seen.bed_target, seen.chamber, seen.chamber_target) == (21, 0, 30, 45)
    assert picture({"info": {"temp": 27}}).chamber_target is None


def test_the_air_ducts_fans_go_before_the_steps() -> None:
    parts = [{"id": 16, "state": 40}, {"id": "160", "state": 70}, {"id": 99 << 4, "state": 1}, {"id": 32}]
    seen = picture({"cooling_fan_speed": "15", "big_fan1_speed": "3", "device": {"airduct": {"parts": parts}}})
    assert seen.fans == {"part": 40, "aux": 20, "aux2": 70}
    assert seen.air_duct
    assert not picture({"fan_gear": 255}).air_duct


@pytest.mark.parametrize(
    ("flag", "axes", "storage"),
    [(0x107, 7, "ok"), ("261", 5, "ok"), (-1067070064, 0, "ok"), (-1, 7, "read_only"), (0, 0, "none")],
)
def test_the_home_flag_may_be_negative(flag: Any, axes: int, storage: str) -> None:
    seen = picture({"home_flag": flag})
    assert (seen.homed_axes, seen.homed) == (axes, axes == 7)
    assert seen.storage == storage


@pytest.mark.parametrize(
    ("card", "storage"), [(True, "ok"), (False, "none"), ("HAS_SDCARD_ABNORMAL", "abnormal"), ("?", None), (None, None)]
)
def test_the_card_of_a_printer_without_a_home_flag(card: Any, storage: str | None) -> None:
    assert picture({"sdcard": card}).storage == storage


def test_flags_are_hexadecimal_text() -> None:
    seen = picture({"fun": "64039FD1B3FF9CB3", "stat": "800000"})
    assert [seen.offers(bit) for bit in (29, 32, 38, 39, 49, 60)] == [True, True, True, True, True, False]
    assert (seen.door_open, seen.skips_objects, seen.refuses_unsigned) == (True, True, True)
    unread = picture({"fun": "?", "stat": ""})
    assert (unread.offers(49), unread.door_open, unread.skips_objects) == (None, None, False)
    assert picture({"s_obj": []}).skips_objects


def test_the_ams_says_what_it_does() -> None:
    seen = picture({"ams_status": "261"})
    assert (seen.ams_action, seen.ams_step) == (AMS_CHANGING, 5)
    assert picture({"ams_status": 0}).ams_action == AMS_IDLE
    assert picture({}).ams_action is None


def test_camera_objects_and_signal() -> None:
    raw = {
        "ipcam": {"ipcam_record": "enable", "timelapse": "disable"},
        "s_obj": [4, "7", None],
        "wifi_signal": "-48dBm",
    }
    seen = picture(raw)
    assert (seen.recording, seen.timelapse, seen.skipped, seen.wifi_dbm) == (True, False, frozenset({4, 7}), -48)
    assert picture({"ipcam": {"timelapse": ""}, "wifi_signal": "?"}).timelapse is None


def test_an_idle_p2s_is_read_in_full() -> None:
    seen = picture(recorded("p2s_idle_pushall.json")["print"])
    assert seen.nozzles == (Nozzle(0, 21.0, 0.0, None),)
    assert (seen.in_nozzles, seen.active_nozzle, seen.homed_axes) == (frozenset(), 0, 0)
    assert set(seen.fans) == {"part", "aux", "aux2", "chamber"}
    assert (seen.recording, seen.timelapse, seen.skipped, seen.skips_objects) == (True, False, frozenset(), True)


def test_an_a1_tells_less() -> None:
    seen = picture(recorded("a1.json")["pushall"]["print"])
    assert (seen.fun, seen.door_open, seen.nozzles, seen.skips_objects) == (None, None, (), True)
    assert (seen.homed, seen.storage, seen.wifi_dbm, seen.in_nozzles) == (True, "ok", -48, frozenset())


def test_one_nozzle_of_two_changes() -> None:
    known = extruder([{"id": 0, "temp": 25, "snow": 0}, {"id": 1, "temp": 25, "snow": 0xFFFF}])
    merged = merge(known, {"device": {"extruder": {"info": [{"id": 1, "temp": 200 << 16 | 30}]}}})
    assert picture(merged).nozzles == (Nozzle(0, 25.0, 0.0, 0), Nozzle(1, 30.0, 200.0, None))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=count(10_000, quick=80), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    frame=st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=12),
    delta=st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6),
)
def test_nothing_that_a_printer_may_write_is_more_than_unread(frame: dict[str, Any], delta: dict[str, Any]) -> None:
    seen = picture(merge(frame, delta))
    assert seen.gcode_state
    assert seen.state
    assert seen.refuses_unsigned in (True, False)
    assert all(slot >= 0 for slot in seen.in_nozzles or ())
