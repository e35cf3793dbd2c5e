"""H.264 out of RTP packets (RFC 6184): single units, aggregates (STAP-A) and fragments (FU-A), up to a whole picture.

What is lost or makes no sense costs the picture that it belongs to; the next one that stands by itself is as good.
"""

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass

START_CODE = b"\x00\x00\x00\x01"
PICTURE_BYTES = 8 * 1024 * 1024
"""The largest coded picture that is put together."""
UNIT_BYTES = 64
"""What holding a unit takes besides its content: a picture of very many tiny ones is too large as well."""
MOST_SETS = 32
"""How many parameter sets are remembered, the newest."""

_IDR, _SPS, _PPS, _STAP_A, _FU_A = 5, 7, 8, 24, 28
_HEADER = struct.Struct(">BBHII")
_FU_START, _FU_END = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet (RFC 3550). `marker`: it is the last one of its picture."""

    kind: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes


def packet(content: bytes) -> Packet | None:
    """The packet in these bytes; None where they are none."""
    if len(content) < _HEADER.size:
        return None
    first, second, sequence, timestamp, _source = _HEADER.unpack_from(content)
    begin, end = _HEADER.size + 4 * (first & 0x0F), len(content)
    if first & 0x10:
        begin += 4 + 4 * int.from_bytes(content[begin + 2 : begin + 4])
    if first & 0x20:
        end -= content[-1]
    if first >> 6 != 2 or begin > end:
        return None
    return Packet(second & 0x7F, sequence, timestamp, bool(second & 0x80), content[begin:end])


def parameter_sets(sprop: str) -> list[bytes]:
    """The units that a stream's description tells in `sprop-parameter-sets`; what is garbled is left out."""
    found = []
    for each in sprop.split(","):
        try:
            found.append(base64.b64decode(each, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


class PictureFinder:
    """Is given packets, and answers with the first whole picture that needs no other one, as Annex B has it."""

    def __init__(self, known: Sequence[bytes] = ()) -> None:
        """`known`: parameter sets from elsewhere than the stream."""
        self._sets: dict[bytes, None] = {}
        self._units: list[bytes] = []
        self._fragment: bytearray | None = None
        self._size = 0
        self._spoilt = False
        self._timestamp: int | None = None
        self._expected: int | None = None
        for unit in known:
            self._note_set(unit)

    def take(self, packet: Packet) -> bytes | None:
        """The picture, once it is whole."""
        lost = self._expected is not None and packet.sequence != self._expected
        self._expected = (packet.sequence + 1) & 0xFFFF
        if lost:
            self._spoil()
        if packet.timestamp != self._timestamp:
            picture = self._picture()
            self._begin(packet.timestamp, spoilt=lost)
            if picture is not None:
                return picture
        self._unpack(packet.payload)
        if not packet.marker:
            return None
        picture = self._picture()
        self._begin(None, spoilt=False)
        return picture

    def _begin(self, timestamp: int | None, *, spoilt: bool) -> None:
        self._timestamp, self._spoilt = timestamp, spoilt
        self._units, self._fragment, self._size = [], None, 0

    def _spoil(self) -> None:
        """Something of the picture under way is missing."""
        self._spoilt = True
        self._units, self._fragment = [], None

    def _picture(self) -> bytes | None:
        coded = [unit for unit in self._units if _kind(unit) == _IDR]
        if self._spoilt or self._fragment is not None or not coded or not _begins_a_picture(coded[0]):
            return None
        if not {_SPS, _PPS} <= {_kind(unit) for unit in self._sets}:
            return None
        return b"".join(START_CODE + unit for unit in (*self._sets, *coded))

    def _unpack(self, payload: bytes) -> None:
        kind = _kind(payload)
        if kind == _STAP_A:
            self._unpack_aggregate(payload)
        elif kind == _FU_A:
            self._unpack_fragment(payload)
        elif 0 < kind < _STAP_A:
            self._add(payload)
        elif payload:
            self._spoil()

    def _unpack_aggregate(self, payload: bytes) -> None:
        at = 1
        while at < len(payload):
            size = int.from_bytes(payload[at : at + 2])
            unit = payload[at + 2 : at + 2 + size]
            if not unit or len(unit) < size:
                self._spoil()
                return
            self._add(unit)
            at += 2 + size

    def _unpack_fragment(self, payload: bytes) -> None:
        indicator, header = payload[0], payload[1] if len(payload) > 1 else 0
        if header & _FU_START and self._fragment is None:
            self._fragment = bytearray([indicator & 0xE0 | header & 0x1F])
        elif header & _FU_START or self._fragment is None:
            self._spoil()
            return
        self._fragment += payload[2:]
        if self._size + len(self._fragment) > PICTURE_BYTES:
            self._spoil()
        elif header & _FU_END:
            unit, self._fragment = bytes(self._fragment), None
            self._add(unit)

    def _add(self, unit: bytes) -> None:
        self._size += len(unit) + UNIT_BYTES
        if self._size > PICTURE_BYTES:
            self._spoil()
            return
        self._note_set(unit)
        self._units.append(unit)

    def _note_set(self, unit: bytes) -> None:
        if _kind(unit) in (_SPS, _PPS):
            self._sets.pop(unit, None)
            self._sets[unit] = None
            if len(self._sets) > MOST_SETS:
                del self._sets[next(iter(self._sets))]


def _kind(unit: bytes) -> int:
    return unit[0] & 0x1F if unit else 0


def _begins_a_picture(unit: bytes) -> bool:
    """Whether a coded unit begins with its picture's first macroblock, whose number 0 is written as the bit 1."""
    return len(unit) > 1 and bool(unit[1] & 0x80)
