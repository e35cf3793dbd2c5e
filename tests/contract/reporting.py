"""Instances of the functions in the test's process, over the backend of a gateway, to see what they read and write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from printpipe.adapters.metered import Bill, MeteredDocuments, billed
from printpipe.domain.errors import DomainError
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Document, Documents
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import Caller
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context
from printpipe.services.printers import status_reports
from printpipe.services.printers.memory import Memory
from printpipe.services.printers.status_reports import Report, Taken
from tests.cloud import Cloud

SERIALS = [f"01P00A38120040{number}" for number in range(5)]
NOON = datetime(2025, 10, 31, 12, tzinfo=UTC)
IDLE = {"state": "idle", "bedTemp": 22}
OPERATOR = Caller("operator")


@dataclass(frozen=True)
class _Ports:
    documents: Documents


@dataclass
class Instance:
    """One instance of the functions, with a memory and a clock of its own, over the backend that the others share."""

    cloud: Cloud
    recipient: str
    now: datetime = NOON
    memory: Memory = field(default_factory=Memory)
    caller: Caller = OPERATOR

    def __post_init__(self) -> None:
        ports = cast(Platform, _Ports(MeteredDocuments(self.cloud.backend.documents)))
        policy = Policy([b"s" * 32])
        self.directory = Directory(ports, policy, lambda: 0.0)
        self.directory.recipient(self.recipient)
        self._policy, self._ports = policy, ports

    @property
    def context(self) -> Context:
        """The context of a call at this instance's time."""
        now = self.now
        return Context(
            self.caller,
            "request-1",
            None,
            lambda: now,
            self._ports,
            self._policy,
            self.directory,
            memory=self.memory,
        )

    def report(self, serial: str | None, status: dict[str, Any], at: datetime | None = None, ip: str = "") -> Taken:
        """One report."""
        return status_reports.report(self.context, self.recipient, Report(serial, ip or None, status, at))

    def batch(self, *reports: tuple[str, dict[str, Any]], at: datetime | None = None) -> list[Taken | DomainError]:
        """One request of several reports."""
        seen = [Report(serial, None, status, at) for serial, status in reports]
        return status_reports.report_all(self.context, self.recipient, seen)

    def cost(self, act: Callable[[], object]) -> tuple[int, int]:
        """The reads and writes that something takes."""
        bill: Bill
        with billed() as bill:
            act()
        assert (bill.deletes, bill.counts) == (0, 0)
        return bill.reads, bill.writes

    def later(self, **by: float) -> None:
        """Time passes."""
        self.now += timedelta(**by)


def printer_of(cloud: Cloud, recipient: str, serial: str) -> Document:
    """The only printer with that serial."""
    (found,) = [each for each in cloud.documents("printers", recipient) if each.data["serial"] == serial]
    return found


def history_of(cloud: Cloud, recipient: str) -> list[dict[str, Any]]:
    """What was kept of a site's reports."""
    return [dict(each.data) for each in cloud.documents("printer_status_updates", recipient)]
