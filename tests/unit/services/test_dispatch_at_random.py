"""A farm on which anything may happen in any order: no printer gets two jobs, no job runs twice, none is forgotten."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from printpipe.domain.errors import Conflict
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import CommandStatus, JobStatus, Priority
from printpipe.domain.records import Command
from tests.counts import count
from tests.farm import embedded_farm

STEPS = 50
"""Of each farm; in all 10,000 at full counts."""

MODELS = ("P1S", "X1C")
SPOOLS = (("PLA", "#FFFFFF"), ("PLA", "#C12E1F"), ("PETG", "#000000"))
ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
OPEN = frozenset(JobStatus) - ENDED - {JobStatus.HELD}
MEMORY = Path("/dev/shm")

any_number = st.integers(0, 99)


class RandomFarm(RuleBasedStateMachine):
    """What people, printers and the clock may do; what the test itself knows of the printers stands beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        self.farm = embedded_farm(Path(self._folder))
        self.printers: dict[str, dict[str, Any]] = {}
        self.jobs: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self._folder)

    @initialize(model=st.sampled_from(MODELS))
    def begin(self, model: str) -> None:
        self._new_printer(model, SPOOLS[:2])

    def _new_printer(self, model: str, loaded: Any) -> None:
        printer = self.farm.printer(model, loaded)
        known = {"model": model, "loaded": tuple(loaded), "online": True, "shows": "idle", "active": True}
        self.printers[printer] = known

    @precondition(lambda self: len(self.printers) < 5)
    @rule(model=st.sampled_from(MODELS), loaded=st.sets(st.sampled_from(SPOOLS)))
    def buy(self, model: str, loaded: set[tuple[str, str]]) -> None:
        self._new_printer(model, sorted(loaded))

    @precondition(lambda self: len(self.jobs) < 25)
    @rule(
        spool=st.sampled_from(SPOOLS),
        model=st.sampled_from(MODELS),
        user=st.sampled_from("abc"),
        priority=st.sampled_from(Priority),
        plates=st.integers(1, 3),
        send=st.booleans(),
    )
    def order(self, spool: Any, model: str, user: str, priority: Priority, plates: int, send: bool) -> None:
        job = self.farm.order(self.farm.file(spool, model=model), user, priority, plates_requested=plates)
        self.jobs.append(job)
        if send:
            self.farm.send(job)

    @precondition(lambda self: self._those(JobStatus.HELD))
    @rule(which=any_number, named=st.booleans())
    def send(self, which: int, named: bool) -> None:
        job = self._one(which, JobStatus.HELD)
        self.farm.send(job.job_id, list(self.printers)[which % len(self.printers)] if named else None)

    @precondition(lambda self: self._pending())
    @rule(which=any_number, good=st.sampled_from([True, True, True, False]))
    def take(self, which: int, good: bool) -> None:
        """An agent takes a start, or refuses it."""
        starts = self._pending()
        command = starts[which % len(starts)]
        if command.expires_at <= self.farm.now:
            return
        if not self.farm.at(str(command.printer_id)).plate_cleared:
            with pytest.raises(Conflict):
                self.farm.take(command.command_id)
        elif good:
            self.farm.take(command.command_id)
        else:
            self.farm.refuse(command.command_id)

    @precondition(lambda self: self._those(JobStatus.PREPARING, JobStatus.PRINTING))
    @rule(which=any_number, event=st.sampled_from(["job_started", "job_completed", "job_completed", "job_failed"]))
    def report(self, which: int, event: str) -> None:
        job = self._one(which, JobStatus.PREPARING, JobStatus.PRINTING)
        self.farm.later(seconds=20)
        self.farm.happens(job.job_id, event)
        printer = str(job.printer_id)
        shows = {"job_started": "printing", "job_completed": "completed", "job_failed": "failed"}[event]
        if self.printers[printer]["online"]:
            self._show(printer, shows)
        if event == "job_completed":
            self.farm.happens(job.job_id, event)  # told twice, and not counted twice

    @rule(which=any_number)
    def clear(self, which: int) -> None:
        printer = list(self.printers)[which % len(self.printers)]
        if self.printers[printer]["online"] and not self.farm.at(printer).occupants:
            self.printers[printer]["shows"] = "idle"
            self.farm.clear(printer)

    @rule(which=any_number)
    def line(self, which: int) -> None:
        """A printer's line drops, or comes back."""
        printer = list(self.printers)[which % len(self.printers)]
        self.printers[printer]["online"] ^= True
        self._show(printer, self.printers[printer]["shows"])

    @rule(which=any_number)
    def begin_at_the_screen(self, which: int) -> None:
        printer = list(self.printers)[which % len(self.printers)]
        if self.printers[printer]["online"] and not self.farm.at(printer).occupants:
            self._show(printer, "printing")

    @rule(which=any_number, loaded=st.sets(st.sampled_from(SPOOLS)))
    def load(self, which: int, loaded: set[tuple[str, str]]) -> None:
        printer = list(self.printers)[which % len(self.printers)]
        if self.printers[printer]["online"]:
            self.printers[printer]["loaded"] = tuple(sorted(loaded))
            self.farm.later(seconds=1)
            self.farm.reports(printer, self.printers[printer]["shows"], sorted(loaded))

    @precondition(lambda self: self.jobs)
    @rule(which=any_number)
    def cancel(self, which: int) -> None:
        job = self.farm.job(self.jobs[which % len(self.jobs)])
        if job.status in ENDED:
            if job.status != JobStatus.CANCELLED:
                with pytest.raises(Conflict):
                    self.farm.cancel(job.job_id)
            return
        self.farm.cancel(job.job_id)
        now = self.farm.job(job.job_id)
        assert now.status == JobStatus.CANCELLED or now.cancel_requested_at is not None

    @precondition(lambda self: self.farm.stops())
    @rule(which=any_number)
    def stop(self, which: int) -> None:
        """The agent carries out a stop: the job that it names has ended, and nothing else has."""
        stops = self.farm.stops()
        stop = stops[which % len(stops)]
        if stop.expires_at <= self.farm.now:
            return
        before = {job.job_id: job.status for job in self._all()}
        self.farm.take(stop.command_id)
        changed = {job.job_id for job in self._all() if job.status != before[job.job_id]}
        assert changed <= {stop.job_id}

    @rule(which=any_number)
    def take_out_of_use(self, which: int) -> None:
        printer = list(self.printers)[which % len(self.printers)]
        self.printers[printer]["active"] ^= True
        self.farm.use(printer, self.printers[printer]["active"])

    @rule(minutes=st.sampled_from([1, 6, 11, 200, 800]))
    def wait(self, minutes: int) -> None:
        """Time passes, and every printer that is online tells the same again."""
        self.farm.later(minutes=minutes)
        for printer, known in self.printers.items():
            if known["online"]:
                self.farm.reports(printer, known["shows"])

    @rule()
    def sweep(self) -> None:
        before = {job: self.farm.job(job) for job in self.jobs}
        self.farm.sweep()
        self._nobody_is_forgotten()
        for job, was in before.items():
            overdue = was.deadline_at is not None and was.deadline_at <= self.farm.now
            assert not overdue or self.farm.job(job).status == JobStatus.HELD

    @invariant()
    def no_printer_has_two_jobs(self) -> None:
        for printer in self.printers:
            mine = [job.job_id for job in self._all() if job.printer_id == printer and job.status in OPEN]
            assert len(mine) <= 1
            assert sorted(self.farm.at(printer).occupants) == mine

    @invariant()
    def no_job_runs_twice(self) -> None:
        starts = self.farm.starts()
        for job in self._all():
            own = [each for each in starts if each.job_id == job.job_id]
            assert len(own) == job.run == len(job.runs)
            done = [run for run in job.runs if run.status == JobStatus.COMPLETED]
            assert len(done) == job.plates_completed <= job.plates_requested
            assert all(run.ended_at for run in job.runs[:-1])
            alive = [each for each in own if each.status == CommandStatus.PENDING]
            assert len(alive) <= 1
            assert not alive or job.command_id == alive[0].command_id
            assert (job.status == JobStatus.COMPLETED) == (job.plates_completed == job.plates_requested)
            assert job.cancel_requested_at is None or not job.waits

    def _nobody_is_forgotten(self) -> None:
        """No free printer is left to which a waiting job fits, and every waiting job says why; which is true."""
        for job in self._all():
            if job.turn is None:
                continue
            told = self.farm.reasons(job.job_id)
            assert told.keys() == self.printers.keys()
            for printer, reasons in told.items():
                assert reasons
                self._is_true(printer, reasons, job)

    def _is_true(self, printer: str, reasons: list[str], job: Job) -> None:
        known, stored = self.printers[printer], self.farm.at(printer)
        words = {reason.partition(":")[0] for reason in reasons}
        assert ("offline" in words) == (not known["online"])
        assert ("inactive" in words) == (not known["active"])
        assert ("plate_not_cleared" in words) == (not stored.plate_cleared)
        shows_work = known["online"] and known["shows"] == "printing"
        assert ("busy" in words) == (bool(stored.occupants) or shows_work)
        assert ("not_wanted" in words) == (job.wanted_printer_id not in (None, printer))
        plate = self.farm.plate_of(job)
        assert ("model_mismatch" in words) == (plate.printer_model != known["model"])
        (needed,) = plate.filament
        types = {kind for kind, _ in known["loaded"]}
        assert ("material_missing" in words) == (needed.type not in types)
        assert ("color_missing" in words) == (
            needed.type in types and (needed.type, needed.color) not in known["loaded"]
        )

    def _show(self, printer: str, state: str) -> None:
        self.printers[printer]["shows"] = state
        self.farm.later(seconds=1)
        self.farm.reports(printer, state if self.printers[printer]["online"] else "offline")

    def _all(self) -> list[Job]:
        return [self.farm.job(job) for job in self.jobs]

    def _those(self, *statuses: JobStatus) -> list[Job]:
        return [job for job in self._all() if job.status in statuses]

    def _one(self, which: int, *statuses: JobStatus) -> Job:
        found = self._those(*statuses)
        return found[which % len(found)]

    def _pending(self) -> list[Command]:
        return [each for each in self.farm.starts() if each.status == CommandStatus.PENDING]


TestRandomFarm = RandomFarm.TestCase
TestRandomFarm.settings = settings(
    max_examples=count(200, quick=4),
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=False,
    database=None,
    suppress_health_check=list(HealthCheck),
)
