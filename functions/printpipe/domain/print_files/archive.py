"""The files of a zip archive, unpacked piece by piece and held to what its directory declares."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from printpipe.domain.print_files.directory import STORED, Entry, read_directory
from printpipe.domain.print_files.limits import Limits
from printpipe.domain.print_files.refusals import quoted, refused

_READ = 64 << 10
_PIECE = 256 << 10
_ARCHIVE_EXTENSIONS = (
    ".3mf", ".7z", ".bz2", ".cab", ".gz", ".jar", ".lz4", ".rar", ".tar", ".tgz", ".txz", ".xz", ".zip", ".zst",
)  # fmt: skip
_ARCHIVE_STARTS = (
    b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b\x08",
    b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"MSCF\x00\x00\x00\x00",
)  # fmt: skip
_BZIP2_BLOCK = b"1AY&SY"
_TAR_MARK = b"ustar"


class Archive:
    """An open zip archive; raises `InvalidInput` or `TooLarge` on opening and on reading.

    Its declared sizes are within the limits once it is open, and no entry gives more bytes than it declares.
    """

    def __init__(self, source: BinaryIO, limits: Limits) -> None:
        self._source = source
        self.entries: dict[str, Entry] = {}
        for entry in read_directory(source, limits):
            if entry.name.lower().endswith(_ARCHIVE_EXTENSIONS):
                raise refused(f"The entry {quoted(entry.name)} is itself an archive.")
            self.entries[entry.name] = entry

    def read(self, name: str, limit: int) -> bytes:
        """An entry's whole content; refused where it has more than `limit` bytes."""
        if self.entries[name].unpacked > limit:
            raise refused(f"The entry {quoted(name)} is larger than {limit} bytes.")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """An entry's content in pieces of at most 256 KiB; its size and checksum are verified at the end."""
        entry = self.entries[name]
        shown = quoted(name)
        crc = size = 0
        for piece in self._packed(entry) if entry.method == STORED else self._inflated(entry):
            if not size and _is_archive(piece):
                raise refused(f"The entry {shown} is itself an archive.")
            size += len(piece)
            if size > entry.unpacked:
                raise refused(f"The entry {shown} unpacks to more than it declares.")
            crc = zlib.crc32(piece, crc)
            yield piece
        if size != entry.unpacked or crc != entry.crc:
            raise refused(f"The entry {shown} is damaged: its size or checksum is wrong.")

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        position = entry.data
        while position < entry.end:
            self._source.seek(position)
            block = self._source.read(min(_READ, entry.end - position))
            if not block:
                raise refused("The archive is truncated.")
            position += len(block)
            yield block

    def _inflated(self, entry: Entry) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for block in self._packed(entry):
                while block and not inflater.eof:
                    if piece := inflater.decompress(block, _PIECE):
                        yield piece
                    block = inflater.unconsumed_tail
                if inflater.unused_data or (block and inflater.eof):
                    raise refused(f"The entry {quoted(entry.name)} has stray data in it.")
            while not inflater.eof and (piece := inflater.decompress(b"", _PIECE)):
                yield piece
        except zlib.error:
            raise refused(f"The entry {quoted(entry.name)} is damaged.") from None
        if not inflater.eof:
            raise refused(f"The entry {quoted(entry.name)} is truncated.")


def _is_archive(start: bytes) -> bool:
    bzip2 = start.startswith(b"BZh") and start[4:10] == _BZIP2_BLOCK
    return bzip2 or start.startswith(_ARCHIVE_STARTS) or start[257:262] == _TAR_MARK
