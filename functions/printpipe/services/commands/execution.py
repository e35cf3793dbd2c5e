"""How printer commands end: by the result that an executor reports, or because none will come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from printpipe.domain.commands import STORAGE_TYPES
from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.lifecycles import COMMANDS, CommandStatus, JobStatus
from printpipe.domain.log import log
from printpipe.domain.measures import measured
from printpipe.domain.ports.documents import Document, DocumentChanged, Update
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import commands, polling
from printpipe.services.context import Context
from printpipe.services.files import storage_results
from printpipe.services.files.storage_results import NOTHING, Findings
from printpipe.services.jobs import steps

FORSAKEN = "The client that took it has fallen silent: look at the printer"
"""Why nobody knows what became of a command, or of the job that it was to start."""

_TRIES = 3


@dataclass(frozen=True)
class Result:
    """What an executor reports; `holder` and `fence` say under which lease, `found` what it learnt besides."""

    status: CommandStatus
    message: str | None = None
    error_message: str | None = None
    holder: str | None = None
    fence: int | None = None
    found: Findings | None = None


def report(context: Context, recipient_id: str, command_id: str, result: Result) -> Command:
    """Takes an executor's result. The same result again changes nothing.

    Raises `Conflict` for a result that contradicts the final state, or comes under a lease that was lost; it is kept
    as the command's `lateResult`. Raises `InvalidInput` where what the command was to find out is not among it.
    """
    recipient = context.recipient(recipient_id)
    for _ in range(_TRIES):
        document = commands.get(context, recipient, command_id)
        command = Command.of(document)
        if command.status == result.status:
            return command
        told = {
            "status": result.status.value,
            "message": result.message,
            "errorMessage": result.error_message,
        }
        found = {"result": result.found.data()} if result.found else {}
        refusal = _refusal(recipient, command, result)
        step = steps.NO_STEP
        if refusal:
            late = {**told, "fence": result.fence, "receivedAt": context.now()}
            changes: Mapping[str, Any] = {"lateResult": late}
        else:
            ended = command.model_copy(
                update={
                    "status": result.status,
                    "message": result.message,
                    "error_message": result.error_message,
                    "completed_at": context.now(),
                }
            )
            changes = {**told, **found, "completedAt": ended.completed_at}
            step = job_step(context, ended, result.found or NOTHING)
        try:
            context.documents.commit(Update(document.path, changes, document.version), *step.writes)
        except DocumentChanged:
            continue
        if refusal:
            log("command_result_refused", commandId=command_id, status=result.status, stands=command.status)
            raise Conflict(refusal, detail=command.status.value)
        step.note()
        why = None if result.status == CommandStatus.COMPLETED else result.error_message or result.message
        log(f"command_{result.status}", commandId=command_id, printJobId=command.job_id, why=why)
        measure(context, command, result.status.value)
        if not recipient.has_agent:
            polling.cancel_overruled(context, ended)
        return ended
    raise Unavailable("The command is being changed by others", retry_after=1)


def expire(context: Context, document: Document) -> bool:
    """Ends a pending command that nobody took in time; whether it did, for another may have been faster."""
    return _end(context, document, {"status": CommandStatus.EXPIRED})


def give_up(context: Context, document: Document) -> bool:
    """Leaves to a person a command whose executor was not heard of since its lease ended; whether it did, likewise.

    What became of it only the executor knows: a result that it reports later is taken, but it is not handed out again.
    """
    return _end(context, document, {"status": CommandStatus.UNKNOWN, "error_message": FORSAKEN})


def _end(context: Context, document: Document, changes: Mapping[str, Any]) -> bool:
    command = Command.of(document).model_copy(update={**changes, "completed_at": context.now()})
    step = job_step(context, command)
    fields = command.fields({*changes, "completed_at"})
    try:
        context.documents.commit(Update(document.path, fields, document.version), *step.writes)
    except DocumentChanged:
        return False
    step.note()
    log(f"command_{command.status}", commandId=command.command_id, printJobId=command.job_id)
    return True


def job_step(context: Context, command: Command, found: Findings = NOTHING) -> steps.Step:
    """What a command's end means for its job: one that was not begun fails with its start, a stop ends a job.

    That of a storage command means something for a transfer, or for what is known of the printer.
    """
    if command.type in STORAGE_TYPES:
        return storage_results.ended(context, command, found)
    if command.type == "stop" and command.status == CommandStatus.COMPLETED:
        return steps.stopped(context, command)
    if command.type == "start_print" and command.job_id is None:
        return steps.start_over(context, command)
    if not is_start(command):
        return steps.NO_STEP
    to, unless, reason = JobStatus.FAILED, steps.AT_WORK, command.error_message or command.message
    if command.status == CommandStatus.COMPLETED:
        to, unless, reason = JobStatus.PREPARING, frozenset(), None
    elif command.status == CommandStatus.UNKNOWN:
        to = JobStatus.UNKNOWN
    elif command.status == CommandStatus.EXPIRED:
        reason = "No client took the start in time"
    return steps.follow(
        context, command.recipient_id, command.job_id, to, unless=unless, reason=reason, by_start=command
    )


def measure(context: Context, command: Command, stage: str) -> None:
    """Notes how long it took since the command was ordered."""
    since = (context.now() - command.created_at).total_seconds()
    measured("command_latency", since, stage=stage, type=command.type, lane=command.lane)


def is_start(command: Command) -> bool:
    """Whether it starts a job of ours."""
    return command.type == "start_print" and command.job_id is not None


def _refusal(recipient: Recipient, command: Command, result: Result) -> str | None:
    if result.status not in COMMANDS[command.status] and not _stopped_unclaimed(recipient, command, result):
        return f"The command is {command.status} already"
    held = command.lease
    if not (recipient.has_agent and held):
        return None
    if (result.holder or held.holder) != held.holder or (result.holder is None and result.fence != held.fence):
        return "The command was handed out again since"
    return None


def _stopped_unclaimed(recipient: Recipient, command: Command, result: Result) -> bool:
    """Whether our agent tells of a stop that it carried out in time without a claim, as the cloud was out of reach."""
    expired = command.status == CommandStatus.EXPIRED and command.type == "stop"
    return expired and recipient.has_agent and result.status == CommandStatus.COMPLETED
