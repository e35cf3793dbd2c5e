"""One command from the claim to the result, with every step on disk before the next.

The order is what makes a crash harmless: claim, checks, intent, mark, publish, mark, read-back, result. A command
picked up again continues at the stage the journal shows.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge_agent import backoff
from edge_agent.cloud import Cloud, CloudRefused, CloudUnavailable
from edge_agent.command import Command, FileOffer, Outcome, Status, failed, unknown
from edge_agent.config import Timing
from edge_agent.files import FileCache, FileUnusable, LocalFile, TokenUsed
from edge_agent.journal import AFTER_PUBLISH, Entry, Journal, Stage
from edge_agent.logs import log, log_exception
from edge_agent.ordering import ordering
from edge_agent.outbox import Kind, Outbox
from edge_agent.steps import Observer, Step, log_step
from edge_agent.store import Store
from edge_agent.timestamps import Clock

FETCH_ATTEMPTS = 3
DEFAULT_LEASE_SECONDS = 60.0


class Halted(Exception):
    """The agent is stopping; the command stays in the journal for the next start."""


class Dropped(Exception):
    """The command is not ours to run; the message is the cloud's reason."""


class Refused(Exception):
    """The command ends as failed before it had any effect; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a run works with; one for the whole agent."""

    store: Store
    journal: Journal
    outbox: Outbox
    cloud: Cloud
    files: FileCache
    timing: Timing
    clock: Clock
    observe: Observer
    stopping: threading.Event
    reports_waiting: threading.Event


class Run:
    """One command under way: the driver tells it how far it is, and asks it whether it may go on."""

    def __init__(self, entry: Entry, rooms: Rooms) -> None:
        self.command: Command = entry.command
        self.resumed_at: Stage = entry.stage
        """The stage that the journal showed when the run began: beyond INTENT after a crash."""
        self.cancel_reason: str | None = None
        self._rooms = rooms
        self._fence = entry.fence
        self._progress = dict(entry.progress)
        self._offer: FileOffer | None = None
        self._lost_claim: str | None = None
        self._server_offset = timedelta()
        self.renew_at = 0.0

    @property
    def may_have_been_sent(self) -> bool:
        """Whether an earlier run got as far as publishing: only the printer can tell whether it did."""
        return self.resumed_at in AFTER_PUBLISH

    @property
    def progress(self) -> Mapping[str, str]:
        """What the driver noted in this run or an earlier one."""
        return self._progress

    def note(self, **progress: str) -> None:
        """Note progress durably."""
        self._progress.update(progress)
        self._rooms.journal.note(self.command.command_id, self._progress)

    def reach(self, step: Step, **fields: object) -> None:
        """A step is behind us: log it and tell the observer."""
        command = self.command
        log_step(
            step,
            command.command_id,
            commandType=command.kind,
            printerSerial=command.printer_serial or None,
            printJobId=command.print_job_id,
            requestId=command.request_id or None,
            **fields,
        )
        self._rooms.observe(step, command.command_id)

    def check(self) -> None:
        """Raise Halted when the agent stops, Refused when a stop has cancelled this command."""
        if self._rooms.stopping.is_set():
            raise Halted
        if self.cancel_reason is not None:
            raise Refused(self.cancel_reason)

    def authorise(self) -> None:
        """The last check before the effect: raises Halted, Dropped or Refused where there must be none."""
        self.check()
        command = self.command
        if self._lost_claim is not None:
            raise Dropped(self._lost_claim)
        if command.expires_at is not None and self._server_now() >= command.expires_at:
            raise Refused("the command expired before it could be executed")
        for group in ordering(command).overruled_by:
            if self._rooms.journal.executed_after(command.printer_serial, group, command):
                raise Refused("superseded by a later command")

    def overtaken(self) -> bool:
        """Whether `authorise` would refuse because of a later command."""
        return any(
            self._rooms.journal.executed_after(self.command.printer_serial, group, self.command)
            for group in ordering(self.command).overruled_by
        )

    def remember_executed(self) -> None:
        """From now on this command overrules older ones of its group."""
        group = ordering(self.command).group
        if group is not None:
            self._rooms.journal.mark_executed(self.command.printer_serial, group, self.command)

    def intend(self) -> None:
        """Write the intent."""
        self._advance(Stage.INTENT)
        self.reach(Step.INTENT)

    def publishing(self) -> None:
        """Check for the last time and mark that the publish follows at once."""
        self.authorise()
        with self._rooms.store.transaction():
            self.remember_executed()
            self._advance(Stage.PUBLISHING)
        self.reach(Step.PUBLISHING)

    def resume_before_publish(self) -> None:
        """Nothing was sent, whatever the mark says: go on as if the mark were not there."""
        if self.resumed_at in AFTER_PUBLISH:
            self.resumed_at = Stage.INTENT
            self.authorise()

    def not_sent(self) -> None:
        """The publish provably did not happen."""
        self._advance(Stage.INTENT)

    def published(self) -> None:
        """The printer's broker has confirmed the publish."""
        self.reach(Step.SENT)
        self._advance(Stage.PUBLISHED)
        self.reach(Step.PUBLISHED)

    def file(self) -> tuple[LocalFile, FileOffer]:
        """The command's file, fetched unless it is here. Raises Refused, Halted, Dropped."""
        offer = self._offer
        if offer is None:
            raise Refused("the cloud offered no file for this command")
        local = self._rooms.files.held(offer)
        if local is None:
            local = self._fetch(offer)
        self.reach(Step.FETCHED, size=local.size)
        return local, offer

    def claim(self) -> None:
        """Claim the command, patiently; raises Dropped on a refusal, Halted on the agent's end.

        What may have been published already is read back even without the claim, but never sent again.
        """
        self.reach(Step.CLAIMING)
        attempt = 0
        while True:
            self.check_halted()
            try:
                self._ask(self._fence)
                break
            except CloudRefused as error:
                if not self.may_have_been_sent:
                    raise Dropped(error.detail or str(error.status)) from None
                self._lost_claim = error.detail or str(error.status)
                return
            except CloudUnavailable as error:
                attempt += 1
                if attempt == 1:
                    log("claim_waits", "WARNING", commandId=self.command.command_id, reason=str(error))
                self._pause(attempt)
        if self.resumed_at is Stage.RECEIVED:
            self._advance(Stage.CLAIMED)
        self.reach(Step.CLAIMED, fence=self._fence)

    def renew(self) -> None:
        """Prolong the lease; a refusal is remembered and ends the run before its effect."""
        try:
            self._ask(self._fence)
        except CloudRefused as error:
            self._lost_claim = error.detail or str(error.status)
            self.renew_at = float("inf")
            log("claim_lost", "WARNING", commandId=self.command.command_id, detail=self._lost_claim)
        except CloudUnavailable:
            self.renew_at = self._rooms.clock.monotonic() + self._rooms.timing.retry_first * 4

    def check_halted(self) -> None:
        """Raise Halted when the agent stops."""
        if self._rooms.stopping.is_set():
            raise Halted

    def _ask(self, fence: int | None) -> None:
        claim = self._rooms.cloud.claim(self.command, fence)
        now = self._rooms.clock.now()
        if claim.acknowledged_at is not None:
            self._server_offset = claim.acknowledged_at - now
        if claim.fence != self._fence:
            self._fence = claim.fence
            self._rooms.journal.fence(self.command.command_id, claim.fence)
        if claim.file is not None:
            self._offer = claim.file
        lease = DEFAULT_LEASE_SECONDS
        if claim.lease_until is not None:
            lease = (claim.lease_until - (now + self._server_offset)).total_seconds()
        self.renew_at = self._rooms.clock.monotonic() + max(lease, 1.0) / 3

    def _fetch(self, offer: FileOffer) -> LocalFile:
        unavailable = 0
        used = 0
        while True:
            self.check()
            try:
                return self._rooms.files.fetch(offer, self._rooms.cloud, self.check)
            except FileUnusable as error:
                raise Refused(str(error)) from None
            except TokenUsed:
                used += 1
                if used >= FETCH_ATTEMPTS:
                    raise Refused("the file could not be fetched: every token was used up") from None
            except CloudUnavailable as error:
                unavailable += 1
                log("fetch_waits", "WARNING", commandId=self.command.command_id, reason=str(error))
                self._pause(unavailable)
            self.authorise()
            try:
                self._ask(self._fence)
            except CloudRefused as error:
                raise Dropped(error.detail or str(error.status)) from None
            except CloudUnavailable:
                unavailable += 1
                self._pause(unavailable)
            offer = self._offer or offer

    def _pause(self, attempt: int) -> None:
        timing = self._rooms.timing
        self._rooms.stopping.wait(backoff.delay(attempt, first=timing.retry_first, ceiling=timing.retry_ceiling))

    def _server_now(self) -> datetime:
        return self._rooms.clock.now() + self._server_offset

    def _advance(self, stage: Stage) -> None:
        self._rooms.journal.advance(self.command.command_id, stage)


class Leases:
    """Renews the claims of the runs under way, each at a third of its lease."""

    TICK_SECONDS = 0.5

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._runs: set[Run] = set()
        self._lock = threading.Lock()

    def hold(self, run: Run) -> None:
        """Keep the run's claim alive."""
        with self._lock:
            self._runs.add(run)

    def release(self, run: Run) -> None:
        """The run has ended."""
        with self._lock:
            self._runs.discard(run)

    def loop(self) -> None:
        """Renew until the agent stops."""
        while not self._rooms.stopping.wait(self.TICK_SECONDS):
            with self._lock:
                due = [run for run in self._runs if run.renew_at <= self._rooms.clock.monotonic()]
            for run in due:
                run.renew()


class Executor:
    """Runs a command to its end and queues its result."""

    def __init__(self, rooms: Rooms, leases: Leases) -> None:
        self._rooms = rooms
        self._leases = leases

    def execute(self, command_id: str, perform: Callable[[Run], Outcome]) -> None:
        """Claim the command, let the driver perform it, queue the outcome."""
        entry = self._rooms.journal.entry(command_id)
        if entry is None or entry.stage in (Stage.FINISHED, Stage.DROPPED):
            return
        run = Run(entry, self._rooms)
        try:
            outcome = self._outcome(run, perform)
        except Halted:
            return
        except Dropped as reason:
            self._rooms.journal.drop(command_id, str(reason))
            log("command_dropped", commandId=command_id, detail=str(reason))
            return
        finally:
            self._leases.release(run)
        self._finish(run.command, outcome)

    def answer_again(self, entry: Entry) -> None:
        """Queue the result of a command that ended before."""
        if entry.outcome is not None:
            self._queue(entry.command, entry.outcome, entry.fence)

    def _outcome(self, run: Run, perform: Callable[[Run], Outcome]) -> Outcome:
        try:
            run.claim()
            self._leases.hold(run)
            return perform(run)
        except Refused as reason:
            return failed(str(reason))
        except (Halted, Dropped):
            raise
        except Exception as error:
            if self._rooms.stopping.is_set():
                raise Halted from error
            log_exception("command_crashed", error, commandId=run.command.command_id)
            entry = self._rooms.journal.entry(run.command.command_id)
            if entry is not None and entry.stage in AFTER_PUBLISH:
                return unknown("the agent failed after it had sent the command; look at the printer")
            return failed("the agent failed before it had sent the command")

    def _finish(self, command: Command, outcome: Outcome) -> None:
        entry = self._rooms.journal.entry(command.command_id)
        with self._rooms.store.transaction():
            self._rooms.journal.finish(command.command_id, outcome)
            self._queue(command, outcome, None if entry is None else entry.fence)
        log(
            f"command_{outcome.status}",
            commandId=command.command_id,
            commandType=command.kind,
            printerSerial=command.printer_serial or None,
            requestId=command.request_id or None,
            reason=outcome.message,
        )
        self._rooms.observe(Step.RESULT_QUEUED, command.command_id)

    def _queue(self, command: Command, outcome: Outcome, fence: int | None) -> None:
        body: dict[str, object] = {
            "commandId": command.command_id,
            "printerSerial": command.printer_serial,
            "status": outcome.status,
            "message": outcome.message,
        }
        if outcome.status is not Status.COMPLETED:
            body["errorMessage"] = outcome.message
        if fence is not None:
            body["fence"] = fence
        self._rooms.outbox.put(Kind.RESULT, command.command_id, body, command.request_id)
        self._rooms.reports_waiting.set()
