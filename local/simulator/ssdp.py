"""How printers make themselves known on the LAN: notifications once a second, and answers to a search. Loopback only.

As the devices do, by SSDP's words on ports of their own (protocol notes, section A).
"""

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass

HOST = "127.0.0.1"
GROUP = "239.255.255.250"
KIND = "urn:bambulab-com:device:3dprinter:1"
STANDARD_PORTS = (2021, 1990)
EVERY_SECONDS = 1.0

CODES = {
    "X1C": "BL-P001",
    "X1E": "C13",
    "P1P": "C11",
    "P1S": "C12",
    "A1 mini": "N1",
    "A1": "N2S",
    "P2S": "N7",
    "X2D": "N6",
    "H2D": "O1D",
    "H2S": "O1S",
}
"""The models' codes in the announcement; a model without one has its own name there."""

_LARGEST = 2048
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Announcement:
    """What one printer says of itself."""

    serial: str
    host: str
    model: str
    firmware: str = "01.00.00.00"

    def render(self, opening: str, kind: str) -> bytes:
        """As a datagram; `kind` is the name of the header that says what it is."""
        headers = {
            "HOST": f"{GROUP}:1990",
            "Server": "UPnP/1.0",
            "Location": self.host,
            kind: KIND,
            "NTS": "ssdp:alive",
            "USN": self.serial,
            "Cache-Control": "max-age=1800",
            "DevModel.bambu.com": CODES.get(self.model, self.model),
            "DevName.bambu.com": f"{self.model} {self.serial[-3:]}",
            "DevSignal.bambu.com": "-44",
            "DevConnect.bambu.com": "lan",
            "DevBind.bambu.com": "free",
            "Devseclink.bambu.com": "secure",
            "DevVersion.bambu.com": self.firmware,
            "DevCap.bambu.com": "1",
        }
        return "\r\n".join([opening, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


class Announcer:
    """Speaks for all printers of a farm, in a thread of its own."""

    def __init__(self, ports: tuple[int, ...] = STANDARD_PORTS) -> None:
        """Raises OSError for a port that cannot be shared."""
        self._ports = ports
        self._lock = threading.Lock()
        self._announcements: dict[str, Announcement] = {}
        self._ended = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        try:
            self._mouth = self._opened()
            self._mouth.bind((HOST, 0))
            self._mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
            for port in ports:
                self._listen(port)
        except BaseException:
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name="simulator-ssdp", daemon=True)

    def announce(self, announcement: Announcement) -> None:
        """From now on say this of the printer, in place of what was said."""
        with self._lock:
            self._announcements[announcement.serial] = announcement

    def begin(self) -> None:
        """Speak from now on."""
        self._thread.start()

    def close(self) -> None:
        """Fall silent."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._release()

    def _run(self) -> None:
        next_time = 0.0
        while not self._ended.is_set():
            if time.monotonic() >= next_time:
                next_time = time.monotonic() + EVERY_SECONDS
                for announcement in self._known():
                    for port in self._ports:
                        self._say(announcement.render("NOTIFY * HTTP/1.1", "NT"), (GROUP, port))
            for key, _ in self._selector.select(_LOOK_SECONDS):
                self._answer(key.data)

    def _answer(self, ear: socket.socket) -> None:
        with contextlib.suppress(OSError):
            question, asker = ear.recvfrom(_LARGEST)
            if question.startswith(b"M-SEARCH * HTTP/1.1\r\n") and f"ST: {KIND}".encode() in question:
                for announcement in self._known():
                    self._say(announcement.render("HTTP/1.1 200 OK", "ST"), asker)

    def _known(self) -> list[Announcement]:
        with self._lock:
            return list(self._announcements.values())

    def _say(self, datagram: bytes, target: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._mouth.sendto(datagram, target)

    def _listen(self, port: int) -> None:
        ear = self._opened()
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind((GROUP, port))
        membership = socket.inet_aton(GROUP) + socket.inet_aton(HOST)
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._selector.register(ear, selectors.EVENT_READ, ear)

    def _opened(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        self._sockets.append(made)
        return made

    def _release(self) -> None:
        self._selector.close()
        for each in self._sockets:
            each.close()
