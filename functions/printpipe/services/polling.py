"""What a polling LAN client is given. It carries out whatever it is shown, once, and claims nothing."""

from collections.abc import Sequence
from typing import Any

from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.log import log
from printpipe.domain.overruling import OVERRULING, overrules
from printpipe.domain.ports.documents import Document, DocumentChanged, Update
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services import commands, jobs
from printpipe.services.context import Context


def pending(context: Context, recipient_id: str, serial: str | None, limit: int) -> list[Command]:
    """What waits for the client; nothing changes. An agent's recipient shows it nothing.

    Stops come first, then what else protects a machine, then the oldest; also where more waits than is read. Left out
    is what a later command overrules, and a stop that would reach another job than its own.
    """
    recipient = context.recipient(recipient_id)
    if recipient.has_agent:
        return []
    found = {each.id: each for each in _query(context, recipient_id, serial, limit=limit)}
    if len(found) == limit:  # there may be more
        found |= {each.id: each for each in _query(context, recipient_id, serial, lane="priority")}
    waiting = [Command.of(each) for each in found.values()]
    moot = moot_stops(context, recipient, waiting)
    listed = [
        each for each in waiting if each.command_id not in moot and not any(overrules(later, each) for later in waiting)
    ]
    return in_turn(listed)[:limit]


def in_turn(listed: Sequence[Command]) -> list[Command]:
    """Commands in the order in which clients are to carry them out."""
    return sorted(listed, key=lambda each: _turn(each, listed))


def moot_stops(context: Context, recipient: Recipient, candidates: Sequence[Command]) -> frozenset[str]:
    """Which of the commands are stops that would reach another job: the client stops whatever prints.

    Without a stop that names its job nothing is read.
    """
    stops = [each for each in candidates if each.type == "stop" and each.job_id]
    beyond = jobs.out_of_reach(context, recipient, {str(each.job_id): each.printer_serial for each in stops})
    return frozenset(each.command_id for each in stops if each.job_id in beyond)


def cancel_overruled(context: Context, done: Command) -> None:
    """After a command was carried out: what it overrules is not to be shown any more."""
    if done.type not in OVERRULING:
        return
    for document in _query(context, done.recipient_id, done.printer_serial):
        command = Command.of(document)
        if not overrules(done, command):
            continue
        step = jobs.NO_STEP
        if command.type == "start_print":
            reason, to = "stopped before it began", JobStatus.CANCELLED
            step = jobs.follow(context, command.recipient_id, command.job_id, to, reason=reason, by_start=command)
        changes = {"status": CommandStatus.CANCELLED.value, "completedAt": context.now()}
        try:
            context.documents.commit(Update(document.path, changes, document.version), *step.writes)
        except DocumentChanged:
            continue  # it was taken or reported in this moment
        step.note()
        log("command_cancelled", commandId=command.command_id, printJobId=command.job_id)


def _query(context: Context, recipient_id: str, serial: str | None, **more: Any) -> list[Document]:
    return context.documents.query(commands.pending_query(context, recipient_id, serial, **more))


def _turn(command: Command, listed: Sequence[Command]) -> tuple[int, int]:
    """Stops, then what is urgent, then by age; a pause does not overtake the start that it came after."""
    if command.type == "stop":
        return 0, command.sequence
    follows = command.type == "pause" and any(
        each.type == "start_print"
        and (each.recipient_id, each.printer_serial) == (command.recipient_id, command.printer_serial)
        and each.sequence < command.sequence
        for each in listed
    )
    return (1 if command.lane == "priority" and not follows else 2), command.sequence
