"""One command from the claim to the result, with every step on disk before the next.

The order is what makes a crash harmless: claim, checks, intent, mark, publish, mark, read-back, result. A command
picked up again continues at the stage the journal shows.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from edge_agent import backoff, tracing
from edge_agent.cloud import Cloud, CloudRefused, CloudUnavailable
from edge_agent.command import Command, FileOffer
from edge_agent.config import PicturesConfig, Timing
from edge_agent.discovery import Neighbours
from edge_agent.files import FileCache, FileUnusable, LocalFile, TokenUsed
from edge_agent.journal import AFTER_PUBLISH, Entry, Journal, Stage
from edge_agent.logs import log
from edge_agent.ordering import ordering
from edge_agent.outbox import Outbox
from edge_agent.server_time import ServerTime
from edge_agent.steps import Observer, Step, log_step
from edge_agent.store import Store, StoreUnwritable
from edge_agent.timestamps import Clock
from edge_agent.tracing import Waits

FETCH_ATTEMPTS = 3
DEFAULT_LEASE_SECONDS = 60.0
STOP_CLAIM_SECONDS = 2.0
"""A stop does not wait longer than this for its claim."""
GIVEN_UP = "unknown"
"""What the cloud answers of a command whose lease lapsed so long ago that it left it to a person."""
CLAIM_GRACE = timedelta(seconds=60)
"""How long after its expiry a command that cannot be claimed is given up."""


class Halted(Exception):
    """The agent is stopping; the command stays in the journal for the next start."""


class Dropped(Exception):
    """The command is not ours to run; the message is the cloud's reason."""


class Refused(Exception):
    """The command ends as failed before it had any effect; the message is for the operator."""


class LeaseLapsed(Exception):
    """The lease ran out before the effect: `Run.regain` it, and begin again."""


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
    server_time: ServerTime
    observe: Observer
    stopping: threading.Event
    reports_waiting: threading.Event
    neighbours: Neighbours | None = None
    pictures: PicturesConfig = field(default_factory=PicturesConfig)


class Run:
    """One command under way: the driver tells it how far it is, and asks it whether it may go on."""

    def __init__(self, entry: Entry, rooms: Rooms) -> None:
        self.command: Command = entry.command
        self.resumed_at: Stage = entry.stage
        """The stage that the journal showed when the run began: beyond INTENT after a crash."""
        self.cancel_reason: str | None = None
        self.waits = Waits()
        self._rooms = rooms
        self._fence = entry.fence
        self._progress = dict(entry.progress)
        self._offer: FileOffer | None = None
        self._lost_claim: str | None = None
        self._lease_until = float("-inf")
        self._upload_begun = False
        self._sends = 0
        self.renew_at = 0.0

    @property
    def fence(self) -> int | None:
        """The number of the lease now held."""
        return self._fence

    @property
    def may_have_been_sent(self) -> bool:
        """Whether an earlier run got as far as publishing: only the printer can tell whether it did."""
        return self.resumed_at in AFTER_PUBLISH

    @property
    def progress(self) -> Mapping[str, str]:
        """What the driver noted in this run or an earlier one."""
        return self._progress

    def note(self, **progress: str) -> None:
        """Note progress durably. Raises as `intend` does."""
        self._progress.update(progress)
        with self._marking():
            self._rooms.journal.note(self.command.command_id, self._progress)

    def reach(self, step: Step, **fields: object) -> None:
        """A step is behind us: log it and tell the observer."""
        command = self.command
        self.waits.reach(step)
        self._upload_begun = self._upload_begun or step is Step.UPLOADING
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
        """The last check before the effect: raises Halted, Dropped or Refused where there must be none.

        Once the upload has begun, the command expires no more for as long as its lease is renewed in time. What is
        done with the printer's storage does not expire once it was claimed: whose lease it is, the cloud says.
        """
        self.check()
        command = self.command
        if self._lost_claim is not None:
            raise self._lost(self._lost_claim)
        if not self._upload_begun and not command.is_storage and self._has_expired():
            raise Refused("the command expired before it could be executed")
        self._require_right_time()
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
        """Write the intent. Raises Refused where the disk does not take it."""
        self._advance(Stage.INTENT)
        self.reach(Step.INTENT)

    def publishing(self) -> None:
        """Check for the last time and mark that the publish follows at once.

        Raises LeaseLapsed for a start whose lease ran out: by now the cloud may have cancelled it. Raises Refused where
        the disk does not take the mark.
        """
        self.authorise()
        if self.command.kind == "start_print" and self._rooms.clock.monotonic() >= self._lease_until:
            raise LeaseLapsed
        with self._marking(), self._rooms.store.transaction():
            self.remember_executed()
            self._advance(Stage.PUBLISHING)
        self._sends += 1
        self.reach(Step.PUBLISHING)

    def resume_before_publish(self) -> None:
        """Nothing was sent, whatever the mark says: go on as if the mark were not there."""
        if self.resumed_at in AFTER_PUBLISH:
            self.resumed_at = Stage.INTENT
            self.authorise()

    def not_sent(self) -> None:
        """The publish provably did not happen."""
        self._sends -= 1
        self._advance(Stage.INTENT)

    def published(self) -> None:
        """The printer's broker has confirmed the publish."""
        self.reach(Step.SENT)
        with self._rooms.store.bearing_loss():
            self._advance(Stage.PUBLISHED)
        self.reach(Step.PUBLISHED)

    def file(self) -> tuple[LocalFile, FileOffer]:
        """The command's file, fetched unless it is here. Raises Refused, Halted, Dropped."""
        offer = self._offer
        if offer is None:
            raise Refused("the cloud offered no file for this command")
        local = self._rooms.files.held(offer)
        if local is None:
            with tracing.span("fetch"):
                local = self._fetch(offer)
        self.reach(Step.FETCHED, size=local.size)
        return local, offer

    def claim(self) -> None:
        """Claim the command, patiently; raises Dropped on a refusal, Halted on the agent's end, Refused when expired.

        What may have been published already is read back even without the claim, but never sent again. A stop is
        carried out without it where the cloud cannot be asked: that can only end what should have ended anyway.
        """
        self.reach(Step.CLAIMING)
        try:
            leased = self._obtain()
        except (CloudRefused, Refused) as error:
            if not self.may_have_been_sent:
                raise self._lost(_reason(error)) if isinstance(error, CloudRefused) else error from None
            self._lost_claim = _reason(error) if isinstance(error, CloudRefused) else str(error)
            return
        if not leased:
            return
        if self.resumed_at is Stage.RECEIVED:
            self._advance(Stage.CLAIMED)
        self.reach(Step.CLAIMED, fence=self._fence)
        resumed = self.command.is_storage and self.resumed_at is not Stage.RECEIVED
        if not self.may_have_been_sent and not resumed and self._has_expired():
            raise Refused("the command expired before it could be executed")
        self._require_right_time()
        self._require_disk()

    def regain(self) -> None:
        """Renew a lease that has lapsed, patiently; raises as `claim` does."""
        try:
            self._obtain()
        except CloudRefused as error:
            raise self._lost(_reason(error)) from None

    def renew(self) -> None:
        """Prolong the lease; a refusal is remembered and ends the run before its effect."""
        try:
            with tracing.carrying(tracing.here() or self.command.traceparent):
                self._ask(self._fence)
        except CloudRefused as error:
            self._lost_claim = error.detail or str(error.status)
            self.renew_at = float("inf")
            log("claim_lost", "WARNING", commandId=self.command.command_id, detail=self._lost_claim)
        except CloudUnavailable:
            self.renew_at = self._rooms.clock.monotonic() + self._rooms.timing.retry_first * 4

    def is_renumbered(self, fence: int | None) -> bool:
        """Whether the lease, which the cloud does not know by this number any more, is ours by another.

        One that lapsed is handed out again, to this agent, with the next number; the run goes on with that.
        """
        if self._fence == fence:
            self.renew()
        return self._lost_claim is None and self._fence != fence

    def check_halted(self) -> None:
        """Raise Halted when the agent stops."""
        if self._rooms.stopping.is_set():
            raise Halted

    def _obtain(self) -> bool:
        """Ask for the lease until there is an answer; whether it is ours. False is for a stop alone: do without."""
        attempt = 0
        while True:
            self.check_halted()
            try:
                self._ask(self._fence)
                return True
            except CloudUnavailable as error:
                attempt += 1
                if attempt == 1:
                    log("claim_waits", "WARNING", commandId=self.command.command_id, reason=str(error))
            if self._has_expired(CLAIM_GRACE):
                raise Refused("the command expired before the cloud could be asked for it")
            if self.command.kind == "stop" and not self._has_expired():
                log("stop_without_claim", "WARNING", commandId=self.command.command_id)
                return False
            self.pause(attempt)

    def _ask(self, fence: int | None) -> None:
        asked_at = self._rooms.clock.monotonic()
        claim = self._rooms.cloud.claim(
            self.command, fence, STOP_CLAIM_SECONDS if self.command.kind == "stop" else None
        )
        lease = DEFAULT_LEASE_SECONDS
        if claim.acknowledged_at is not None:
            self._rooms.server_time.heard(claim.acknowledged_at, asked_at)
            if claim.lease_until is not None:
                lease = (claim.lease_until - claim.acknowledged_at).total_seconds()
        if claim.fence != self._fence:
            self._fence = claim.fence
            with self._rooms.store.bearing_loss():
                self._rooms.journal.fence(self.command.command_id, claim.fence)
        if claim.file is not None:
            self._offer = claim.file
        if asked_at >= self._lease_until:
            self._upload_begun = False
        self._lease_until = asked_at + lease
        self.renew_at = asked_at + max(lease, 1.0) / 3

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
                self.pause(unavailable)
            self.authorise()
            try:
                self._ask(self._fence)
            except CloudRefused as error:
                raise self._lost(_reason(error)) from None
            except CloudUnavailable:
                unavailable += 1
                self.pause(unavailable)
            offer = self._offer or offer

    def pause(self, attempt: int) -> None:
        """Rest after failed attempt number `attempt` (from 1), at most until the agent stops."""
        timing = self._rooms.timing
        self._rooms.stopping.wait(backoff.delay(attempt, first=timing.retry_first, ceiling=timing.retry_ceiling))

    def _lost(self, reason: str) -> Dropped | Refused:
        """What becomes, before its effect, of a command that is not ours any more.

        One that we had and that was given up waits for our word, where nothing was sent: nobody else knows that.
        """
        if reason == GIVEN_UP and self._fence is not None and not (self._sends or self.may_have_been_sent):
            return Refused("the agent was away for too long; nothing was sent to the printer")
        return Dropped(reason)

    def _has_expired(self, grace: timedelta = timedelta()) -> bool:
        expires_at = self.command.expires_at
        return expires_at is not None and self._rooms.server_time.now() >= expires_at + grace

    def _require_right_time(self) -> None:
        """Raise Refused where nothing was sent, and nothing may be while this machine's clock is wrong."""
        command, wrong_by = self.command, self._rooms.server_time.wrong_by
        if wrong_by is None or not command.moves_or_heats or command.expires_at is None:
            return
        if not self._sends and not self.may_have_been_sent:
            raise Refused(f"this machine's clock differs from the cloud's by {abs(wrong_by):.0f} s; set it (NTP)")

    def _require_disk(self) -> None:
        """Raise Refused where the disk takes no marks: only a stop is carried out without them."""
        trouble = self._rooms.store.trouble
        if trouble is not None and self.command.kind != "stop" and not self.may_have_been_sent:
            raise Refused(trouble)

    @contextmanager
    def _marking(self) -> Iterator[None]:
        try:
            yield
        except StoreUnwritable as error:
            if self._sends or self.may_have_been_sent:
                raise
            raise Refused(str(error)) from None

    def _advance(self, stage: Stage) -> None:
        with self._marking():
            self._rooms.journal.advance(self.command.command_id, stage)


def _reason(error: CloudRefused) -> str:
    return error.detail or str(error.status)
