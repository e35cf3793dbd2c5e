"""How a print job looks in the dialect `printpro`, and how its states are named."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from printpipe.dialects import printpro
from printpipe.dialects.printpro import JOB_STATUSES
from printpipe.domain.job_records import Job, Progress, Run
from printpipe.domain.lifecycles import JobStatus, Priority
from printpipe.domain.reasons import ReasonCode
from printpipe.endpoints import printpro_status
from printpipe.endpoints.printpro_words import Words
from printpipe.services.jobs import dispatch
from printpipe.services.jobs.dispatch import Verdict
from printpipe.services.jobs.orders import Shown
from printpipe.services.jobs.queue import LONGEST_PATIENCE

PriorityWord = Literal["low", "normal", "high", "urgent"]

StatusWord = Literal[
    "pending",
    "queued",
    "claimed",
    "preparing",
    "printing",
    "paused",
    "completed",
    "failed",
    "cancelled",
    "unknown",
    "error",
    "canceled",
]
"""`error` is failed, `canceled` is cancelled."""


_WORDS = Words(JOB_STATUSES)
Statuses = Annotated[list[JobStatus] | None, BeforeValidator(_WORDS.read), WithJsonSchema(_WORDS.schema)]
"""States that a list is to show; None for all."""

DeadlineHours = Annotated[
    float,
    Field(
        ge=1 / 60,
        le=LONGEST_PATIENCE / timedelta(hours=1),
        description="how long the job may wait before it goes back to a person: a minute to a week",
    ),
]
"""Hours."""


def patience(deadline_hours: float | None) -> timedelta | None:
    """How long the job may wait, where that was said."""
    return None if deadline_hours is None else timedelta(hours=deadline_hours)


class SlotView(printpro.Part):
    """A filament in place of one of the file's."""

    slot_number: int = Field(description="that one's number in the file, from 1")
    filament_type: str | None
    filament_color: str | None


class AmsView(printpro.Part):
    """What the job's owner said of its filaments."""

    enabled: bool | None = Field(description="false: the external spool; null: whichever has the filament")
    slots: list[SlotView]


class RunView(printpro.Part):
    """One print of the job: one plate at one printer."""

    run: int
    status: str
    plate_index: int | None
    printer_id: str | None
    printer_serial: str | None
    command_id: str | None
    reason: str | None
    ordered_at: printpro.Time
    started_at: printpro.Time | None
    ended_at: printpro.Time | None


_REASONS = f"`code` or `code: detail`; the codes are {', '.join(ReasonCode)}"


class PrinterVerdict(printpro.Part):
    """A printer, and what keeps the job from it."""

    printer_id: str
    printer_name: str | None
    reasons: list[str] = Field(description=_REASONS)


class WaitingView(printpro.Part):
    """Why a job waits, for each of the organization's printers."""

    since: printpro.Time | None
    deadline_at: printpro.Time | None = Field(description="when it goes back to a person")
    reasons: list[str] = Field(description="what keeps it from every printer")
    printers: list[PrinterVerdict]


class JobView(printpro.Reply):
    """A print job. Its progress is that of the run that is being printed."""

    id: str
    job_id: str
    organization_id: str = Field(serialization_alias="organizationId")
    product_id: str | None
    product_name: str | None
    file_id: str | None
    file_name: str | None
    printer_id: str | None = Field(description="where its last run was sent, else where it is to be printed")
    printer_serial: str | None
    recipient_id: str
    status: str
    priority: PriorityWord
    plate_index: int | None = Field(description="null: the file's plates by turns")
    plates_requested: int
    plates_completed: int
    runs: list[RunView]
    ams_configuration: AmsView | None
    progress_percentage: float | None
    current_layer: int | None
    total_layers: int | None
    time_remaining_seconds: int | None
    reason: str | None
    cancel_requested: bool
    external: bool = Field(description="begun by others, at the printer's screen for example")
    created_by: str | None
    created_at: printpro.Time
    queued_at: printpro.Time | None
    started_at: printpro.Time | None
    ended_at: printpro.Time | None
    completed_at: printpro.Time | None
    deadline_at: printpro.Time | None
    updated_at: printpro.Time
    waiting: WaitingView | None = Field(description="only where one job is shown, and only while it waits")


def job(shown: Shown) -> JobView:
    """The job as callers see it."""
    return JobView(**fields(shown))


def fields(shown: Shown) -> dict[str, Any]:
    """The job's fields, for an answer of its own status."""
    found, progress = shown.job, _progress(shown)
    return {
        "id": found.job_id,
        "job_id": found.job_id,
        "organization_id": found.organization_id,
        "product_id": found.product_id,
        "product_name": found.product_name,
        "file_id": found.file_id,
        "file_name": found.file_name,
        "printer_id": found.printer_id or found.wanted_printer_id,
        "printer_serial": found.printer_serial,
        "recipient_id": found.recipient_id,
        "status": printpro.job_status(found.status),
        "priority": found.priority.value,
        "plate_index": found.plate_index,
        "plates_requested": found.plates_requested,
        "plates_completed": found.plates_completed,
        "runs": [_run(each) for each in found.runs],
        "ams_configuration": _ams(found),
        "progress_percentage": progress.percent,
        "current_layer": progress.layer,
        "total_layers": progress.total_layers,
        "time_remaining_seconds": progress.remaining_seconds,
        "reason": found.reason,
        "cancel_requested": found.cancel_requested_at is not None,
        "external": found.external,
        "created_by": found.ordered_by,
        "created_at": found.created_at,
        "queued_at": found.queued_at,
        "started_at": found.started_at,
        "ended_at": found.ended_at,
        "completed_at": found.ended_at if found.status == JobStatus.COMPLETED else None,
        "deadline_at": found.deadline_at,
        "updated_at": found.updated_at,
        "waiting": None if shown.waits is None else _waiting(found, list(shown.waits)),
    }


def priority(word: PriorityWord | None) -> Priority:
    """The priority that was named; the normal one where none was."""
    return Priority(word) if word is not None else Priority.NORMAL


def _progress(shown: Shown) -> Progress:
    """What the printer shows of this very job, else what was told of it."""
    live = printpro_status.live(shown.live) if shown.live is not None else None
    if live is None or live.current_job_id != shown.job.job_id:
        return shown.job.progress or Progress()
    return Progress(
        percent=live.progress_percentage,
        layer=live.current_layer,
        total_layers=live.total_layers,
        remaining_seconds=live.time_remaining_seconds,
    )


def _run(run: Run) -> RunView:
    return RunView(
        run=run.number,
        status=printpro.job_status(run.status),
        plate_index=run.plate_index,
        printer_id=run.printer_id,
        printer_serial=run.printer_serial,
        command_id=run.command_id,
        reason=run.reason,
        ordered_at=run.ordered_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def _ams(found: Job) -> AmsView | None:
    if found.use_ams is None and not found.wishes:
        return None
    slots = [
        SlotView(slot_number=each.slot, filament_type=each.type, filament_color=each.color) for each in found.wishes
    ]
    return AmsView(enabled=found.use_ams, slots=slots)


def _waiting(found: Job, verdicts: list[Verdict]) -> WaitingView:
    return WaitingView(
        since=found.queued_at,
        deadline_at=found.deadline_at,
        reasons=[reason.text for reason in dispatch.hindrances(found, verdicts)],
        printers=[
            PrinterVerdict(
                printer_id=each.printer.printer_id,
                printer_name=each.printer.name,
                reasons=[reason.text for reason in each.reasons],
            )
            for each in verdicts
        ],
    )
