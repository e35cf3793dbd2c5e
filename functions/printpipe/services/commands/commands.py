"""Printer commands as their senders see them: queue one, start a job by one, list what waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from printpipe.domain.command_metadata import Download, Start, Stop
from printpipe.domain.commands import MAX_LIFETIME, STORAGE_TYPES, Lane, Order
from printpipe.domain.errors import Conflict, InvalidInput, NotFound, RateLimited
from printpipe.domain.ids import Once, sequence
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Create, Document, DocumentExists, Query, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import messages
from printpipe.services.context import Context
from printpipe.services.jobs import starts, steps
from printpipe.services.jobs.starts import Place, Startable
from printpipe.services.printers import printers
from printpipe.services.store import audit, queries, repetition
from printpipe.services.store.commit import commit_new

DEFAULT_LIMIT = 25
_ROOM: Mapping[Lane, int] = {"normal": 1, "priority": 2}
_ROOM_FOR_STOPS = 10

_STORAGE_ROOM = 100
"""How many storage commands may wait beside the others; an organization has fewer."""

_PRINTERS_OF_A_SITE = 20
"""How many printers' room the commands of a site have that name no serial."""

READ_LIMIT = 100
"""Commands that are read to find the ones to hand out first; a queue is hardly ever longer."""


@dataclass(frozen=True)
class Target:
    """The printer that a command is for, by any of its names."""

    serial: str | None = None
    ip_address: str | None = None
    printer_id: str | None = None


def queue(
    context: Context, recipient_id: str, target: Target, order: Order, expires_at: datetime | None, once: Once
) -> Command:
    """Accepts a command for a printer and sends it on its way; a repetition gets the first one.

    Raises `InvalidInput` for an expiry that is past or more than a day away, `NotFound` for a job or file that is
    not there, `Conflict` for a job that has been started already, `RateLimited` where too many commands wait.
    """
    recipient = context.recipient(recipient_id)
    try:
        return _queue(context, recipient, target, order, expires_at, once)
    except (Conflict, InvalidInput, NotFound, RateLimited):
        # What was accepted once is, though the queue be full by now, or the job started.
        if first := repeated(context, recipient, once):
            return first
        raise


def repeated(context: Context, recipient: Recipient, once: Once) -> Command | None:
    """The command that an earlier call with this key gave, if there was one. Raises `Conflict` for another's key."""
    document = repetition.find(context, path(context, once.new_id(recipient.organization_id)), once)
    return Command.of(document) if document else None


def start(context: Context, job: Startable, command: Command, once: Once, place: Place | None = None) -> Command:
    """Starts a run of a job: its claim, its state and the command are one write.

    Without a `place` the printer is looked up, that it may be known as occupied. Raises what `starts.order` does.
    """
    starts.check(job.record)
    place = place or _place(context, command)
    known = {"printer_id": place.printer.id} if place else {}
    job_id, file_id = job.record.job_id, job.record.file_id
    names = {"jobId": job_id, "fileId": file_id} if file_id else {"jobId": job_id}
    bound = command.model_copy(
        update={**known, "job_id": job_id, "file_id": file_id, "metadata": {**command.metadata, **names}}
    )
    _check_room(context, bound)
    starts.order(context, job, bound, place, [_creation(context, bound), *_beside(context, bound, once)])
    _announce(context, bound)
    return bound


def draft(
    context: Context,
    recipient: Recipient,
    target: Target,
    order: Order,
    once: Once,
    expires_at: datetime | None = None,
) -> Command:
    """A command that is not stored yet. Raises `InvalidInput` on `expiresAt`."""
    now = context.now()
    until = expires_at or now + order.type.lifetime
    if until <= now:
        raise InvalidInput("expiresAt lies in the past", field="expiresAt")
    if until - now > MAX_LIFETIME:
        raise InvalidInput("expiresAt is more than 24 hours away", field="expiresAt")
    return Command(
        command_id=once.new_id(recipient.organization_id),
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
        traceparent=context.traceparent,
    )


def for_agent(
    context: Context, recipient: Recipient, printer: Printer, order: Order, once: Once, file_id: str | None = None
) -> Command:
    """A command that the cloud gives a site's agent of its own accord, not stored yet; `file_id` comes with it."""
    command = draft(context, recipient, Target(printer.serial, printer.ip_address, printer.printer_id), order, once)
    return command.model_copy(update={"file_id": file_id})


def send(context: Context, command: Command, *beside: Write) -> None:
    """Stores such a command with other writes, and sends it on its way. Raises `PreconditionFailed`."""
    commit_new(context.documents, _creation(context, command), *beside)
    _announce(context, command)


def newest_pending(context: Context, recipient_id: str, limit: int) -> list[Command]:
    """What waits at a recipient, whoever its client is and however long, the newest first."""
    context.recipient(recipient_id)
    query = queries.newest_pending_commands(context.collections, recipient_id, limit)
    return [Command.of(each) for each in context.documents.query(query)]


def path(context: Context, command_id: str) -> str:
    """Where the command is stored."""
    return f"{context.collections.printer_commands}/{command_id}"


def get(context: Context, recipient: Recipient, command_id: str) -> Document:
    """The command. Raises `NotFound` where it is not this recipient's."""
    document = context.documents.get(path(context, command_id))
    if document is None or document.data["recipientId"] != recipient.id:
        raise NotFound("No such command", field="commandId")
    return document


def pending_query(
    context: Context,
    recipient_id: str,
    serial: str | None,
    *,
    lane: Lane | None = None,
    overdue: bool = False,
    limit: int = READ_LIMIT,
) -> Query:
    """The recipient's pending commands, of one lane or both, with or without those whose time has passed."""
    alive_at = None if overdue else context.now()
    return queries.pending_commands(context.collections, recipient_id, serial, lane, alive_at, limit)


def _queue(
    context: Context, recipient: Recipient, target: Target, order: Order, expires_at: datetime | None, once: Once
) -> Command:
    command = draft(context, recipient, _resolve(context, recipient, target), order, once, expires_at)
    place: Place | None = None
    if isinstance(order.metadata, Start):
        if first := repeated(context, recipient, once):
            return first
        job = starts.find(context, recipient, order.metadata)
        if job is not None:
            return start(context, job, command, once)
        place = _place(context, command)
    if isinstance(order.metadata, Download):
        command = command.model_copy(update={"file_id": _file_to_download(context, recipient, order.metadata)})
    _check_room(context, command)
    beside = _beside(context, command, once)
    if place is not None:
        command = command.model_copy(update={"printer_id": place.printer.id})
        beside.append(steps.occupied_by_start(context, command, place.printer))
    try:
        commit_new(context.documents, _creation(context, command), *beside)
    except DocumentExists:
        first = repeated(context, recipient, once)
        assert first is not None
        return first
    _announce(context, command)
    return command


def _file_to_download(context: Context, recipient: Recipient, wanted: Download) -> str | None:
    """The file of ours that a download is about. Our agent fetches no other."""
    if wanted.file_id is not None:
        return starts.of_file(context, recipient, wanted.file_id)[1].file_id
    if recipient.has_agent:
        raise InvalidInput("The agent downloads uploaded files alone: name one as fileId", field="metadata.fileId")
    return None


def _resolve(context: Context, recipient: Recipient, target: Target) -> Target:
    if target.serial or not target.printer_id:
        return target
    by_chosen, _, itself = printers.called(context, recipient.organization_id, target.printer_id)
    document = itself.printer or by_chosen.printer
    if document is None or document.data["recipientId"] != recipient.id:
        return target
    printer = Printer.of(document)
    return Target(printer.serial, target.ip_address or printer.ip_address, printer.printer_id)


def _place(context: Context, command: Command) -> Place | None:
    """The printer that a start names, where it is one of the site's."""
    if command.printer_id:
        printer = context.documents.get(printers.path(context, command.printer_id))
    elif command.printer_serial:
        found = printers.find(context, command.organization_id, [command.printer_serial])
        printer = found[command.printer_serial].printer
    else:
        return None
    return Place(printer) if printer and printer.data["recipientId"] == command.recipient_id else None


def _check_room(context: Context, command: Command) -> None:
    """Keeps queues short; what protects a machine has more room. Raises `RateLimited`."""
    cap = context.policy.queue_cap * (_ROOM_FOR_STOPS if command.type == "stop" else _ROOM[command.lane])
    cap *= 1 if command.printer_serial else _PRINTERS_OF_A_SITE
    waiting = pending_query(context, command.recipient_id, command.printer_serial, limit=cap + _STORAGE_ROOM)
    if context.documents.count(waiting) < cap:
        return
    if sum(each.data["type"] not in STORAGE_TYPES for each in context.documents.query(waiting)) >= cap:
        raise RateLimited(f"{cap} commands are waiting already", retry_after=10)


def _creation(context: Context, command: Command) -> Create:
    return Create(path(context, command.command_id), command.data())


def _beside(context: Context, command: Command, once: Once) -> list[Write]:
    """What is written together with a command: who asked for it, and what for."""
    stored = path(context, command.command_id)
    return [
        audited(context, command, "command.queued"),
        *repetition.mark(context, command.organization_id, once, stored),
    ]


def audited(context: Context, command: Command, action: str) -> Create:
    """The write that records what was done with a command."""
    return audit.entry(
        context,
        action,
        command.organization_id,
        subject=command.command_id,
        recipient_id=command.recipient_id,
        printer=command.printer_serial or command.printer_id or command.printer_ip_address,
        detail=command.type,
    )


def _announce(context: Context, command: Command) -> None:
    log("command_queued", commandId=command.command_id, type=command.type, printJobId=command.job_id)
    if not command.via_bus:
        return
    try:
        messages.publish_command(context.platform.bus, command)
    except Exception:  # it is stored: the trigger publishes it again, and the agent asks for it
        log_failure("command_publish_failed", commandId=command.command_id)
