"""What a polling LAN client is given. It carries out whatever it is shown, once, and claims nothing."""

from collections.abc import Sequence
from typing import Any

from printpipe.domain.commands import STORAGE_TYPES
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.log import log
from printpipe.domain.overruling import OVERRULING, overrules
from printpipe.domain.ports.documents import Document, DocumentChanged, Update
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Recipient
from printpipe.services.commands import commands
from printpipe.services.context import Context
from printpipe.services.jobs import jobs, steps
from printpipe.services.printers import printers


def pending(context: Context, recipient_id: str, serial: str | None, limit: int) -> list[Command]:
    """What waits for the client; nothing changes. An agent's recipient shows it nothing.

    Stops come first, then what else protects a machine, then the oldest; also where more waits than is read. Left out
    is what a later command overrules, a stop that would reach another job than its own, and a start whose job has ended
    or which the queue ordered for a plate that was used since; and what our agent alone carries out.
    """
    recipient = context.recipient(recipient_id)
    if recipient.has_agent:
        return []
    found = {each.id: each for each in _query(context, recipient_id, serial, limit=limit)}
    if len(found) == limit:  # there may be more
        found |= {each.id: each for each in _query(context, recipient_id, serial, lane="priority")}
    waiting = [Command.of(each) for each in found.values() if each.data["type"] not in STORAGE_TYPES]
    moot = moot_stops(context, recipient, waiting) | _moot_starts(context, waiting)
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


def _moot_starts(context: Context, candidates: Sequence[Command]) -> frozenset[str]:
    """Which of the commands are starts that must not begin; without a start of a job nothing is read."""
    starts = [each for each in candidates if each.type == "start_print" and each.job_id]
    asked = {jobs.path(context, str(each.job_id)) for each in starts}
    asked |= {printers.path(context, each.printer_id) for each in starts if each.awaits_plate and each.printer_id}
    found = context.documents.get_many(sorted(asked)) if asked else {}

    def is_moot(start: Command) -> bool:
        job = found.get(jobs.path(context, str(start.job_id)))
        printer = found.get(printers.path(context, start.printer_id or ""))
        soiled = start.awaits_plate and printer is not None and not printer.data.get("plateCleared", True)
        return soiled or (job is not None and jobs.has_left(Job.of(job), start))

    return frozenset(each.command_id for each in starts if is_moot(each))


def cancel_overruled(context: Context, done: Command) -> None:
    """After a command was carried out: what it overrules is not to be shown any more."""
    if done.type not in OVERRULING:
        return
    for document in _query(context, done.recipient_id, done.printer_serial):
        command = Command.of(document)
        if not overrules(done, command):
            continue
        step = steps.NO_STEP
        if command.type == "start_print":
            step = start_cancelled(context, command, "stopped before it began")
        changes = {"status": CommandStatus.CANCELLED.value, "completedAt": context.now()}
        try:
            context.documents.commit(Update(document.path, changes, document.version), *step.writes)
        except DocumentChanged:
            continue  # it was taken or reported in this moment
        step.note()
        log("command_cancelled", commandId=command.command_id, printJobId=command.job_id)


def start_cancelled(context: Context, start: Command, reason: str) -> steps.Step:
    """The step that goes with a start that is cancelled before anybody took it: its job is cancelled, if it has one."""
    if start.job_id is None:
        return steps.start_over(context, start)
    to = JobStatus.CANCELLED
    return steps.follow(context, start.recipient_id, start.job_id, to, reason=reason, by_start=start)


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
