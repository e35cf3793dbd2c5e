"""Printer commands: queue, list, claim, renew, report."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from printpipe.domain.commands import MAX_LIFETIME, Order, Start, Stop
from printpipe.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import new_id, sequence
from printpipe.domain.lifecycles import COMMANDS, CommandStatus, JobStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Create, Document, DocumentChanged, Query, Update, Where, Write
from printpipe.domain.records import Command, Lease, Printer
from printpipe.domain.tenancy import Recipient
from printpipe.services import jobs, messages
from printpipe.services.context import Context
from printpipe.services.files import FileTicket, ticket

DEFAULT_LIMIT = 25
_TRIES = 3


@dataclass(frozen=True)
class Target:
    """The printer that a command is for, by any of its names."""

    serial: str | None = None
    ip_address: str | None = None
    printer_id: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A command that was handed out, with the lease under which it may be executed, and its file where it has one."""

    command: Command
    lease: Lease
    file: FileTicket | None


def queue(context: Context, recipient_id: str, target: Target, order: Order, expires_at: datetime | None) -> Command:
    """Accepts a command for a printer and sends it on its way.

    Raises `InvalidInput` for an expiry that is past or more than a day away, `NotFound` for a job or file that is
    not there, `Conflict` for a job that has been started already.
    """
    recipient = context.recipient(recipient_id)
    command = _draft(context, recipient, _resolve(context, recipient, target), order, expires_at)
    if isinstance(order.metadata, Start):
        job = jobs.find_for_start(context, recipient, order.metadata)
        if job is not None:
            return start(context, recipient, job, command)
    context.documents.commit(Create(_path(context, command.command_id), command.data()))
    _announce(context, command)
    return command


def start(context: Context, recipient: Recipient, job: jobs.Startable, command: Command) -> Command:
    """Starts a run of a job: its claim, its state and the command are one write. Raises `Conflict` for a second."""
    bound = command.model_copy(
        update={
            "job_id": job.record.job_id,
            "file_id": job.record.file_id,
            "metadata": {**command.metadata, "jobId": job.record.job_id},
        }
    )
    writes = jobs.start_writes(context, job, bound)
    jobs.commit_claim(context, [*writes, Create(_path(context, bound.command_id), bound.data())])
    log("job_created", printJobId=bound.job_id, fileId=bound.file_id, commandId=bound.command_id)
    _announce(context, bound)
    return bound


def draft_start(context: Context, recipient: Recipient, target: Target, order: Order) -> Command:
    """A start that is not stored yet."""
    return _draft(context, recipient, target, order, None)


def pending(context: Context, recipient_id: str, serial: str | None, limit: int) -> list[Command]:
    """What waits for a polling LAN client, oldest first; nothing changes. An agent's recipient shows it nothing."""
    recipient = context.recipient(recipient_id)
    return [] if recipient.has_agent else [Command.of(each) for each in _pending(context, recipient_id, serial, limit)]


def claim(context: Context, recipient_id: str, command_id: str, holder: str, fence: int | None) -> Claimed:
    """Hands a command to one executor, or renews its lease.

    `fence` is the number of the lease that the executor holds already. Raises `NotFound`, or `Conflict` whose detail
    says why the command is not to be executed: `claimed` by another, or the state it ended in.
    """
    recipient = context.recipient(recipient_id)
    for _ in range(_TRIES):
        document = _get(context, recipient, command_id)
        command = Command.of(document)
        lease = _next_lease(context, command, holder, fence)
        writes = _claim_writes(context, document, command, lease)
        try:
            context.documents.commit(*writes)
        except DocumentChanged:
            continue
        if lease is None:
            log("command_expired", commandId=command_id)
            raise Conflict("The command has expired", detail=CommandStatus.EXPIRED)
        log("command_claimed", commandId=command_id, holder=holder, fence=lease.fence, printJobId=command.job_id)
        claimed = command.model_copy(
            update={
                "status": CommandStatus.PROCESSING,
                "lease": lease,
                "acknowledged_at": command.acknowledged_at or context.now(),
            }
        )
        return Claimed(claimed, lease, ticket(context, claimed.file_id) if claimed.file_id else None)
    raise Conflict("Another client is claiming the command", detail="claimed")


def claim_pending(
    context: Context, recipient_id: str, serial: str | None, holder: str, limit: int, wait: float
) -> list[Claimed]:
    """Claims all that waits for this executor; waits up to `wait` seconds for the first."""
    context.recipient(recipient_id)
    claimed = list(_claim_each(context, recipient_id, serial, holder, limit))
    if claimed or wait <= 0:
        return claimed
    arrived = threading.Event()
    query = _pending_query(context, recipient_id, serial, 1)
    with context.documents.listen(query, lambda found: arrived.set() if found else None):
        arrived.wait(wait)
    return list(_claim_each(context, recipient_id, serial, holder, limit))


def report(
    context: Context,
    recipient_id: str,
    command_id: str,
    status: CommandStatus,
    *,
    message: str | None,
    error_message: str | None,
    fence: int | None,
) -> Command:
    """Takes an executor's result. The same result again changes nothing.

    Raises `Conflict` for a result that contradicts the final state, or comes under a lease that was lost; it is kept
    as the command's `lateResult`.
    """
    recipient = context.recipient(recipient_id)
    for _ in range(_TRIES):
        document = _get(context, recipient, command_id)
        command = Command.of(document)
        if command.status == status:
            return command
        result = {"status": status.value, "message": message, "errorMessage": error_message, "fence": fence}
        refusal = _refusal(recipient, command, status, fence)
        try:
            if refusal:
                late = {**result, "receivedAt": context.now()}
                context.documents.commit(Update(document.path, {"lateResult": late}, document.version))
                log("command_result_refused", commandId=command_id, status=status.value, stands=command.status.value)
                raise Conflict(refusal, detail=command.status.value)
            ended = command.model_copy(
                update={
                    "status": status,
                    "message": message,
                    "error_message": error_message,
                    "completed_at": context.now(),
                }
            )
            changes = {
                "status": status.value,
                "message": message,
                "errorMessage": error_message,
                "completedAt": ended.completed_at,
            }
            context.documents.commit(Update(document.path, changes, document.version), *_job_writes(context, ended))
        except DocumentChanged:
            continue
        log(f"command_{status.value}", commandId=command_id, printJobId=command.job_id, why=error_message or message)
        return ended
    raise Unavailable("The command is being changed by others", retry_after=1)


def _draft(
    context: Context, recipient: Recipient, target: Target, order: Order, expires_at: datetime | None
) -> Command:
    now = context.now()
    until = expires_at or now + order.type.lifetime
    if until <= now:
        raise InvalidInput("expiresAt lies in the past", field="expiresAt")
    if until - now > MAX_LIFETIME:
        raise InvalidInput("expiresAt is more than 24 hours away", field="expiresAt")
    return Command(
        command_id=new_id(),
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        printer_serial=target.serial,
        printer_ip_address=target.ip_address,
        printer_id=target.printer_id,
        command_type=order.asked_as,
        type=order.type.name,
        lane=order.type.lane,
        sequence=sequence(context.clock()),
        metadata=order.canonical_metadata(),
        job_id=order.metadata.job_id if isinstance(order.metadata, Stop) else None,
        status=CommandStatus.PENDING,
        via_bus=recipient.has_agent,
        created_at=now,
        expires_at=until,
        request_id=context.request_id,
    )


def _resolve(context: Context, recipient: Recipient, target: Target) -> Target:
    if target.serial or not target.printer_id:
        return target
    document = context.documents.get(f"{context.collections.printers}/{target.printer_id}")
    if document is None or document.data["recipientId"] != recipient.id:
        return target
    printer = Printer.of(document)
    return Target(printer.serial, target.ip_address or printer.ip_address, target.printer_id)


def _announce(context: Context, command: Command) -> None:
    log("command_queued", commandId=command.command_id, type=command.type, printJobId=command.job_id)
    if not command.via_bus:
        return
    try:
        messages.publish_command(context.platform.bus, command)
    except Unavailable:
        log_failure("command_publish_failed", commandId=command.command_id)  # the trigger publishes it again


def _path(context: Context, command_id: str) -> str:
    return f"{context.collections.printer_commands}/{command_id}"


def _get(context: Context, recipient: Recipient, command_id: str) -> Document:
    document = context.documents.get(_path(context, command_id))
    if document is None or document.data["recipientId"] != recipient.id:
        raise NotFound("No such command", field="commandId")
    return document


def _pending_query(context: Context, recipient_id: str, serial: str | None, limit: int) -> Query:
    named = [Where("printerSerial", "==", serial)] if serial else []
    return Query(
        context.collections.printer_commands,
        [
            Where("recipientId", "==", recipient_id),
            *named,
            Where("status", "==", CommandStatus.PENDING.value),
            Where("expiresAt", ">", context.now()),
        ],
        [("expiresAt", "asc")],
        limit,
    )


def _pending(context: Context, recipient_id: str, serial: str | None, limit: int) -> list[Document]:
    found = context.documents.query(_pending_query(context, recipient_id, serial, limit))
    return sorted(found, key=lambda each: int(each.data["sequence"]))


def _lapsed(context: Context, recipient_id: str, holder: str, limit: int) -> list[Document]:
    query = Query(
        context.collections.printer_commands,
        [
            Where("recipientId", "==", recipient_id),
            Where("status", "==", CommandStatus.PROCESSING.value),
            Where("lease.holder", "==", holder),
            Where("lease.until", "<", context.now()),
        ],
        [("lease.until", "asc")],
        limit,
    )
    return context.documents.query(query)


def _claim_each(context: Context, recipient_id: str, serial: str | None, holder: str, limit: int) -> Iterator[Claimed]:
    waiting = [*_lapsed(context, recipient_id, holder, limit), *_pending(context, recipient_id, serial, limit)]
    for document in waiting[:limit]:
        try:
            yield claim(context, recipient_id, document.id, holder, None)
        except (Conflict, NotFound):
            continue  # another was faster, or it has just expired


def _next_lease(context: Context, command: Command, holder: str, fence: int | None) -> Lease | None:
    """The lease to write; None where the command must expire instead. Raises `Conflict` where it is not to be had."""
    now, held = context.now(), command.lease
    until = now + context.policy.command_lease
    if command.status == CommandStatus.PROCESSING and held:
        if held.holder != holder:
            raise Conflict("Another client has claimed the command", detail="claimed")
        if held.until > now or held.fence == fence:
            return Lease(holder=holder, until=until, fence=held.fence)
    elif command.status != CommandStatus.PENDING:
        raise Conflict(f"The command is {command.status}", detail=command.status.value)
    if command.expires_at <= now:
        return None
    return Lease(holder=holder, until=until, fence=(held.fence if held else 0) + 1)


def _claim_writes(context: Context, document: Document, command: Command, lease: Lease | None) -> Sequence[Write]:
    if lease is None:
        now = context.now()
        expired = command.model_copy(update={"status": CommandStatus.EXPIRED})
        fields: Mapping[str, Any] = {"status": CommandStatus.EXPIRED.value, "completedAt": now}
        return [Update(document.path, fields, document.version), *_job_writes(context, expired)]
    fields = {
        "status": CommandStatus.PROCESSING.value,
        "lease": lease.data(),
        "acknowledgedAt": command.acknowledged_at or context.now(),
    }
    writes: list[Write] = [Update(document.path, fields, document.version)]
    if command.status == CommandStatus.PENDING and _is_start(command):
        writes += jobs.follow(context, command.recipient_id, command.job_id, JobStatus.CLAIMED, claimed_by=lease.holder)
    return writes


def _job_writes(context: Context, command: Command) -> list[Write]:
    """What a start's end means for its job: one that was not begun fails with it."""
    if not _is_start(command):
        return []
    to, unless, reason = JobStatus.FAILED, jobs.AT_WORK, command.error_message or command.message
    if command.status == CommandStatus.COMPLETED:
        to, unless, reason = JobStatus.PREPARING, frozenset(), None
    elif command.status == CommandStatus.UNKNOWN:
        to = JobStatus.UNKNOWN
    elif command.status == CommandStatus.EXPIRED:
        reason = "No client took the start in time"
    return jobs.follow(context, command.recipient_id, command.job_id, to, unless=unless, reason=reason)


def _is_start(command: Command) -> bool:
    return command.type == "start_print" and command.job_id is not None


def _refusal(recipient: Recipient, command: Command, status: CommandStatus, fence: int | None) -> str | None:
    if status not in COMMANDS[command.status]:
        return f"The command is {command.status} already"
    if recipient.has_agent and command.lease and fence != command.lease.fence:
        return "The command was handed out again since"
    return None
