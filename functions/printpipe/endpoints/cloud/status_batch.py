"""POST /api/printer-status/batch: the live state of several printers of a site in one request."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.errors import DomainError
from printpipe.domain.values import Id, Moment, OptionalId, Payload
from printpipe.endpoints.call import Call
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report, Taken


class Entry(cloud.Model):
    """One printer's report. A client that says when its previous one was made saves writes of unchanged pictures."""

    printer_serial: Id
    printer_ip_address: OptionalId = None
    status: Payload
    timestamp: Moment | None = None
    previous_timestamp: Moment | None = None

    def report(self) -> Report:
        """The report."""
        return Report(
            self.printer_serial,
            self.printer_ip_address,
            self.status,
            self.timestamp,
            previous=self.previous_timestamp,
        )


class Request(cloud.Model):
    """The body."""

    MAX_BYTES: ClassVar[int] = 2 * 1024 * 1024
    MAX_VALUES: ClassVar[int] = 110_000

    recipient_id: Id
    printers: list[Entry] = Field(min_length=1, max_length=100)


class Problem(cloud.Part):
    """Why a report was not taken; it would not be taken again either, unless its kind is `UnavailableError`."""

    error_type: str = Field(serialization_alias="error_type")
    message: str


class Result(cloud.Part):
    """What one report came to; `statusUpdateId` names the version of the state that stands now."""

    printer_serial: str
    status_update_id: str | None
    error: Problem | None


class Reply(cloud.Reply):
    """One result for each report, in their order."""

    results: list[Result]


def post(call: Call, body: Request) -> Reply:
    """Stores each report unless a newer one of its printer is there; of two about one printer the newer counts."""
    outcomes = status_reports.report_all(call.context, body.recipient_id, [each.report() for each in body.printers])
    return Reply(results=[_result(entry, outcome) for entry, outcome in zip(body.printers, outcomes, strict=True)])


def _result(entry: Entry, outcome: Taken | DomainError) -> Result:
    if isinstance(outcome, Taken):
        return Result(printer_serial=entry.printer_serial, status_update_id=outcome.status_update_id, error=None)
    _, kind = cloud.ERRORS[outcome.code]
    problem = Problem(error_type=kind, message=outcome.message)
    return Result(printer_serial=entry.printer_serial, status_update_id=None, error=problem)
