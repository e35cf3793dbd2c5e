"""Examines a Bambu Lab printer: certificate, access code, MQTT, Developer Mode, files, camera."""

import threading
import time
from collections.abc import Iterator

from edge_agent.camera.bambu import BambuView
from edge_agent.camera.limit import Limit
from edge_agent.cli.findings import Finding
from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu import troubles
from edge_agent.drivers.bambu.probe import visit_broker, visit_files
from edge_agent.drivers.bambu.session import Session
from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import CameraFailed, ConnectionFailed, PrinterInfo
from edge_agent.timestamps import Clock

REPORT_SECONDS = 15.0
"""How long the printer may take for a full report; P1 printers are slow."""
GOODBYE_SECONDS = 2.0
BUSY_ADVICE = "A printer allows few connections at once: close other programs that hold one, or switch it off and on."


def examine_bambu(printer: PrinterConfig, timing: Timing) -> Iterator[Finding]:
    """What is found at a printer that something answers for: one connection after the other, and no effect on it."""
    let_in = [
        Finding("ok", "certificate", f"is that of {printer.serial}"),
        Finding("ok", "access code", "is taken"),
    ]
    try:
        info = visit_broker(printer, timing, _nothing)
    except ConnectionFailed as error:
        match error.code:
            case "wrong_certificate" | "wrong_serial":
                yield Finding("fail", "certificate", str(error))
            case "refused":
                yield let_in[0]
                yield Finding("fail", "access code", str(error))
            case _:
                yield Finding("fail", "mqtt", str(error), BUSY_ADVICE)
        return
    yield from let_in
    yield Finding("ok", "mqtt", described(info))
    picture = _reported(printer, timing)
    yield _developer_mode(picture)
    yield _files(printer, timing)
    yield _camera(printer, timing, picture)


def described(info: PrinterInfo) -> str:
    """What a printer says that it is."""
    known = (info.model, info.firmware_version and f"firmware {info.firmware_version}")
    return ", ".join(each for each in known if each) or "answers"


def _reported(printer: PrinterConfig, timing: Timing) -> Picture | None:
    """The printer's full report; None where none came."""
    session = Session(printer, timing, time.monotonic, threading.Event())
    session.start()
    try:
        return session.picture if session.wait(lambda: session.ready, REPORT_SECONDS) else None
    finally:
        session.stop()
        session.join(GOODBYE_SECONDS)


def _developer_mode(picture: Picture | None) -> Finding:
    if picture is None:
        return Finding("fail", "report", troubles.SILENT.text)
    if picture.refuses_unsigned:
        return Finding("fail", "developer mode", troubles.DEVELOPER_MODE_OFF.text)
    if picture.signature_required is None:
        return Finding("ok", "developer mode", "this firmware does not tell; where it is off, the first command fails")
    return Finding("ok", "developer mode", "is on")


def _files(printer: PrinterConfig, timing: Timing) -> Finding:
    try:
        visit_files(BambuStorage(printer, Clock(), timing.ftps_reply, lambda _name: False))
    except ConnectionFailed as error:
        return Finding("fail", "ftps", str(error), f"Files are sent to port {printer.ftps_port}: is it let through?")
    return Finding("ok", "ftps", "lets us in")


def _camera(printer: PrinterConfig, timing: Timing, picture: Picture | None) -> Finding:
    """A camera that gives no picture keeps no print from being made."""
    url = None if picture is None else picture.rtsp_url
    view = BambuView(printer, lambda: printer.address, lambda: url, lambda: True)
    limit = Limit(timing.picture, time.monotonic, threading.Event(), _nothing)
    try:
        return Finding("ok", "camera", f"gives a picture of {len(view.look(limit))} bytes")
    except CameraFailed as error:
        return Finding("warn", "camera", str(error))


def _nothing() -> None:
    """There is nothing to check in between."""
