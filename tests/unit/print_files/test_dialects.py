"""What each slicer's files say of themselves."""

import io

import pytest

from printpipe.domain.print_files import Filament, PrintFile, Slicer, inspect, parse_duration
from tests.unit.print_files import samples


def inspected(data: bytes, name: str) -> PrintFile:
    return inspect(io.BytesIO(data), name)


def gcode(text: str) -> PrintFile:
    return inspected(text.encode(), "part.gcode")


def test_a_bambu_3mf_names_its_plates() -> None:
    parts = samples.bambu_parts()
    file = inspected(samples.pack(parts), "Lid.gcode.3mf")
    assert (file.kind, file.file_name) == ("3mf", "Lid.gcode.3mf")
    assert file.slicer == Slicer(name="BambuStudio", version="01.09.05.51")
    first, third = file.plates
    assert first.model_dump() == {
        "index": 1,
        "gcode_path": "Metadata/plate_1.gcode",
        "name": "Deckel – grün",
        "estimated_seconds": 902,
        "filament": (
            {"slot": 1, "type": "PLA", "brand": "OVERTURE", "color": "#F4EE2A", "used_g": 3.74, "used_m": 1.23},
            {"slot": 3, "type": "PETG", "brand": "Bambu Lab", "color": "#00AE42", "used_g": 0.61, "used_m": 0.2},
        ),
        "weight_g": 4.35,
        "layers": 60,
        "printer_model": "Bambu Lab P1S",
        "printer_model_id": "C12",
        "nozzle_diameter": 0.4,
        "bed_type": "Textured PEI Plate",
        "width": 60.5,
        "depth": 41.0,
        "height": 12.0,
    }
    assert first.thumbnail == parts["Metadata/plate_1.png"]
    assert (third.index, third.name, third.thumbnail) == (3, None, None)
    assert (file.weight_g, file.estimated_seconds) == (30.0, 8102)
    assert file.plate(3) is third
    assert file.plate(2) is None


@pytest.mark.parametrize(
    "layout",
    [
        b"",
        b"{",
        b"[1]",
        b"[" * 100_000,
        b'{"bbox_all": null}',
        b'{"bbox_all": [1, 2, 3]}',
        b'{"bbox_all": [1, 2, "3", 4]}',
        b'{"bbox_all": [1, 2, true, 4]}',
        b'{"bbox_all": [9, 2, 3, 4]}',
        b'{"bbox_all": [NaN, 2, 3, 4]}',
        b'{"bbox_all": [1, 2, Infinity, 4]}',
        b'{"bbox_all": [1, 2, 1' + b"0" * 400 + b", 4]}",
        b'{"bbox_all": [1, 2, 3, 4], "pad": "' + b"x" * (1 << 20) + b'"}',
    ],
    ids=lambda layout: layout[:36].decode(),
)
def test_a_layout_that_makes_no_sense_is_passed_over(layout: bytes) -> None:
    parts = [samples.Raw(b"Metadata/plate_1.json", layout, method=0)]
    plate = inspected(samples.raw_zip(samples.raw_parts(*parts)), "a.3mf").plates[0]
    assert (plate.width, plate.depth, plate.height) == (None, None, 12.0)


def test_a_3mf_without_slice_info_is_read_from_its_gcode() -> None:
    parts = samples.bambu_parts()
    del parts["Metadata/slice_info.config"], parts["Metadata/model_settings.config"], parts["3D/3dmodel.model"]
    plate = inspected(samples.pack(parts), "a.3mf").plates[0]
    assert (plate.estimated_seconds, plate.weight_g, plate.layers) == (902, 4.35, 60)
    assert plate.filament == (
        Filament(slot=1, type="PLA", color="#F4EE2A", used_g=3.74, used_m=1.2345),
        Filament(slot=3, type="PETG", color="#00AE42", used_g=0.61, used_m=0.2),
    )
    assert plate.thumbnail == parts["Metadata/plate_1.png"]


def test_zips_as_other_writers_lay_them_out() -> None:
    parts = samples.bambu_parts()
    expected = inspected(samples.pack(parts), "a.3mf")
    assert inspected(samples.streamed(parts), "a.3mf") == expected
    entries = [samples.Raw(name.encode(), data, method=0) for name, data in parts.items()]
    entries.insert(3, samples.Raw(b"Metadata/", b"", method=0, attributes=0o40755 << 16 | 0x10))
    stored = samples.raw_zip(entries)
    assert inspected(stored, "a.3mf") == expected
    start = stored.index(b"PK\x01\x02")
    size = stored.index(b"PK\x05\x06") - start
    assert inspected(samples.raw_zip(entries, zip64=(len(entries), size, start)), "a.3mf") == expected


def test_bambu_gcode() -> None:
    file = gcode(samples.BAMBU)
    (plate,) = file.plates
    assert file.kind == "gcode"
    assert file.slicer == Slicer(name="BambuStudio", version="01.09.05.51")
    assert (plate.index, plate.gcode_path) == (1, None)
    assert (plate.estimated_seconds, plate.layers, plate.weight_g) == (902, 60, 4.35)
    assert [item.slot for item in plate.filament] == [1, 3]


def test_orca_gcode_has_its_numbers_behind_the_commands() -> None:
    file = gcode(samples.ORCA)
    (plate,) = file.plates
    assert file.slicer == Slicer(name="OrcaSlicer", version="2.1.1")
    assert plate.estimated_seconds == 3723
    assert plate.filament == (Filament(slot=1, type="PETG", color="#26A69A", used_g=12.25, used_m=4.1052),)
    assert (plate.layers, plate.weight_g, plate.nozzle_diameter) == (75, 12.25, 0.6)
    assert (plate.printer_model, plate.bed_type) == ("Voron 2.4 350", "High Temp Plate")
    assert plate.thumbnail == samples.png(300, 300), "the largest picture"


def test_prusa_gcode_leaves_out_the_filament_that_is_not_used() -> None:
    file = gcode(samples.PRUSA)
    (plate,) = file.plates
    assert file.slicer == Slicer(name="PrusaSlicer", version="2.7.4")
    assert plate.estimated_seconds == 93784
    assert plate.filament == (
        Filament(slot=1, type="PLA", color="#FF8000", used_g=7.9, used_m=2.6503),
        Filament(slot=3, type="PVA", color="#3EC0FF", used_g=2.79, used_m=0.912),
    )
    assert (plate.weight_g, plate.layers) == (11.02, 2)
    assert (plate.nozzle_diameter, plate.printer_model) == (0.4, "XL5")
    assert plate.thumbnail == samples.png(16, 16)
    superslicer = samples.PRUSA.replace("PrusaSlicer 2.7.4+win64", "SuperSlicer 2.5.59")
    assert gcode(superslicer).slicer == Slicer(name="SuperSlicer", version="2.5.59")


def test_cura_gcode() -> None:
    file = gcode(samples.CURA)
    (plate,) = file.plates
    assert file.slicer == Slicer(name="Cura", version="5.4.0")
    assert (plate.estimated_seconds, plate.layers, plate.weight_g) == (5432, 98, None)
    assert plate.filament == (Filament(slot=1, used_m=1.234),)
    assert plate.printer_model == "Creality Ender-3"
    assert (plate.width, plate.depth, plate.height) == (200.5, 20.0, 19.6)
    unset = samples.CURA.replace(";MAXX:190.25", ";MAXX:-2.14748e+06").replace(";MAXZ:19.6", ";MAXZ:nan")
    (plate,) = gcode(unset).plates
    assert (plate.width, plate.depth, plate.height) == (None, 20.0, None)


def test_numbers_behind_a_long_middle_are_found() -> None:
    head, tail = samples.ORCA.split(samples.MOVES)
    (plate,) = gcode(head + samples.MOVES * 200 + tail).plates
    assert (plate.estimated_seconds, plate.layers, plate.bed_type) == (3723, 75, "High Temp Plate")


def test_a_picture_that_is_cut_off_hides_nothing() -> None:
    head, tail = samples.ORCA.split(samples.MOVES)
    begun = "; thumbnail begin 900x900 99999\n" + f"; {'A' * 78}\n" * 9_000
    (plate,) = gcode(head + begun + samples.MOVES * 40 + tail).plates
    assert (plate.estimated_seconds, plate.bed_type) == (3723, "High Temp Plate")
    assert plate.thumbnail == samples.png(300, 300)


@pytest.mark.parametrize("text", ["G28\n", "\ufeffG28\r\nM84\r\n", "  N10 G1 X1\n", "START_PRINT BED=60\nM104 S200\n"])
def test_plain_commands_are_enough(text: str) -> None:
    (plate,) = gcode(text).plates
    assert plate.model_dump(exclude_none=True) == {"index": 1, "filament": ()}


def test_comments_that_make_no_sense_are_passed_over() -> None:
    text = samples.PRUSA
    for value in ("7.90, 0.00, 2.79", "11.02", "0.4,0.4,0.25", "1d 2h 3m 4s", "2650.31, 0.00, 912.00"):
        text = text.replace(f"= {value}", "= nan, 1e999, -3")
    (plate,) = gcode(text).plates
    assert (plate.estimated_seconds, plate.weight_g, plate.nozzle_diameter) == (None, None, None)
    assert plate.filament == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1d 2h 3m 4s", 93784),
        ("1h 2m 3s", 3723),
        ("15m 2s", 902),
        ("41s", 41),
        ("2h", 7200),
        ("1h2m3s", 3723),
        ("0.5h", 1800),
        ("1 day, 2 hours 3 minutes", 93780),
        ("2 HOURS", 7200),
        ("01:02:03", 3723),
        ("100:00:00", 360000),
        ("12:34", 754),
        ("1234", 1234),
        (" 1234.9 ", 1234),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("5 x", None),
        ("1h banana", None),
        ("9" * 5000, None),
        ("1:2:3:4", None),
        ("٣m", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds
