"""The directory of a zip archive, read strictly.

An archive is accepted only where every reader, whichever end it starts from, sees the same entries: they lie one
behind another from the first byte, then the directory, then the end record, and nothing else. Structures and
numbers are those of PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5.
"""

import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from printpipe.domain.print_files.limits import Limits
from printpipe.domain.print_files.refusals import oversized, quoted, refused

STORED = 0
DEFLATED = 8

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_LARGEST_COMMENT = 0xFFFF

_MORE16 = 0xFFFF
_MORE32 = 0xFFFFFFFF
_EXTRA_ZIP64 = 0x0001
_EXTRA_UNICODE_PATH = 0x7075
_FLAG_DESCRIPTOR = 0x0008
_FLAG_UTF8 = 0x0800
# Encrypted, patch data, strongly encrypted, masked headers.
_FLAGS_REFUSED = 0x0001 | 0x0020 | 0x0040 | 0x2000
_FLAGS_COMPARED = 0x0001 | _FLAG_DESCRIPTOR | _FLAG_UTF8
# With and without a signature, with 4- and 8-byte sizes.
_DESCRIPTOR_SIZES = (12, 16, 20, 24)


@dataclass(frozen=True)
class Entry:
    """One file of the archive: sizes and positions in bytes, as the directory declares and the layout confirms."""

    name: str
    method: int
    crc: int
    packed: int
    unpacked: int
    header: int
    data: int
    described: bool

    @property
    def end(self) -> int:
        """Where the packed bytes end."""
        return self.data + self.packed


@dataclass(frozen=True)
class _Listed:
    raw_name: bytes
    names: tuple[str, ...]
    flags: int
    method: int
    crc: int
    packed: int
    unpacked: int
    header: int


@dataclass(frozen=True)
class _Directory:
    count: int
    start: int
    size: int


def read_directory(source: BinaryIO, limits: Limits) -> tuple[Entry, ...]:
    """The archive's files in the order in which they lie, all checked but for their content; folders are left out."""
    directory = _find_directory(source)
    if directory.count > limits.entries:
        raise refused(f"The archive has more than {limits.entries} entries.")
    if directory.size > limits.directory_bytes:
        raise oversized("The archive's directory is too large.")
    listed = _read_listed(_read_at(source, directory.start, directory.size), limits)
    if len(listed) != directory.count:
        raise refused("The archive's directory does not hold as many entries as it says.")
    _check_names(listed)
    entries = [_locate(source, item, directory.start) for item in listed]
    entries.sort(key=lambda entry: entry.header)
    _check_layout(entries, directory.start)
    _check_sizes(entries, limits)
    return tuple(entry for entry in entries if not entry.name.endswith("/"))


def _find_directory(source: BinaryIO) -> _Directory:
    size = source.seek(0, 2)
    if size < _END.size:
        raise refused("The file is not a 3MF: it is no zip archive.")
    tail_start = max(0, size - _END.size - _LARGEST_COMMENT)
    tail = _read_at(source, tail_start, size - tail_start)
    position = size - _END.size
    if tail[-_END.size :][:4] != b"PK\x05\x06":
        if b"PK\x05\x06" in tail:
            raise refused("The archive has data after its end.")
        if _read_at(source, 0, min(size, 4)) == b"PK\x03\x04":
            raise refused("The archive is truncated: its directory is missing.")
        raise refused("The file is not a 3MF: it is no zip archive.")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack(tail[-_END.size :])
    if comment:
        raise refused("The archive is truncated or has a comment.")
    end = position
    disks: tuple[int, ...] = (disk, first_disk)
    locator = _read_at(source, position - _LOCATOR64.size, _LOCATOR64.size) if position >= _LOCATOR64.size else b""
    if locator[:4] == b"PK\x06\x07":
        _, disk, end, total = _LOCATOR64.unpack(locator)
        if end + _END64.size + _LOCATOR64.size != position or total > 1:
            raise refused("The archive's zip64 end record is misplaced.")
        record = _END64.unpack(_read_at(source, end, _END64.size))
        small = (here, count, length, start)
        here, count, length, start = record[6:]
        agree = all(
            little in (large, more)
            for little, large, more in zip(small, record[6:], (_MORE16, _MORE16, _MORE32, _MORE32), strict=True)
        )
        if record[:2] != (b"PK\x06\x06", _END64.size - 12) or not agree:
            raise refused("The archive's zip64 end record contradicts itself.")
        disks = (disk, record[4], record[5])
    if any(disks) or here != count:
        raise refused("The archive is split over several files.")
    if start + length != end:
        raise refused("The archive's directory is not where it should be: data was put before or into it.")
    return _Directory(count, start, length)


def _read_listed(data: bytes, limits: Limits) -> list[_Listed]:
    listed: list[_Listed] = []
    position = 0
    while position < len(data):
        if len(listed) == limits.entries:
            raise refused(f"The archive has more than {limits.entries} entries.")
        if len(data) - position < _CENTRAL.size or data[position : position + 4] != b"PK\x01\x02":
            raise refused("The archive's directory is damaged.")
        fields = _CENTRAL.unpack_from(data, position)
        _, _, _, flags, method, _, _, crc, packed, unpacked, *lengths, disk, _, attributes, header = fields
        name_length, extra_length, comment_length = lengths
        begin = position + _CENTRAL.size
        position = begin + name_length + extra_length + comment_length
        if position > len(data):
            raise refused("The archive's directory is damaged.")
        raw_name = data[begin : begin + name_length]
        extras = _extras(data[begin + name_length : begin + name_length + extra_length])
        names = _names(raw_name, flags, extras, limits)
        shown = quoted(names[-1])
        unpacked, packed, header = _widen(extras, (unpacked, packed, header))
        if flags & _FLAGS_REFUSED:
            raise refused(f"The entry {shown} is encrypted.")
        if method not in (STORED, DEFLATED):
            raise refused(f"The entry {shown} is packed by a method that is not supported ({method}).")
        if disk not in (0, _MORE16):
            raise refused("The archive is split over several files.")
        if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refused(f"The entry {shown} is a link or a device, not a file.")
        if names[-1].endswith("/") and unpacked:
            raise refused(f"The folder {shown} has content.")
        listed.append(_Listed(raw_name, names, flags, method, crc, packed, unpacked, header))
    return listed


def _extras(data: bytes) -> dict[int, bytes]:
    extras: dict[int, bytes] = {}
    position = 0
    while len(data) - position >= 4:
        kind, length = struct.unpack_from("<2H", data, position)
        position += 4 + length
        if position > len(data) or (kind in extras and kind in (_EXTRA_ZIP64, _EXTRA_UNICODE_PATH)):
            raise refused("An entry's extra field is damaged.")
        extras[kind] = data[position - length : position]
    if any(data[position:]):
        raise refused("An entry's extra field is damaged.")
    return extras


def _widen(extras: dict[int, bytes], values: tuple[int, int, int]) -> tuple[int, int, int]:
    """The 8-byte values of the zip64 field in place of those that say 0xFFFFFFFF (APPNOTE 4.5.3)."""
    wide = extras.get(_EXTRA_ZIP64, b"")
    widened = []
    for value in values:
        if value == _MORE32:
            if len(wide) < 8:
                raise refused("An entry's zip64 sizes are missing.")
            value, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        widened.append(value)
    return widened[0], widened[1], widened[2]


def _names(raw: bytes, flags: int, extras: dict[int, bytes], limits: Limits) -> tuple[str, ...]:
    """Every name that a reader may take the entry for; the last is the one to use."""
    try:
        names = [raw.decode("utf-8" if flags & _FLAG_UTF8 else "cp437")]
        alias = extras.get(_EXTRA_UNICODE_PATH, b"")
        if len(alias) > 5 and alias[0] == 1 and int.from_bytes(alias[1:5], "little") == zlib.crc32(raw):
            names.append(alias[5:].decode("utf-8"))
    except UnicodeDecodeError:
        raise refused("An entry's name is not valid UTF-8.") from None
    for name in names:
        _check_name(name, limits)
    return tuple(names)


def _check_name(name: str, limits: Limits) -> None:
    shown = quoted(name)
    if not name or len(name.encode(errors="replace")) > limits.name_bytes:
        raise refused("An entry's name is empty or too long.")
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise refused(f"The entry {shown} has control characters in its name.")
    if "\\" in name:
        raise refused(f"The entry {shown} has a backslash in its name.")
    if name.startswith("/") or name[1:2] == ":":
        raise refused(f"The entry {shown} has an absolute path.")
    if any(part in ("", ".", "..") for part in name.removesuffix("/").split("/")):
        raise refused(f"The entry {shown} has a path that leaves the archive or is not plain.")


def _check_names(listed: list[_Listed]) -> None:
    seen: set[str] = set()
    for item in listed:
        keys = {unicodedata.normalize("NFC", name.removesuffix("/")).casefold() for name in item.names}
        if keys & seen:
            raise refused(f"The archive has the entry {quoted(item.names[-1])} twice.")
        seen |= keys


def _locate(source: BinaryIO, item: _Listed, directory_start: int) -> Entry:
    shown = quoted(item.names[-1])
    if item.header + _LOCAL.size > directory_start:
        raise refused(f"The entry {shown} lies outside the archive.")
    fields = _LOCAL.unpack(_read_at(source, item.header, _LOCAL.size))
    signature, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = fields
    data = item.header + _LOCAL.size + name_length + extra_length
    if signature != b"PK\x03\x04" or data + item.packed > directory_start:
        raise refused(f"The entry {shown} lies outside the archive.")
    header = _read_at(source, item.header + _LOCAL.size, name_length + extra_length)
    unpacked, packed, _ = _widen(_extras(header[name_length:]), (unpacked, packed, 0))
    described = bool(flags & _FLAG_DESCRIPTOR)
    declared = (item.crc, item.packed, item.unpacked)
    agree = (crc, packed, unpacked) == declared or (
        described
        and all(local in (0, central) for local, central in zip((crc, packed, unpacked), declared, strict=True))
    )
    same_kind = method == item.method and not (flags ^ item.flags) & _FLAGS_COMPARED
    if header[:name_length] != item.raw_name or not same_kind or not agree:
        raise refused(f"The entry {shown} contradicts the archive's directory.")
    return Entry(item.names[-1], item.method, item.crc, item.packed, item.unpacked, item.header, data, described)


def _check_layout(entries: list[Entry], directory_start: int) -> None:
    if not entries:
        raise refused("The archive is empty.")
    if entries[0].header:
        raise refused("The archive has data before its first entry.")
    for entry, following in zip(entries, [*(entry.header for entry in entries[1:]), directory_start], strict=True):
        gap = following - entry.end
        if gap < 0:
            raise refused(f"The entry {quoted(entry.name)} overlaps another one.")
        if gap not in (_DESCRIPTOR_SIZES if entry.described else (0,)):
            raise refused(f"The archive has stray data after the entry {quoted(entry.name)}.")


def _check_sizes(entries: list[Entry], limits: Limits) -> None:
    for entry in entries:
        if entry.method == STORED and entry.packed != entry.unpacked:
            raise refused(f"The entry {quoted(entry.name)} contradicts the archive's directory.")
    for name, packed, unpacked in _ratios(entries):
        if unpacked > max(limits.ratio_floor, limits.ratio * packed):
            raise refused(f"{name} unpacks to more than {limits.ratio} times its size.")
    if sum(entry.unpacked for entry in entries) > limits.unpacked_bytes:
        raise oversized(f"The archive unpacks to more than {limits.unpacked_bytes // 1_000_000} MB.")


def _ratios(entries: list[Entry]) -> Iterator[tuple[str, int, int]]:
    for entry in entries:
        yield f"The entry {quoted(entry.name)}", entry.packed, entry.unpacked
    yield "The archive", sum(entry.packed for entry in entries), sum(entry.unpacked for entry in entries)


def _read_at(source: BinaryIO, position: int, size: int) -> bytes:
    source.seek(position)
    data = source.read(size)
    if len(data) != size:
        raise refused("The archive is truncated.")
    return data
