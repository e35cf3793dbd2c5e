"""Takes the reports from the outbox to the cloud: of each kind, those of one printer in their order.

Where the cloud cannot be asked, the whole kind waits. Where the cloud itself fails on a report, only that printer's
reports of the kind wait, and when it fails on the same again and again, while it takes others, that one is set aside
and tried now and then: it must not keep back what is behind it. As long as the others fail too, the order stays.
The printers' status goes in one call for all of them; once that has failed, one by one, until it is clear which fails.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from edge_agent import backoff, tracing
from edge_agent.cloud import CloudFailed, CloudRefused, CloudUnavailable, StatusAnswer
from edge_agent.complaints import not_sent
from edge_agent.config import Timing
from edge_agent.execution import Rooms
from edge_agent.jobs import JobBook
from edge_agent.logs import log
from edge_agent.outbox import Kind, Report
from edge_agent.steps import Step
from edge_agent.supervision import supervised

IDLE_SECONDS = 1.0
PRUNE_SECONDS = 60.0
PRUNE_BOOKS_SECONDS = 3600.0
PATIENCE = 10
"""How often the cloud may fail on a report before the next one is tried too."""
STATUSES_AT_ONCE = 50


def delay(timing: Timing, attempt: int) -> float:
    """Seconds until a report is tried again after failed attempt number `attempt` (from 1): by default 1 to 60."""
    return backoff.delay(attempt, first=4 * timing.retry_first, ceiling=timing.retry_ceiling)


@dataclass(slots=True)
class _Wait:
    attempts: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class _Line(_Wait):
    """One printer's reports of one kind; of the status, all printers' together."""

    failures: dict[int, int] = field(default_factory=dict)
    """How often the cloud itself failed on a report, by row."""
    aside: dict[int, float] = field(default_factory=dict)
    """When a report that was set aside is tried again, by row."""

    def holds(self, report: Report, now: float) -> bool:
        """Whether the report is set aside."""
        return self.aside.get(report.row, now) > now

    def suspects(self, now: float) -> bool:
        """Whether a report that is not set aside has failed."""
        return any(self.aside.get(row, now) <= now for row in self.failures)

    def forget_replaced(self, waiting: Sequence[Report]) -> None:
        """Forgets reports that wait no more, which newer ones have replaced."""
        rows = {report.row for report in waiting}
        for book in (self.failures, self.aside):
            for row in [row for row in book if row not in rows and row <= max(rows, default=row)]:
                del book[row]


class Delivery:
    """One thread for all kinds but pictures: each has its turn, results first, then events, then status."""

    KINDS = (Kind.RESULT, Kind.EVENT, Kind.STATUS)

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._prune_at = 0.0
        self._prune_books_at = 0.0
        self._outages = {kind: _Wait() for kind in self.KINDS}
        self._lines: dict[tuple[Kind, str], _Line] = {}
        self._status_sent: dict[str, object] = {}

    def loop(self) -> None:
        """Deliver until the agent stops."""
        supervised("delivery", self._rooms.stopping, self._step)

    def _step(self) -> None:
        self._prune()
        self._rooms.reports_waiting.clear()
        if not self._round():
            self._rooms.reports_waiting.wait(self._nap())

    def _prune(self) -> None:
        now = self._rooms.clock.monotonic()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_SECONDS
            self._rooms.store.settle()
            given_up = self._rooms.outbox.prune()
            if given_up:
                log("reports_given_up", "ERROR", count=sum(given_up.values()), **given_up)
        if now >= self._prune_books_at:
            self._prune_books_at = now + PRUNE_BOOKS_SECONDS
            self._rooms.journal.prune()
            JobBook(self._rooms.store, self._rooms.clock).prune()

    def _round(self) -> bool:
        """Try one report of each kind that has one and may try, or several of status; whether there was any."""
        tried = False
        for kind in self.KINDS:
            if self._rooms.clock.monotonic() < self._outages[kind].not_before:
                continue
            if kind is Kind.STATUS:
                line = self._line(kind, "")
                reports = self._next_statuses(line)
                if reports:
                    self._deliver_statuses(reports, line)
                    tried = True
            elif (report := self._next(kind)) is not None:
                self._deliver(report, self._line(kind, report.lane))
                tried = True
        return tried

    def _line(self, kind: Kind, lane: str) -> _Line:
        return self._lines.setdefault((kind, lane), _Line())

    def _next(self, kind: Kind) -> Report | None:
        """The first report that is not set aside, and whose line does not wait."""
        now = self._rooms.clock.monotonic()
        held = [lane for (of, lane), line in self._lines.items() if of is kind and line.not_before > now]
        report = self._rooms.outbox.first(kind, without=held)
        while report is not None and self._line(kind, report.lane).holds(report, now):
            report = self._rooms.outbox.first(kind, after=report.row, without=held)
        return report

    def _next_statuses(self, line: _Line) -> list[Report]:
        """The reports that are not set aside, the oldest first; only that one while it is open which of them fails."""
        now = self._rooms.clock.monotonic()
        if now < line.not_before:
            return []
        waiting = self._rooms.outbox.waiting(Kind.STATUS, STATUSES_AT_ONCE)
        line.forget_replaced(waiting)
        ready = [report for report in waiting if not line.holds(report, now)]
        return ready[:1] if line.suspects(now) else ready

    def _deliver(self, report: Report, line: _Line) -> None:
        try:
            with self._traced(report):
                known_as = self._send(report)
        except CloudUnavailable as error:
            self._failed(report, line, error)
            return
        except CloudRefused as error:
            self._refused(report, str(error))
            self._rooms.outbox.remove(report)
        else:
            self._delivered(report, known_as)
        self._done(report, line)
        if report.kind is Kind.RESULT:
            self._rooms.observe(Step.RESULT_SENT, report.name)

    def _send(self, report: Report) -> str:
        """The id by which the cloud has the report."""
        cloud = self._rooms.cloud
        if report.kind is Kind.EVENT:
            return cloud.event(report.body, report.request_id)
        cloud.result(report.body, report.request_id)
        return report.name

    def _delivered(self, report: Report, known_as: str) -> None:
        if report.kind is Kind.EVENT:
            self._rooms.outbox.delivered(report, known_as)
        else:
            self._rooms.outbox.remove(report)
            log(
                "result_sent",
                commandId=report.name,
                status=report.body.get("status"),
                printerSerial=report.body.get("printerSerial"),
                requestId=report.request_id or None,
            )

    def _traced(self, report: Report) -> AbstractContextManager[None]:
        """What a report belongs to: the trace of the command that it is about."""
        about_result = report.kind is Kind.RESULT
        command_id = report.name if about_result else str(report.body.get("commandId") or "")
        traceparent = self._rooms.journal.traceparent(command_id) if command_id else ""
        return tracing.span("result", traceparent) if about_result else tracing.carrying(traceparent)

    def _deliver_statuses(self, reports: Sequence[Report], line: _Line) -> None:
        try:
            answers = self._rooms.cloud.statuses([self._linked(report) for report in reports])
        except CloudUnavailable as error:
            self._failed(reports[0], line, error)
            return
        except CloudRefused as error:
            if len(reports) > 1:
                self._deliver_one_by_one(reports, line)
                return
            answers = [StatusAnswer(str(error))]
        for report, answer in zip(reports, answers, strict=True):
            if answer.may_pass:
                line.not_before = self._rooms.clock.monotonic() + self._delay(1)
                continue
            if answer.refused is not None:
                self._refused(report, answer.refused)
            self._rooms.outbox.remove(report)
            self._done(report, line)

    def _linked(self, report: Report) -> Mapping[str, Any]:
        """The status with the time of the one that was sent before, whether that arrived or not."""
        previous = self._status_sent.get(report.name)
        self._status_sent[report.name] = report.body.get("timestamp")
        return report.body if previous is None else {**report.body, "previousTimestamp": previous}

    def _deliver_one_by_one(self, reports: Sequence[Report], line: _Line) -> None:
        """One of them is refused, and with it all."""
        for report in reports:
            self._deliver_statuses([report], line)
            if max(line.not_before, self._outages[Kind.STATUS].not_before) > self._rooms.clock.monotonic():
                return

    def _refused(self, report: Report, reason: str) -> None:
        log("report_refused", "WARNING", kind=report.kind, name=report.name, reason=reason)

    def _done(self, report: Report, line: _Line) -> None:
        self._outages[report.kind].attempts = line.attempts = 0
        line.failures.pop(report.row, None)
        line.aside.pop(report.row, None)
        if report.kind is not Kind.STATUS and not line.failures:
            self._lines.pop((report.kind, report.lane), None)

    def _failed(self, report: Report, line: _Line, error: CloudUnavailable) -> None:
        """Wait, or try the next report at once; when that fails as well, both begin again in their order."""
        now = self._rooms.clock.monotonic()
        wait: _Wait = self._outages[report.kind]
        if isinstance(error, CloudFailed):
            wait = line
            failures = line.failures[report.row] = line.failures.get(report.row, 0) + 1
            if failures >= PATIENCE:
                if failures == PATIENCE:
                    log("report_set_aside", "ERROR", kind=report.kind, name=report.name, reason=str(error))
                line.aside[report.row] = now + self._delay(failures)
                return
        line.aside.clear()
        wait.attempts += 1
        wait.not_before = now + self._delay(wait.attempts)
        if wait.attempts == 1:
            sentence = not_sent(error) if report.kind is Kind.EVENT else None
            log("report_waits", "WARNING", message=sentence, kind=report.kind, name=report.name, reason=str(error))

    def _delay(self, attempt: int) -> float:
        return delay(self._rooms.timing, attempt)

    def _nap(self) -> float:
        now = self._rooms.clock.monotonic()
        waits = [*self._outages.values(), *self._lines.values()]
        due = [wait.not_before - now for wait in waits if wait.not_before > now]
        return max(min([IDLE_SECONDS, *due]), 0.01)
