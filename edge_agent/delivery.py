"""Takes the reports from the outbox to the cloud, each kind in its own order with its own back-off."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent import backoff
from edge_agent.cloud import CloudRefused, CloudUnavailable
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.outbox import Kind, Report
from edge_agent.steps import Step

IDLE_SECONDS = 1.0
PRUNE_SECONDS = 3600.0

EVENTS_PATH = "/api/printer-events/report"
STATUS_PATH = "/printer-status"


@dataclass(slots=True)
class _Line:
    attempts: int = 0
    not_before: float = 0.0


class Delivery:
    """One thread for all kinds: results go first, then events, then status."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._lines = {kind: _Line() for kind in Kind}
        cloud = rooms.cloud
        self._send: Mapping[Kind, Callable[[Mapping[str, Any], str], None]] = {
            Kind.RESULT: cloud.result,
            Kind.EVENT: lambda body, request_id: cloud.report(EVENTS_PATH, body, request_id),
            Kind.STATUS: lambda body, request_id: cloud.report(STATUS_PATH, body, request_id),
        }

    def loop(self) -> None:
        """Deliver until the agent stops."""
        prune_at = 0.0
        while not self._rooms.stopping.is_set():
            now = self._rooms.clock.monotonic()
            if now >= prune_at:
                prune_at = now + PRUNE_SECONDS
                given_up = self._rooms.outbox.prune()
                self._rooms.journal.prune()
                if given_up:
                    log("reports_given_up", "ERROR", count=given_up)
            self._rooms.reports_waiting.clear()
            if not self._round():
                self._rooms.reports_waiting.wait(self._nap())

    def _round(self) -> bool:
        """Try one report of the first kind that has one and may try; whether there was one."""
        for kind, line in self._lines.items():
            if self._rooms.clock.monotonic() < line.not_before:
                continue
            report = self._rooms.outbox.first(kind)
            if report is not None:
                self._deliver(report, line)
                return True
        return False

    def _deliver(self, report: Report, line: _Line) -> None:
        try:
            self._send[report.kind](report.body, report.request_id)
        except CloudUnavailable as error:
            line.attempts += 1
            timing = self._rooms.timing
            wait = backoff.delay(line.attempts, first=timing.retry_first, ceiling=timing.retry_ceiling)
            line.not_before = self._rooms.clock.monotonic() + wait
            if line.attempts == 1:
                log("report_waits", "WARNING", kind=report.kind, name=report.name, reason=str(error))
            return
        except CloudRefused as error:
            log("report_refused", "WARNING", kind=report.kind, name=report.name, reason=str(error))
        else:
            if report.kind is Kind.RESULT:
                log(
                    "result_sent",
                    commandId=report.name,
                    status=report.body.get("status"),
                    printerSerial=report.body.get("printerSerial"),
                    requestId=report.request_id or None,
                )
        line.attempts = 0
        self._rooms.outbox.remove(report)
        if report.kind is Kind.RESULT:
            self._rooms.observe(Step.RESULT_SENT, report.name)

    def _nap(self) -> float:
        now = self._rooms.clock.monotonic()
        due = [line.not_before - now for line in self._lines.values() if line.not_before > now]
        return max(min([IDLE_SECONDS, *due]), 0.01)
