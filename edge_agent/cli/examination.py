"""Examines a printer from this machine, step by step, with one connection at a time and no effect on it."""

import shutil
import socket
from collections.abc import Callable, Iterator

from edge_agent.cli.bambu_examination import described, examine_bambu
from edge_agent.cli.findings import Finding
from edge_agent.config import AgentConfig, PrinterConfig, PrinterSection, PrusaLinkConfig
from edge_agent.drivers.bambu.models import capabilities
from edge_agent.drivers.base import ConnectionFailed, PrinterInfo, Stranger
from edge_agent.drivers.brands import Brand
from edge_agent.drivers.prusalink.line import Line
from edge_agent.drivers.prusalink.probe import visit
from edge_agent.timestamps import Clock

ADDRESS_ADVICE = "Is it on, in this network, and at this address? printpipe-agent discover lists what is there."


def examine(printer: PrinterSection, config: AgentConfig, brand: Brand) -> Iterator[Finding]:
    """What is found, as it is found. `printer` need not be in the configuration yet."""
    found = reach(printer, config.timing.connect_timeout)
    yield found
    if found.verdict == "fail":
        return
    if isinstance(printer, PrinterConfig):
        yield from examine_bambu(printer, config.timing)
    elif isinstance(printer, PrusaLinkConfig):
        line = Line(printer.address, printer.http_port, printer.access_code, config.timing, printer.username)
        yield _visited(lambda: visit(line, printer.serial, _nothing))
    else:
        stranger = Stranger(printer.serial, printer.address, printer.access_code, printer.type, printer.model or "")
        alone = config.model_copy(update={"printers": (printer,)})
        yield _visited(lambda: brand.probe(stranger, alone, Clock(), _nothing))


def reach(printer: PrinterSection, seconds: float) -> Finding:
    """Whether something listens where the printer should; of another package's brand that is not known."""
    port = _port(printer)
    if port is None:
        return Finding("ok", "network", f"{printer.address}: not looked at, {printer.type} is another package's brand")
    try:
        with socket.create_connection((printer.address, port), seconds):
            return Finding("ok", "network", f"{printer.address}:{port} answers")
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding("fail", "network", f"{printer.address}:{port} does not answer: {reason}", ADDRESS_ADVICE)


def needs_ffmpeg(printer: PrinterSection) -> bool:
    """Whether the printer's camera shows video that this machine has to decode."""
    if not isinstance(printer, PrinterConfig):
        return False
    return printer.camera == "rtsps" or (printer.camera == "auto" and capabilities(printer.serial).camera == "rtsps")


def has_ffmpeg() -> bool:
    """Whether this machine can decode video."""
    return shutil.which("ffmpeg") is not None


def _visited(visit: Callable[[], PrinterInfo]) -> Finding:
    try:
        return Finding("ok", "printer", described(visit()))
    except ConnectionFailed as error:
        advice = {"unreachable": ADDRESS_ADVICE, "refused": "Compare the access code with what the printer shows."}
        return Finding("fail", "printer", str(error), advice.get(error.code, ""))


def _port(printer: PrinterSection) -> int | None:
    match printer:
        case PrinterConfig():
            return printer.mqtt_port
        case PrusaLinkConfig():
            return printer.http_port
        case _:
            return None


def _nothing() -> None:
    """There is nothing to check in between."""
