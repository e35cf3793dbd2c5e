"""Pictures of the JPEG port, out of whatever comes over it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.jpeg import HEADER_BYTES, login, next_picture, size_of
from edge_agent.drivers.base import PICTURE_BYTES, CameraFailed
from local.simulator.camera import picture_of
from tests.unit.agent.camera_lines import line_with

PICTURE = picture_of(40, 1)


def framed(picture: bytes, size: int | None = None) -> bytes:
    """A picture behind its header, which may tell another size."""
    return struct.pack("<IIII", len(picture) if size is None else size, 0, 1, 0) + picture


def failure(content: bytes, *, code_is_right: bool = False) -> str:
    """How a look at this ends that gives no picture."""
    with line_with(content) as line, pytest.raises(CameraFailed) as caught:
        next_picture(line, lambda: code_is_right)
    return caught.value.code


def test_the_login_is_as_printers_want_it() -> None:
    said = login("12345678")
    assert len(said) == 80
    assert said[:16] == struct.pack("<IIII", 0x40, 0x3000, 0, 0)
    assert (said[16:48].rstrip(b"\0"), said[48:].rstrip(b"\0")) == (b"bblp", b"12345678")


def test_a_code_that_has_no_room_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(CameraFailed) as caught:
        login("secret" * 6)
    assert caught.value.code == "refused"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("filling", [0, 7])
def test_a_picture_is_taken_as_it_came(filling: int) -> None:
    with line_with(framed(PICTURE + bytes(filling)) + framed(PICTURE)) as line:
        assert next_picture(line, lambda: True) == PICTURE


def test_a_closed_door_is_a_wrong_code_unless_the_code_is_known_to_be_right() -> None:
    assert failure(b"") == failure(b"\0" * (HEADER_BYTES - 1)) == "refused"
    assert failure(b"", code_is_right=True) == "busy"


@pytest.mark.parametrize("size", [0, 3, PICTURE_BYTES + 1, 2**32 - 1])
def test_no_picture_has_such_a_size(size: int) -> None:
    assert failure(framed(PICTURE, size)) == "unreachable"


def test_what_stays_away_is_given_up() -> None:
    with (
        line_with(framed(PICTURE)[:-1], open_end=True, seconds=3, step=0.5) as line,
        pytest.raises(CameraFailed) as caught,
    ):
        next_picture(line, lambda: True)
    assert (caught.value.code, str(caught.value)) == ("unreachable", "the camera gave no picture within 3 s")


@given(st.integers(0, len(PICTURE) + HEADER_BYTES - 1))
def test_a_stream_that_is_cut_gives_no_half_picture(length: int) -> None:
    assert failure(framed(PICTURE)[:length]) in ("refused", "unreachable")


@given(st.binary(max_size=400))
def test_whatever_comes_is_a_picture_or_a_failure(content: bytes) -> None:
    with line_with(content) as line:
        try:
            picture = next_picture(line, lambda: True)
        except CameraFailed:
            return
    assert picture.startswith(b"\xff\xd8")
    assert picture.endswith(b"\xff\xd9")


@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_a_header_never_makes_us_wait_for_more_than_a_picture(header: bytes) -> None:
    try:
        size = size_of(header)
    except CameraFailed:
        return
    assert 4 <= size <= PICTURE_BYTES
