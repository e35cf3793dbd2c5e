"""The brands of printers that the agent knows: its own, and those that installed packages bring along.

A package brings a brand with an entry point of the group `printpipe_agent.brands` that is a `Brand`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from threading import Event
from typing import Any

from edge_agent.config import AgentConfig, PrinterConfig, PrinterSection, PrusaLinkConfig
from edge_agent.drivers.bambu import probe as bambu
from edge_agent.drivers.bambu.driver import BambuDriver
from edge_agent.drivers.base import ConnectionFailed, Driver, PrinterInfo, Probe, Stranger
from edge_agent.drivers.prusalink import device as prusalink
from edge_agent.drivers.prusalink.probe import visit_stranger as visit_prusalink
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.timestamps import Clock

GROUP = "printpipe_agent.brands"


@dataclass(frozen=True, slots=True)
class Brand:
    """One brand: `name` is its `type` in the configuration, `config` the model of a printer there.

    `driver` takes a printer of that model, the agent's rooms and the event to set when the status has changed. `word`
    stands in the names by which people call printers of this brand. `probe` tests one that has no driver.
    """

    name: str
    config: type[PrinterSection]
    driver: Callable[[Any, Rooms, Event], Driver]
    word: str
    probe: Callable[[Stranger, AgentConfig, Clock, Callable[[], None]], PrinterInfo]


BUILT_IN = (
    Brand("bambu", PrinterConfig, BambuDriver, "bambu", bambu.visit_stranger),
    Brand("prusalink", PrusaLinkConfig, prusalink.driver, "prusa", visit_prusalink),
)


def installed() -> Mapping[str, Brand]:
    """All brands by their type; one that cannot be loaded is logged and left out, and none replaces ours."""
    brands = {brand.name: brand for brand in BUILT_IN}
    for point in entry_points(group=GROUP):
        try:
            brand = point.load()
        except Exception as error:
            log("brand_unusable", "ERROR", name=point.name, reason=repr(error))
            continue
        if isinstance(brand, Brand):
            brands.setdefault(brand.name, brand)
    return brands


def prober(brands: Mapping[str, Brand], config: AgentConfig, clock: Clock) -> Probe:
    """The test of a printer that the configuration does not have. A brand that nobody says is Bambu Lab."""

    def probe(stranger: Stranger, check: Callable[[], None]) -> PrinterInfo:
        said = stranger.brand.casefold()
        called = f"{said} {stranger.model.casefold()}"
        brand = next((each for each in brands.values() if each.word in called), None)
        if brand is None and said:
            raise ConnectionFailed("unknown_printer", f"printers of {stranger.brand} cannot be connected")
        return (brand or brands["bambu"]).probe(stranger, config, clock, check)

    return probe
