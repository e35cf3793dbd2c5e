"""The video of X1, P2S, X2D and H2 printers: RTSP over TLS with Digest, H.264 in RTP on the same connection.

Several may look at it, unlike at the JPEG port. A wrong code is answered with 401.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from local.simulator.broker import USER
from local.simulator.camera import SLOW_BYTES, SLOW_SECONDS
from local.simulator.faults import Faults
from local.simulator.h264 import grey_blocks, parameter_sets
from local.simulator.listener import TlsListener

PATH = "/streaming/live/1"
TRACK = "track1"
REALM = "LIVE555 Streaming Media"
PAYLOAD_TYPE = 96
FRAME_SECONDS = 0.5
_CLOCK = 90_000
_PACKET_BYTES = 1400
_HEADER = struct.Struct(">BBHII")
_COLUMNS, _ROWS = 20, 12
_BAR_ROW = 9
_DARK, _BRIGHT = 24, 224

Pictures = Callable[[int], Sequence[bytes]]
"""The coded units of the picture with this number, from 1 on; the first two are the parameter sets (SPS, PPS)."""
Headers = Mapping[str, str]


class VideoCamera:
    """Serves every viewer who has the code."""

    def __init__(
        self, address: tuple[str, int], *, access_code: str, certificate: Path, faults: Faults, pictures: Pictures
    ) -> None:
        self._access_code = access_code
        self._faults = faults
        self._pictures = pictures
        self._listener = TlsListener(address, certificate, self._serve)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    def begin(self) -> None:
        """Accept viewers from now on."""
        self._listener.begin()

    async def close(self) -> None:
        """Stop listening and end every view."""
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonce, channel, playing = secrets.token_hex(16), 0, None
        try:
            while (asked := await _request(reader)) is not None:
                method, url, headers = asked
                status, more, body = self._answer(method, url, headers, nonce)
                if status == 200 and method == "SETUP":
                    channel = int(headers["transport"].partition("interleaved=")[2].partition("-")[0])
                writer.write(_response(status, headers.get("cseq", "0"), more, body))
                await writer.drain()
                if status == 200 and method == "PLAY" and playing is None:
                    playing = asyncio.ensure_future(self._show(writer, channel))
                if method == "TEARDOWN":
                    return
        finally:
            if playing is not None:
                playing.cancel()

    def _answer(self, method: str, url: str, headers: Headers, nonce: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body."""
        if method == "OPTIONS":
            return 200, {"Public": "OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY"}, ""
        if not self._admits(method, url, headers, nonce):
            return 401, {"WWW-Authenticate": f'Digest realm="{REALM}", nonce="{nonce}"'}, ""
        if self._faults.camera == "busy":
            return 503, {}, ""
        if not urlsplit(url).path.startswith(PATH):
            return 404, {}, ""
        match method:
            case "DESCRIBE":
                told = {"Content-Type": "application/sdp", "Content-Base": f"{url}/"}
                return 200, told, _description(self._pictures(1)[:2])
            case "SETUP":
                return 200, {"Transport": headers["transport"], "Session": f"{secrets.token_hex(4)};timeout=65"}, ""
            case "PLAY" | "TEARDOWN":
                return 200, {"Session": headers.get("session", "")}, ""
            case _:
                return 405, {}, ""

    def _admits(self, method: str, url: str, headers: Headers, nonce: str) -> bool:
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        try:
            given = parse_keqv_list(parse_http_list(rest)) if scheme == "Digest" else {}
        except ValueError:
            return False
        if given.get("nonce") != nonce or given.get("uri") != url or self._faults.refuse_password:
            return False
        who, what = _hash(f"{USER}:{REALM}:{self._access_code}"), _hash(f"{method}:{url}")
        return hmac.compare_digest(given.get("response", ""), _hash(f"{who}:{nonce}:{what}"))

    async def _show(self, writer: asyncio.StreamWriter, channel: int) -> None:
        number, sequence = 0, secrets.randbelow(1 << 16)
        while not writer.is_closing():
            number += 1
            fault = self._faults.camera
            payloads = list(payloads_of(self._pictures(number)))
            for place, payload in enumerate(payloads):
                sequence = (sequence + 1) & 0xFFFF
                lost = fault == "lossy" and number % 2 and place == len(payloads) // 2
                if fault == "silent" or lost:
                    continue
                if fault == "cut" and place == len(payloads) // 2:
                    writer.close()
                    return
                last = place == len(payloads) - 1
                packet = rtp(payload, sequence, round(number * FRAME_SECONDS * _CLOCK), marker=last)
                content = secrets.token_bytes(len(packet)) if fault == "garbage" else packet
                await self._send(writer, struct.pack(">cBH", b"$", channel, len(content)) + content)
            await asyncio.sleep(FRAME_SECONDS)

    async def _send(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        step = SLOW_BYTES if self._faults.camera == "slow" else len(content)
        for begin in range(0, len(content), step):
            writer.write(content[begin : begin + step])
            await writer.drain()
            if step < len(content):
                await asyncio.sleep(SLOW_SECONDS)


def pictures_of(percent: Callable[[], int]) -> Pictures:
    """The same picture as that of the JPEG port: a bar for the job's progress, and a corner that blinks."""

    def pictures(number: int) -> Sequence[bytes]:
        rows = [[60 + 8 * y] * _COLUMNS for y in range(_ROWS)]
        rows[_BAR_ROW] = [_BRIGHT if (x + 1) * 100 <= percent() * _COLUMNS else _DARK for x in range(_COLUMNS)]
        rows[0][0] = _BRIGHT if number % 2 else _DARK
        return [*parameter_sets(_COLUMNS, _ROWS), grey_blocks(rows, number)]

    return pictures


def payloads_of(units: Sequence[bytes]) -> Iterator[bytes]:
    """The units of one picture as RTP carries them (RFC 6184): the sets together, what is long in fragments."""
    sets, coded = units[:2], units[2:]
    yield bytes([sets[0][0] & 0x60 | 24]) + b"".join(len(unit).to_bytes(2) + unit for unit in sets)
    for unit in coded:
        yield from fragments(unit)


def fragments(unit: bytes) -> Iterator[bytes]:
    """One unit as it is, or where it is long in several parts (FU-A)."""
    if len(unit) <= _PACKET_BYTES:
        yield unit
        return
    head, content = unit[0], unit[1:]
    for begin in range(0, len(content), _PACKET_BYTES):
        first, last = begin == 0, begin + _PACKET_BYTES >= len(content)
        indicator, header = head & 0xE0 | 28, first << 7 | last << 6 | head & 0x1F
        yield bytes([indicator, header]) + content[begin : begin + _PACKET_BYTES]


def rtp(payload: bytes, sequence: int, timestamp: int, *, marker: bool) -> bytes:
    """The packet around a payload (RFC 3550)."""
    head = _HEADER.pack(0x80, marker << 7 | PAYLOAD_TYPE, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 0x5052494E)
    return head + payload


def _description(sets: Sequence[bytes]) -> str:
    told = ",".join(base64.b64encode(unit).decode() for unit in sets)
    lines = (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=live",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        "c=IN IP4 0.0.0.0",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{_CLOCK}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id=42C01E;sprop-parameter-sets={told}",
        f"a=control:{TRACK}",
    )
    return "\r\n".join(lines) + "\r\n"


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, Headers] | None:
    """Method, address and headers of the next request; None where it is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    begin, *rest = head.decode("utf-8", "replace").split("\r\n")
    words = begin.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return (words[0], words[1], headers) if len(words) == 3 else None


def _response(status: int, number: str, headers: Headers, body: str) -> bytes:
    told = {"CSeq": number, **headers}
    if body:
        told["Content-Length"] = str(len(body))
    lines = [f"RTSP/1.0 {status} -", *(f"{name}: {value}" for name, value in told.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
