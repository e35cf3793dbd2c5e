"""Hostile, broken and mistaken files: each is refused with a message that says why."""

import io
import struct
import time
import zlib

import pytest

from printpipe.domain.errors import DomainError, InvalidInput, TooLarge
from printpipe.domain.print_files import Limits, check_file_name, check_media_type, inspect
from tests.unit.print_files import samples
from tests.unit.print_files.samples import Raw, raw_parts, raw_zip

BAMBU = samples.BAMBU.encode()


def refusal(data: bytes, name: str = "part.3mf", limits: Limits | None = None) -> DomainError:
    with pytest.raises((InvalidInput, TooLarge)) as caught:
        inspect(io.BytesIO(data), name, limits or Limits())
    assert caught.value.field == "file"
    return caught.value


def without(*names: str) -> bytes:
    return samples.pack({name: data for name, data in samples.bambu_parts().items() if name not in names})


def with_part(name: str, data: bytes) -> bytes:
    return samples.pack(samples.bambu_parts() | {name: data})


def zip64_extra(*sizes: int) -> bytes:
    return struct.pack(f"<2H{len(sizes)}Q", 1, 8 * len(sizes), *sizes)


def alias_extra(raw: bytes, name: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name


VALID = samples.pack(samples.bambu_parts())
SMALL = raw_zip(raw_parts())
DIRECTORY = SMALL.index(b"PK\x01\x02")
BOMB = bytes(10_000_000)

ARCHIVES: dict[str, tuple[bytes, str]] = {
    "text": (b"just some text, long enough to be looked at for a while", "no zip archive"),
    "nothing": (b"", "no zip archive"),
    "end record cut short": (b"PK\x05\x06\0\0", "no zip archive"),
    "truncated": (VALID[: len(VALID) // 2], "truncated"),
    "truncated by one byte": (VALID[:-1], "truncated|after its end"),
    "trailing data": (VALID + b"\0", "after its end"),
    "prepended data": (b"#!/bin/sh\n" + VALID, "put before"),
    "prepended and adjusted": (raw_zip(raw_parts(), before=b"#!/bin/sh\n"), "before its first entry"),
    "data before the directory": (raw_zip(raw_parts(), between=b"hidden"), "stray data"),
    "data between entries": (raw_zip([*raw_parts()[:1], Raw(b"a", b"a", gap=b"hidden"), *raw_parts()[1:]]), "stray"),
    "archive comment": (raw_zip(raw_parts(), comment=b"PK\x05\x06"), "comment|after its end"),
    "empty archive": (raw_zip([]), "is empty"),
    "stray data alone": (raw_zip([], before=b"hidden"), "is empty"),
    "no content types": (without("[Content_Types].xml"), "Content_Types"),
    "neither model nor G-code": (samples.pack({"[Content_Types].xml": samples.CONTENT_TYPES}), "neither a model"),
    "not sliced": (without("Metadata/plate_1.gcode", "Metadata/plate_3.gcode"), "no plate with G-code"),
    "content types of another kind": (with_part("[Content_Types].xml", b"<config/>"), "content types"),
    "bad XML": (with_part("Metadata/slice_info.config", b"<config><plate></config>"), "well-formed"),
    "binary XML": (with_part("Metadata/slice_info.config", samples.noise(300)), "well-formed"),
    "XML in an unknown encoding": (
        with_part("Metadata/slice_info.config", b'<?xml version="1.0" encoding="x-y"?><config/>'),
        "well-formed",
    ),
    "XML entities": (
        with_part("Metadata/slice_info.config", b'<!DOCTYPE c [<!ENTITY a "aaaa">]><config>&a;&a;</config>'),
        "entities",
    ),
    "XML external entity": (
        with_part(
            "Metadata/model_settings.config", b'<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><c>&a;</c>'
        ),
        "entities",
    ),
    "XML too large": (
        with_part("Metadata/slice_info.config", b"<c>" + samples.noise(3 << 20) + b"</c>"),
        "larger than",
    ),
    "XML with too many elements": (
        with_part(
            "Metadata/slice_info.config", b"<c>" + b"".join(b"<a%d/>" % (i % 977) for i in range(150_000)) + b"</c>"
        ),
        "too many elements",
    ),
    "XML too deep": (with_part("Metadata/slice_info.config", b"<a>" * 5_000), "too many elements"),
    "G-code that is binary": (with_part("Metadata/plate_1.gcode", samples.noise(5_000)), "binary data"),
    "G-code without commands": (with_part("Metadata/plate_1.gcode", b"; nothing\nhello\n" * 20), "no command"),
    "G-code that is bgcode": (with_part("Metadata/plate_1.gcode", b"GCDE" + samples.noise(500)), "bgcode"),
    "zip in the zip": (with_part("Metadata/extra.bin", SMALL), "itself an archive"),
    "3mf in the 3mf": (with_part("inner.3mf", b"text"), "itself an archive"),
    "gzip in the zip": (with_part("data.bin", b"\x1f\x8b\x08" + bytes(50)), "itself an archive"),
    "tar in the zip": (with_part("data.bin", samples.noise(257) + b"ustar" + bytes(300)), "itself an archive"),
    "7z by name": (with_part("x.7Z", b"text"), "itself an archive"),
    "encrypted": (raw_zip(raw_parts(Raw(b"a", b"a", flags=1))), "encrypted"),
    "strongly encrypted": (raw_zip(raw_parts(Raw(b"a", b"a", flags=0x41))), "encrypted"),
    "masked headers": (raw_zip(raw_parts(Raw(b"a", b"a", flags=0x2000))), "encrypted"),
    "absolute path": (raw_zip(raw_parts(Raw(b"/etc/cron.d/a", b"a"))), "absolute"),
    "drive": (raw_zip(raw_parts(Raw(b"C:/a", b"a"))), "absolute"),
    "parent": (raw_zip(raw_parts(Raw(b"Metadata/../../a", b"a"))), "leaves"),
    "dot": (raw_zip(raw_parts(Raw(b"./a", b"a"))), "leaves"),
    "empty component": (raw_zip(raw_parts(Raw(b"a//b", b"a"))), "leaves"),
    "backslash": (raw_zip(raw_parts(Raw(b"..\\a", b"a"))), "backslash"),
    "control character": (raw_zip(raw_parts(Raw(b"a\nb", b"a"))), "control"),
    "NUL in the name": (raw_zip(raw_parts(Raw(b"a\0.gcode", b"a"))), "control"),
    "empty name": (raw_zip(raw_parts(Raw(b"", b"a"))), "empty"),
    "long name": (raw_zip(raw_parts(Raw(b"n" * 2_000, b"a"))), "too long"),
    "name that is not UTF-8": (raw_zip(raw_parts(Raw(b"\xff\xfe", b"a", flags=0x800))), "UTF-8"),
    "unicode alias that escapes": (raw_zip(raw_parts(Raw(b"a", b"a", extra=alias_extra(b"a", b"../a")))), "leaves"),
    "symbolic link": (raw_zip(raw_parts(Raw(b"a", b"/etc/passwd", attributes=0o120777 << 16))), "link"),
    "device": (raw_zip(raw_parts(Raw(b"a", b"", attributes=0o020666 << 16))), "link"),
    "folder with content": (raw_zip(raw_parts(Raw(b"a/", b"content"))), "has content"),
    "duplicate": (raw_zip(raw_parts(Raw(b"Metadata/plate_1.gcode", b"G28\n"))), "twice"),
    "duplicate in another case": (raw_zip(raw_parts(Raw(b"METADATA/Plate_1.GCODE", b"G28\n"))), "twice"),
    "duplicate in another form": (
        raw_zip(raw_parts(Raw("é".encode(), b"a", flags=0x800), Raw("e\u0301".encode(), b"a", flags=0x800))),
        "twice",
    ),
    "same bytes listed twice": (raw_zip(raw_parts(Raw(b"a", b"a", listed=2))), "twice"),
    "overlap: same data under two names": (
        raw_zip(raw_parts(Raw(b"x", b"a", local_name=b"x", offset=0))),
        "contradicts",
    ),
    "overlap: declared packed size": (
        raw_zip([Raw(b"a", b"a", declared_packed=40), *raw_parts()]),
        "overlap|lies outside|contradicts",
    ),
    "entry outside": (raw_zip(raw_parts(Raw(b"x", b"a", offset=10_000_000))), "outside"),
    "directory points into data": (raw_zip(raw_parts(Raw(b"x", b"a", offset=40))), "outside"),
    "count too small": (raw_zip(raw_parts(), count=1), "as many entries"),
    "count too large": (raw_zip(raw_parts(), count=3), "as many entries"),
    "two names": (raw_zip(raw_parts(Raw(b"safe", b"a", local_name=b"evil"))), "contradicts"),
    "two methods": (raw_zip(raw_parts(Raw(b"a", b"a", local_method=0))), "contradicts"),
    "two sizes": (raw_zip(raw_parts(Raw(b"a", b"a", local_size=7))), "contradicts"),
    "unknown method": (raw_zip(raw_parts(Raw(b"a", b"a", method=99))), "not supported"),
    "bzip2 method": (raw_zip(raw_parts(Raw(b"a", b"a", method=12))), "not supported"),
    "wrong checksum": (raw_zip(raw_parts(Raw(b"a", b"hello", crc=7))), "checksum"),
    "wrong checksum, stored": (raw_zip(raw_parts(Raw(b"a", b"hello", method=0, crc=7))), "checksum"),
    "stored with two sizes": (raw_zip(raw_parts(Raw(b"a", b"hello", method=0, declared_size=9))), "contradicts"),
    "smaller than declared": (raw_zip(raw_parts(Raw(b"a", b"hello", declared_size=900))), "damaged"),
    "larger than declared": (raw_zip(raw_parts(Raw(b"a", bytes(60_000), declared_size=9))), "more than it declares"),
    "no deflate data": (raw_zip(raw_parts(Raw(b"a", b"a", packed=b"\xff\xff\xff\xff"))), "damaged"),
    "deflate data cut": (raw_zip(raw_parts(Raw(b"a", BAMBU, packed=samples.deflate(BAMBU)[:-9]))), "truncated"),
    "deflate data with a tail": (raw_zip(raw_parts(Raw(b"a", b"a", packed=samples.deflate(b"a") + b"tail"))), "stray"),
    "bomb": (raw_zip(raw_parts(Raw(b"bomb", BOMB))), "200 times"),
    "bomb with a small declared size": (raw_zip(raw_parts(Raw(b"bomb", BOMB, declared_size=500))), "than it declares"),
    "bomb of many small entries": (
        raw_zip(raw_parts(*(Raw(b"%d" % i, bytes(60_000)) for i in range(500)))),
        "200 times",
    ),
    "bomb in plate G-code": (with_part("Metadata/plate_1.gcode", b"G28\n" * 2_000_000), "200 times"),
    "too many entries": (raw_zip(raw_parts(*(Raw(b"%d" % i, b"") for i in range(2_000)))), "2000 entries"),
    "too many entries, count lies": (
        raw_zip(raw_parts(*(Raw(b"%d" % i, b"") for i in range(2_000))), count=5),
        "2000 entries",
    ),
    "zip64 entry without sizes": (raw_zip(raw_parts(Raw(b"a", b"a", declared_size=0xFFFFFFFF))), "zip64"),
    "zip64 entry of exabytes": (
        raw_zip(raw_parts(Raw(b"a", b"a", declared_size=0xFFFFFFFF, extra=zip64_extra(1 << 60)))),
        "200 times",
    ),
    "zip64 packed size beyond the file": (
        raw_zip(raw_parts(Raw(b"a", b"a", declared_packed=0xFFFFFFFF, extra=zip64_extra(1 << 62)))),
        "outside",
    ),
    "zip64 field twice": (raw_zip(raw_parts(Raw(b"a", b"a", extra=zip64_extra(1) * 2))), "extra field"),
    "extra field that runs out": (raw_zip(raw_parts(Raw(b"a", b"a", extra=b"\x01\x00\xff\x00a"))), "extra field"),
    "zip64 end that lies": (raw_zip(raw_parts(), zip64=(2, 10, 1 << 40)), "put before"),
    "zip64 end with another count": (
        raw_zip(raw_parts(), zip64=(1 << 40, len(SMALL) - 22 - DIRECTORY, DIRECTORY)),
        "2000 entries",
    ),
    "several disks": (SMALL[:-18] + b"\x01" + SMALL[-17:], "split"),
    "too many plates": (
        raw_zip(raw_parts(*(Raw(b"Metadata/plate_%d.gcode" % i, b"G28\n") for i in range(2, 70)))),
        "plates",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_bad_archive_is_refused(case: str) -> None:
    data, message = ARCHIVES[case]
    begin = time.process_time()
    error = refusal(data)
    assert time.process_time() - begin < 2
    assert any(part in error.message for part in message.split("|")), error.message
    assert error.message.isprintable()


def test_the_small_archive_itself_is_fine() -> None:
    assert inspect(io.BytesIO(SMALL), "part.3mf").plates[0].layers == 60


def test_what_unpacks_to_too_much_is_too_large() -> None:
    half = samples.noise(40_000) * 4
    error = refusal(raw_zip(raw_parts(Raw(b"a", half), Raw(b"b", half))), limits=Limits(unpacked_bytes=200_000))
    assert isinstance(error, TooLarge)
    huge = raw_zip(raw_parts(*(Raw(b"%d" % i, bytes(260_000_000), packed=b"x" * 1_400_000) for i in range(2))))
    assert isinstance(refusal(huge), TooLarge)
    gcode = refusal(b"G28\n" * 100_000, "a.gcode", Limits(unpacked_bytes=200_000))
    assert isinstance(gcode, TooLarge)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello, this is a letter\nto nobody\n", "no command"),
        (b"; only\n; comments with G1 X0 inside\n", "no command"),
        (b"x" * 300_000 + b"G1", "no command"),
        (samples.noise(10_000), "binary data"),
        (BAMBU + b"\0", "binary data"),
        ("G28\nG1 X1\n".encode("utf-16"), "binary data"),
        (b"GCDE\x01\0\0\0", "bgcode"),
        (VALID, "must be named .3mf"),
        (samples.png(), "binary data"),
        (b"\x7fELF" + bytes(100), "binary data"),
    ],
)
def test_bad_gcode_is_refused(data: bytes, message: str) -> None:
    assert message in refusal(data, "part.gcode").message


@pytest.mark.parametrize(
    "picture", [b"GIF89a" + bytes(200), b"\x89PNG\r\n\x1a\n", samples.png(padding=1 << 20), b"<svg onload='x'/>"]
)
def test_a_picture_that_is_no_small_png_is_left_out(picture: bytes) -> None:
    parts = samples.bambu_parts() | {"Metadata/plate_1.png": b""}
    packed = raw_zip([Raw(k.encode(), v or picture, method=0) for k, v in parts.items()])
    assert inspect(io.BytesIO(packed), "part.3mf").plates[0].thumbnail is None


def test_part_settings_that_are_too_large_only_cost_the_plates_names() -> None:
    parts = samples.bambu_parts() | {"Metadata/model_settings.config": b"<c>" + samples.noise(3 << 20).hex().encode()}
    plate = inspect(io.BytesIO(samples.pack(parts)), "part.3mf").plates[0]
    assert (plate.name, plate.weight_g) == (None, 4.35)


def test_texts_from_the_file_are_short_and_printable() -> None:
    text = samples.ORCA.replace("Voron 2.4 350", "V\x0b" + "x" * 3_000).replace("= PETG", "= \u202ePETG")
    (plate,) = inspect(io.BytesIO(text.encode()), "a.gco").plates
    assert plate.printer_model == "V" + "x" * 99
    assert plate.filament[0].type == "PETG"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("part.3mf", "part.3mf"),
        ("Lid.gcode.3mf", "Lid.gcode.3mf"),
        ("A.GCODE", "A.GCODE"),
        ("a.gco", "a.gco"),
        (" Schlüssel brett (2)…v1..2.gcode ", "Schlüssel brett (2)…v1..2.gcode"),
        ("cafe\u0301.gcode", "café.gcode"),
        ("部品.3mf", "部品.3mf"),
        ("a" * 249 + ".gcode", "a" * 249 + ".gcode"),
    ],
)
def test_file_names(name: str, shown: str) -> None:
    assert check_file_name(name) == shown


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".3mf", ".gcode", "part", "part.stl", "part.3mf.exe", "part.bgcode", "part.3mf/", "../part.3mf",
        "a/../b.gcode", "/etc/part.gcode", "..\\part.3mf", "C:\\part.3mf", "part\n.3mf", "part\0.3mf", "par\x7ft.3mf",
        "part\x85.3mf", "fm3.\u202eedocg.gcode", "a\u2028b.gcode", "a" * 250 + ".gcode", "é" * 125 + ".gcode",
        "\ud800.gcode", "part.gcode.zip",
    ],
)  # fmt: skip
def test_bad_file_names(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_file_name(name)
    assert caught.value.field == "file"
    with pytest.raises(InvalidInput):
        inspect(io.BytesIO(SMALL), name)


def test_media_types() -> None:
    for value in ("application/octet-stream", "application/x-gcode", "Text/Plain; charset=utf-8", "model/3mf"):
        assert check_media_type(value) == value.partition(";")[0].lower()
    for value in ("", "image/png", "text/html", "text/plain-ish", "application/zip", "; text/plain"):
        with pytest.raises(InvalidInput) as caught:
            check_media_type(value)
        assert caught.value.field == "file"
