"""Commands as the people of an organization see them: ordered for a printer, listed, carried out by them, deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from printpipe.domain.commands import Order, is_known_as, kinds_of, parse_order
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import JOBS, CommandStatus
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, PreconditionFailed, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.domain.tenant_records import Site
from printpipe.services.commands import commands, execution, polling
from printpipe.services.commands.commands import Target
from printpipe.services.commands.execution import Result
from printpipe.services.context import Context
from printpipe.services.jobs import jobs, steps
from printpipe.services.printers import printers
from printpipe.services.store import abreast, paging, queries, repetition
from printpipe.services.store.paging import After, Page, Slice

MOST_SITES = 100
"""At how many sites one call looks for what is pending; whoever has more asks printer by printer."""

_TRIES = 10
_OF_METADATA = frozenset({"jobId", "fileId"})
_Name = tuple[Literal["printerId", "printerSerial"], str]


@dataclass(frozen=True)
class Wish:
    """A command that somebody wants for a printer, by any of the command's names."""

    printer_id: str
    command_type: str
    metadata: Mapping[str, Any]
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Wanted:
    """Which commands a list shows, ordered from `since` to `until`; None leaves a condition out."""

    statuses: Sequence[CommandStatus] | None = None
    printer_id: str | None = None
    command_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def admits(self, command: Command) -> bool:
        """Whether the list shows a command of these states and of this printer."""
        wanted = self.command_type
        return wanted is None or is_known_as(command.command_type, command.type, wanted)


def order(context: Context, wish: Wish, once: Once) -> Command:
    """Orders a command for a printer of the organization's; a repetition gets the first one, though it be deleted.

    Raises `NotFound` for the printer; `Conflict` where it is out of use, though what protects a machine is taken even
    so; and what `commands.queue` raises.
    """
    order = parse_order(wish.command_type, wish.metadata, context.policy.extra_gcode)
    try:
        printer = _in_use(context, wish.printer_id, order)
    except (Conflict, NotFound):
        if first := _repeated(context, once):
            return first
        raise
    target = Target(printer.serial, printer.ip_address, printer.printer_id)
    try:
        return commands.queue(context, printer.recipient_id, target, order, wish.expires_at, once)
    except NotFound as error:
        if error.field not in _OF_METADATA:
            raise
        raise NotFound(error.message, field=f"metadata.{error.field}") from None


def listed(context: Context, wanted: Wanted, part: Slice) -> Page[Command]:
    """The organization's commands that are wanted, the newest first. A page of a rare kind may end before it is full.

    A printer's are those that name it by its id or its serial. Raises `InvalidInput` for a type that is none.
    """
    if wanted.command_type is not None:
        kinds_of(wanted.command_type)
    names = _names(context, wanted.printer_id) if wanted.printer_id is not None else [None]

    def find(after: After | None, limit: int) -> list[Document]:
        return _found(context, wanted, names, after, limit)

    def parse(document: Document) -> Command | None:
        command = Command.of(document)
        return command if wanted.admits(command) else None

    return paging.sift(find, part, parse)


def pending(context: Context, printer_id: str | None, limit: int) -> list[Command]:
    """What waits for clients that poll, at a printer or at the organization's sites, as `polling.pending` has it.

    Raises `NotFound` for a printer that is not the organization's.
    """
    if printer_id is not None:
        return _pending_at(context, Printer.of(printers.own(context, printer_id)), limit)
    query = queries.recipients_of_organization(context.collections, context.tenant, MOST_SITES, None)
    sites = [Site.of(each) for each in context.documents.query(query)]
    polled = [each.recipient_id for each in sites if each.client == "lan_client"]
    found = abreast.each(lambda site: polling.pending(context, site, None, limit), polled)
    return polling.in_turn([command for commands_of_one in found for command in commands_of_one])[:limit]


def report(context: Context, command_id: str, result: Result) -> Command:
    """Takes an executor's result, as `execution.report` does.

    What our agent carries out it alone ends, but for a command whose effect it cannot tell: a person who looked can.
    Raises `Conflict` too for any other result of such a command.
    """
    command = Command.of(own(context, command_id))
    if context.recipient(command.recipient_id).has_agent and command.status != result.status:
        if command.status != CommandStatus.UNKNOWN:
            raise of_our_agent(command)
        lease = command.lease
        result = replace(result, holder=lease.holder if lease else None, fence=lease.fence if lease else None)
    return execution.report(context, command.recipient_id, command_id, result)


def remove(context: Context, command_id: str) -> Command:
    """Takes a command out of all lists; one that is pending is cancelled, and with a start the job that it begins.

    Raises `NotFound`; `Conflict` for one that is being carried out, or is the start of an open job that a polling
    client was shown: it may have begun that by now, so that only the job's own cancelling ends it for certain.
    """
    for _ in range(_TRIES):
        document = own(context, command_id)
        command = Command.of(document)
        if command.status == CommandStatus.PROCESSING:
            raise Conflict("The command is being carried out", detail=command.status.value)
        changes: dict[str, Any] = {"deleted_at": context.now()}
        step = steps.NO_STEP
        if command.status == CommandStatus.PENDING:
            changes |= {"status": CommandStatus.CANCELLED, "completed_at": context.now()}
            step = _job_step(context, command)
        gone = command.model_copy(update=changes)
        writes: list[Write] = [Update(document.path, gone.fields(changes), document.version), *step.writes]
        try:
            context.documents.commit(*writes, commands.audited(context, command, "command.deleted"))
        except PreconditionFailed:
            continue  # it was claimed or reported in this moment
        step.note()
        log("command_deleted", commandId=command_id, was=command.status.value, printJobId=command.job_id)
        return gone
    raise Unavailable("The command is being changed by others", retry_after=1)


def own(context: Context, command_id: str) -> Document:
    """A command of the organization's that was not deleted. Raises `NotFound`."""
    document = context.documents.get(commands.path(context, command_id))
    if document is None or document.data["organizationId"] != context.tenant:
        raise NotFound("No such command", field="id")
    if document.data.get("deletedAt") is not None:
        raise NotFound("No such command", field="id")
    return document


def of_our_agent(command: Command) -> Conflict:
    """What says that nobody but our agent carries a command out."""
    return Conflict("Our agent carries this out, and reports what becomes of it", detail=command.status.value)


def _in_use(context: Context, printer_id: str, order: Order) -> Printer:
    printer = Printer.of(printers.own(context, printer_id))
    if not printer.active and order.type.lane != "priority":
        raise Conflict("The printer is out of use", field="printer_id")
    return printer


def _repeated(context: Context, once: Once) -> Command | None:
    document = repetition.find(context, commands.path(context, once.new_id(context.tenant)), once)
    return Command.of(document) if document else None


def _names(context: Context, printer_id: str) -> list[_Name | None]:
    """By what commands name a printer. One that is not the organization's has its id alone, and no commands here."""
    document = context.documents.get(printers.path(context, printer_id))
    names: list[_Name | None] = [("printerId", printer_id)]
    if document is not None and document.data["organizationId"] == context.tenant and document.data.get("serial"):
        names.append(("printerSerial", document.data["serial"]))
    return names


def _found(
    context: Context, wanted: Wanted, names: Sequence[_Name | None], after: After | None, limit: int
) -> list[Document]:
    statuses = None if wanted.statuses is None else [each.value for each in wanted.statuses]
    asked = [
        queries.commands_of_organization(
            context.collections, context.tenant, statuses, name, wanted.since, wanted.until, after, limit
        )
        for name in names
    ]
    found = {each.path: each for query in asked for each in context.documents.query(query)}
    return sorted(found.values(), key=lambda each: (each.data["createdAt"], each.id), reverse=True)[:limit]


def _pending_at(context: Context, printer: Printer, limit: int) -> list[Command]:
    if printer.serial is not None:
        return polling.pending(context, printer.recipient_id, printer.serial, limit)
    found = polling.pending(context, printer.recipient_id, None, commands.READ_LIMIT)
    return [each for each in found if each.printer_id == printer.printer_id][:limit]


def _job_step(context: Context, command: Command) -> steps.Step:
    if command.type != "start_print":
        return steps.NO_STEP
    if not command.via_bus and command.job_id is not None:
        document = context.documents.get(jobs.path(context, command.job_id))
        job = Job.of(document) if document else None
        if job is not None and JOBS[job.status] and job.command_id == command.command_id:
            raise Conflict("A client may have begun this print: cancel its job instead", detail=job.status.value)
        return steps.NO_STEP
    return polling.start_cancelled(context, command, "its start was deleted")
