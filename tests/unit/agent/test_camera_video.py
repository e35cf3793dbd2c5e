"""Coded pictures out of RTP packets, whatever is lost on the way; and what a stream says of itself."""

import random
import struct
import tracemalloc
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.description import Video, video_in
from edge_agent.camera.digest import NoDigest, authorization, challenge_in
from edge_agent.camera.h264 import START_CODE, PictureFinder, packet, parameter_sets
from edge_agent.camera.line import Line
from edge_agent.camera.rtsp import Conversation
from edge_agent.camera.rtsps import place
from edge_agent.drivers.base import CameraFailed
from local.simulator import h264
from local.simulator.rtsps import payloads_of, rtp
from tests.counts import count
from tests.unit.agent.camera_lines import line_with

SETS = h264.parameter_sets(20, 12)
LONG = h264.grey_blocks([[60 + 8 * y] * 20 for y in range(12)], 1)
SHORT = bytes([0x65, 0x88, 1, 2, 3])
ANOTHER_SLICE = bytes([0x65, 0x48, 9, 9])
DEPENDENT = bytes([0x41, 0x9A, 0, 1, 2])
FILLER = bytes([0x0C, 0xFF, 0x80])


def stream(*pictures: Sequence[bytes], first: int = 65_530) -> list[bytes]:
    """The packets of pictures, each of these payloads, with numbers that pass their end."""
    packets: list[bytes] = []
    for at, payloads in enumerate(pictures):
        for place_, payload in enumerate(payloads):
            last = place_ == len(payloads) - 1
            packets.append(rtp(payload, first + len(packets), 1000 + at * 3000, marker=last))
    return packets


def found(packets: Iterable[bytes], known: Sequence[bytes] = ()) -> bytes | None:
    """The first picture that is found in the packets."""
    finder = PictureFinder(known)
    for content in packets:
        came = packet(content)
        if came is not None and (picture := finder.take(came)) is not None:
            return picture
    return None


def annex_b(*units: bytes) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


WHOLE = list(payloads_of([*SETS, LONG]))
MEDIUM = h264.grey_blocks([[60 + 8 * y] * 5 for y in range(4)], 1)
SMALL = list(payloads_of([*SETS, MEDIUM]))


def test_a_picture_in_fragments_is_put_together() -> None:
    assert len(WHOLE) > 60
    assert found(stream(WHOLE)) == annex_b(*SETS, LONG)


def test_a_picture_of_several_units_is_found_behind_those_that_need_others() -> None:
    packets = stream([DEPENDENT], [FILLER, *SETS, SHORT, ANOTHER_SLICE], [DEPENDENT])
    assert found(packets) == annex_b(*SETS, SHORT, ANOTHER_SLICE)


def test_the_description_may_tell_the_parameter_sets() -> None:
    assert found(stream([SHORT])) is None
    assert found(stream([SHORT]), SETS) == annex_b(*SETS, SHORT)


def test_a_picture_without_a_marker_ends_with_the_next_one() -> None:
    packets = [rtp(SHORT, 1, 1000, marker=False), rtp(DEPENDENT, 2, 4000, marker=True)]
    assert found(packets, SETS) == annex_b(*SETS, SHORT)


def test_a_view_that_begins_in_the_middle_waits_for_the_next_picture() -> None:
    assert found(stream([ANOTHER_SLICE]), SETS) is None
    assert found(stream(WHOLE[30:], WHOLE)) == annex_b(*SETS, LONG)
    assert found(stream([ANOTHER_SLICE], [SHORT]), SETS) == annex_b(*SETS, SHORT)


@pytest.mark.parametrize("lost", range(len(WHOLE)))
def test_a_picture_of_which_any_packet_is_lost_is_passed_over(lost: int) -> None:
    packets = stream([DEPENDENT], WHOLE, [DEPENDENT], WHOLE)
    del packets[1 + lost]
    assert found(packets[: len(WHOLE) + 1], SETS) is None
    assert found(packets, SETS) == annex_b(*SETS, LONG)


def test_a_picture_of_very_many_tiny_units_is_not_held() -> None:
    aggregate, aggregates = bytes([24]) + b"\x00\x02\x41\x80" * 16_000, count(60, quick=16)
    tracemalloc.start()
    try:
        assert found(stream([*SETS, *[aggregate] * aggregates])) is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 500_000 * aggregates


def test_rtp_headers_may_have_sources_extensions_and_padding() -> None:
    plain = rtp(SHORT, 7, 1000, marker=True)
    sources, extension = bytes(8), bytes.fromhex("bede0001") + bytes(4)
    dressed = bytes([0xB2]) + plain[1:12] + sources + extension + SHORT + bytes([0, 0, 3])
    assert packet(dressed) == packet(plain)


@given(st.data())
@settings(max_examples=count(10_000, quick=100), deadline=None)
def test_nothing_that_comes_is_taken_for_a_picture_that_it_is_not(data: st.DataObject) -> None:
    packets = stream(SMALL, [DEPENDENT], [FILLER, SHORT], SMALL)
    shuffled = random.Random(data.draw(st.integers()))
    for _ in range(data.draw(st.integers(1, 6))):
        at = shuffled.randrange(len(packets))
        match data.draw(st.sampled_from(["lose", "repeat", "swap", "cut", "noise"])):
            case "lose":
                del packets[at]
            case "repeat":
                packets.insert(at, packets[at])
            case "swap":
                packets[at], packets[at - 1] = packets[at - 1], packets[at]
            case "cut":
                packets[at] = packets[at][: shuffled.randrange(12)]
            case "noise":
                packets[at] = shuffled.randbytes(shuffled.randrange(60))
    picture = found(packets)
    assert picture is None or picture.endswith((annex_b(MEDIUM), annex_b(SHORT)))


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_noise_raises_nothing(contents: list[bytes]) -> None:
    found(contents, SETS)


PARTS = [b"RTSP/1.0 200 OK\r\n", b"\r\n\r\n", b"$\0\0\2ab", b"Content-Length: 3\r\n"]


def talk(line: Line) -> bytes:
    """A conversation up to the first packet."""
    conversation = Conversation(line, "127.0.0.1", 322, "/streaming/live/1", "12345678")
    conversation.play(conversation.describe())
    return conversation.packet().content


def answered(*parts: bytes | str) -> bytes:
    """Answers, whose bodies and heads are written out, one after the other."""
    return b"".join(part if isinstance(part, bytes) else part.replace("\n", "\r\n").encode() for part in parts)


def test_packets_may_come_between_the_answers() -> None:
    described = f"RTSP/1.0 200 OK\nContent-Length: {len(DESCRIPTION)}\n\n"
    other = struct.pack(">cBH", b"$", 3, 2) + b"no"
    came = answered(
        "RTSP/1.0 200 OK\nCSeq: 1\n\n",
        described,
        DESCRIPTION.encode(),
        "RTSP/1.0 200 OK\nSession: 7;timeout=60\nTransport: RTP/AVP/TCP;interleaved=4-5\n\n",
        other,
        "RTSP/1.0 200 OK\n\n",
    )
    with line_with(came) as line:
        assert talk(line) == b"no"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("RTSP/1.0 404 -\n\n", "off"),
        ("RTSP/1.0 403 -\n\n", "refused"),
        ("RTSP/1.0 453 -\n\n", "busy"),
        ("RTSP/1.0 500 -\n\n", "unreachable"),
        ("HTTP/1.1 200 OK\n\n", "unreachable"),
        ('RTSP/1.0 401 -\nWWW-Authenticate: Basic realm="r"\n\n', "unsupported"),
        ('RTSP/1.0 401 -\nWWW-Authenticate: Digest realm="r", nonce="n"\n\n' * 2, "refused"),
        ("RTSP/1.0 200 OK\nContent-Length: 99999999\n\n", "unreachable"),
        (f"RTSP/1.0 200 OK\nContent-Length: {'9' * 5000}\n\n", "unreachable"),
        ("RTSP/1.0 200 OK\n\n" * 2, "unsupported"),
        ("x" * 40_000, "unreachable"),
        ("", "unreachable"),
    ],
)
def test_every_answer_that_brings_no_video_is_a_failure_with_a_code(answer: str, code: str) -> None:
    with line_with(answered(answer)) as line, pytest.raises(CameraFailed) as caught:
        talk(line)
    assert caught.value.code == code


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=30)))
@settings(deadline=None)
def test_whatever_is_answered_nothing_but_a_failure_comes_of_it(parts: list[bytes]) -> None:
    with line_with(b"".join(parts)) as line, pytest.raises(CameraFailed):
        talk(line)


DESCRIPTION = """v=0\r
m=audio 0 RTP/AVP 97\r
a=rtpmap:97 MPEG4-GENERIC/48000\r
a=control:track2\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHg==,aM4=;profile-level-id=42C01E\r
a=control:track1\r
"""


def test_the_video_is_found_in_a_description() -> None:
    assert video_in(DESCRIPTION) == Video("track1", 96, "Z0LAHg==,aM4=")
    assert parameter_sets("Z0LAHg==,aM4=,*,") == [b"\x67\x42\xc0\x1e", b"\x68\xce", b""]
    assert video_in(DESCRIPTION.replace("H264", "H265")) is None
    assert video_in("") is None


@given(st.text(max_size=300))
def test_no_description_is_a_surprise(text: str) -> None:
    assert video_in(f"v=0\r\n{text}") is None or "H264/90000" in text.upper()


def test_a_digest_is_the_standards_own_example() -> None:
    """RFC 2617, section 3.5, is with qop; without it the answer is that of RFC 2069."""
    challenge = challenge_in('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')
    header = authorization(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header
    assert "Circle" not in header
    with_qop = challenge_in('Digest realm="r", nonce="n", qop="auth,auth-int", opaque="o"')
    assert all(
        part in authorization(with_qop, "u", "p", "PLAY", "/") for part in ("qop=auth,", "nc=00000001", 'opaque="o"')
    )


@pytest.mark.parametrize(
    "header", ["", 'Basic realm="r"', 'Digest realm="r"', 'Digest realm="r", nonce="n", algorithm=SHA-256']
)
def test_other_challenges_are_not_answered(header: str) -> None:
    with pytest.raises(NoDigest):
        challenge_in(header)


def test_where_the_video_is() -> None:
    assert place(None, None) == (322, "/streaming/live/1")
    assert place("rtsps://10.0.0.9:1322/streaming/live/2", None) == (1322, "/streaming/live/2")
    assert place("rtsps://10.0.0.9:1322/streaming/live/2", 8322) == (8322, "/streaming/live/2")
    assert place("rtsps://10.0.0.9:99999/x", None) == (322, "/streaming/live/1")
    assert place("rtsps://[", None) == (322, "/streaming/live/1")
    with pytest.raises(CameraFailed, match="LAN Only Liveview") as caught:
        place("disable", 8322)
    assert caught.value.code == "off"
