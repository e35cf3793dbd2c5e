"""What a printer's event says of an error, and whether there is anything in it to follow."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from printpipe.domain import hms
from printpipe.domain.errors import Conflict
from printpipe.domain.fitting import activity_now
from printpipe.domain.hms import HmsEntry
from printpipe.domain.hms_advice import CANCELLED_AT_PRINTER, PAUSED_BY_PERSON, PROMPTS
from printpipe.domain.incidents import Kind, Mark, digest
from printpipe.domain.printer_records import Printer
from printpipe.domain.printer_status import Activity, activity
from printpipe.domain.records import Event
from printpipe.services import events
from printpipe.services.context import Context
from printpipe.services.printers import printers

_NO_ERRORS = PROMPTS | CANCELLED_AT_PRINTER | PAUSED_BY_PERSON
_AT_REST: frozenset[Activity] = frozenset({"idle", "completed"})


@dataclass(frozen=True)
class Subject:
    """An error of a printer that an event tells of; `printer` None where the event's is not known to us."""

    event: Event
    entry: HmsEntry
    printer: Printer | None

    @classmethod
    def of(cls, context: Context, event: Event) -> Self | None:
        """None where the event tells no code."""
        entry = HmsEntry.model_validate(event.hms) if event.hms else hms.of_report(event.error_data or {})
        return cls(event, entry, _printer(context, event)) if entry is not None else None

    @property
    def kind(self) -> Kind:
        """Whether the code is an HMS entry's or a print error's."""
        return "hms" if self.entry.print_error is None else "print_error"

    @property
    def is_error(self) -> bool:
        """Whether it tells of the error, not of its end."""
        return self.event.event_type == events.HMS_ERROR

    @property
    def series(self) -> str:
        """The same for every report of this error by this printer."""
        return digest(*self._whose, self.entry.hms_code)

    @property
    def group(self) -> str:
        """The same for every error of this printer that has the same origin: the code's first four digits."""
        return digest(*self._whose, self.entry.hms_code[:4])

    @property
    def at(self) -> datetime:
        """When it was so: a client's clock may be fast, but nothing is reported before it has happened."""
        return min(self.event.occurred_at, self.event.created_at)

    @property
    def mark(self) -> Mark:
        """What is noted of the event."""
        return Mark(
            kind="error" if self.is_error else "cleared",
            at=self.at,
            event_id=self.event.event_id,
            job_id=self.event.print_job_id,
        )

    def reason_to_ignore(self, now: datetime) -> str | None:
        """Why nothing follows from the event.

        Printers ask things and tell of people's doings under `print_error`, and show the last one for as long as they
        are idle (protocol notes, section D). What the printer did is told by the event, else by its state now.
        """
        if self.entry.print_error is None:
            return None
        if self.entry.print_error in _NO_ERRORS:
            return "no error"
        if not self.is_error or self.event.print_job_id is not None:
            return None
        doing = activity(self.event.status_data or {})
        if doing == "unknown" and self.printer is not None:
            doing = activity_now(self.printer.state, now)
        return "the printer is idle" if doing in _AT_REST else None

    @property
    def _whose(self) -> tuple[str, ...]:
        event = self.event
        if self.printer is not None:
            return event.organization_id, self.printer.printer_id
        if event.printer_serial is not None:
            return event.organization_id, event.recipient_id, "serial", event.printer_serial
        return event.organization_id, event.recipient_id, "address", event.printer_ip_address or ""


def _printer(context: Context, event: Event) -> Printer | None:
    """The printer of the event's site, by its serial, else by its address."""
    recipient = context.directory.recipient(event.recipient_id)
    if recipient is None:
        return None
    if event.printer_serial is not None:
        try:
            found = printers.find(context, event.organization_id, [event.printer_serial])[event.printer_serial]
            document = found.at(recipient)
        except Conflict:
            return None
    elif event.printer_ip_address is not None:
        document = printers.at_address(context, recipient, event.printer_ip_address)
    else:
        return None
    return Printer.of(document) if document is not None else None
