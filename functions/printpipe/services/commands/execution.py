"""Printer commands as their executors see them: claim one, renew the lease, report the result."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from printpipe.domain.commands import LANES, STORAGE_TYPES
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import COMMANDS, CommandStatus, JobStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.measures import measured
from printpipe.domain.ports.documents import Document, DocumentChanged, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command, Lease
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import commands, polling
from printpipe.services.context import Context
from printpipe.services.files import storage_results
from printpipe.services.files.files import FileTicket, link, ticket
from printpipe.services.files.storage_results import NOTHING, Findings
from printpipe.services.jobs import jobs, steps
from printpipe.services.printers import printers
from printpipe.services.store import queries

FORSAKEN = "The client that took it has fallen silent: look at the printer"
"""Why nobody knows what became of a command, or of the job that it was to start."""

_TRIES = 3


@dataclass(frozen=True)
class Print:
    """What a start prints: the job and the printer, where they are known, and the file, with a link to its bytes."""

    file: FileTicket
    link: str | None
    job: Job | None
    printer: Printer | None


@dataclass(frozen=True)
class Claimed:
    """A command that was handed out, with the lease under which it may be executed, and its file where it has one.

    `begins` is the whole print, of a start whose file is one of ours.
    """

    command: Command
    lease: Lease
    file: FileTicket | None
    begins: Print | None = None


@dataclass(frozen=True)
class Result:
    """What an executor reports; `holder` and `fence` say under which lease, `found` what it learnt besides."""

    status: CommandStatus
    message: str | None = None
    error_message: str | None = None
    holder: str | None = None
    fence: int | None = None
    found: Findings | None = None


def claim(context: Context, recipient_id: str, command_id: str, holder: str, fence: int | None) -> Claimed:
    """Hands a command to one executor, or renews its lease.

    `fence` is the number of the lease that the executor holds already. The answer's `acknowledged_at` is now: an
    executor may set its clock by it. Raises `NotFound`, or `Conflict` whose detail says why the command is not to be
    executed: `claimed` by another, or the state it ended in. A start whose job has ended is cancelled instead of being
    handed out, and so is a stop by which a LAN client would reach another job; one that the queue ordered expires where
    the plate was used since, so that its job waits again.
    """
    recipient = context.recipient(recipient_id)
    for _ in range(_TRIES):
        document = commands.get(context, recipient, command_id)
        command = Command.of(document)
        lease = _next_lease(context, command, holder, fence)
        fresh = command.status == CommandStatus.PENDING
        moot = _moot(context, recipient, command) if fresh else None
        plate = _Plate.under(context, command) if fresh and not moot else _Plate()
        end = CommandStatus.CANCELLED if moot else CommandStatus.EXPIRED
        refusal = moot or plate.refusal or ("The command has expired" if lease is None else None)
        if lease is None or refusal:
            ended = command.model_copy(update={"status": end})
            changes: Mapping[str, Any] = {"status": end.value, "completedAt": context.now()}
            step = _job_step(context, ended)
        else:
            changes = {
                "status": CommandStatus.PROCESSING.value,
                "lease": lease.data(),
                "acknowledgedAt": command.acknowledged_at or context.now(),
            }
            step = _job_claimed(context, command, holder) if fresh else steps.NO_STEP
        try:
            beside = [] if refusal else plate.unchanged
            context.documents.commit(Update(document.path, changes, document.version), *step.writes, *beside)
        except DocumentChanged:
            continue
        step.note()
        if lease is None or refusal:
            log(f"command_{end}", commandId=command_id, printJobId=command.job_id, why=refusal)
            raise Conflict(str(refusal), detail=end.value)
        log("command_claimed", commandId=command_id, holder=holder, fence=lease.fence, printJobId=command.job_id)
        if fresh:
            _measure(context, command, "claimed")
        taken = command.model_copy(
            update={"status": CommandStatus.PROCESSING, "lease": lease, "acknowledged_at": context.now()}
        )
        file = ticket(context, taken.file_id) if taken.file_id else None
        return Claimed(taken, lease, file, _print(context, taken, file) if file and _is_start(taken) else None)
    raise Unavailable("The command is being changed by others", retry_after=1)


def claim_pending(
    context: Context, recipient_id: str, serial: str | None, holder: str, limit: int, wait: float
) -> list[Claimed]:
    """Claims all that waits for this executor; waits up to `wait` seconds for the first.

    What nobody claimed in time ends here as expired.
    """
    context.recipient(recipient_id)
    claimed = _claim_each(context, recipient_id, serial, holder, limit)
    if claimed or wait <= 0:
        return claimed
    arrived = threading.Event()
    query = commands.pending_query(context, recipient_id, serial)
    with context.documents.listen(query, lambda found: arrived.set() if found else None):
        arrived.wait(wait)
    return _claim_each(context, recipient_id, serial, holder, limit)


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
            step = _job_step(context, ended, result.found or NOTHING)
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
        _measure(context, command, result.status.value)
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
    step = _job_step(context, command)
    fields = command.fields({*changes, "completed_at"})
    try:
        context.documents.commit(Update(document.path, fields, document.version), *step.writes)
    except DocumentChanged:
        return False
    step.note()
    log(f"command_{command.status}", commandId=command.command_id, printJobId=command.job_id)
    return True


def _claim_each(context: Context, recipient_id: str, serial: str | None, holder: str, limit: int) -> list[Claimed]:
    waiting = [*_lapsed(context, recipient_id, serial, holder, limit), *_waiting(context, recipient_id, serial)]
    waiting.sort(key=_rank)
    claimed: list[Claimed] = []
    for document in waiting:
        if len(claimed) == limit:
            break
        try:
            claimed.append(claim(context, recipient_id, document.id, holder, None))
        except (Conflict, NotFound):
            continue  # another was faster, or it has just expired
        except Unavailable:
            if not claimed:
                raise
            log_failure("claim_interrupted", recipientId=recipient_id)
            break  # what is leased already must reach its executor
    return claimed


def _waiting(context: Context, recipient_id: str, serial: str | None) -> list[Document]:
    """What is pending, the priority lane first, then by age; with what nobody has claimed in time, to be ended.

    Behind all else stands what is done with printers' storage: it may take long.
    """
    query = commands.pending_query(context, recipient_id, serial, overdue=True)
    found = {each.id: each for each in context.documents.query(query)}
    if len(found) == commands.READ_LIMIT:  # nothing that is overdue may hide what is not
        for lane in LANES:
            alive = commands.pending_query(context, recipient_id, serial, lane=lane)
            found |= {each.id: each for each in context.documents.query(alive)}
    return sorted(found.values(), key=lambda each: (_rank(each), each.data["sequence"]))


def _rank(document: Document) -> tuple[bool, bool]:
    """The lower, the sooner: what protects a machine, and last of all what is done with printers' storage."""
    return document.data["lane"] != "priority", document.data["type"] in STORAGE_TYPES


def _lapsed(context: Context, recipient_id: str, serial: str | None, holder: str, limit: int) -> list[Document]:
    """Commands that this executor claimed and let lapse."""
    query = queries.lapsed_commands(context.collections, recipient_id, holder, context.now(), limit)
    return [each for each in context.documents.query(query) if serial in (None, each.data["printerSerial"])]


def _next_lease(context: Context, command: Command, holder: str, fence: int | None) -> Lease | None:
    """The lease to write; None where the command must expire instead. Raises `Conflict` where it is not to be had.

    What was handed out is its executor's to end: only the executor knows whether there was an effect, so its command
    never expires, however late it comes back.
    """
    now, held = context.now(), command.lease
    until = now + context.policy.command_lease
    if command.status == CommandStatus.PROCESSING and held:
        if held.holder != holder:
            raise Conflict("Another client has claimed the command", detail="claimed")
        kept = held.until > now or held.fence == fence
        return Lease(holder=holder, until=until, fence=held.fence if kept else held.fence + 1)
    if command.status != CommandStatus.PENDING:
        raise Conflict(f"The command is {command.status}", detail=command.status.value)
    if command.expires_at <= now:
        return None
    return Lease(holder=holder, until=until, fence=1)


@dataclass(frozen=True)
class _Plate:
    """The plate under a start that the queue ordered: what is in the way, and the write that finds it as it was."""

    refusal: str | None = None
    unchanged: Sequence[Update] = ()

    @classmethod
    def under(cls, context: Context, command: Command) -> Self:
        """As it is now; nothing of a command that does not ask for it."""
        if not command.awaits_plate or command.printer_id is None:
            return cls()
        printer = context.documents.get(printers.path(context, command.printer_id))
        if printer is None or not printer.data.get("plateCleared", True):
            return cls("Something lies on the plate by now")
        return cls(None, [Update(printer.path, {"plateCleared": True}, printer.version)])


def _moot(context: Context, recipient: Recipient, command: Command) -> str | None:
    """Why a pending command is not to be carried out any more, if so."""
    if not recipient.has_agent and polling.moot_stops(context, recipient, [command]):
        return "The job that it stops is not at the printer"
    if _is_start(command) and jobs.is_over(context, command):
        return "The job that it starts has ended"
    return None


def _job_claimed(context: Context, command: Command, holder: str) -> steps.Step:
    if not _is_start(command):
        return steps.NO_STEP
    return steps.follow(
        context, command.recipient_id, command.job_id, JobStatus.CLAIMED, claimed_by=holder, by_start=command
    )


def _job_step(context: Context, command: Command, found: Findings = NOTHING) -> steps.Step:
    """What a command's end means for its job: one that was not begun fails with its start, a stop ends a job.

    That of a storage command means something for a transfer, or for what is known of the printer.
    """
    if command.type in STORAGE_TYPES:
        return storage_results.ended(context, command, found)
    if command.type == "stop" and command.status == CommandStatus.COMPLETED:
        return steps.stopped(context, command)
    if command.type == "start_print" and command.job_id is None:
        return steps.start_over(context, command)
    if not _is_start(command):
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


def _print(context: Context, start: Command, file: FileTicket) -> Print:
    job_path, printer_path = jobs.path(context, str(start.job_id)), printers.path(context, start.printer_id or "-")
    found = context.documents.get_many([job_path, printer_path] if start.printer_id else [job_path])
    job, printer = found.get(job_path), found.get(printer_path)
    return Print(file, link(context, file), Job.of(job) if job else None, Printer.of(printer) if printer else None)


def _measure(context: Context, command: Command, stage: str) -> None:
    since = (context.now() - command.created_at).total_seconds()
    measured("command_latency", since, stage=stage, type=command.type, lane=command.lane)


def _is_start(command: Command) -> bool:
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
