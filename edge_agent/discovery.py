"""Finds Bambu printers on the LAN by what they announce there, and by asking (protocol notes, section A).

Announcements are neither signed nor secret: they say where to look, and the certificate says who is there.
"""

import ipaddress
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from edge_agent.drivers.bambu.models import UNKNOWN, capabilities
from edge_agent.logs import log, log_exception

PORTS = (2021, 1990)
ANYWHERE = "0.0.0.0"
GROUP = "239.255.255.250"
BROADCAST = "255.255.255.255"
KIND = "urn:bambulab-com:device:3dprinter:1"
LARGEST = 2048
"""Bytes of a datagram; a printer's has some 500."""
MOST_LINES = 40
MOST_FOUND = 512
MOST_A_SECOND = 200
"""Datagrams looked at in a second; what comes beyond is left to the kernel to drop."""
ASK_EVERY = 3.0
ASK_ONCE_IN_A_WHILE = 20.0
"""Seconds between the questions of an agent that goes on listening: printers speak without being asked, too."""
LISTEN_ON = 60.0
"""Seconds for which the LAN is listened to after somebody has looked for a printer."""

MODELS = {
    "BL-P001": "X1C",
    "BL-P002": "X1",
    "C13": "X1E",
    "C11": "P1P",
    "C12": "P1S",
    "N1": "A1 mini",
    "N2S": "A1",
    "N7": "P2S",
    "N6": "X2D",
    "O1D": "H2D",
    "O1E": "H2D Pro",
    "O1S": "H2S",
    "O1C": "H2C",
}
"""By the code that is announced."""
_QUESTION = f'M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}:{{port}}\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: {KIND}\r\n\r\n'
_OPENING = re.compile(r"NOTIFY \* HTTP/1\.[01]|HTTP/1\.[01] 200(?: .*)?")
_SERIAL = re.compile(r"[0-9A-Z]{10,20}")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,24}")
_LONGEST_NAME = 64
_NO_ADDRESS = bytes(4)
_ANY_INTERFACE = struct.pack("@i", 0)


@dataclass(frozen=True, slots=True)
class Found:
    """A printer that was heard: nothing of it is proven.

    `model_code` is as announced, `model` a name where that or the serial tells it, else None. `connect` is lan or
    cloud; `bound` is whether it belongs to an account of its maker's cloud. Both None where it does not say.
    """

    serial: str
    address: str
    model_code: str | None
    model: str | None
    name: str | None
    connect: str | None
    bound: bool | None


def look(
    seconds: float, *, ports: tuple[int, ...] = PORTS, address: str = ANYWHERE, wanted: str | None = None
) -> list[Found]:
    """The printers that are heard within `seconds`, by serial; returns once the `wanted` one is.

    `address` is that of the interface to use, by default all. Raises OSError where none of the ports can be had.
    """
    found: dict[str, Found] = {}
    with Ears(ports, address) as ears:
        for each in ears.hear(seconds):
            if each.serial in found or len(found) < MOST_FOUND:
                found[each.serial] = each
            if each.serial == wanted:
                break
    return [found[serial] for serial in sorted(found)]


def read(datagram: bytes, sender: str) -> Found | None:
    """The printer that a datagram from the address `sender` announces; None for everything else.

    The printer says where it is; one that does not, or says what cannot be, is where the datagram came from.
    """
    headers = _headers(datagram)
    serial = headers.get("usn", "").partition("::")[0].removeprefix("uuid:")
    if KIND not in (headers.get("nt"), headers.get("st")) or not _SERIAL.fullmatch(serial):
        return None
    address = _usable(headers.get("location", ""), sender) or _usable(sender, sender)
    if address is None:
        return None
    code, name = headers.get("devmodel.bambu.com", ""), headers.get("devname.bambu.com", "")
    model_code = code if _CODE.fullmatch(code) else None
    connect, bind = headers.get("devconnect.bambu.com"), headers.get("devbind.bambu.com")
    return Found(
        serial=serial,
        address=address,
        model_code=model_code,
        model=MODELS.get(model_code or "") or _model_of(serial),
        name=name if name.isprintable() and 0 < len(name) <= _LONGEST_NAME else None,
        connect=connect if connect in ("lan", "cloud") else None,
        bound={"occupied": True, "free": False}.get(bind or ""),
    )


class Ears:
    """The open ports; asks the printers around once in a while, and hears what they say. For one thread."""

    def __init__(self, ports: tuple[int, ...], address: str, ask_every: float = ASK_EVERY) -> None:
        """Raises OSError where none of the ports can be had, or the address is not this machine's."""
        self._ports = ports
        self._address = address
        self._ask_every = ask_every
        self._asked_at = float("-inf")
        self._second = 0
        self._looked_at = 0
        self._held = ExitStack()
        self._selector = self._held.enter_context(selectors.DefaultSelector())
        try:
            self._mouth = self._opened(self._speaker)
            refused = [error for port in ports if (error := self._try(port)) is not None]
            if len(refused) == len(ports):
                raise refused[0]
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def hear(self, seconds: float) -> Iterator[Found]:
        """The printers heard within `seconds`, as they come, again and again."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if now - self._asked_at >= self._ask_every:
                self._asked_at = now
                self._ask()
            for key, _ in self._selector.select(min(until - now, ASK_EVERY)):
                found = self._taken(key.data)
                if found is not None:
                    yield found
            self._rest()

    def _taken(self, ear: socket.socket) -> Found | None:
        self._looked_at += 1
        try:
            datagram, (sender, *_) = ear.recvfrom(LARGEST + 1)
        except OSError:
            return None
        return read(datagram, sender) if len(datagram) <= LARGEST else None

    def _rest(self) -> None:
        """Wait for the next second where too much has come in this one."""
        now = time.monotonic()
        if int(now) != self._second:
            self._second, self._looked_at = int(now), 0
        elif self._looked_at >= MOST_A_SECOND:
            time.sleep(self._second + 1 - now)

    def _ask(self) -> None:
        for place in self._interfaces():
            try:
                self._mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, place)
                self._say(GROUP)
            except OSError:  # an interface without multicast; what is announced may be heard all the same
                continue
        if self._address == ANYWHERE:
            with suppress(OSError):
                self._say(BROADCAST)

    def _say(self, target: str) -> None:
        for port in self._ports:
            self._mouth.sendto(_QUESTION.format(port=port).encode(), (target, port))

    def _interfaces(self) -> list[bytes]:
        """The interface of the address, or all of them, as the kernel is told of them (`ip_mreqn`)."""
        if self._address != ANYWHERE:
            return [_NO_ADDRESS + socket.inet_aton(self._address) + _ANY_INTERFACE]
        return [_NO_ADDRESS * 2 + struct.pack("@i", index) for index, _ in socket.if_nameindex()]

    def _try(self, port: int) -> OSError | None:
        try:
            self._opened(lambda ear: self._listener(ear, port))
        except OSError as error:
            return error
        return None

    def _opened(self, prepare: Callable[[socket.socket], None]) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            prepare(made)
            self._selector.register(made, selectors.EVENT_READ, made)
        except BaseException:
            made.close()
            raise
        return self._held.enter_context(made)

    def _speaker(self, mouth: socket.socket) -> None:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        mouth.bind((self._address, 0))

    def _listener(self, ear: socket.socket, port: int) -> None:
        """Shared with other programs that listen there, as the maker's own does."""
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind((ANYWHERE if self._address == ANYWHERE else GROUP, port))
        for place in self._interfaces():
            membership = socket.inet_aton(GROUP) + place[len(_NO_ADDRESS) :]
            try:
                ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            except OSError:
                if self._address != ANYWHERE:
                    raise


class Neighbours:
    """Hears the printers around for as long as somebody looks for one. One for the whole agent; thread-safe."""

    def __init__(self, stopping: threading.Event, *, ports: tuple[int, ...] = PORTS, address: str = ANYWHERE) -> None:
        self._stopping = stopping
        self._ports = ports
        self._address = address
        self._lock = threading.Lock()
        self._seekers: dict[str, tuple[Callable[[Found], None], float]] = {}
        self._is_listening = False

    def seek(self, serial: str, heard: Callable[[Found], None]) -> None:
        """Look for this printer for a minute from now on; `heard` is called in another thread whenever it is heard."""
        with self._lock:
            self._seekers[serial] = (heard, time.monotonic() + LISTEN_ON)
            if not self._is_listening:
                self._is_listening = True
                threading.Thread(target=self._listen, name="discovery", daemon=True).start()

    def _listen(self) -> None:
        try:
            with Ears(self._ports, self._address, ASK_ONCE_IN_A_WHILE) as ears:
                while self._goes_on():
                    for found in ears.hear(1.0):
                        self._tell(found)
            return
        except OSError as error:
            log("discovery_unavailable", "WARNING", reason=str(error))
        except Exception as error:
            log_exception("discovery_failed", error)
        self._stopping.wait(LISTEN_ON)
        with self._lock:
            self._is_listening = False

    def _goes_on(self) -> bool:
        """Whether anybody still looks for a printer; where not, the next who does begins anew."""
        with self._lock:
            now = time.monotonic()
            self._seekers = {serial: seeker for serial, seeker in self._seekers.items() if now < seeker[1]}
            if not self._seekers or self._stopping.is_set():
                self._is_listening = False
            return self._is_listening

    def _tell(self, found: Found) -> None:
        with self._lock:
            seeker = self._seekers.get(found.serial)
        if seeker is not None:
            seeker[0](found)


def _headers(datagram: bytes) -> dict[str, str]:
    """The headers of a notification or an answer, by lower-case name, the first of each; none of anything else."""
    opening, *lines = datagram.decode("utf-8", errors="replace").split("\r\n")
    if not _OPENING.fullmatch(opening) or len(lines) > MOST_LINES:
        return {}
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return headers


def _model_of(serial: str) -> str | None:
    known = capabilities(serial)
    return None if known is UNKNOWN else known.name


def _usable(text: str, sender: str) -> str | None:
    """The address, where a printer can be there: a plain IPv4 address, and this machine's own only from itself."""
    try:
        address = ipaddress.IPv4Address(text)
        is_mine = ipaddress.IPv4Address(sender).is_loopback
    except ValueError:
        return None
    impossible = address.is_multicast or address.is_unspecified or address.is_reserved
    return None if impossible or (address.is_loopback and not is_mine) else str(address)
