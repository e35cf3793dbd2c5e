"""The agent while the lines to the cloud break: messages lost and late, outages, leases, results that come too late."""

import hashlib
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_agent.steps import Step
from local.simulator.farm import Farm, SimulatedPrinter
from printpipe.domain.ports.documents import Update
from tests.counts import SOAK
from tests.integration.agent_site import LEASE_SECONDS, ROOT, SHORT, AgentSite, agent, logged, until

on_google = pytest.mark.emulators
on_both = pytest.mark.parametrize(
    "site", [*(["embedded"] if SOAK else []), pytest.param("google", marks=pytest.mark.emulators)], indirect=True
)
"""At reduced counts on Google's alone: the prints through the whole stack are on the embedded one."""


def lose_the_next_message(site: AgentSite) -> None:
    assert site.relay is not None
    site.relay.faults.set(b'{"drop_messages": 1}')


def was_lost(site: AgentSite) -> bool:
    return site.relay is not None and site.relay.faults.now.drop_messages == 0


@on_google
def test_a_lost_message_is_made_up_for(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    with agent(site.write_config([printer], tmp_path / "agent")):
        until(lambda: "idle" in site.states(printer), 10)
        lose_the_next_message(site)
        assert site.ended(site.queue("light_on", printer), 10) == "completed"
        until(lambda: was_lost(site), 5)


@on_google
def test_a_stop_that_overtakes_its_start_wins(site: AgentSite, farm: Farm, tmp_path: Path) -> None:
    with agent(site.write_config(farm.printers, tmp_path / "agent", reconcile=600.0)):
        until(lambda: all("idle" in site.states(printer) for printer in farm.printers), 10)
        for printer in farm.printers:
            lose_the_next_message(site)
            start = site.order(printer)
            until(lambda: was_lost(site), 5)
            stop = site.queue("stop", printer, {"printJobId": start.job})
            assert site.ended(stop) == "completed"
            assert site.status(start.command) == "pending"
            site.redeliver(start.command)
            assert site.ended(start.command) == "failed"
            assert "superseded" in site.message(start.command)
            assert printer.inspect()["starts"] == []
            assert site.job(start.job) == "failed"


@on_both
def test_without_pubsub_commands_come_by_long_poll(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    with agent(site.write_config([printer], tmp_path / "agent", pubsub=False)):
        until(lambda: "idle" in site.states(printer), 10)
        began = time.monotonic()
        assert site.ended(site.queue("light_on", printer)) == "completed"
        assert time.monotonic() - began < 3
        whole = site.start(printer, SHORT)
        site.saw(whole, "job_completed", 30)
        site.assert_ended_once(whole, "job_completed")
        stopped = site.start(printer)
        assert site.ended(site.queue("stop", printer, {"printJobId": stopped})) == "completed"
        assert printer.inspect()["gcode_state"] in ("FAILED", "IDLE")
        site.saw(stopped, "job_cancelled")
        site.assert_ended_once(stopped, "job_cancelled")
        assert len(printer.inspect()["starts"]) == 2


@on_both
def test_reports_wait_for_the_cloud_and_go_out_once(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    config = site.write_config([printer], tmp_path / "agent")
    with ExitStack() as outage, agent(config):
        job = site.start(printer, SHORT)
        site.saw(job, "job_started")
        outage.enter_context(site.cloud.outage())
        until(lambda: printer.inspect()["gcode_state"] == "FINISH", 30)
        until(lambda: bool(logged(config, event="report_waits")), 10)
    assert "job_completed" not in site.kinds(job)
    with agent(config):
        site.saw(job, "job_completed")
        assert site.ended(site.queue("light_on", printer)) == "completed"
    site.assert_ended_once(job, "job_completed")
    assert len(printer.inspect()["starts"]) == 1


@on_google
def test_a_refused_key_is_said_plainly_and_nothing_is_lost(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    digest = hashlib.sha256(site.tenant.agent_key.encode()).hexdigest()
    documents, path = site.cloud.backend.documents, f"api_keys/{digest}"
    documents.commit(Update(path, {"revokedAt": site.cloud.document(path).data["createdAt"]}))
    config = site.write_config([printer], tmp_path / "agent")
    command = site.queue("light_on", printer)
    with agent(config):
        until(lambda: bool(logged(config, event="api_key_refused")), 10)
        until(lambda: bool(logged(config, event="claim_waits")), 10)
        assert site.status(command) == "pending"
        documents.commit(Update(path, {"revokedAt": None}))
        assert site.ended(command) == "completed"


@on_google
def test_an_expired_command_is_not_executed(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    early = site.queue("set_speed", printer, {"percent": 50}, lifetime=0.5)
    expires = site.command(early)["expiresAt"].timestamp()
    until(lambda: time.time() > expires, 2)
    printer.set_faults(half_open=True)
    with agent(site.write_config([printer], tmp_path / "agent", printer_wait=20.0)):
        assert site.ended(early) == "expired"
        late = site.queue("set_temperature", printer, {"bedTemp": 60}, lifetime=2.0)
        assert site.ended(late, 5) == "failed"
        assert "expired" in site.message(late)
    assert printer.inspect()["commands"] == []


@on_google
def test_a_command_that_expired_while_the_agent_was_away_is_not_executed(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = site.write_config([printer], tmp_path / "agent")
    with agent(config, "--kill-at", Step.CLAIMED, module="tests.integration.crashing_agent") as process:
        command = site.queue("light_on", printer, lifetime=4.0)
        process.wait(10)
    assert site.status(command) == "processing"
    expires = site.command(command)["expiresAt"].timestamp()
    until(lambda: time.time() > expires + 1, 6)
    with agent(config):
        assert site.ended(command) == "failed"
        assert "expired" in site.message(command)
    assert "ledctrl" not in [sent["command"] for sent in printer.inspect()["commands"]]


@on_google
def test_the_lease_is_renewed_while_the_agent_works(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    printer.set_faults(half_open=True)
    with agent(site.write_config([printer], tmp_path / "agent", printer_wait=15.0)):
        command = site.queue("light_on", printer)
        until(lambda: site.status(command) == "processing", 10)
        first = site.command(command)["lease"]
        until(lambda: (site.command(command)["lease"]["until"] - first["until"]).total_seconds() > LEASE_SECONDS, 10)
        renewed = site.command(command)["lease"]
        assert (renewed["holder"], renewed["fence"]) == (first["holder"], 1)
        printer.set_faults(half_open=False)
        assert site.ended(command) == "completed"


@on_google
def test_another_agents_command_is_left_alone(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    command = site.queue("light_on", printer)
    names = {"commandId": command, "recipientId": site.recipient, "printerSerial": printer.serial}
    claim = {**names, "status": "processing", "agentId": "another"}
    assert site.cloud.call("POST", "/control/ack", key=site.tenant.agent_key, json=claim).status_code == 200
    config = site.write_config([printer], tmp_path / "agent")
    with agent(config):
        until(lambda: bool(logged(config, event="command_dropped", commandId=command)), 10)
        assert site.ended(site.queue("set_speed", printer, {"percent": 50})) == "completed"
        assert site.command(command)["lease"]["holder"] == "another"
        assert site.status(command) == "processing"
    assert "ledctrl" not in [sent["command"] for sent in printer.inspect()["commands"]]


@on_google
def test_a_command_that_the_operator_ends_is_not_executed(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    printer.set_faults(half_open=True)
    config = site.write_config([printer], tmp_path / "agent", printer_wait=20.0)
    with agent(config):
        command = site.queue("light_on", printer)
        until(lambda: site.status(command) == "processing", 10)
        end_as_the_operator(site, command, "failed")
        until(lambda: bool(logged(config, event="claim_lost", commandId=command)), 10)
        printer.set_faults(half_open=False)
        assert site.ended(site.queue("set_speed", printer, {"percent": 50})) == "completed"
    assert "ledctrl" not in [sent["command"] for sent in printer.inspect()["commands"]]
    assert site.status(command) == "failed"


@on_google
def test_a_result_that_contradicts_the_cloud_is_kept_and_blocks_nothing(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = site.write_config([printer], tmp_path / "agent")
    with agent(config):
        until(lambda: "idle" in site.states(printer), 10)
        printer.set_faults(silent=True)
        command = site.queue("light_on", printer)
        until(lambda: printer.inspect()["light"] in ("on", True), 10)
        end_as_the_operator(site, command, "failed")
        printer.set_faults(silent=False)
        until(lambda: site.command(command)["lateResult"] is not None, 15)
        assert site.command(command)["lateResult"]["status"] == "completed"
        assert site.status(command) == "failed"
        until(lambda: bool(logged(config, event="report_refused", name=command)), 5)
        assert site.ended(site.queue("light_off", printer)) == "completed"
        assert len(logged(config, event="report_refused", name=command)) == 1


def end_as_the_operator(site: AgentSite, command: str, status: str) -> None:
    body = {"commandId": command, "recipientId": site.recipient, "status": status, "message": "ended by hand"}
    body["fence"] = site.command(command)["lease"]["fence"]
    answer = site.cloud.call("POST", "/control/result", key=site.cloud.operator_key, json=body)
    assert answer.status_code == 200, answer.text


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
