"""The agent with a cloud whose functions have addresses of their own, without a load balancer before them."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent import routes
from local.simulator.farm import SimulatedPrinter
from tests.integration.agent_site import SHORT, AgentSite, agent, until

OWN = {
    "cloud-command-ack",
    "cloud-command-control",
    "cloud-command-result",
    "cloud-file-fetch",
    "cloud-status-batch",
    "cloud-event-report",
    "cloud-agent-heartbeat",
}
"""What an agent calls that prints, and nobody else in this test, but for the POST that queues a command."""


def called(site: AgentSite) -> list[dict[str, Any]]:
    """The gateway's notes of the calls to these functions."""
    lines = site.cloud.log.read_text().splitlines()
    notes = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    calls = [note for note in notes if note.get("event") == "http_request" and note["function"] in OWN]
    return [call for call in calls if (call["function"], call["method"]) != ("cloud-command-control", "POST")]


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_every_call_goes_to_the_address_of_its_function(
    site: AgentSite, printer: SimulatedPrinter, tmp_path: Path
) -> None:
    config = site.write_config([printer], tmp_path / "agent", heartbeat=0.5)
    config.write_text(json.dumps({**json.loads(config.read_text()), "routing": "functions"}))
    with agent(config):
        light = site.queue("light_off", printer)
        assert site.ended(light) == "completed", site.message(light)
        job = site.start(printer, SHORT)
        site.saw(job, "job_completed", 30)
        until(lambda: {note["function"] for note in called(site)} == OWN, 10, "a call to each function")
    assert {note["route"] for note in called(site)} == {f"/{name}/…" for name in OWN}
    assert {*OWN} <= {*routes.FUNCTIONS.values()}
