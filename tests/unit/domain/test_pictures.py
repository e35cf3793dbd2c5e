"""What counts as a picture."""

import base64
import time
from collections.abc import Callable

import pytest

from printpipe.domain import pictures
from printpipe.domain.errors import DomainError
from tests.pictures import GOOD, HOSTILE, PNG, SOF, SOS, padded, sized


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_picture_is_refused(case: str) -> None:
    content = HOSTILE[case]()
    started = time.monotonic()
    with pytest.raises(DomainError) as refused:
        pictures.check(content, "image")
    assert refused.value.field == "image"
    assert refused.value.code == ("too_large" if "10 MiB" in case else "invalid_input")
    assert time.monotonic() - started < 1


def test_the_size_is_what_the_frame_says() -> None:
    assert pictures.check(GOOD, "image") == pictures.Picture(GOOD, 24, 16)


GOOD_ONES: dict[str, Callable[[], bytes]] = {
    "4K": lambda: sized(3840, 2160),
    "10 MiB": lambda: padded(pictures.MAX_BYTES),
    "fill bytes before a marker": lambda: GOOD[:SOF] + b"\xff\xff" + GOOD[SOF:],
    "restart markers": lambda: GOOD[: SOS + 11] + b"\xff\xd0" + GOOD[SOS + 11 :],
    "padding by zeros": lambda: GOOD + bytes(100),
    "progressive, of two scans": lambda: GOOD[:SOF] + b"\xff\xc2" + GOOD[SOF + 2 : -2] + GOOD[SOS:-2] + b"\xff\xd9",
}


@pytest.mark.parametrize("case", GOOD_ONES)
def test_what_cameras_send_is_taken(case: str) -> None:
    content = GOOD_ONES[case]()
    assert pictures.check(content, "image").content == content


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_picture_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(DomainError):
        pictures.check(GOOD[:length], "image")


TEXT = base64.b64encode(GOOD).decode()
WRITTEN = {
    "base64": TEXT,
    "base64 in lines": base64.encodebytes(GOOD).decode(),
    "a data URI": f"data:image/jpeg;base64,{TEXT}",
    "a data URI of its short name": f"data:image/jpg;base64,{TEXT}",
    "a data URI with a parameter": f"data:image/jpeg;name=a.jpg;base64,{TEXT}",
    "a data URI in capitals": f"data:IMAGE/JPEG;BASE64,{TEXT}",
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_picture_may_be_written(case: str) -> None:
    assert pictures.decode(WRITTEN[case], "imageData").content == GOOD


BADLY_WRITTEN = {
    "nothing": "",
    "no base64": "not base64!",
    "half a group": TEXT[:-1],
    "padding in the middle": f"{TEXT[:8]}=={TEXT[8:]}",
    "beyond ASCII": f"{TEXT[:-4]}äöü=",
    "the URL's alphabet": TEXT[:8] + "-_-_" + TEXT[12:],
    "a data URI of a PNG": f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
    "a data URI of SVG": "data:image/svg+xml;base64,PHN2Zy8+",
    "a data URI of a JPEG that is a PNG": f"data:image/jpeg;base64,{base64.b64encode(PNG).decode()}",
    "a data URI without base64": "data:image/jpeg,%FF%D8",
    "a data URI without a type": f"data:;base64,{TEXT}",
    "a data URI without a comma": f"data:image/jpeg;base64{TEXT}",
    "an empty data URI": "data:image/jpeg;base64,",
    "a URL": "https://example.org/snapshot.jpg",
    "a path": "file:///etc/passwd",
}


@pytest.mark.parametrize("case", BADLY_WRITTEN)
def test_what_is_badly_written_is_refused(case: str) -> None:
    with pytest.raises(DomainError) as refused:
        pictures.decode(BADLY_WRITTEN[case], "imageData")
    assert (refused.value.code, refused.value.field) == ("invalid_input", "imageData")


def test_more_text_than_a_picture_needs_is_not_even_decoded() -> None:
    with pytest.raises(DomainError) as refused:
        pictures.decode("A" * (pictures.MAX_BASE64 + 1), "imageData")
    assert refused.value.code == "too_large"
