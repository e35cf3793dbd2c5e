"""Simulated printers as the agent's configuration has them."""

from typing import Any

from edge_agent.config import PrinterConfig
from local.simulator.farm import SimulatedPrinter
from local.simulator.prusa_printer import SimulatedPrusa


def section(printer: SimulatedPrinter | SimulatedPrusa, **changes: Any) -> dict[str, Any]:
    """The printer's section, as in JSON; nothing is said of a camera."""
    reached: dict[str, Any] = {
        "serial": printer.serial,
        "address": printer.host,
        "access_code": printer.access_code,
    }
    if isinstance(printer, SimulatedPrusa):
        reached |= {"type": "prusalink", "http_port": printer.http_port}
    else:
        ports = {"mqtt_port": printer.mqtt_port, "ftps_port": printer.ftps_port}
        reached |= {"type": "bambu", **ports, "ca_file": str(printer.ca_file)}
    return reached | changes


def configured(printer: SimulatedPrinter, **changes: Any) -> PrinterConfig:
    """A Bambu Lab printer's section, read, with the ports of its camera."""
    ports = {"camera_port": printer.camera_port, "rtsps_port": printer.rtsps_port}
    known = {name: port for name, port in ports.items() if port is not None}
    return PrinterConfig.model_validate(section(printer, **known) | changes)
