"""The trace that a command came with goes with every call about it, whether the agent makes spans or not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent import run
from edge_agent.config import AgentConfig, ConfigError, load
from tests.e2e.collector import collecting
from tests.integration.agent_site import TIMING, until
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

TRACE = "0af7651916cd43dd8448eb211c80319c"
CONTEXT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@contextmanager
def agent(cloud: StandInCloud, folder: Path, **more: Any) -> Iterator[None]:
    """An agent without printers, in a thread of this process."""
    stop = threading.Event()
    settings = {"backend_url": cloud.url, "api_key": "k", "recipient_id": SITE, "state_dir": str(folder / "state")}
    config = AgentConfig.model_validate({**settings, "timing": TIMING | {"pull_wait": 0.5}, **more})
    thread = threading.Thread(target=run, args=(config,), kwargs={"stop": stop}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(6.0)
        assert not thread.is_alive()


def order(cloud: StandInCloud, traceparent: str | None) -> str:
    """A command with a trace context, for a printer that is not here."""
    command = cloud.order("pause", "NOBODY")
    cloud.commands[command] |= {"traceparent": traceparent}
    return command


def about_commands(cloud: StandInCloud) -> set[tuple[str, str]]:
    """What came with the calls about commands."""
    return {each for each in cloud.traced if each[0] in ("ack", "result")}


def test_without_spans_the_context_goes_back_as_it_came_also_after_a_restart(
    cloud: StandInCloud, tmp_path: Path
) -> None:
    cloud.refuse("result", 503, times=1000)
    command = order(cloud, CONTEXT)
    with agent(cloud, tmp_path):
        until(lambda: ("result", CONTEXT) in cloud.traced, 10, "the first attempt to tell the result")
    assert about_commands(cloud) == {("ack", CONTEXT), ("result", CONTEXT)}
    cloud.refusals.clear()
    cloud.traced.clear()
    with agent(cloud, tmp_path):
        cloud.result(command)
    assert about_commands(cloud) == {("result", CONTEXT)}
    assert {traced for name, traced in cloud.traced if name != "result"} == {""}


@pytest.mark.parametrize("traceparent", [None, CONTEXT.upper()])
def test_what_is_no_context_is_not_sent_on(cloud: StandInCloud, tmp_path: Path, traceparent: str | None) -> None:
    with agent(cloud, tmp_path):
        cloud.result(order(cloud, traceparent))
    assert about_commands(cloud) == {("ack", ""), ("result", "")}


def test_with_an_endpoint_in_its_file_the_agent_sends_spans_of_the_trace(cloud: StandInCloud, tmp_path: Path) -> None:
    with collecting() as collector:
        with agent(cloud, tmp_path, otlp_endpoint=collector.url):
            cloud.result(order(cloud, CONTEXT))
        spans = {each.id: each for each in collector.trace(TRACE)}
    below = {each.name: spans[each.parent].name if each.parent in spans else each.parent for each in spans.values()}
    assert below == {"receive": "b7ad6b7169203331", "execute": "receive", "claim": "execute", "result": "receive"}
    sent = {traced.split("-")[2] for _, traced in about_commands(cloud)}
    assert {spans[each].name for each in sent} == {"claim", "result"}


def test_an_endpoint_that_is_no_address_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(
        '{"backend_url": "http://127.0.0.1", "api_key": "k", "recipient_id": "r", "otlp_endpoint": "collector"}'
    )
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="otlp_endpoint"):
        load(file)
