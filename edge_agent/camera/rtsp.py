"""A conversation in RTSP 1.0 (RFC 2326) over one connection, on which the video comes too (interleaved).

The access code is shown to the printer as a digest alone, and stands in no address.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_agent.camera.description import Video, video_in
from edge_agent.camera.digest import NoDigest, authorization, challenge_in
from edge_agent.camera.limit import Broken
from edge_agent.camera.line import Line
from edge_agent.drivers.base import CameraFailed

USER = "bblp"
HEAD_BYTES = 16 * 1024
BODY_BYTES = 64 * 1024
HELD_PACKETS = 1024
CHALLENGE = "www-authenticate"
_STATUS = re.compile(r"RTSP/1\.\d (\d{3})")
_LENGTH = re.compile(r"[0-9]{1,6}")
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_BUSY = frozenset({453, 503})
"""Not Enough Bandwidth, Service Unavailable."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; the headers by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A packet that came over one of the connection's channels."""

    channel: int
    content: bytes


class Conversation:
    """Asks in turn, and is sent packets in between. Every call raises CameraFailed."""

    def __init__(self, line: Line, address: str, port: int, path: str, access_code: str) -> None:
        self._server = f"rtsps://{f'[{address}]' if ':' in address else address}:{port}"
        self._stream = self._server + path
        self._line = line
        self._access_code = access_code
        self._challenge: Mapping[str, str] | None = None
        self._number = 0
        self._session = ""
        self._held: deque[Interleaved] = deque(maxlen=HELD_PACKETS)

    def describe(self) -> Video:
        """The stream's video; `unsupported` where it has none in H.264."""
        self._ask("OPTIONS", self._stream)
        video = video_in(self._ask("DESCRIBE", self._stream, Accept="application/sdp").body)
        if video is None:
            raise CameraFailed("unsupported", "the camera's video is not in H.264")
        return video

    def play(self, video: Video) -> int:
        """Let the video come; the channel over which it does."""
        answer = self._ask("SETUP", self._track(video.control), Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        self._session = answer.headers.get("session", "").partition(";")[0].strip()
        channel = re.search(r"interleaved=(\d{1,3})\b", answer.headers.get("transport", ""))
        self._ask("PLAY", self._stream, Range="npt=0.000-")
        return int(channel[1]) if channel else 0

    def packet(self) -> Interleaved:
        """The next packet."""
        if self._held:
            return self._held.popleft()
        while True:
            found = self._next()
            if isinstance(found, Interleaved):
                return found

    def leave(self) -> None:
        """Say goodbye, and wait for no answer."""
        self._send("TEARDOWN", self._stream, {})

    def _track(self, control: str) -> str:
        """The track's address, at the printer that we talk to, whatever host it names."""
        if "://" in control:
            control = f"/{control.split('/', 3)[3]}" if control.count("/") > 2 else ""
        if control.startswith("/"):
            return self._server + control
        return self._stream if control in ("", "*") else f"{self._stream.rstrip('/')}/{control}"

    def _ask(self, method: str, url: str, **headers: str) -> Response:
        answer = self._asked(method, url, headers)
        if answer.status == _UNAUTHORIZED:
            try:
                self._challenge = challenge_in(answer.headers.get(CHALLENGE, ""))
            except NoDigest:
                raise CameraFailed(
                    "unsupported", "the camera asks for the access code in a way that is not known"
                ) from None
            answer = self._asked(method, url, headers)
        if answer.status == 200:
            return answer
        raise _failure(answer.status, method)

    def _asked(self, method: str, url: str, headers: Mapping[str, str]) -> Response:
        self._send(method, url, headers)
        while True:
            found = self._next()
            if isinstance(found, Response):
                return found
            self._held.append(found)

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        self._number += 1
        head = {"CSeq": str(self._number), "User-Agent": "printpipe-agent", **headers}
        if self._session:
            head["Session"] = self._session
        if self._challenge is not None:
            head["Authorization"] = authorization(self._challenge, USER, self._access_code, method, url)
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in head.items())]
        self._line.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def _next(self) -> Response | Interleaved:
        first = self._line.read(1)
        if first == b"$":
            channel, high, low = self._line.read(3)
            return Interleaved(channel, self._line.read(high << 8 | low))
        head = first + self._line.read_until(b"\r\n\r\n", HEAD_BYTES)
        begin, *rest = head.decode("utf-8", "replace").split("\r\n")
        status = _STATUS.match(begin)
        headers = _headers(rest)
        length = headers.get("content-length", "0")
        if status is None or not _LENGTH.fullmatch(length) or int(length) > BODY_BYTES:
            raise Broken("the camera answers with what cannot be read")
        return Response(int(status[1]), headers, self._line.read(int(length)).decode("utf-8", "replace"))


def _headers(lines: Sequence[str]) -> dict[str, str]:
    """The headers by their names in lower case; of two challenges the one for a digest, of other doubles the last."""
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = (part.strip() for part in line.partition(":"))
        if name.lower() != CHALLENGE or not headers.get(CHALLENGE, "").lower().startswith("digest"):
            headers[name.lower()] = value
    return headers


def _failure(status: int, method: str) -> CameraFailed:
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return CameraFailed("refused", "the camera refused the access code")
    if status == _NOT_FOUND:
        return CameraFailed("off", "the camera shows no video; is LAN Only Liveview on at the printer?")
    if status in _BUSY:
        return CameraFailed("busy", "the camera has as many viewers as it can")
    return CameraFailed("unreachable", f"the camera answered {method} with {status}")
