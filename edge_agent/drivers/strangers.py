"""Tests the connection to printers that have no driver, each as its brand wants it."""

from collections.abc import Callable

from edge_agent.config import AgentConfig, PrinterConfig
from edge_agent.drivers.bambu import probe as bambu
from edge_agent.drivers.base import ConnectionFailed, PrinterInfo, Probe, Stranger
from edge_agent.drivers.prusalink import probe as prusalink
from edge_agent.timestamps import Clock


def prober(config: AgentConfig, clock: Clock) -> Probe:
    """The test of a printer that the configuration does not have. A brand that nobody says is Bambu Lab."""
    known = [printer for printer in config.printers if isinstance(printer, PrinterConfig)]

    def probe(stranger: Stranger, check: Callable[[], None]) -> PrinterInfo:
        brand = stranger.brand.casefold()
        if "prusa" in brand or "prusa" in stranger.model.casefold():
            return prusalink.visit_stranger(stranger, config.timing, check)
        if brand and "bambu" not in brand:
            raise ConnectionFailed("unknown_printer", f"printers of {stranger.brand} cannot be connected")
        return bambu.visit_stranger(stranger, known, config.timing, clock, check)

    return probe
