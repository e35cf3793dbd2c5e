"""The agent is killed at every step between a command's receipt and its result: nothing is lost, nothing doubled."""

import queue
import signal
import subprocess
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.steps import Step
from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.backends import Backend
from tests.counts import SOAK, count
from tests.integration.agent_site import AgentSite, agent, sites, until

KINDS = ("start_print", "pause", "stop")
UNDECIDABLE = frozenset({Step.SENDING, Step.HANDED_OVER})
"""Where a killed start may have gone out or not: then the printer decides, and an unseen start is `unknown`."""
START_ONLY = frozenset({Step.FETCHED, Step.UPLOADING, Step.UPLOADED})
POLLED = (Step.SENDING, Step.CLAIMED, Step.RESULT_QUEUED, *((Step.RECEIVED, Step.PUBLISHED) if SOAK else ()))
"""The steps for a site without Pub/Sub."""
SWEEPS = count(6, quick=1)
PRINT = make_3mf("cube", layers=60, seconds=6000)


class NeverStarted(Exception):
    """The start was killed before it went out, and was rightly not sent again."""


@dataclass
class Life:
    """One run of the agent: what it is given, and whether the first of it kills it."""

    kinds: list[str] = field(default_factory=list)
    killed: bool = False


def lives(killed: Collection[str]) -> list[Life]:
    """The runs in which these commands kill the agent, and the last, which ends what is left."""
    plan = [Life()]
    for kind in KINDS:
        if kind in killed:
            plan += [Life([kind], killed=True), Life()]
        else:
            plan[-1].kinds.append(kind)
    return [life for life in plan[:-1] if life.kinds] + plan[-1:]


class Scenario:
    """One printer at a site of its own, and a start, a pause and a stop; some kill the agent at one step."""

    def __init__(
        self, step: Step, killed: Collection[str], printer: SimulatedPrinter, site: AgentSite, config: Path
    ) -> None:
        self.step = step
        self.killed = killed
        self.printer = printer
        self.site = site
        self.config = config
        self.ids: dict[str, str] = {}
        self.job = ""
        self.kills = 0
        self.starts_before = len(printer.inspect()["starts"])

    def run(self) -> int:
        """The whole walk; the number of kills."""
        left: str | None = None
        try:
            for life in lives(self.killed):
                left = self.live(life, left)
        except NeverStarted:
            assert self.site.job(self.job) == "unknown"
            assert self.site.kinds(self.job) == []
            return self.kills
        assert {self.site.status(command) for command in self.ids.values()} == {"completed"}
        assert self.site.kinds(self.job).count("job_started") == 1
        self.site.assert_ended_once(self.job, "job_cancelled")
        return self.kills

    def live(self, life: Life, left: str | None) -> str | None:
        """Run an agent that ends what was left behind and carries out the life's commands; what it leaves in turn."""
        spared = list(self.ids.values())
        arguments = ["--kill-at", self.step, "--spare", *spared] if life.killed else []
        module = "tests.integration.crashing_agent" if life.killed else "edge_agent"
        with agent(self.config, *arguments, module=module) as process:
            if left is not None:
                self.finish(left)
            for kind in life.kinds:
                self.queue(kind)
                if not life.killed:
                    self.finish(kind)
                    continue
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    raise AssertionError(f"{kind} never reached {self.step}") from None
                assert process.returncode == -signal.SIGKILL
                self.kills += 1
        if not life.killed:
            return None
        self.site.redeliver(self.ids[life.kinds[0]])
        return life.kinds[0]

    def queue(self, kind: str) -> None:
        """Queue the command."""
        if kind == "start_print":
            ordered = self.site.order(self.printer, PRINT)
            self.ids[kind], self.job = ordered.command, ordered.job
        else:
            self.ids[kind] = self.site.queue(kind, self.printer, {"printJobId": self.job} if kind == "stop" else {})

    def finish(self, kind: str) -> None:
        """The command ends, and its effect is on the printer once."""
        status = self.site.ended(self.ids[kind], 30)
        where = f"{kind} with {self.killed} killed at {self.step}: {status} {self.site.message(self.ids[kind])}"
        seen = self.printer.inspect()
        starts = len(seen["starts"]) - self.starts_before
        if kind == "start_print" and kind in self.killed and self.step in UNDECIDABLE and starts == 0:
            assert status == "unknown", where
            raise NeverStarted
        assert status == "completed", where
        assert starts == 1, where
        if kind == "pause":
            until(lambda: self.printer.inspect()["gcode_state"] == "PAUSE", 5, where)
        if kind == "stop":
            assert seen["gcode_state"] in ("FAILED", "IDLE"), where
            self.site.saw(self.job, "job_cancelled")


def plan(steps: Collection[Step]) -> list[tuple[Step, tuple[str, ...]]]:
    """For each step the commands that kill the agent there: all; in a quick run one in turn, at every third."""
    walks: list[tuple[Step, tuple[str, ...]]] = []
    for place, step in enumerate(steps):
        if not SOAK and place % 3:
            continue
        passing = ("start_print",) if step in START_ONLY else KINDS
        if SOAK:
            walks += [(step, passing)] * SWEEPS
        else:
            walks.append((step, ("start_print",) if step in UNDECIDABLE else (passing[-len(walks) % len(passing)],)))
    return walks


def walk_all(backend: Backend, folder: Path, steps: Collection[Step], **settings: str) -> int:
    """Every walk of the plan, four at a time; the number of kills."""
    with (
        sites(backend, folder, **settings) as new_site,
        Farm(["P1S", "X1C", "P1S", "X1C"], speed=60, state_dir=folder / "farm") as farm,
    ):
        free: queue.SimpleQueue[SimulatedPrinter] = queue.SimpleQueue()
        for printer in farm.printers:
            free.put(printer)

        def walk(place: int, step: Step, killed: Collection[str]) -> int:
            printer = free.get()
            try:
                site = new_site()
                config = site.write_config([printer], folder / f"agent-{place}")
                return Scenario(step, killed, printer, site, config).run()
            finally:
                free.put(printer)

        walks = plan(steps)
        with ThreadPoolExecutor(len(farm.printers)) as pool:
            return sum(pool.map(lambda place: walk(place, *walks[place]), range(len(walks))))


@pytest.mark.emulators
@pytest.mark.timeout(180 * SWEEPS)
def test_a_kill_at_any_step_neither_doubles_a_start_nor_loses_a_stop(google_backend: Backend, tmp_path: Path) -> None:
    assert walk_all(google_backend, tmp_path, list(Step)) >= (200 if SOAK else len(Step) // 3)


@pytest.mark.timeout(180 * SWEEPS)
def test_nor_does_it_without_pubsub(embedded_backend: Backend, tmp_path: Path) -> None:
    # What a killed agent's poll has claimed comes again when that lease has run out.
    assert walk_all(embedded_backend, tmp_path, POLLED, COMMAND_LEASE_SECONDS="3") >= len(POLLED) // 3
