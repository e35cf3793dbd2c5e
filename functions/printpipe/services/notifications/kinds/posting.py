"""What every kind of channel is given to put into words, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from printpipe.domain.notifications import Notice

PICTURE_NAME = "picture.jpg"
PICTURE_TYPE = "image/jpeg"

_CUT = "…"


@dataclass(frozen=True)
class Posting:
    """One attempt, made at `at`, to get a notice to an address; both are the channel's, opened.

    Its picture, if there is one, comes as JPEG in `image` or as a link to it in `image_url`, whichever the kind takes.
    """

    address: str = field(repr=False)
    secret: str | None = field(repr=False)
    delivery_id: str
    notice: Notice
    at: datetime
    image: bytes | None = field(default=None, repr=False)
    image_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Request:
    """What is posted, and where."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def line(text: str, most: int) -> str:
    """The text as one line without control characters, of at most `most` characters."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return shortened(plain, most)


def shortened(text: str, most: int) -> str:
    """The text, cut to at most `most` characters."""
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
