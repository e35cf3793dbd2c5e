"""The names and media types that an upload may carry."""

import unicodedata
from typing import Final, Literal

from printpipe.domain.errors import InvalidInput

Kind = Literal["3mf", "gcode"]

EXTENSIONS: Final[dict[str, Kind]] = {".3mf": "3mf", ".gcode": "gcode", ".gco": "gcode"}
MEDIA_TYPES: Final = frozenset({"application/octet-stream", "application/x-gcode", "text/plain", "model/3mf"})

_FIELD = "file"
_NAME_BYTES = 255
# Letters that reorder or break the text around them: a name must read as it is.
_MISLEADING = frozenset("\u2028\u2029\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def check_file_name(name: str) -> str:
    """The name to show, in Unicode's composed form, without the space around it.

    Raises `InvalidInput` where it is empty, longer than 255 bytes of UTF-8, no plain name, or has another extension.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs") or letter in _MISLEADING for letter in name):
        raise InvalidInput("The file name holds control characters.", field=_FIELD)
    shown = unicodedata.normalize("NFC", name).strip()
    if not shown:
        raise InvalidInput("The file has no name.", field=_FIELD)
    if len(shown.encode()) > _NAME_BYTES:
        raise InvalidInput(f"The file name is longer than {_NAME_BYTES} bytes.", field=_FIELD)
    if "/" in shown or "\\" in shown:
        raise InvalidInput("The file name must be a plain name, not a path.", field=_FIELD)
    kind_of(shown)
    return shown


def kind_of(name: str) -> Kind:
    """What the extension says the file is. Raises `InvalidInput` for any other than .3mf, .gcode and .gco."""
    for extension, kind in EXTENSIONS.items():
        if name.lower().endswith(extension) and len(name) > len(extension):
            return kind
    raise InvalidInput(f"The file name must end in {', '.join(EXTENSIONS)}.", field=_FIELD)


def check_media_type(value: str) -> str:
    """The media type in lower case without its parameters. Raises `InvalidInput` for one that is not accepted."""
    media_type = value.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise InvalidInput(f"The file's content type must be one of {', '.join(sorted(MEDIA_TYPES))}.", field=_FIELD)
    return media_type
