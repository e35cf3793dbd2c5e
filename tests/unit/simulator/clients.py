"""Clients of the simulated printers: paho-mqtt, ftplib and a viewer of the camera, as real printers are used."""

import contextlib
import ftplib
import io
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from local.simulator.farm import SimulatedPrinter

PATIENCE = 15.0
Frame = dict[str, Any]


class Client:
    """A paho client of one printer that verifies its certificate by serial and keeps what arrives."""

    def __init__(self, printer: SimulatedPrinter, *, password: str = "", topic: str = "", keepalive: int = 30) -> None:
        self.printer = printer
        self.topic = topic or f"device/{printer.serial}/report"
        self.messages: list[Frame] = []
        self.connected: list[str] = []
        self.disconnects = 0
        self.acknowledged: set[int] = set()
        self.tls_version = ""
        self._changed = threading.Condition()
        self._keepalive = keepalive
        self.mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self.mqtt.username_pw_set("bblp", password or printer.access_code)
        self.mqtt.tls_set_context(trusting(printer))
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = self._on_message
        self.mqtt.on_disconnect = self._on_disconnect
        self.mqtt.on_publish = self._on_publish
        self._wrap = self.mqtt._ssl_wrap_socket
        self.mqtt._ssl_wrap_socket = self._wrap_by_serial  # type: ignore[method-assign]  # paho verifies the host only

    def __enter__(self) -> Self:
        self.mqtt.connect(self.printer.host, self.printer.mqtt_port, self._keepalive)
        self.mqtt.loop_start()
        self.until(lambda: self.connected or self.disconnects)
        return self

    def __exit__(self, *_: object) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def ask(self, section: str, command: str, *, sequence_id: str = "30001", qos: int = 1, **fields: Any) -> int:
        body = {section: {"sequence_id": sequence_id, "command": command, **fields}}
        return self.mqtt.publish(f"device/{self.printer.serial}/request", json.dumps(body), qos=qos).mid

    def start(self, file: str = "cube.gcode.3mf", plate: int = 1, **fields: Any) -> None:
        fields = {"subtask_name": "cube", "url": f"ftp:///{file}", "use_ams": False, **fields}
        self.ask("print", "project_file", param=f"Metadata/plate_{plate}.gcode", **fields)

    def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, patience), self.messages[-3:]

    def wait(self, matches: Callable[[Frame], bool]) -> Frame:
        """The first message of any section, already here or to come, that matches."""
        self.until(lambda: any(matches(message) for message in self.bodies()))
        return next(message for message in self.bodies() if matches(message))

    def reply(self, command: str, sequence_id: str = "30001") -> Frame:
        return self.wait(lambda m: m.get("command") == command and m.get("sequence_id") == sequence_id)

    def bodies(self) -> list[Frame]:
        return [body for message in self.messages for body in message.values()]

    def reports(self) -> list[Frame]:
        return [body for body in self.bodies() if body.get("command") == "push_status"]

    def states(self) -> list[str]:
        """The changes of `gcode_state` seen so far."""
        seen = [report["gcode_state"] for report in self.reports() if "gcode_state" in report]
        return [state for at, state in enumerate(seen) if at == 0 or state != seen[at - 1]]

    def _wrap_by_serial(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        host, self.mqtt._host = self.mqtt._host, self.printer.serial
        try:
            wrapped = self._wrap(tcp_sock)
        finally:
            self.mqtt._host = host
        self.tls_version = str(wrapped.version())
        return wrapped

    def _note(self, action: Callable[[], None]) -> None:
        with self._changed:
            action()
            self._changed.notify_all()

    def _on_connect(self, client: mqtt.Client, _: object, flags: object, code: Any, properties: object) -> None:
        if not code.is_failure:
            client.subscribe(self.topic)
        self._note(lambda: self.connected.append(str(code)))

    def _on_message(self, _client: object, _: object, message: mqtt.MQTTMessage) -> None:
        self._note(lambda: self.messages.append(json.loads(message.payload)))

    def _on_disconnect(self, *_: object) -> None:
        def count() -> None:
            self.disconnects += 1

        self._note(count)

    def _on_publish(self, _client: object, _: object, mid: int, *more: object) -> None:
        self._note(lambda: self.acknowledged.add(mid))


class ImplicitFtps(ftplib.FTP_TLS):
    """ftplib with TLS from the first byte, the certificate verified by serial, the session used again for data."""

    def __init__(self, printer: SimulatedPrinter, password: str = "") -> None:
        super().__init__(context=trusting(printer))
        self._serial = printer.serial
        raw = socket.create_connection((printer.host, printer.ftps_port), PATIENCE)
        self.host, self.af = printer.host, raw.family
        self.sock = self.context.wrap_socket(raw, server_hostname=self._serial)
        self.file = self.sock.makefile("r", encoding="utf-8")
        self.welcome = self.getresp()
        self.login("bblp", password or printer.access_code)
        self.prot_p()
        self.voidcmd("TYPE I")

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        raw, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.context.wrap_socket(raw, server_hostname=self._serial, session=self.sock.session), size


def trusting(printer: SimulatedPrinter) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(printer.ca_file))


def upload(printer: SimulatedPrinter, content: bytes, name: str = "cube.gcode.3mf") -> None:
    with ImplicitFtps(printer) as ftps:
        ftps.storbinary(f"STOR {name}", io.BytesIO(content))


@contextlib.contextmanager
def viewer(printer: SimulatedPrinter, code: str) -> Iterator[io.BufferedIOBase]:
    raw = socket.create_connection((printer.host, printer.camera_port), PATIENCE)
    with trusting(printer).wrap_socket(raw, server_hostname=printer.serial) as connection:
        connection.sendall(struct.pack("<IIII32s32s", 0x40, 0x3000, 0, 0, b"bblp", code.encode()))
        with connection.makefile("rb") as stream:
            yield stream
