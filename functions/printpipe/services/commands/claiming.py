"""Printer commands as they are handed out: to one executor each, under a lease that it renews."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from printpipe.domain.commands import LANES, STORAGE_TYPES
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Document, DocumentChanged, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command, Lease
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import command_log, commands, execution, polling
from printpipe.services.commands.claims import Claimed, Print
from printpipe.services.context import Context
from printpipe.services.files.files import FileTicket, link
from printpipe.services.files.tickets import ticket
from printpipe.services.jobs import jobs, steps
from printpipe.services.printers import printers
from printpipe.services.store import queries

_TRIES = 3


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
            step = execution.job_step(context, ended)
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
            execution.measure(context, command, "claimed")
        taken = command.model_copy(
            update={"status": CommandStatus.PROCESSING, "lease": lease, "acknowledged_at": context.now()}
        )
        file = ticket(context, taken.file_id) if taken.file_id else None
        return Claimed(taken, lease, file, _print(context, taken, file) if file and execution.is_start(taken) else None)
    raise Unavailable("The command is being changed by others", retry_after=1)


def claim_own(context: Context, command_id: str, holder: str, fence: int | None) -> Claimed:
    """Hands a command of the organization's to one executor, as `claim` does.

    Raises `Conflict` too where our agent is its executor.
    """
    command = Command.of(command_log.own(context, command_id))
    if context.recipient(command.recipient_id).has_agent:
        raise command_log.of_our_agent(command)
    return claim(context, command.recipient_id, command_id, holder, fence)


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
    if execution.is_start(command) and jobs.is_over(context, command):
        return "The job that it starts has ended"
    return None


def _job_claimed(context: Context, command: Command, holder: str) -> steps.Step:
    if not execution.is_start(command):
        return steps.NO_STEP
    return steps.follow(
        context, command.recipient_id, command.job_id, JobStatus.CLAIMED, claimed_by=holder, by_start=command
    )


def _print(context: Context, start: Command, file: FileTicket) -> Print:
    job_path, printer_path = jobs.path(context, str(start.job_id)), printers.path(context, start.printer_id or "-")
    found = context.documents.get_many([job_path, printer_path] if start.printer_id else [job_path])
    job, printer = found.get(job_path), found.get(printer_path)
    return Print(file, link(context, file), Job.of(job) if job else None, Printer.of(printer) if printer else None)
