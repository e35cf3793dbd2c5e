"""The JPEG port of P1 and A1 printers (TLS, TCP 6000): 80 bytes of login, then a header and a picture a second.

Simulated X1 printers have it too, so that every printer of a farm shows a picture.
"""

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Callable
from pathlib import Path

from local.simulator.broker import USER
from local.simulator.faults import Faults
from local.simulator.jpeg import grey_blocks
from local.simulator.listener import TlsListener

FRAME_SECONDS = 1.0
SLOW_BYTES, SLOW_SECONDS = 8, 0.5
"""How much comes at a time, and how often, where the picture is slow."""
_LOGIN = struct.Struct("<IIII32s32s")
_HEADER = struct.Struct("<IIII")
_LOGIN_SECONDS = 5.0
_COLUMNS, _ROWS = 20, 12
_BAR_ROW = 9


class Camera:
    """Serves one viewer at a time; a wrong code or a second viewer finds the connection closed."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        access_code: str,
        certificate: Path,
        faults: Faults,
        percent: Callable[[], int],
    ) -> None:
        self._login = USER.encode(), access_code.encode()
        self._faults = faults
        self._percent = percent
        self._watched = False
        self._listener = TlsListener(address, certificate, self._serve)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    def begin(self) -> None:
        """Accept viewers from now on."""
        self._listener.begin()

    async def close(self) -> None:
        """Stop listening and end the view."""
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError):
            login = await asyncio.wait_for(reader.readexactly(_LOGIN.size), _LOGIN_SECONDS)
            if not self._admits(login) or self._watched or self._faults.camera == "busy":
                return
            self._watched = True
            try:
                await self._show(writer)
            finally:
                self._watched = False

    def _admits(self, login: bytes) -> bool:
        size, kind, _, _, user, code = _LOGIN.unpack(login)
        given = user.rstrip(b"\x00"), code.rstrip(b"\x00")
        return (size, kind) == (0x40, 0x3000) and given == self._login and not self._faults.refuse_password

    async def _show(self, writer: asyncio.StreamWriter) -> None:
        beat = 0
        while not writer.is_closing():
            beat += 1
            picture = picture_of(self._percent(), beat)
            await self._send(writer, _HEADER.pack(len(picture), 0, 1, 0) + picture)
            await asyncio.sleep(FRAME_SECONDS)

    async def _send(self, writer: asyncio.StreamWriter, frame: bytes) -> None:
        """One picture, or what the fault makes of it."""
        match self._faults.camera:
            case "silent":
                return
            case "garbage":
                frame = secrets.token_bytes(len(frame))
            case "cut":
                frame = frame[: len(frame) // 2]
        # In a TLS record of its own, as the devices send it: some viewers count on that.
        writer.write(frame[: _HEADER.size])
        frame = frame[_HEADER.size :]
        step = SLOW_BYTES if self._faults.camera == "slow" else len(frame)
        for begin in range(0, len(frame), step):
            writer.write(frame[begin : begin + step])
            await writer.drain()
            await asyncio.sleep(SLOW_SECONDS if step < len(frame) else 0)
        if self._faults.camera == "cut":
            writer.close()


def picture_of(percent: int, beat: int) -> bytes:
    """A JPEG with a bar for the job's progress and a corner that blinks from frame to frame."""
    rows = [[60 + 8 * y] * _COLUMNS for y in range(_ROWS)]
    rows[_BAR_ROW] = [230 if (x + 1) * 100 <= percent * _COLUMNS else 20 for x in range(_COLUMNS)]
    rows[0][0] = 255 if beat % 2 else 0
    return grey_blocks(rows)
