"""The agent is killed at any instant of a busy day, while printers and lines fail: every print starts at most once,
every stop arrives, every job and every error is told once.

Operators work at a printer each: a print is ordered, paused, resumed, disturbed by an error, and stopped. Meanwhile the
agent is killed again and again, printers are cut off, fall silent or lose an acknowledgement, and the line to the cloud
stands still: as the times of the agent are a tenth here, so are the 10, 75 and 600 seconds of the cuts.
"""

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import count
from tests.integration.agent_site import ENDED, JOB_ENDS, LONG, AgentSite, agent, until
from tests.integration.stalled_line import StalledLine

DAYS = count(4, quick=1)
KILLS = count(250, quick=6)
"""On each day, which begins with a new site and new printers: the longer it is, the more has to be looked through."""
PRINTERS = count(8, quick=3)
LIFE = 2.0
"""Seconds that the agent lives on average; kills come as independent events do, so that some lives are much longer."""
SHORTEST, LONGEST = 0.2, 15.0
CUTS = (1.0, 7.5, 60.0)
CUT_EVERY = count(40, quick=3)
"""So many kills lie between two cuts of the line to the cloud; only every third of them is a long one."""
DEAF = 90.0
"""Seconds of one life within which everything that was ordered must have ended, beside the time of a cut line."""
STARVED = 45.0
"""Whoever has waited for so many seconds is given a life without a kill, as lives may be too short for a print."""
FATAL = (0x07008010, 0x00010000)


@dataclass(frozen=True)
class Life:
    """One of the agent's: when it began, and how long the cloud had been cut off before."""

    began: float
    cut_seconds: float


class Operator:
    """What one person does at one printer, until the day is over, and what must hold of it."""

    def __init__(
        self, site: AgentSite, printer: SimulatedPrinter, over: threading.Event, lines: "Lines", day: int
    ) -> None:
        self.site, self.printer, self.over, self.lines = site, printer, over, lines
        self.random = random.Random(f"{printer.serial} {day}")
        self.seen: Counter[str] = Counter()
        self.codes = itertools.count(1)
        self.errors: list[str] = []

    def work(self) -> Counter[str]:
        """Print after print; how often each thing came about."""
        while not self.over.is_set():
            self.print()
        return self.seen

    def print(self) -> None:
        """One print from its order to its stop."""
        before = len(self.printer.inspect()["starts"])
        ordered = self.site.order(self.printer, LONG)
        stopped_early = self.random.random() < 0.3
        if not stopped_early:
            self.ended(ordered.command)
        if self.site.status(ordered.command) == "completed":
            for act in self.random.sample([self.pause, self.error, self.light], 2):
                act()
        stop = self.site.queue("stop", self.printer, {"printJobId": ordered.job}, lifetime=3600)
        self.ended(ordered.command)
        status = self.ended(stop)
        told = self.site.status(ordered.command)
        where = f"{self.printer.serial}: start {told} ({self.site.message(ordered.command)}), stop {status} "
        where += f"({self.site.message(stop)})"
        until(lambda: self.printer.inspect()["gcode_state"] in ("IDLE", "FAILED", "FINISH"), DEAF, where)
        starts = len(self.printer.inspect()["starts"]) - before
        assert starts <= 1, where
        assert told != "completed" or starts == 1, where
        assert told != "failed" or starts == 0 or "print" in self.site.message(ordered.command), where
        self.told_once(ordered.job, starts, where)
        self.seen[f"start {told}"] += 1

    def told_once(self, job: str, starts: int, where: str) -> None:
        """The job's end is told, once; nothing is told of one that never began."""

        def ends() -> list[str]:
            return [kind for kind in self.site.kinds(job) if kind in JOB_ENDS]

        if "job_started" in self.site.kinds(job):
            self.wait(lambda: bool(ends()), f"{where}: the job's end")
        kinds = self.site.kinds(job)
        assert len(ends()) <= 1, f"{where}: {kinds}"
        assert all(kinds.count(kind) <= 1 for kind in ("job_preparing", "job_started", "first_layer")), (
            f"{where}: {kinds}"
        )
        assert starts or "job_started" not in kinds, f"{where}: {kinds}"

    def pause(self) -> None:
        """Pause and resume."""
        for kind in ("pause", "resume"):
            self.seen[f"{kind} {self.ended(self.site.queue(kind, self.printer, lifetime=3600))}"] += 1

    def light(self) -> None:
        """Switch the light."""
        kind = self.random.choice(["light_on", "light_off"])
        self.seen[f"light {self.ended(self.site.queue(kind, self.printer, lifetime=3600))}"] += 1

    def error(self) -> None:
        """An HMS entry that nobody has seen before comes and goes: it is told as it comes, and as it goes."""
        attr, code = FATAL[0], FATAL[1] + next(self.codes)
        text = f"{attr >> 16:04X}_{attr & 0xFFFF:04X}_{code >> 16:04X}_{code & 0xFFFF:04X}"
        self.errors.append(text)
        self.printer.set_hms([(attr, code)])
        self.wait(lambda: (text, "hms_error") in self.told_errors(), f"{text} is told")
        self.printer.set_hms([])
        self.wait(lambda: (text, "hms_cleared") in self.told_errors(), f"{text} is told to be over")
        self.seen["error"] += 1

    def told_errors(self) -> Counter[tuple[str, str]]:
        """The errors of the printer that the cloud has, and how often."""
        return Counter(
            (str(event["errorData"]["hmsCode"]), str(event["eventType"]))
            for event in self.site.events(printer=self.printer)
            if event["eventType"] in ("hms_error", "hms_cleared")
        )

    def ended(self, command: str) -> str:
        """The command's state, once it is final."""
        self.wait(lambda: self.site.status(command) in ENDED, f"the end of {self.site.command(command)['type']}")
        return self.site.status(command)

    def wait(self, seen: Callable[[], bool], what: str) -> None:
        """Wait as long as the agent may be deaf while it lives."""
        began = time.monotonic()
        try:
            while not seen():
                life = self.lines.life
                since = max(began, life.began)
                allowed = DEAF + self.lines.cut_seconds - life.cut_seconds
                assert time.monotonic() - since < allowed, f"{self.printer.serial}: not within {allowed:.0f} s: {what}"
                if time.monotonic() - began > STARVED:
                    self.lines.starved.add(self.printer.serial)
                time.sleep(0.1)
        finally:
            self.lines.starved.discard(self.printer.serial)


class Lines:
    """Breaks the lines to printers and cloud."""

    def __init__(self, printers: list[SimulatedPrinter], cloud: StalledLine, day: int) -> None:
        self.printers, self.cloud = printers, cloud
        self.cut_seconds = 0.0
        """How long the cloud was cut off in all."""
        self.life = Life(time.monotonic(), 0.0)
        self.starved: set[str] = set()
        """The printers for which somebody has waited for too long."""
        self.spared = 0
        self.random = random.Random(day)
        self.cuts = itertools.cycle(CUTS if DAYS > 1 else CUTS[:1])

    def born(self) -> None:
        """Another life of the agent begins."""
        self.life = Life(time.monotonic(), self.cut_seconds)

    def live(self, over: threading.Event) -> None:
        """A life's length; nobody is left to wait for ever by kills alone."""
        over.wait(min(max(self.random.expovariate(1 / LIFE), SHORTEST), LONGEST))
        self.spared += bool(self.starved)
        until(lambda: not self.starved or over.is_set(), DEAF + STARVED, "those who wait are served")

    def disturb(self) -> None:
        """Something happens to one printer."""
        printer = self.random.choice(self.printers)
        fault = self.random.choice(["drop_connection", "drop_acks", "silent", "ignore_commands"])
        if fault == "drop_connection":
            printer.set_faults(drop_connection=True)
        elif fault == "drop_acks":
            printer.set_faults(drop_acks=1)
        else:
            printer.set_faults(**{fault: True})
            time.sleep(self.random.uniform(0.2, 1.5))  # the fault's length
            printer.set_faults(**{fault: False})

    def cut(self) -> None:
        """The line to the cloud stands still for a while; what was under way on it arrives afterwards."""
        seconds = next(self.cuts)
        self.cut_seconds += seconds
        self.cloud.stall(later=True)
        time.sleep(seconds)  # the cut's length
        self.cloud.release()


@pytest.mark.timeout(KILLS * 20 + 600)
@pytest.mark.parametrize("day", range(DAYS))
def test_whenever_it_is_killed_nothing_is_doubled_or_lost(
    embedded_sites: Callable[[], AgentSite], tmp_path: Path, day: int
) -> None:
    site = embedded_sites()
    host, _, port = site.cloud.base_url.removeprefix("http://").partition(":")
    models = [model for model, _ in zip(itertools.cycle(["P1S", "X1C"]), range(PRINTERS), strict=False)]
    over = threading.Event()
    with Farm(models, state_dir=tmp_path / "farm", speed=150) as farm, StalledLine(host, int(port)) as line:
        config = site.write_config(farm.printers, tmp_path / "agent", backend_url=f"http://{host}:{line.port}")
        lines = Lines(farm.printers, line, day)
        operators = [Operator(site, printer, over, lines, day) for printer in farm.printers]
        with ThreadPoolExecutor(PRINTERS) as pool:
            days = [pool.submit(operator.work) for operator in operators]
            try:
                for number in range(1, KILLS + 1):
                    with agent(config) as process:
                        lines.born()
                        lines.disturb()
                        if number % CUT_EVERY == 0:
                            lines.cut()
                        lines.live(over)
                        os.kill(process.pid, signal.SIGKILL)
                        process.wait()
                    if any(day.done() for day in days):
                        break
            finally:
                over.set()
            with agent(config):
                lines.born()
                done = sum((day.result() for day in days), Counter[str]())
        for operator in operators:
            assert set(operator.told_errors().values()) <= {1}, operator.told_errors()
            assert {text for text, _ in operator.told_errors()} >= set(operator.errors)
    print(f"\n{KILLS} kills, {lines.spared} lives spared for a while, {lines.cut_seconds:.0f} s without the cloud:")
    print(dict(sorted(done.items())))
    assert done["start completed"] > 0
