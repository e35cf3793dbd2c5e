"""The camera of P1 and A1 printers: a stream of JPEGs over TLS on port 6000 (protocol notes, section F).

The client sends 80 bytes, and then comes a header of 16 bytes before every picture. The stream has room for one viewer.
"""

import struct
from collections.abc import Callable

from edge_agent.camera.limit import Broken, Limit
from edge_agent.camera.line import Ended, Line, Secure, opened
from edge_agent.drivers.base import PICTURE_BYTES, CameraFailed

USER = b"bblp"
HEADER_BYTES = 16
_LOGIN = struct.Struct("<IIII32s32s")
_NAME_BYTES = 32
_SIZE, _KIND = 0x40, 0x3000
_START, _END = b"\xff\xd8", b"\xff\xd9"


def login(access_code: str) -> bytes:
    """The 80 bytes with which a viewer is let in. Raises CameraFailed for a code that has no room in them."""
    code = access_code.encode()
    if len(code) > _NAME_BYTES:
        raise CameraFailed("refused", "the access code is too long to be one")
    return _LOGIN.pack(_SIZE, _KIND, 0, 0, USER, code)


def size_of(header: bytes) -> int:
    """The size of the picture that follows, in bytes. Raises Broken where it cannot be one."""
    size = int.from_bytes(header[:4], "little")
    if not len(_START + _END) <= size <= PICTURE_BYTES:
        raise Broken(f"the camera announces a picture of {size} bytes")
    return size


def whole(frame: bytes) -> bytes:
    """The picture, without the zeros that may fill its frame up. Raises Broken where it is not a whole one."""
    picture = frame.rstrip(b"\0")
    if not picture.startswith(_START) or not picture.endswith(_END):
        raise Broken("the camera sends what is no picture")
    return picture


def next_picture(line: Line, code_is_right: Callable[[], bool]) -> bytes:
    """The first picture that comes after the login. Raises CameraFailed.

    A viewer with a wrong code and one too many find the connection closed alike; `code_is_right` tells them apart.
    """
    try:
        header = line.read(HEADER_BYTES)
    except Ended:
        if code_is_right():
            raise CameraFailed("busy", "the camera has another viewer, and room for one alone") from None
        raise CameraFailed("refused", "the camera refused the access code") from None
    return whole(line.read(size_of(header)))


def look(
    address: str, port: int, secure: Secure, access_code: str, code_is_right: Callable[[], bool], limit: Limit
) -> bytes:
    """A picture of now. Raises CameraFailed; see `next_picture`."""
    greeting = login(access_code)

    def attempt() -> bytes:
        with opened(address, port, secure, limit) as line:
            line.send(greeting)
            return next_picture(line, code_is_right)

    return limit.persistent(attempt)
