"""The agent while the line to a printer breaks, and while printers misbehave."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import SHORT, AgentSite, agent, logged, until
from tests.integration.held_port import HeldPort

pytestmark = pytest.mark.emulators


@pytest.mark.parametrize("model", [0, 1])
def test_a_connection_that_drops_in_mid_print_completes_the_job_once(
    site: AgentSite, farm: Farm, tmp_path: Path, model: int
) -> None:
    printer = farm.printers[model]
    with agent(site.write_config([printer], tmp_path / "agent")):
        job = site.start(printer, SHORT)
        site.saw(job, "job_started")
        for _ in range(2):
            printer.set_faults(drop_connection=True)
            until(lambda: printer.inspect()["clients"] == 0, 5)
            until(lambda: printer.inspect()["clients"] == 1, 10)
        site.saw(job, "job_completed", 30)
        site.assert_ended_once(job, "job_completed")
        assert site.kinds(job).count("job_started") == 1


def test_a_job_that_ends_while_the_agent_is_away_completes_once(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = site.write_config([printer], tmp_path / "agent")
    with agent(config):
        ordered = site.order(printer, SHORT)
        job = ordered.job
        site.saw(job, "job_started")
    printer.set_speed(2000)
    until(lambda: printer.inspect()["gcode_state"] == "FINISH", 15)
    printer.set_speed(150)
    for _ in range(2):
        with agent(config):
            site.saw(job, "job_completed")
            until(lambda: printer.inspect()["clients"] == 1, 5)
    site.assert_ended_once(job, "job_completed")
    assert {event["commandId"] for event in site.events(job=job)} == {ordered.command}


def test_a_start_whose_connection_breaks_right_after_is_not_sent_again(
    site: AgentSite, farm: Farm, tmp_path: Path
) -> None:
    with agent(site.write_config(farm.printers, tmp_path / "agent")):
        for printer in farm.printers:
            printer.set_faults(drop_after_project_file=True)
            site.start(printer)
            assert len(printer.inspect()["starts"]) == 1


def test_a_lost_acknowledgement_does_not_matter_where_the_effect_shows(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(site.write_config([printer], tmp_path / "agent")):
        printer.set_faults(drop_acks=1)
        site.start(printer)
        printer.set_faults(drop_acks=1)
        assert site.ended(site.queue("pause", printer)) == "completed"
        assert printer.inspect()["gcode_state"] == "PAUSE"
        assert len(printer.inspect()["starts"]) == 1


@pytest.mark.parametrize("fault", ["silent", "half_open"])
def test_a_stop_gets_through_when_a_deaf_printer_hears_again(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path, fault: str
) -> None:
    with agent(site.write_config([printer], tmp_path / "agent")):
        job = site.start(printer)
        printer.set_faults(**{fault: True})
        stop = site.queue("stop", printer)
        until(lambda: site.status(stop) == "processing", 10)
        with pytest.raises(AssertionError):
            until(lambda: site.status(stop) != "processing", 2.5)
        printer.set_faults(**{fault: False})
        assert site.ended(stop, 30) == "completed"
        assert printer.inspect()["gcode_state"] in ("FAILED", "IDLE")
        site.saw(job, "job_cancelled")
        site.assert_ended_once(job, "job_cancelled")


def test_an_unreachable_printer_is_offline_and_its_commands_fail_in_time(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    printer.set_faults(half_open=True)
    with agent(site.write_config([printer], tmp_path / "agent", printer_wait=2.0)):
        command = site.queue("light_on", printer)
        assert site.ended(command) == "failed"
        assert "not reachable" in site.message(command)
        until(lambda: "offline" in site.states(printer), 10)


def test_a_wrong_access_code_is_said_plainly(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    config = site.write_config([printer], tmp_path / "agent")
    printer.set_faults(refuse_password=True)
    with agent(config):
        until(lambda: bool(logged(config, event="printer_refused")), 10)
        printer.set_faults(refuse_password=False)
        assert site.ended(site.queue("light_on", printer)) == "completed"


def test_a_printer_with_another_serial_is_not_trusted(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = site.write_config([printer], tmp_path / "agent", printer_wait=1.5)
    config.write_text(config.read_text().replace(printer.serial, "01P00A000000777"))
    with agent(config):
        assert site.ended(site.queue("light_on", "01P00A000000777")) == "failed"
        assert logged(config, event="printer_not_verified")
    assert printer.inspect()["commands"] == []


def test_a_stop_during_the_upload_cancels_the_start(site: AgentSite, farm: Farm, tmp_path: Path) -> None:
    printer = farm.printers[1]
    with ExitStack() as stack:
        ftps = stack.enter_context(HeldPort(printer.host, printer.ftps_port))
        stack.enter_context(agent(site.write_config([printer], tmp_path / "agent", ftps_port=ftps.port)))
        start = site.order(printer)
        assert ftps.reached.wait(20)
        assert site.ended(site.queue("stop", printer)) == "completed"
        ftps.release()
        assert site.ended(start.command) == "failed"
    assert site.message(start.command) == "cancelled by stop"
    assert site.job(start.job) == "failed"
    assert printer.inspect()["starts"] == []


def test_it_is_small_says_goodbye_and_ends_within_three_seconds(site: AgentSite, farm: Farm, tmp_path: Path) -> None:
    with agent(site.write_config(farm.printers, tmp_path / "agent")) as process:
        until(lambda: all(p.inspect()["clients"] == 1 for p in farm.printers), 10)
        assert site.ended(site.queue("light_on", farm.printers[0])) == "completed"
        me = psutil.Process(process.pid)
        assert me.memory_info().rss < 90 * 1024**2
        assert me.num_threads() < 8 + 5 * len(farm.printers)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 3
    until(lambda: all(p.inspect()["clients"] == 0 for p in farm.printers), 1)
