"""The agent is killed while it sends what must not be sent twice: the printer is asked what became of it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_agent.steps import Step
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import AgentSite, agent, until

pytestmark = pytest.mark.parametrize("site", ["embedded"], indirect=True)

REQUESTS = {
    "load_filament": "ams_change_filament",
    "unload_filament": "ams_change_filament",
    "calibrate": "calibration",
    "move": "gcode_line",
}


def requests(printer: SimulatedPrinter, kind: str) -> int:
    """How often the printer was sent what the command is."""
    return sum(each["command"] == REQUESTS[kind] for each in printer.inspect()["commands"])


def killed_at(step: Step, config: Path, site: AgentSite, printer: SimulatedPrinter, kind: str, **metadata: Any) -> str:
    """Give an agent the command, which kills it at the step; the command's id."""
    with agent(config, "--kill-at", step, module="tests.integration.crashing_agent") as process:
        command = site.queue(kind, printer, metadata)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{kind} did not reach {step}") from None
    return command


@pytest.mark.parametrize("step", [Step.SENDING, Step.HANDED_OVER, Step.PUBLISHED])
def test_filament_that_is_being_loaded_is_not_loaded_again(
    site: AgentSite, farm: Farm, tmp_path: Path, step: Step
) -> None:
    printer = farm.printers[0]
    config = site.write_config([printer], tmp_path / "agent", filament_timeout=20, effect_timeout=3)
    command = killed_at(step, config, site, printer, "load_filament", slot=2)
    with agent(config):
        ended = site.ended(command)
    sent = requests(printer, "load_filament")
    assert sent <= 1
    assert ended == ("completed" if sent else "unknown"), site.message(command)
    assert printer.inspect()["tray_now"] == ("1" if sent else "255")
    assert sent or step is not Step.PUBLISHED


def test_a_load_that_goes_on_after_the_crash_is_waited_for(site: AgentSite, tmp_path: Path) -> None:
    with Farm(["P1S"], speed=5, state_dir=tmp_path / "slow") as slow:
        printer = slow.printers[0]
        config = site.write_config([printer], tmp_path / "agent", filament_timeout=30, effect_timeout=0.2)
        command = killed_at(Step.PUBLISHED, config, site, printer, "load_filament", slot=2)
        with agent(config):
            assert site.ended(command) == "completed", site.message(command)
        assert requests(printer, "load_filament") == 1


@pytest.mark.parametrize(("kind", "metadata"), [("calibrate", {"bedLevel": True}), ("move", {"x": 10})])
def test_what_the_report_does_not_tell_is_left_to_a_person(
    site: AgentSite, farm: Farm, tmp_path: Path, kind: str, metadata: dict[str, Any]
) -> None:
    printer = farm.printers[0]
    config = site.write_config([printer], tmp_path / "agent")
    if kind == "move":
        with agent(config):
            assert site.ended(site.queue("home", printer)) == "completed"
        until(lambda: bool(printer.inspect()["homed"]))
    before = requests(printer, kind)
    command = killed_at(Step.PUBLISHED, config, site, printer, kind, **metadata)
    with agent(config):
        assert site.ended(command) == "unknown"
    assert "cannot be seen" in site.message(command)
    assert requests(printer, kind) == before + 1
    assert printer.inspect()["blind_moves"] == 0
