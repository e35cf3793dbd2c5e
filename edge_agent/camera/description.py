"""What a stream says of itself (SDP, RFC 4566): the one track of it that the agent can use."""

import re
from dataclasses import dataclass

_CODING = re.compile(r"rtpmap:(\d{1,3})\s+H264/90000", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Video:
    """A track in H.264: where it is, relative to its stream, its RTP payload type, and its parameter sets as told."""

    control: str
    payload_type: int
    sprop: str


def video_in(description: str) -> Video | None:
    """The first track in H.264; None where there is none."""
    for section in re.split(r"^m=", description, flags=re.MULTILINE)[1:]:
        media, *attributes = section.splitlines() or [""]
        told = [line.strip().removeprefix("a=") for line in attributes if line.startswith("a=")]
        coding = next((found for line in told if (found := _CODING.match(line))), None)
        if not media.startswith("video") or coding is None:
            continue
        control = next((line.removeprefix("control:") for line in told if line.startswith("control:")), "")
        sprop = next((found[1] for line in told if (found := re.search(r"sprop-parameter-sets=([^;\s]+)", line))), "")
        return Video(control, int(coding[1]), sprop)
    return None
