"""Takes the reports from the outbox to the cloud, each kind in its own order with its own back-off.

A report that the cloud fails on again and again, while it takes others, is set aside and tried now and then: it must
not keep back what is behind it. As long as the others fail too, that is an outage, and the order stays.
The printers' status goes in one call for all of them; once that has failed, one by one, until it is clear which fails.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from edge_agent import backoff, tracing
from edge_agent.cloud import CloudFailed, CloudRefused, CloudUnavailable, StatusAnswer
from edge_agent.execution import Rooms
from edge_agent.jobs import JobBook
from edge_agent.logs import log
from edge_agent.outbox import Kind, Report
from edge_agent.steps import Step
from edge_agent.supervision import supervised

IDLE_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
PATIENCE = 10
"""How often the cloud may fail on a report before the next one is tried too."""

EVENTS_PATH = "/api/printer-events/report"
STATUSES_AT_ONCE = 50


@dataclass(slots=True)
class _Line:
    attempts: int = 0
    not_before: float = 0.0
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
    """One thread for all kinds: results go first, then events, then status."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._prune_at = 0.0
        self._lines = {kind: _Line() for kind in Kind}
        self._status_sent: dict[str, object] = {}
        cloud = rooms.cloud
        self._send: Mapping[Kind, Callable[[Mapping[str, Any], str], None]] = {
            Kind.RESULT: cloud.result,
            Kind.EVENT: lambda body, request_id: cloud.report(EVENTS_PATH, body, request_id),
        }

    def loop(self) -> None:
        """Deliver until the agent stops."""
        supervised("delivery", self._rooms.stopping, self._step)

    def _step(self) -> None:
        now = self._rooms.clock.monotonic()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_SECONDS
            self._prune()
        self._rooms.reports_waiting.clear()
        if not self._round():
            self._rooms.reports_waiting.wait(self._nap())

    def _prune(self) -> None:
        given_up = self._rooms.outbox.prune()
        self._rooms.journal.prune()
        JobBook(self._rooms.store, self._rooms.clock).prune()
        if given_up:
            log("reports_given_up", "ERROR", count=given_up)

    def _round(self) -> bool:
        """Try one report of the first kind that has one and may try, or several of status; whether there was one."""
        now = self._rooms.clock.monotonic()
        for kind, line in self._lines.items():
            if now < line.not_before:
                continue
            if kind is Kind.STATUS:
                reports = self._next_statuses(line)
                if reports:
                    self._deliver_statuses(reports, line)
                    return True
            elif (report := self._next(kind, line)) is not None:
                self._deliver(report, line)
                return True
        return False

    def _next(self, kind: Kind, line: _Line) -> Report | None:
        """The first report that is not set aside."""
        now = self._rooms.clock.monotonic()
        report = self._rooms.outbox.first(kind)
        while report is not None and line.holds(report, now):
            report = self._rooms.outbox.first(kind, after=report.row)
        return report

    def _next_statuses(self, line: _Line) -> list[Report]:
        """The reports that are not set aside, the oldest first; only that one while it is open which of them fails."""
        now = self._rooms.clock.monotonic()
        waiting = self._rooms.outbox.waiting(Kind.STATUS, STATUSES_AT_ONCE)
        line.forget_replaced(waiting)
        ready = [report for report in waiting if not line.holds(report, now)]
        return ready[:1] if line.suspects(now) else ready

    def _deliver(self, report: Report, line: _Line) -> None:
        try:
            with self._traced(report):
                self._send[report.kind](report.body, report.request_id)
        except CloudUnavailable as error:
            self._failed(report, line, error)
            return
        except CloudRefused as error:
            self._refused(report, str(error))
        else:
            if report.kind is Kind.RESULT:
                log(
                    "result_sent",
                    commandId=report.name,
                    status=report.body.get("status"),
                    printerSerial=report.body.get("printerSerial"),
                    requestId=report.request_id or None,
                )
        self._done(report, line)
        if report.kind is Kind.RESULT:
            self._rooms.observe(Step.RESULT_SENT, report.name)

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
            if line.not_before > self._rooms.clock.monotonic():
                return

    def _refused(self, report: Report, reason: str) -> None:
        log("report_refused", "WARNING", kind=report.kind, name=report.name, reason=reason)

    def _done(self, report: Report, line: _Line) -> None:
        line.attempts = 0
        line.failures.pop(report.row, None)
        line.aside.pop(report.row, None)
        self._rooms.outbox.remove(report)

    def _failed(self, report: Report, line: _Line, error: CloudUnavailable) -> None:
        """Wait, or try the next report at once; when that fails as well, both begin again in their order."""
        now = self._rooms.clock.monotonic()
        if isinstance(error, CloudFailed):
            failures = line.failures[report.row] = line.failures.get(report.row, 0) + 1
            if failures >= PATIENCE:
                if failures == PATIENCE:
                    log("report_set_aside", "ERROR", kind=report.kind, name=report.name, reason=str(error))
                line.aside[report.row] = now + self._delay(failures)
                return
        line.aside.clear()
        line.attempts += 1
        line.not_before = now + self._delay(line.attempts)
        if line.attempts == 1:
            log("report_waits", "WARNING", kind=report.kind, name=report.name, reason=str(error))

    def _delay(self, attempt: int) -> float:
        timing = self._rooms.timing
        return backoff.delay(attempt, first=timing.retry_first, ceiling=timing.retry_ceiling)

    def _nap(self) -> float:
        now = self._rooms.clock.monotonic()
        due = [line.not_before - now for line in self._lines.values() if line.not_before > now]
        return max(min([IDLE_SECONDS, *due]), 0.01)
