"""The agent is killed at every step between a command's receipt and its result: nothing is lost, nothing doubled."""

import queue
import signal
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_agent.steps import Step
from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import SOAK, count
from tests.integration.agent_cloud import TERMINAL, AgentCloud
from tests.integration.agent_site import agent, until, write_config

UNDECIDABLE = frozenset({Step.SENDING, Step.HANDED_OVER})
"""Where a killed start may have gone out or not: then the printer decides, and an unseen start is `unknown`."""
START_ONLY = frozenset({Step.FETCHED, Step.UPLOADING, Step.UPLOADED})
SWEEPS = count(6, quick=1)
PRINT = make_3mf("cube", layers=60, seconds=6000)


class NeverStarted(Exception):
    """The start was killed before it went out, and was rightly not sent again."""


class Scenario:
    """One printer, one cloud, and a start, a pause and a stop whose agents are killed at one step."""

    def __init__(self, step: Step, printer: SimulatedPrinter, cloud: AgentCloud, config: Path) -> None:
        self.step = step
        self.printer = printer
        self.cloud = cloud
        self.config = config
        self.kills = 0
        self.ids = {kind: f"{kind}-{uuid.uuid4().hex[:10]}" for kind in ("start_print", "pause", "stop")}
        self.starts_before = len(printer.inspect()["starts"])
        self.job = f"job-{uuid.uuid4().hex[:10]}"

    def crash(self, kind: str, before: str | None, metadata: dict[str, str]) -> None:
        """Run an agent that ends what `before` left behind, then give it `kind` and see it killed at the step."""
        command_id = self.ids[kind]
        with agent(
            self.config,
            "--kill-at",
            self.step,
            "--command",
            command_id,
            module="tests.integration.crashing_agent",
        ) as process:
            if before is not None:
                self.finish(before)
            file = PRINT if kind == "start_print" else None
            self.cloud.queue(kind, self.printer.serial, metadata, file=file, command_id=command_id)
            command = self.cloud.commands[command_id]
            until(lambda: process.poll() is not None or command.status in TERMINAL, 30, f"{kind} at {self.step}")
            if self.applies(kind):
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    raise AssertionError(f"{kind} never reached {self.step}") from None
                assert process.returncode == -signal.SIGKILL
                self.kills += 1
        self.cloud.publish(command_id)

    def finish(self, kind: str) -> None:
        """The command that the killed agent left behind ends, and its effect is on the printer once."""
        command = self.cloud.ended(self.ids[kind], 30)
        where = f"{kind} killed at {self.step}: {command.status} {command.message}"
        seen = self.printer.inspect()
        starts = len(seen["starts"]) - self.starts_before
        if kind == "start_print" and self.step in UNDECIDABLE and starts == 0:
            assert command.status == "unknown", where
            raise NeverStarted
        assert command.status == "completed", where
        assert starts == 1, where
        if kind == "pause":
            until(lambda: self.printer.inspect()["gcode_state"] == "PAUSE", 5, where)
        if kind == "stop":
            assert seen["gcode_state"] in ("FAILED", "IDLE"), where

    def kinds(self) -> list[str]:
        """The job's events, in order."""
        return self.cloud.event_kinds(self.printer.serial, self.job)

    def applies(self, kind: str) -> bool:
        """Whether the command passes the step at all."""
        return kind == "start_print" or self.step not in START_ONLY

    def run(self) -> int:
        """The whole walk; the number of kills."""
        self.crash("start_print", None, {"printJobId": self.job})
        try:
            self.crash("pause", "start_print", {})
        except NeverStarted:
            return self.kills
        self.crash("stop", "pause", {"printJobId": self.job})
        with agent(self.config):
            self.finish("stop")
            until(lambda: "job_cancelled" in self.kinds(), 10, f"job_cancelled after {self.step}")
            ends = [kind for kind in self.kinds() if kind in ("job_completed", "job_failed", "job_cancelled")]
            assert ends == ["job_cancelled"]
            assert self.kinds().count("job_started") == 1
        return self.kills


@pytest.mark.timeout(180 * SWEEPS)
def test_a_kill_at_any_step_neither_doubles_a_start_nor_loses_a_stop(tmp_path: Path) -> None:
    with Farm(["P1S", "X1C", "P1S", "X1C"], speed=60, state_dir=tmp_path / "farm") as farm:
        free: queue.SimpleQueue[SimulatedPrinter] = queue.SimpleQueue()
        for printer in farm.printers:
            free.put(printer)

        def walk(place: int, step: Step) -> int:
            printer = free.get()
            try:
                with AgentCloud(ack_deadline=1.0) as cloud:
                    config = write_config(cloud, [printer], tmp_path / f"agent-{place}")
                    return Scenario(step, printer, cloud, config).run()
            finally:
                free.put(printer)

        steps = [step for _ in range(SWEEPS) for step in Step]
        with ThreadPoolExecutor(len(farm.printers)) as pool:
            kills = sum(pool.map(walk, range(len(steps)), steps))
    assert kills >= (200 if SOAK else len(Step))
