"""The agent's subcommands at a site with printers: beside an agent that runs, and before there is one."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import ROOT, AgentSite, agent, logged, until

pytestmark = pytest.mark.parametrize("site", ["embedded"], indirect=True)


def typed(config: Path, *words: str, given: str = "", home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command at the terminal."""
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", "--config", str(config), *words],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home or config.parent)},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def fields(printer: SimulatedPrinter) -> list[str]:
    """The flags that say where a printer is, besides its access code."""
    words = ["--serial", printer.serial, "--address", printer.host, "--ca-file", str(printer.ca_file)]
    for name in ("mqtt_port", "ftps_port", "camera_port"):
        words += ["--field", f"{name}={getattr(printer, name)}"]
    return [*words, "--access-code-stdin"]


def lines(text: str) -> dict[str, str]:
    """What was found, by subject."""
    found = [line.split("  ") for line in text.splitlines() if line[:4].strip()]
    return {[part for part in line if part][1].strip(): line[0].strip() for line in found}


@pytest.fixture
def printers(farm: Farm) -> list[SimulatedPrinter]:
    return list(farm.printers)


def test_a_printer_is_added_beside_the_running_agent(
    site: AgentSite, printers: list[SimulatedPrinter], tmp_path: Path
) -> None:
    first, second = printers
    config = site.write_config([first], tmp_path / "agent")

    def shown() -> dict[str, Any]:
        known: dict[str, Any] = json.loads(typed(config, "status", "--json").stdout)
        return known

    def connected() -> set[str]:
        return {each["serial"] for each in shown().get("printers", []) if each["connected"]}

    def is_connected(printer: SimulatedPrinter) -> bool:
        return bool(logged(config, event="printer_connected", printerSerial=printer.serial))

    with agent(config):
        until(lambda: is_connected(first), 20, "the first printer")
        until(lambda: connected() == {first.serial}, 20, "the first printer shows")
        added = typed(config, "add-printer", *fields(second), given=second.access_code)
        assert added.returncode == 0, added.stdout + added.stderr
        assert second.access_code not in added.stdout + added.stderr
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        until(lambda: is_connected(second), 20, "the second printer")
        until(lambda: connected() == {first.serial, second.serial}, 20, "both printers show")
        doctor = typed(config, "doctor")
        assert doctor.returncode == 0, doctor.stdout
        assert lines(doctor.stdout)["agent"] == "ok"
        tested = typed(config, "test-printer", second.serial)
        assert tested.returncode == 0, tested.stdout
        assert connected() == {first.serial, second.serial}
    assert typed(config, "status").returncode == 1


def test_an_operator_sets_up_a_site(site: AgentSite, printers: list[SimulatedPrinter], tmp_path: Path) -> None:
    config = site.write_config([], tmp_path / "agent")
    written = json.loads(config.read_text())
    config.write_text(json.dumps({name: written[name] for name in ("state_dir", "timing")}))
    made = site.cloud.call(
        "POST",
        "/api/v1/agents/enrollment-codes",
        key=site.tenant.organization_key,
        json={"recipientId": site.recipient},
    )
    words = ["enroll", made.json()["code"], "--url", site.cloud.base_url]
    enrolled = typed(config, *words)
    assert enrolled.returncode == 0, enrolled.stderr
    assert f"Enrolled as {site.recipient}" in enrolled.stdout
    key = json.loads(config.read_text())["api_key"]
    again = typed(config, *words)
    assert again.returncode == 1
    assert again.stderr.startswith("Not enrolled: ")
    printer = printers[0]
    added = typed(config, "add-printer", *fields(printer), given=printer.access_code)
    assert added.returncode == 0, added.stdout + added.stderr
    doctor = typed(config, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert lines(doctor.stdout)["agent"] == "warn"
    with agent(config):
        until(lambda: "idle" in site.states(printer), 20, "the printer's status")
    for shown in (enrolled, again, added, doctor):
        assert key not in shown.stdout + shown.stderr
        assert printer.access_code not in shown.stdout + shown.stderr


@pytest.mark.parametrize("trouble", ["wrong code", "wrong serial", "wrong address", "wrong CA"])
def test_what_is_wrong_with_a_printer_is_said(
    site: AgentSite, printers: list[SimulatedPrinter], tmp_path: Path, trouble: str
) -> None:
    printer, other = printers
    config = site.write_config([printer], tmp_path / "agent")
    content = json.loads(config.read_text())
    section = content["printers"][0]
    match trouble:
        case "wrong code":
            section["access_code"], subject = "00000000", "access code"
        case "wrong serial":
            section["mqtt_port"], subject = other.mqtt_port, "certificate"
            section["address"] = other.host
        case "wrong address":
            section["mqtt_port"], subject = 1, "network"
        case _:
            stranger = tmp_path / "stranger.pem"
            stranger.write_text(_another_ca(tmp_path))
            section["ca_file"], subject = str(stranger), "certificate"
    config.write_text(json.dumps(content))
    tested = typed(config, "test-printer", printer.serial)
    assert tested.returncode == 1
    assert lines(tested.stdout)[subject] == "fail", tested.stdout
    assert printer.access_code not in tested.stdout + tested.stderr


def test_a_printer_that_refuses_commands_is_told_apart(site: AgentSite, farm: Farm, tmp_path: Path) -> None:
    x1c = farm.printers[1]
    config = site.write_config([x1c], tmp_path / "agent")
    x1c.set_faults(developer_mode=False)
    tested = typed(config, "test-printer", x1c.serial)
    assert tested.returncode == 1
    found = lines(tested.stdout)
    assert found["developer mode"] == "fail", tested.stdout
    assert "LAN Only" in tested.stdout
    assert found["ftps"] == "ok"
    assert "camera" in found


def test_a_prusa_printer_is_added_and_tested(site: AgentSite, tmp_path: Path) -> None:
    config = site.write_config([], tmp_path / "agent")
    with Farm(["CoreOne"], speed=1, state_dir=tmp_path / "farm") as farm:
        (printer,) = farm.prusas
        words = ["--type", "prusalink", "--serial", printer.serial, "--address", printer.host]
        words += ["--field", f"http_port={printer.http_port}", "--access-code-stdin"]
        wrong = typed(config, "add-printer", *words, given="mistyped")
        assert (wrong.returncode, lines(wrong.stdout)["printer"]) == (1, "fail")
        added = typed(config, "add-printer", *words, given=printer.access_code)
        assert added.returncode == 0, added.stdout + added.stderr
        tested = typed(config, "test-printer", printer.serial)
        assert (tested.returncode, lines(tested.stdout)["printer"]) == (0, "ok")
        assert printer.access_code not in added.stdout + tested.stdout


def _another_ca(folder: Path) -> str:
    with Farm(["P1S"], speed=1, state_dir=folder / "elsewhere") as elsewhere:
        return elsewhere.printers[0].ca_file.read_text()


def test_a_hangup_signal_reads_the_configuration_again(
    site: AgentSite, printers: list[SimulatedPrinter], tmp_path: Path
) -> None:
    config = site.write_config(printers[:1], tmp_path / "agent", reload=3600)
    log = config.parent / "agent.log"
    with agent(config) as process:
        until(lambda: "agent_started" in log.read_text(), 20, "the start")
        process.send_signal(signal.SIGHUP)
        until(lambda: "config_" in log.read_text(), 10, "the reload")
        assert process.poll() is None


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".printmaster").mkdir()
    return tmp_path


def test_the_usual_configuration_has_its_log_in_the_usual_file(
    site: AgentSite, printers: list[SimulatedPrinter], home: Path
) -> None:
    written = site.write_config(printers[:1], home / "draft")
    config = home / ".printmaster" / "config.json"
    written.rename(config)
    log = home / ".printmaster" / "logs" / "client.log"
    with subprocess.Popen(
        [sys.executable, "-m", "edge_agent", "run"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until(lambda: log.exists() and "agent_started" in log.read_text(), 20, "the log")
        finally:
            process.terminate()
            out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert log.read_text() == out
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert all(json.loads(line)["time"] for line in out.splitlines())


def test_a_refused_key_is_named_in_the_log(site: AgentSite, printers: list[SimulatedPrinter], tmp_path: Path) -> None:
    config = site.write_config(printers[:1], tmp_path / "agent")
    content = json.loads(config.read_text())
    content["printers"][0]["access_code"] = "13572468"
    config.write_text(json.dumps({**content, "api_key": "revoked"}))
    with agent(config):
        log = config.parent / "agent.log"
        until(lambda: "Failed to report event: 401 Unauthorized" in log.read_text(), 20, "the refusal of an event")
    assert "13572468" not in log.read_text()
    assert '"revoked"' not in log.read_text()


def test_a_configuration_without_a_key_is_named_in_the_log(
    site: AgentSite, printers: list[SimulatedPrinter], home: Path
) -> None:
    config = home / ".printmaster" / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"backend_url": site.cloud.base_url}))
    ended = subprocess.run(
        [sys.executable, "-m", "edge_agent"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert "api_key: Field required" in ended.stderr
    log = (home / ".printmaster" / "logs" / "client.log").read_text()
    assert "Event reporting not configured (missing from config: api_key, recipient_id)" in log
