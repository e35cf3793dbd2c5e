"""What is done by itself about an error: the print is paused, where the printer's owner chose that.

Never does this resume anything, and where there is a doubt whether the pause would reach the print that the error is
about nothing is done.
"""

from datetime import timedelta

from printpipe.domain.commands import parse_order
from printpipe.domain.fitting import activity_now
from printpipe.domain.ids import Once
from printpipe.domain.incidents import ENDANGERS, Incident
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.services.commands import commands
from printpipe.services.commands.commands import Target
from printpipe.services.context import Context
from printpipe.services.incidents.subject import Subject

FRESH = timedelta(minutes=2)
"""How old an error may be, and the last that was heard of its printer, for a pause to concern the present."""

LIFETIME = timedelta(seconds=60)
"""How long the pause may take on its way: a later one might meet another print."""

_JOBS = ("printJobId", "print_job_id")


def pause(context: Context, subject: Subject, incident: Incident) -> Command | None:
    """The pause for an incident that this error belongs to, not stored yet; its id follows from the incident's.

    None where none is called for, or where it was ordered before.
    """
    printer, event = subject.printer, subject.event
    recipient = context.directory.recipient(event.recipient_id)
    if printer is None or recipient is None or not _is_called_for(context, subject, incident, printer):
        return None
    command = commands.draft(
        context,
        recipient,
        Target(printer.serial, printer.ip_address, printer.printer_id),
        parse_order("pause", {}, ()),
        Once("incident", incident.incident_id, incident.incident_id),
        context.now() + LIFETIME,
    )
    stored = context.documents.get(commands.path(context, command.command_id))
    return command if stored is None else None


def _is_called_for(context: Context, subject: Subject, incident: Incident, printer: Printer) -> bool:
    now = context.now()
    return (
        printer.on_fatal == "pause"
        and printer.active
        and incident.severity in ENDANGERS
        and timedelta(0) <= now - subject.at <= FRESH
        and printer.state is not None
        and now - printer.state.received_at <= FRESH
        and activity_now(printer.state, now) == "printing"
        and not _may_be_another_print(subject, printer)
    )


def _may_be_another_print(subject: Subject, printer: Printer) -> bool:
    """Whether the printer has got another job than the event's, or one that was given to it after the event."""
    if any(each.at > subject.at for each in printer.occupants.values()):
        return True
    job = subject.event.print_job_id
    if job is None or printer.state is None:
        return False
    shown = next((word for name in _JOBS if isinstance(word := printer.state.status.get(name), str) and word), None)
    if shown is not None:
        return shown != job
    given = [name for name, each in printer.occupants.items() if each.command_id is None]
    return bool(given) and job not in given
