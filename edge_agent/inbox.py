"""Where every intake hands in its commands: into the journal first, then to the printer's worker."""

import json
from collections.abc import Callable

from pydantic import ValidationError

from edge_agent import tracing
from edge_agent.command import Command, Outcome, failed, unknown
from edge_agent.downloads import download
from edge_agent.execution import Halted, Rooms, Run
from edge_agent.executor import Executor
from edge_agent.fleet import Fleet
from edge_agent.journal import Stage
from edge_agent.logs import log
from edge_agent.ordering import ordering
from edge_agent.steps import Step, log_step
from edge_agent.worker import Worker

ENDED_IN_THE_CLOUD = frozenset({"expired", "completed", "failed", "cancelled", "unknown"})
"""The reasons for dropping a command that never pass; another agent's lease, for one, can run out."""


def no_printer(run: Run) -> Outcome:
    """The outcome of a command for a printer that is not here."""
    reason = f"no printer with serial {run.command.printer_serial or '(none)'} is configured at this site"
    if run.may_have_been_sent:
        return unknown(f"{reason} any more; the command may have been sent before: look at the printer")
    return failed(reason)


class Inbox:
    """Routes commands to the workers by the printer's serial, or by its address where there is no serial."""

    def __init__(
        self,
        recipient_id: str,
        rooms: Rooms,
        executor: Executor,
        fleet: Fleet,
        unrouted: Callable[[Run], Outcome] = no_printer,
    ) -> None:
        """`unrouted` is for commands about the storage or the connection of a printer that is not in the fleet."""
        self._recipient = recipient_id
        self._rooms = rooms
        self._executor = executor
        self._fleet = fleet
        self._nowhere = Worker("nowhere", lambda command: self._execute_here(command, self._without_printer), rooms)
        self._site = Worker("site", lambda command: self._execute_here(command, unrouted), rooms)
        self._downloads = Worker("downloads", lambda command: executor.execute(command.command_id, download), rooms)

    def receive(self, data: object) -> None:
        """Take in one command's JSON object. When this returns it is durable, or was not for this agent."""
        try:
            command = Command.model_validate(_without_surrogates(data))
        except (ValidationError, RecursionError) as error:
            log("command_unreadable", "ERROR", reason=str(error))
            return
        if command.recipient_id != self._recipient:
            log("command_not_for_us", "WARNING", commandId=command.command_id)
            return
        if not command.printer_serial and (serial := self._fleet.serial_at(command.printer_ip_address)):
            command = command.model_copy(update={"printer_serial": serial})
        about = {"printpipe.command_id": command.command_id, "printpipe.command_type": command.kind}
        losable = self._rooms.store.bearing_loss(command.kind == "stop")
        with losable, tracing.span("receive", command.traceparent, about):
            self._accept(command.model_copy(update={"traceparent": tracing.here()}))

    def resume(self, serial: str | None = None) -> None:
        """Queue what an earlier run of the agent left unfinished, or an earlier driver of this printer."""
        for entry in self._rooms.journal.unfinished():
            if serial not in (None, entry.command.printer_serial):
                continue
            log("command_resumed", commandId=entry.command.command_id, stage=entry.stage)
            self._submit(entry.command)

    def join(self, until: Callable[[], float]) -> None:
        """Wait for what is carried out here, without a printer, at most the seconds that `until` gives."""
        self._downloads.join(until)
        self._site.join(until)

    def _accept(self, command: Command) -> None:
        with self._rooms.store.transaction():
            entry, new = self._rooms.journal.record(command)
            if new:
                self._overrule(command)
        if new:
            log_step(
                Step.RECEIVED,
                command.command_id,
                commandType=command.kind,
                printerSerial=command.printer_serial or None,
                requestId=command.request_id or None,
            )
            self._rooms.observe(Step.RECEIVED, command.command_id)
        if entry.stage is Stage.FINISHED:
            self._executor.answer_again(entry, command.fence)
            return
        if entry.stage is Stage.DROPPED:
            if entry.detail in ENDED_IN_THE_CLOUD:
                return
            self._rooms.journal.advance(command.command_id, Stage.RECEIVED)
        self._submit(entry.command)

    def _overrule(self, command: Command) -> None:
        """From its receipt on a stop keeps older starts from beginning, however long its claim may take."""
        group = ordering(command).group
        expired = command.expires_at is not None and self._rooms.server_time.now() >= command.expires_at
        if command.kind == "stop" and group is not None and not expired:
            self._rooms.journal.mark_executed(command.printer_serial, group, command)

    def _submit(self, command: Command) -> None:
        if command.kind == "download":
            self._downloads.submit(command)
        elif not self._fleet.take(command):
            (self._site if command.is_storage else self._nowhere).submit(command)

    def _execute_here(self, command: Command, perform: Callable[[Run], Outcome]) -> None:
        """Without a printer, unless it has been added since."""
        if not self._fleet.take(command):
            self._executor.execute(command.command_id, perform)

    def _without_printer(self, run: Run) -> Outcome:
        """A printer that was added while the claim waited has the command by now."""
        if self._fleet.has(run.command.printer_serial):
            raise Halted
        return no_printer(run)


def _without_surrogates(data: object) -> object:
    """The JSON value with U+FFFD's stand-in `?` for every half of a pair, which neither disk nor wire can hold."""
    return json.loads(json.dumps(data, ensure_ascii=False).encode(errors="replace"))
