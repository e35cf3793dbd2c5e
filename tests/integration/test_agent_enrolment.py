"""An agent from its code to its first command, with credentials of the cloud's, and with Pub/Sub out of reach."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from edge_agent.enrolment import enroll
from local.ports import free_port
from local.simulator.farm import SimulatedPrinter
from tests.integration.agent_site import AgentSite, agent, logged, until

on_both = pytest.mark.parametrize(
    "site", ["embedded", pytest.param("google", marks=pytest.mark.emulators)], indirect=True
)


def enrolled(site: AgentSite, printer: SimulatedPrinter, folder: Path, reconcile: float) -> Path:
    """A configuration that a code was traded for, with the test's printer and intervals in it before."""
    path = site.write_config([printer], folder, pubsub=False, reconcile=reconcile)
    before = json.loads(path.read_text())
    wanted = {name: before[name] for name in ("printers", "timing", "state_dir")}
    path.write_text(json.dumps(wanted))
    body = {"recipientId": site.recipient}
    key = site.tenant.organization_key
    made = site.cloud.call("POST", "/api/v1/agents/enrollment-codes", key=key, json=body)
    assert made.status_code == 201, made.text
    settings = enroll(site.cloud.base_url, made.json()["code"], path)
    assert settings.recipient_id == site.recipient
    assert (settings.pubsub is None) == site.cloud.backend.embedded
    return path


def changed(path: Path, pubsub: dict[str, Any]) -> Path:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "pubsub": {**content.get("pubsub", {}), **pubsub}}))
    return path


@on_both
def test_an_enrolled_agent_takes_commands(site: AgentSite, printer: SimulatedPrinter, tmp_path: Path) -> None:
    path = enrolled(site, printer, tmp_path / "agent", 600.0)
    if site.relay is not None:  # in front of the emulator; without it, what another test's agent left is in the way
        changed(path, {"endpoint": site.relay.url})
    with agent(path):
        until(lambda: "idle" in site.states(printer), 10)
        assert site.ended(site.queue("light_on", printer), 10) == "completed"
    if not site.cloud.backend.embedded:
        assert json.loads(path.read_text())["pubsub"]["credentials"] == "cloud"
        assert logged(path, event="pubsub_unreachable") == []
    content = path.read_text()
    assert json.loads(content)["api_key"] not in (path.parent / "agent.log").read_text()


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_while_pubsub_is_blocked_a_command_does_not_wait_for_the_next_poll(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    path = enrolled(site, printer, tmp_path / "agent", 6.0)
    closed = f"http://127.0.0.1:{free_port()}"
    names = {f"subscription_{lane}": f"printer-commands-{lane}" for lane in ("normal", "priority")}
    changed(path, {"project": "demo", "endpoint": closed, **names})
    with agent(path):
        until(lambda: logged(path, event="pubsub_blocked") != [], 25)
        for kind in ("light_on", "light_off", "light_on"):
            began = time.monotonic()
            assert site.ended(site.queue(kind, printer), 10) == "completed"
            assert time.monotonic() - began < 3.0
