"""The sample file is what a slicer exports, and always the same."""

import hashlib
import io
import re
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib

import pytest

from local.sample_print import make_3mf


def opened(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert make_3mf("cube", 5, 100, 2, "ABS") == make_3mf("cube", 5, 100, 2, "ABS")
    assert make_3mf("cube") != make_3mf("other")


def test_every_part_of_an_export_is_there() -> None:
    archive = opened(make_3mf("cube", plates=2))
    assert archive.testzip() is None
    assert archive.namelist() == [
        "[Content_Types].xml",
        "_rels/.rels",
        "3D/3dmodel.model",
        *(f"Metadata/plate_{plate}.{kind}" for plate in (1, 2) for kind in ("gcode", "gcode.md5", "png")),
        "Metadata/slice_info.config",
        "Metadata/model_settings.config",
    ]
    for plate in (1, 2):
        gcode = archive.read(f"Metadata/plate_{plate}.gcode")
        assert archive.read(f"Metadata/plate_{plate}.gcode.md5").decode() == hashlib.md5(gcode).hexdigest().upper()


def test_the_gcode_moves_and_says_what_it_is() -> None:
    gcode = opened(make_3mf("cube", layers=4, seconds=93784)).read("Metadata/plate_1.gcode").decode()
    lines = gcode.splitlines()
    assert "; total layer number: 4" in lines
    assert "total estimated time: 1d 2h 3m 4s" in gcode
    assert "; filament_type = PLA" in lines
    assert lines.count("; CHANGE_LAYER") == 4
    heights = [float(found) for found in re.findall(r"^G1 Z([\d.]+)", gcode, re.MULTILINE)]
    assert heights == [0.2, 0.4, 0.6, 0.8]
    assert sum(line.startswith("G1 X") and " E" in line for line in lines) == 4 * 3 * 4
    weight = re.search(r"total filament weight \[g\] : ([\d.]+)", gcode)
    assert weight is not None
    assert float(weight[1]) > 0


def test_it_is_sliced_for_the_printer_and_the_filament_that_are_asked_for() -> None:
    archive = opened(make_3mf("cube", filament="ABS", color="#161616", model="X1C"))
    info = archive.read("Metadata/slice_info.config").decode()
    assert '<metadata key="printer_model_id" value="BL-P001"/>' in info
    assert 'type="ABS" color="#161616"' in info
    assert "; filament_colour = #161616" in archive.read("Metadata/plate_1.gcode").decode().splitlines()


def test_the_documents_are_xml_whatever_the_title() -> None:
    archive = opened(make_3mf("<&\"'> Würfel", plates=3, seconds=1234, filament="PETG"))
    for name in archive.namelist():
        if not name.endswith((".gcode", ".md5", ".png")):
            ET.fromstring(archive.read(name))
    info = ET.fromstring(archive.read("Metadata/slice_info.config"))
    assert [plate.find("metadata[@key='index']").get("value") for plate in info.findall("plate")] == ["1", "2", "3"]  # type: ignore[union-attr]
    first = info.find("plate")
    assert first is not None
    values = {item.get("key"): item.get("value") for item in first.findall("metadata")}
    filament = first.find("filament")
    assert filament is not None
    assert values["prediction"] == "1234"
    assert filament.get("type") == "PETG"
    assert filament.get("used_g") == values["weight"]
    model = ET.fromstring(archive.read("3D/3dmodel.model"))
    space = {"m": "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"}
    assert len(model.findall(".//m:object", space)) == len(model.findall(".//m:item", space)) == 3
    assert {len(mesh.findall(".//m:triangle", space)) for mesh in model.findall(".//m:mesh", space)} == {12}


def test_the_cube_is_closed_and_faces_outwards() -> None:
    model = ET.fromstring(opened(make_3mf("cube", layers=10)).read("3D/3dmodel.model"))
    space = {"m": "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"}
    points = [tuple(float(v.get(axis, "")) for axis in "xyz") for v in model.findall(".//m:vertex", space)]
    triangles = [tuple(int(t.get(f"v{n}", "")) for n in (1, 2, 3)) for t in model.findall(".//m:triangle", space)]
    edges = [(a, b) for one, two, three in triangles for a, b in ((one, two), (two, three), (three, one))]
    assert len(set(edges)) == len(edges) == 36
    assert {(b, a) for a, b in edges} == set(edges)
    volume = 0.0
    for corners in triangles:
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (points[corner] for corner in corners)
        volume += ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)
    assert volume / 6 == pytest.approx(20 * 20 * 2)


def test_the_thumbnail_is_a_png() -> None:
    png = opened(make_3mf("cube")).read("Metadata/plate_1.png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (128, 128, 8, 6, 0, 0, 0)
    assert len(zlib.decompress(chunks[b"IDAT"])) == 128 * (1 + 4 * 128)
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"seconds": 0}, {"plates": 0}, {"filament": "wood"}, {"model": "X9"}, {"color": "red"}]
)
def test_impossible_prints_are_refused(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|unknown (filament|model)|#RRGGBB"):
        make_3mf("cube", **wrong)  # type: ignore[arg-type]
