"""How people are told of jobs, commands and prints."""

from collections.abc import Mapping
from dataclasses import dataclass

from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.messages import JobEvent
from printpipe.domain.notifications import Notice, Severity
from printpipe.domain.printer_records import Printer

FROM_THE_SCREEN = "A print from the printer's screen"

_LONGEST_NAME = 100
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Words:
    """A title and a text: `{job}` is the job, `{at}` says at which printer, `{why}` why, with a full stop.

    `{order}` is what a command was to do.
    """

    title: str
    text: str
    severity: Severity = "info"


@dataclass(frozen=True)
class Picture:
    """A picture in the bucket, or whether one is expected."""

    path: str | None = None
    expected: bool = False


NO_PICTURE = Picture()

JOBS: Mapping[str, Words] = {
    "job_started": Words("Print started: {job}", "{job} is being printed{at}."),
    "job_completed": Words("Print done: {job}", "{job} is done{at}."),
    "job_failed": Words("Print failed: {job}", "{job} has failed{at}{why}", "error"),
    "job_cancelled": Words("Print cancelled: {job}", "{job} was cancelled{at}{why}"),
    "job_paused": Words("Print paused: {job}", "{job} is paused{at}{why}", "warning"),
    "job_resumed": Words("Print goes on: {job}", "{job} goes on{at}."),
    "job_held": Words("Not begun: {job}", "{job} was not begun{at}, and waits for somebody to decide{why}", "warning"),
    "job_needs_attention": Words(
        "Please look: {job}",
        "Nobody knows how {job} stands{at}{why} Look at the printer before anything is started there.",
        "error",
    ),
}
"""By the type of event."""

COMMANDS: Mapping[str, Words] = {
    CommandStatus.FAILED: Words("{order} failed{at}", "{order} was not carried out{at}{why}", "error"),
    CommandStatus.EXPIRED: Words(
        "{order} not carried out{at}", "{order} was not carried out{at} in time{why}", "error"
    ),
    CommandStatus.UNKNOWN: Words(
        "{order} in doubt{at}", "Nobody knows whether {order} was carried out{at}{why} Look at the printer.", "error"
    ),
}
"""By how a command ended."""

ORDERS: Mapping[str, str] = {"start_print": "Start", "stop": "Stop", "pause": "Pause"}
"""What the commands are called whose failing is told."""


def notice(
    message: JobEvent,
    event_type: str,
    words: Words,
    printer: Printer | None,
    job: Job | None,
    *,
    subject: str | None = None,
    picture: Picture = NO_PICTURE,
    order: str = "",
    details: Mapping[str, str | int | None] | None = None,
) -> Notice:
    """What the message tells, in these words; names and reasons are shortened."""
    job_name = _short(job.file_name or job.product_name or f"Job {job.number}") if job is not None else None
    printer_name = printer.name or printer.chosen_id or printer.serial if printer is not None else None
    printer_name = _short(printer_name) if printer_name else message.printer_serial
    reason = " ".join((message.reason or "").split())[:_LONGEST_REASON] or None
    said = {
        "job": job_name or FROM_THE_SCREEN,
        "at": f" on {printer_name}" if printer_name else "",
        "why": f": {reason.rstrip('.')}." if reason else ".",
        "order": order,
    }
    return Notice(
        event_type=event_type,
        event_id=message.event_id,
        organization_id=message.organization_id,
        occurred_at=message.occurred_at,
        title=words.title.format(**said),
        text=words.text.format(**said),
        printer_id=printer.printer_id if printer is not None else None,
        printer_name=printer_name,
        recipient_id=message.recipient_id,
        job_id=job.job_id if job is not None else None,
        job_name=job_name,
        severity=words.severity,
        image_path=picture.path,
        awaits_picture=picture.expected,
        subject=subject,
        details={"reason": reason, **(details or {})},
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
