"""How files were sliced, as their slicers say; and whatever they say, nothing breaks."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain.print_files import PrintFile, SliceSettings, inspect
from printpipe.domain.print_files import slice_settings as reader
from tests.unit.print_files import samples

PROJECT = "Metadata/project_settings.config"
G_CODE_ONLY = {name: data for name, data in samples.bambu_parts().items() if name != PROJECT}


def threemf(parts: dict[str, bytes]) -> PrintFile:
    entries = [samples.Raw(name.encode(), data, method=0) for name, data in parts.items()]
    return inspect(io.BytesIO(samples.raw_zip(entries)), "part.3mf")


def gcode(*comments: str) -> PrintFile:
    text = samples.MOVES + "\n".join(f"; {each}" for each in comments) + "\n"
    return inspect(io.BytesIO(text.encode()), "part.gcode")


def test_a_3mf_is_sliced_as_its_project_says() -> None:
    assert threemf(samples.bambu_parts()).settings == SliceSettings(
        layer_height=0.2, infill=15, print_speed=150, nozzle_temperature=220, bed_temperature=55, supports=False
    )


def test_a_plates_own_gcode_goes_before_the_project() -> None:
    parts = samples.bambu_parts()
    own = b"; CONFIG_BLOCK_START\n; layer_height = 0.12\n; nozzle_temperature = 215,250,240\n"
    parts["Metadata/plate_1.gcode"] = parts["Metadata/plate_1.gcode"].replace(b"; CONFIG_BLOCK_START\n", own)
    settings = threemf(parts).settings
    assert settings is not None
    assert (settings.layer_height, settings.nozzle_temperature, settings.infill) == (0.12, 215, 15)


def test_a_plate_says_itself_whether_it_has_supports() -> None:
    parts = samples.bambu_parts()
    told = b'<metadata key="prediction" value="902"/><metadata key="support_used" value="true"/>'
    info = parts["Metadata/slice_info.config"].replace(b'<metadata key="prediction" value="902"/>', told)
    settings = threemf({**parts, "Metadata/slice_info.config": info}).settings
    assert settings is not None
    assert settings.supports is True


def test_a_3mf_may_be_silent() -> None:
    file = threemf(G_CODE_ONLY)
    assert file.settings is None
    assert {each.brand for plate in file.plates for each in plate.filament} == {None}


@pytest.mark.parametrize(
    ("comments", "settings"),
    [
        (
            [
                "layer_height = 0.15",
                "fill_density = 20%",
                "perimeter_speed = 45",
                "temperature = 215,240",
                "bed_temperature = 60,85",
                "support_material = 1",
            ],
            SliceSettings(
                layer_height=0.15, infill=20, print_speed=45, nozzle_temperature=215, bed_temperature=60, supports=True
            ),
        ),
        (["Layer height: 0.28"], SliceSettings(layer_height=0.28)),
        (["LAYER_HEIGHT: 0.3", "layer_height = 0.2"], SliceSettings(layer_height=0.2)),
        (["perimeter_speed = 0", "fill_density = 400%", "temperature = hot", "layer_height = nan"], None),
        (
            ["curr_bed_type = Cool Plate", "hot_plate_temp = 60", "cool_plate_temp = 35"],
            SliceSettings(bed_temperature=35),
        ),
    ],
)
def test_gcode_is_sliced_as_its_comments_say(comments: list[str], settings: SliceSettings | None) -> None:
    assert gcode(*comments).settings == settings


def test_a_filament_has_its_own_vendor_and_temperature() -> None:
    file = gcode(
        "filament used [g] = 0.00, 7.5",
        "filament_type = PLA;PETG",
        'filament_vendor = "Prusament";"Fillamentum, Inc."',
        "temperature = 215,240",
    )
    assert [(each.slot, each.brand) for each in file.plates[0].filament] == [(2, "Fillamentum, Inc.")]
    assert file.settings == SliceSettings(nozzle_temperature=240)


HOSTILE = [
    b"[" * 100_000,
    b'{"layer_height": ' + b"[" * 50_000,
    b'{"layer_height": ' + b"9" * 10_000 + b"}",
    b"\xff\xfe",
    b"[]",
    b'{"layer_height": NaN, "nozzle_temperature": [1e999], "filament_vendor": {"a": 1}}',
    b'{"filament_vendor": ["' + b"x" * 300_000 + b'"]}',
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_project_that_makes_no_sense_is_passed_over(data: bytes) -> None:
    file = threemf({**G_CODE_ONLY, PROJECT: data})
    assert file.settings is None
    assert all(len(each.brand or "") <= 100 for plate in file.plates for each in plate.filament)


def test_a_project_beyond_all_measure_is_not_read() -> None:
    large = b'{"layer_height": "0.2", "note": "' + b"x" * (600 << 10) + b'"}'
    assert threemf({**G_CODE_ONLY, PROJECT: large}).settings is None


WORDS = st.text(max_size=40) | st.sampled_from(["1e999", "-1", "0.2;;", "nan", "15%", "9" * 400, '"', ",;,"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(reader.NAMES)), VALUES), st.integers(-2, 70))
def test_whatever_a_project_says_is_read_or_passed_over(project: dict[str, Any], slot: int) -> None:
    said = reader.of_project(json.dumps(project).encode())
    found = reader.read(said, slot)
    assert found is None or (found.layer_height or 1) > 0
    assert len(reader.vendor(said, slot) or "") <= 100
