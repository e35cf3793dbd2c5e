"""How large a print file and its parts may be. MB is 1,000,000 bytes; MiB is written where it is meant."""

from dataclasses import dataclass
from typing import Final

from printpipe.domain.sizes import UPLOAD_BYTES


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; sizes in bytes.

    `ratio` is unpacked to packed bytes, of each entry and of the whole archive; entries and archives that unpack
    to no more than `ratio_floor` are not judged by it. `directory_bytes` bounds the list of entries itself.
    `thumbnail_side` is in pixels.
    """

    entries: int = 2_000
    unpacked_bytes: int = UPLOAD_BYTES
    ratio: int = 200
    ratio_floor: int = 65_536
    directory_bytes: int = 4 << 20
    name_bytes: int = 1_024
    plates: int = 64
    xml_bytes: int = 2 << 20
    xml_elements: int = 100_000
    thumbnail_bytes: int = 1 << 20
    thumbnail_side: int = 2_048
    layout_bytes: int = 1 << 20
    project_bytes: int = 512 << 10


DEFAULT_LIMITS: Final = Limits()
