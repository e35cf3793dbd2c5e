"""What is loaded into the printers: the cloud hears of it, and a start is held against it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from edge_agent import VERSION
from local.simulator.farm import Farm, SimulatedPrinter
from tests.backends import embedded
from tests.integration.agent_site import SHORT, AgentSite, agent, sites, until

AMS = {
    "loaded": [
        {"slot": 0, "type": "PLA", "color": "#FFFFFF", "remain": 80},
        {"slot": 5, "type": "PETG", "color": "#2FA36B"},
        {"slot": 128, "type": "PA-CF", "color": "#000000", "remain": 12},
    ],
    "nozzle_diameter": 0.6,
}
EXTERNAL = {"loaded": [{"slot": 254, "type": "PLA", "color": "#161616"}]}


class LoadedSite:
    """A site whose agent runs: an X1C with two AMS and an AMS HT, and a P1S with an external spool alone."""

    def __init__(self, site: AgentSite, farm: Farm) -> None:
        self.site = site
        self.x1c, self.p1s = farm.printers

    def status(self, printer: SimulatedPrinter) -> Mapping[str, Any]:
        """The live status that the cloud has."""
        found = [each.data for each in self.site.cloud.documents("printers", self.site.recipient)]
        states = [each.get("state") for each in found if each["serial"] == printer.serial]
        status: Mapping[str, Any] = states[0]["status"] if states and states[0] else {}
        return status

    def sees(self, printer: SimulatedPrinter, *spools: dict[str, Any], nozzle: float = 0.4) -> None:
        """Wait until the live status has these spools and this nozzle."""

        def seen() -> bool:
            status = self.status(printer)
            return (status.get("loadedFilaments"), status.get("nozzleDiameter")) == ([*spools], nozzle)

        until(seen, 10, f"{spools}, {nozzle}")

    def prints(self, printer: SimulatedPrinter, **metadata: Any) -> tuple[bool, list[int]]:
        """Print, wait for the end; whether and what the printer was told to take from the AMS."""
        job = self.site.start(printer, SHORT, **metadata)
        self.site.saw(job, "job_completed", 30)
        start = printer.inspect()["starts"][-1]
        return start["use_ams"], start["ams_mapping"]

    def refuses(self, printer: SimulatedPrinter, **metadata: Any) -> str:
        """Order a print that must not be sent; the message."""
        before = printer.inspect()
        ordered = self.site.order(printer, SHORT, **metadata)
        assert self.site.ended(ordered.command) == "failed"
        until(lambda: self.site.job(ordered.job) == "failed", 5)
        after = printer.inspect()
        assert (after["starts"], after["files"]) == (before["starts"], before["files"])
        return self.site.message(ordered.command)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedSite]:
    folder = tmp_path_factory.mktemp("loaded")
    with (
        embedded(folder) as backend,
        sites(backend, folder) as new_site,
        Farm(["X1C", "P1S"], speed=150, state_dir=folder / "farm", filaments={0: AMS, 1: EXTERNAL}) as farm,
    ):
        site = new_site()
        with agent(site.write_config(farm.printers, folder / "agent")):
            yield LoadedSite(site, farm)


def test_the_cloud_hears_what_is_loaded_and_at_once_what_changes(loaded: LoadedSite) -> None:
    white, green, black = (
        {"slot": 0, "type": "PLA", "color": "#FFFFFF", "remain": 80},
        {"slot": 5, "type": "PETG", "color": "#2FA36B"},
        {"slot": 128, "type": "PA-CF", "color": "#000000", "remain": 12},
    )
    loaded.sees(loaded.x1c, white, green, black, nozzle=0.6)
    loaded.sees(loaded.p1s, {"slot": 254, "type": "PLA", "color": "#161616"})
    loaded.x1c.set_filaments(loaded=[white, black], nozzle_diameter=0.4)
    loaded.sees(loaded.x1c, white, black)
    loaded.p1s.set_filaments(loaded=[])
    loaded.sees(loaded.p1s)
    loaded.x1c.set_filaments(**AMS)
    loaded.p1s.set_filaments(**EXTERNAL)
    loaded.sees(loaded.x1c, white, green, black, nozzle=0.6)
    loaded.sees(loaded.p1s, {"slot": 254, "type": "PLA", "color": "#161616"})


def test_the_mapping_reaches_the_printer(loaded: LoadedSite) -> None:
    expected = [{"slot": 0, "type": "PLA", "color": "#ffffff"}, {"slot": 5, "type": "petg"}]
    mapped = loaded.prints(loaded.x1c, useAms=True, amsMapping=[5, -1, 0], expectedFilaments=expected)
    assert mapped == (True, [5, -1, 0])
    assert loaded.prints(loaded.x1c, amsMapping=[128]) == (True, [128])


def test_the_external_spool_is_no_mapping(loaded: LoadedSite) -> None:
    expected = [{"slot": 254, "type": "PLA", "color": "#161616"}]
    assert loaded.prints(loaded.p1s, useAms=False, amsMapping=[254], expectedFilaments=expected) == (False, [])
    assert loaded.prints(loaded.p1s, useAms=False) == (False, [])


def test_a_start_without_its_filament_is_not_sent(loaded: LoadedSite) -> None:
    assert loaded.refuses(loaded.x1c, amsMapping=[0, 6]) == "AMS slot B3 is empty"
    assert loaded.refuses(loaded.p1s, amsMapping=[0]) == "AMS slot A1 is empty"
    white = [{"slot": 0, "type": "PLA", "color": "#FF0000"}]
    wrong = loaded.refuses(loaded.x1c, amsMapping=[0], expectedFilaments=white)
    assert wrong == "AMS slot A1 holds PLA in #FFFFFF; the print needs #FF0000"
    other = loaded.refuses(loaded.p1s, useAms=False, expectedFilaments=[{"slot": 254, "type": "PETG"}])
    assert other == "the external spool holds PLA; the print needs PETG"
    assert "useAms is false" in loaded.refuses(loaded.x1c, amsMapping=[0], useAms=False)


def test_a_spool_that_is_swapped_while_the_command_waits_stops_the_start(loaded: LoadedSite) -> None:
    expected = [{"slot": 0, "type": "PLA"}]
    loaded.x1c.set_filaments(loaded=[{"slot": 0, "type": "TPU", "color": "#FFFFFF"}])
    try:
        message = loaded.refuses(loaded.x1c, amsMapping=[0], expectedFilaments=expected)
    finally:
        loaded.x1c.set_filaments(**AMS)
    assert message == "AMS slot A1 holds TPU; the print needs PLA"


def test_the_cloud_hears_that_the_agent_is_there(loaded: LoadedSite) -> None:
    def recipient() -> Mapping[str, Any]:
        return loaded.site.cloud.document(f"recipients/{loaded.site.recipient}").data

    until(lambda: recipient().get("lastSeenAt") is not None, 10)
    assert recipient()["clientVersion"] == VERSION
