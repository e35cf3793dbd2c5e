"""The agent while lines break: to the cloud, to Pub/Sub, to the printer; and while printers misbehave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_cloud import AgentCloud
from tests.integration.agent_site import ROOT, agent, logged, until, write_config

SHORT = make_3mf("cube", layers=6, seconds=150)
LONG = make_3mf("tower", layers=60, seconds=20000)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["P1S", "X1C"], speed=150, state_dir=tmp_path / "farm") as farm:
        yield farm


@pytest.fixture
def cloud() -> Iterator[AgentCloud]:
    with AgentCloud(ack_deadline=2.0) as cloud:
        yield cloud


@pytest.fixture
def printer(farm: Farm) -> SimulatedPrinter:
    return farm.printers[0]


def start(cloud: AgentCloud, printer: SimulatedPrinter, job: str, file: bytes = LONG) -> None:
    command = cloud.ended(cloud.queue("start_print", printer.serial, {"printJobId": job}, file=file))
    assert command.status == "completed", command.message


def test_a_lost_message_is_made_up_for(cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path) -> None:
    with agent(write_config(cloud, [printer], tmp_path / "agent")):
        command = cloud.queue("light_on", printer.serial, publish=0)
        assert cloud.ended(command, 10).status == "completed"


def test_without_pubsub_commands_come_by_long_poll(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = write_config(cloud, [printer], tmp_path / "agent", pubsub=False)
    with agent(config):
        until(lambda: any(s["status"]["state"] == "idle" for s in cloud.statuses), 10)
        began = time.monotonic()
        assert cloud.ended(cloud.queue("light_on", printer.serial, publish=0)).status == "completed"
        assert time.monotonic() - began < 3
        start(cloud, printer, "job-poll", SHORT)


@pytest.mark.parametrize("model", [0, 1])
def test_a_connection_that_drops_in_mid_print_completes_the_job_once(
    cloud: AgentCloud, farm: Farm, tmp_path: Path, model: int
) -> None:
    printer = farm.printers[model]
    with agent(write_config(cloud, [printer], tmp_path / "agent")):
        start(cloud, printer, "job-drop", SHORT)
        until(lambda: "job_started" in cloud.event_kinds(printer.serial, "job-drop"))
        for _ in range(2):
            printer.set_faults(drop_connection=True)
            until(lambda: printer.inspect()["clients"] == 0, 5)
            until(lambda: printer.inspect()["clients"] == 1, 10)
        until(lambda: "job_completed" in cloud.event_kinds(printer.serial, "job-drop"), 30)
        assert cloud.event_kinds(printer.serial, "job-drop").count("job_completed") == 1
        assert cloud.event_kinds(printer.serial, "job-drop").count("job_started") == 1


def test_a_job_that_ends_while_the_agent_is_away_completes_once(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = write_config(cloud, [printer], tmp_path / "agent")
    with agent(config):
        start(cloud, printer, "job-away", SHORT)
        until(lambda: "job_started" in cloud.event_kinds(printer.serial, "job-away"))
    printer.set_speed(2000)
    until(lambda: printer.inspect()["gcode_state"] == "FINISH", 15)
    printer.set_speed(150)
    for _ in range(2):
        with agent(config):
            until(lambda: "job_completed" in cloud.event_kinds(printer.serial, "job-away"), 10)
            until(lambda: printer.inspect()["clients"] == 1, 5)
    assert cloud.event_kinds(printer.serial, "job-away").count("job_completed") == 1


def test_a_start_whose_connection_breaks_right_after_is_not_sent_again(
    cloud: AgentCloud, farm: Farm, tmp_path: Path
) -> None:
    for printer in farm.printers:
        with agent(write_config(cloud, [printer], tmp_path / printer.model)):
            printer.set_faults(drop_after_project_file=True)
            start(cloud, printer, f"job-{printer.model}")
            assert len(printer.inspect()["starts"]) == 1


def test_a_lost_acknowledgement_does_not_matter_where_the_effect_shows(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    with agent(write_config(cloud, [printer], tmp_path / "agent")):
        printer.set_faults(drop_acks=1)
        start(cloud, printer, "job-no-ack")
        printer.set_faults(drop_acks=1)
        assert cloud.ended(cloud.queue("pause", printer.serial)).status == "completed"
        assert len(printer.inspect()["starts"]) == 1


@pytest.mark.parametrize("fault", ["silent", "half_open"])
def test_a_stop_gets_through_when_a_deaf_printer_hears_again(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path, fault: str
) -> None:
    with agent(write_config(cloud, [printer], tmp_path / "agent")):
        start(cloud, printer, "job-deaf")
        printer.set_faults(**{fault: True})
        stop = cloud.queue("stop", printer.serial)
        until(lambda: cloud.commands[stop].claims > 0)
        assert not cloud.wait(lambda: cloud.commands[stop].status == "completed", 2.5)
        printer.set_faults(**{fault: False})
        assert cloud.ended(stop, 30).status == "completed"
        assert printer.inspect()["gcode_state"] in ("FAILED", "IDLE")


def test_an_unreachable_printer_is_offline_and_its_commands_fail_in_time(
    cloud: AgentCloud, farm: Farm, tmp_path: Path
) -> None:
    gone = farm.printers[0]
    config = write_config(cloud, [gone], tmp_path / "agent", printer_wait=2.0)
    gone.set_faults(half_open=True)
    with agent(config):
        command = cloud.ended(cloud.queue("light_on", gone.serial), 20)
        assert (command.status, "not reachable" in command.message) == ("failed", True)
        until(lambda: any(s["status"]["state"] == "offline" for s in cloud.statuses), 10)


def test_a_wrong_access_code_is_said_plainly(cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path) -> None:
    config = write_config(cloud, [printer], tmp_path / "agent")
    printer.set_faults(refuse_password=True)
    with agent(config):
        until(lambda: any(line["event"] == "printer_refused" for line in logged(config)), 10)
        printer.set_faults(refuse_password=False)
        assert cloud.ended(cloud.queue("light_on", printer.serial)).status == "completed"


def test_a_printer_with_another_serial_is_not_trusted(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = write_config(cloud, [printer], tmp_path / "agent", printer_wait=1.5)
    text = config.read_text().replace(printer.serial, "01P00A000000777")
    config.write_text(text)
    with agent(config):
        command = cloud.ended(cloud.queue("light_on", "01P00A000000777"))
        assert command.status == "failed"
        assert any(line["event"] == "printer_not_verified" for line in logged(config))
    assert printer.inspect()["commands"] == []


def test_reports_wait_for_the_cloud_and_go_out_once(
    cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = write_config(cloud, [printer], tmp_path / "agent")
    with agent(config):
        start(cloud, printer, "job-outage", SHORT)
        until(lambda: "job_started" in cloud.event_kinds(printer.serial, "job-outage"))
        cloud.refuse_everything = 503
        until(lambda: printer.inspect()["gcode_state"] == "FINISH", 30)
    cloud.refuse_everything = None
    with agent(config):
        until(lambda: "job_completed" in cloud.event_kinds(printer.serial, "job-outage"), 10)
    assert cloud.event_kinds(printer.serial, "job-outage").count("job_completed") == 1


def test_an_expired_command_is_not_executed(cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path) -> None:
    expired = cloud.queue("set_speed", printer.serial, {"percent": 50}, ttl=0.0)
    printer.set_faults(half_open=True)
    later = cloud.queue("set_temperature", printer.serial, {"bedTemp": 60}, ttl=1.5)
    config = write_config(cloud, [printer], tmp_path / "agent", printer_wait=20.0)
    with agent(config):
        assert cloud.wait(lambda: cloud.commands[expired].status == "expired")
        command = cloud.ended(later)
        assert (command.status, "expired" in command.message) == ("failed", True)
    assert printer.inspect()["commands"] == []


def test_the_lease_is_renewed_while_the_agent_works(printer: SimulatedPrinter, tmp_path: Path) -> None:
    with AgentCloud(lease_seconds=1.5) as cloud:
        printer.set_faults(half_open=True)
        config = write_config(cloud, [printer], tmp_path / "agent", printer_wait=5.0)
        with agent(config):
            command = cloud.commands[cloud.queue("light_on", printer.serial)]
            until(lambda: command.claims >= 5, 10)
            assert command.fence == 1
            printer.set_faults(half_open=False)
            assert cloud.ended(command.command_id).status == "completed"


def test_another_agents_command_is_left_alone(cloud: AgentCloud, printer: SimulatedPrinter, tmp_path: Path) -> None:
    command_id = cloud.queue("light_on", printer.serial)
    command = cloud.commands[command_id]
    command.status, command.agent_id, command.lease_until = "processing", "another", time.monotonic() + 2
    config = write_config(cloud, [printer], tmp_path / "agent")
    with agent(config):
        until(lambda: any(line["event"] == "command_dropped" for line in logged(config)), 10)
        assert command.results == []
        assert cloud.ended(command_id, 15).status == "completed"


def test_a_stop_during_the_upload_cancels_the_start(cloud: AgentCloud, farm: Farm, tmp_path: Path) -> None:
    printer = farm.printers[1]
    config = write_config(cloud, [printer], tmp_path / "agent")
    cloud.files_ready.clear()
    with agent(config):
        command_id = cloud.queue("start_print", printer.serial, {"printJobId": "job-big"}, file=LONG)
        assert cloud.wait(lambda: command_id in cloud.fetches)
        stop = cloud.ended(cloud.queue("stop", printer.serial))
        cloud.files_ready.set()
        command = cloud.ended(command_id)
    assert stop.status == "completed"
    assert (command.status, command.message) == ("failed", "cancelled by stop")
    assert printer.inspect()["starts"] == []


def test_it_is_small_says_goodbye_and_ends_within_three_seconds(cloud: AgentCloud, farm: Farm, tmp_path: Path) -> None:
    config = write_config(cloud, farm.printers, tmp_path / "agent")
    with agent(config) as process:
        until(lambda: all(p.inspect()["clients"] == 1 for p in farm.printers), 10)
        me = psutil.Process(process.pid)
        assert me.memory_info().rss < 90 * 1024**2
        assert me.num_threads() < 8 + 5 * len(farm.printers)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 3
    until(lambda: all(p.inspect()["clients"] == 0 for p in farm.printers), 1)


def test_the_command_line_refuses_an_open_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0o644)
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "--config", str(path)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "chmod 600" in done.stderr
