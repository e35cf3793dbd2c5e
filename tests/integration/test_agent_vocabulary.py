"""Every command of the vocabulary, through a real agent, on a printer of every family: done, or plainly refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from printpipe.domain.commands import TYPES
from tests.backends import embedded
from tests.counts import count
from tests.integration.agent_site import LONG, AgentSite, agent, sites, until

MODELS = ("P1S", "X1C", "A1 mini", "H2D", "P2S")
ROUNDS = count(10, quick=1)
ELSEWHERE = frozenset({"start_print", "download", "stop", "snapshot"})
"""Commands with tests of their own, or that begin and end the batches."""


@dataclass(frozen=True)
class Step:
    """One command; `refused` are the models that cannot, and what they say."""

    kind: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def _but(reason: str, *models: str) -> Mapping[str, str]:
    return dict.fromkeys(models, reason)


ALL_BUT_H2D = tuple(model for model in MODELS if model != "H2D")
IDLE = (
    Step("home"),
    Step("move", {"x": 10, "y": -5, "feedrate": 3000}),
    Step("move", {"e": 5}, _but("too cold", *MODELS)),
    Step("light_on"),
    Step("light_off"),
    Step("camera_off"),
    Step("camera_on"),
    Step("timelapse_on"),
    Step("timelapse_off"),
    Step("set_temperature", {"nozzleTemp": 150, "bedTemp": 40}),
    Step("set_temperature", {"nozzleTemp": 120, "nozzleIndex": 1}, _but("one nozzle", *ALL_BUT_H2D)),
    Step("set_temperature", {"chamberTemp": 45}, _but("no chamber heater", *ALL_BUT_H2D)),
    Step("set_temperature", {"bedTemp": 100}, _but("80 °C", "A1 mini")),
    Step("set_fan", {"percent": 40}),
    Step("set_fan", {"percent": 60, "fan": "aux"}, _but("no auxiliary fan", "A1 mini")),
    Step("set_fan", {"percent": 60, "fan": "chamber"}, _but("no chamber fan", "A1 mini")),
    Step("set_fan", {"percent": 60, "fan": "aux2"}, _but("no second auxiliary fan", "P1S", "X1C", "A1 mini")),
    Step("send_gcode", {"gcode": "M400"}),
    Step("load_filament", {"slot": 3}),
    Step("load_filament", {"slot": 4}, _but("A4 is empty", *MODELS)),
    Step("clear_error"),
    Step("pause", {}, _but("nothing is printing", *MODELS)),
    Step("resume", {}, _but("nothing is printing", *MODELS)),
    Step("skip_objects", {"objectIds": [7]}, _but("nothing is printing", *MODELS)),
    Step("calibrate", {"motorNoise": True}, _but("no motor noise", "P1S", "X1C", "H2D", "P2S")),
)
BEFORE_THE_PRINT = (Step("unload_filament"), Step("cooldown"), Step("calibrate", {"bedLevel": True}))
PRINTING = (
    Step("set_speed", {"percent": 124}),
    Step("set_flow_rate", {"percent": 95}),
    Step("skip_objects", {"objectIds": [7, 3]}),
    Step("home", {}, _but("printing", *MODELS)),
    Step("move", {"x": 1}, _but("printing", *MODELS)),
    Step("calibrate", {"vibration": True}, _but("printing", *MODELS)),
    Step("load_filament", {"slot": 1}, _but("printing", *MODELS)),
    Step("unload_filament", {}, _but("printing", *MODELS)),
)


class Workshop:
    """One site with a printer of every family."""

    def __init__(self, site: AgentSite, farm: Farm) -> None:
        self.site = site
        self.printers = {printer.model: printer for printer in farm.printers}

    def do(self, steps: Sequence[Step]) -> None:
        """Give every printer all the steps; each must end as it says."""
        queued = [
            (step, model, self.site.queue(step.kind, printer, step.metadata))
            for step in steps
            for model, printer in self.printers.items()
        ]
        for step, model, command in queued:
            expected = "failed" if model in step.refused else "completed"
            ended = self.site.ended(command, 30)
            said = self.site.message(command)
            assert ended == expected, f"{step.kind} {step.metadata} on {model}: {ended}, {said}"
            assert step.refused.get(model, "") in said

    def rest(self) -> None:
        """Wait until no printer does anything."""
        for printer in self.printers.values():
            until(lambda printer=printer: printer.inspect()["gcode_state"] not in ("PREPARE", "RUNNING", "PAUSE"))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    def inspected(self) -> Iterator[tuple[SimulatedPrinter, dict[str, Any]]]:
        """Every printer and what it is like inside."""
        for printer in self.printers.values():
            yield printer, printer.inspect()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder: Path = tmp_path_factory.mktemp("workshop")
    with (
        embedded(folder) as backend,
        sites(backend, folder) as new_site,
        Farm(list(MODELS), speed=150, state_dir=folder / "farm") as farm,
    ):
        site = new_site()
        with agent(site.write_config(farm.printers, folder / "agent", filament_timeout=20, home_settle=0.1)):
            yield Workshop(site, farm)


def test_every_command_is_in_a_step() -> None:
    kinds = {step.kind for step in (*IDLE, *BEFORE_THE_PRINT, *PRINTING)}
    assert kinds | ELSEWHERE == set(TYPES)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_every_command_is_done_or_plainly_refused(workshop: Workshop, _round: int) -> None:
    for printer, _ in workshop.inspected():
        printer.set_hms([], 0x0500C010)
    workshop.do(IDLE)
    workshop.rest()
    for printer, shown in workshop.inspected():
        assert shown["blind_moves"] == 0
        assert (shown["moved"]["X"], shown["moved"]["Y"]) == (10 * (_round + 1), -5 * (_round + 1))
        assert (shown["tray_now"], shown["print_error"], shown["nozzle_targets"][0]) == ("2", 0, 150)
        assert set(shown["lights"].values()) == {"off"}
        assert (shown["recording"], shown["timelapse"]) == ("enable", "disable")
        assert shown["chamber_target"] == (45 if printer.model == "H2D" else 0)
        assert shown["nozzle_targets"][1:] == ([120] if printer.model == "H2D" else [])
        assert shown["bed_target"] == (40 if printer.model == "A1 mini" else 100)
    workshop.do(BEFORE_THE_PRINT)
    workshop.rest()
    for _, shown in workshop.inspected():
        assert {*shown["nozzle_targets"], shown["bed_target"], shown["chamber_target"]} == {0}
        assert (shown["tray_now"], shown["homed"]) == ("255", True)
    ordered = [workshop.site.order(printer, LONG) for printer in workshop.printers.values()]
    for order in ordered:
        assert workshop.site.ended(order.command, 30) == "completed", workshop.site.message(order.command)
        workshop.site.saw(order.job, "job_started")
    workshop.do([Step("pause")])
    workshop.do([Step("resume")])
    workshop.do(PRINTING)
    for _, shown in workshop.inspected():
        assert (shown["skipped"], shown["speed_level"], shown["blind_moves"]) == ([3, 7], 3, 0)
    workshop.do([Step("stop")])
    workshop.rest()
    for order in ordered:
        workshop.site.saw(order.job, "job_cancelled")
    workshop.do([Step("set_speed", {"percent": 100})])


@pytest.mark.parametrize("bare", [False, True])
def test_without_developer_mode_each_is_told_what_to_switch_on(workshop: Workshop, bare: bool) -> None:
    for printer, _ in workshop.inspected():
        printer.set_faults(developer_mode=False, bare_refusals=bare)
    steps = [Step("send_gcode", {"gcode": "M400"}), Step("set_flow_rate", {"percent": 95})]
    quick = [
        Step("home"),
        Step("set_speed", {"percent": 166}),
        Step("load_filament", {"slot": 1}),
        Step("set_temperature", {"bedTemp": 55}),
    ]
    try:
        refused = _but("Developer Mode", *MODELS)
        workshop.do([Step(each.kind, each.metadata, refused) for each in (*steps, *(() if bare else quick))])
        workshop.do([Step("light_on"), Step("light_off")])
    finally:
        for printer, _ in workshop.inspected():
            printer.set_faults(developer_mode=True, bare_refusals=False)
            printer.set_hms([])
