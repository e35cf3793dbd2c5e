"""Runs commands to their end: keeps their leases alive, queues their results."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_agent import tracing
from edge_agent.command import Command, Outcome, Status, failed, unknown
from edge_agent.execution import Dropped, Halted, LeaseLapsed, Refused, Rooms, Run
from edge_agent.journal import AFTER_PUBLISH, Entry, Stage
from edge_agent.logs import log, log_exception
from edge_agent.outbox import Kind
from edge_agent.steps import Step
from edge_agent.supervision import supervised


class Leases:
    """Which commands are under way: none of them twice at a time. Renews their claims, each at a third of its lease."""

    TICK_SECONDS = 0.5

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._runs: set[Run] = set()
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._left = threading.Condition()

    @contextmanager
    def alone(self, command_id: str, stopping: threading.Event) -> Iterator[bool]:
        """Wait until nobody else runs the command; False where `stopping` came first.

        One that a printer's old driver still has, in a call that takes long, is in its successor's hands too.
        """
        with self._left:
            while command_id in self._taken and not stopping.is_set():
                self._left.wait(self.TICK_SECONDS)
            mine = command_id not in self._taken
            if mine:
                self._taken.add(command_id)
        try:
            yield mine
        finally:
            if mine:
                with self._left:
                    self._taken.remove(command_id)
                    self._left.notify_all()

    def hold(self, run: Run) -> None:
        """Keep the run's claim alive."""
        with self._lock:
            self._runs.add(run)

    def release(self, run: Run) -> None:
        """The run has ended."""
        with self._lock:
            self._runs.discard(run)

    def loop(self) -> None:
        """Renew until the agent stops."""
        supervised("leases", self._rooms.stopping, self._renew_due)

    def _renew_due(self) -> None:
        self._rooms.stopping.wait(self.TICK_SECONDS)
        with self._lock:
            due = [run for run in self._runs if run.renew_at <= self._rooms.clock.monotonic()]
        for run in due:
            run.renew()


class Executor:
    """Runs a command to its end and queues its result."""

    def __init__(self, rooms: Rooms, leases: Leases) -> None:
        self._rooms = rooms
        self._leases = leases

    def execute(self, command_id: str, perform: Callable[[Run], Outcome]) -> None:
        """Claim the command, let the driver perform it, queue the outcome."""
        with self._leases.alone(command_id, self._rooms.stopping) as mine:
            if mine:
                self._execute(command_id, perform)

    def _execute(self, command_id: str, perform: Callable[[Run], Outcome]) -> None:
        entry = self._rooms.journal.entry(command_id)
        if entry is None or entry.stage in (Stage.FINISHED, Stage.DROPPED):
            return
        with self._rooms.store.bearing_loss(entry.command.kind == "stop"):
            self._run(entry, perform)

    def _run(self, entry: Entry, perform: Callable[[Run], Outcome]) -> None:
        command_id = entry.command.command_id
        run = Run(entry, self._rooms)
        try:
            outcome = self._traced(run, perform)
        except Halted:
            return
        except Dropped as reason:
            self._rooms.journal.drop(command_id, str(reason))
            log("command_dropped", commandId=command_id, detail=str(reason))
            return
        finally:
            self._leases.release(run)
        self._finish(run.command, outcome)

    def answer_again(self, entry: Entry, fence: int | None) -> None:
        """Queue the result of a command that ended before, under the lease with which it was handed out again."""
        if fence is not None:
            self._rooms.journal.fence(entry.command.command_id, fence)
        if entry.outcome is not None:
            self._queue(entry.command, entry.outcome, entry.fence if fence is None else fence)

    def _traced(self, run: Run, perform: Callable[[Run], Outcome]) -> Outcome:
        command = run.command
        about = {"printpipe.command_id": command.command_id, "printpipe.command_type": command.kind}
        with tracing.span("execute", command.traceparent, about):
            try:
                return self._outcome(run, perform)
            finally:
                run.waits.close()

    def _outcome(self, run: Run, perform: Callable[[Run], Outcome]) -> Outcome:
        try:
            run.claim()
            self._leases.hold(run)
            return self._performed(run, perform)
        except Refused as reason:
            return failed(str(reason))
        except (Halted, Dropped):
            raise
        except Exception as error:
            if self._rooms.stopping.is_set():
                raise Halted from error
            log_exception("command_crashed", error, commandId=run.command.command_id)
            entry = self._rooms.journal.entry(run.command.command_id)
            if entry is not None and entry.stage in AFTER_PUBLISH:
                return unknown("the agent failed after it had sent the command; look at the printer")
            return failed("the agent failed before it had sent the command")

    def _performed(self, run: Run, perform: Callable[[Run], Outcome]) -> Outcome:
        while True:
            try:
                return perform(run)
            except LeaseLapsed:
                run.regain()

    def _finish(self, command: Command, outcome: Outcome) -> None:
        entry = self._rooms.journal.entry(command.command_id)
        with self._rooms.store.bearing_loss(), self._rooms.store.transaction():
            self._rooms.journal.finish(command.command_id, outcome)
            self._queue(command, outcome, None if entry is None else entry.fence)
        log(
            f"command_{outcome.status}",
            commandId=command.command_id,
            commandType=command.kind,
            printerSerial=command.printer_serial or None,
            requestId=command.request_id or None,
            reason=outcome.message,
        )
        self._rooms.observe(Step.RESULT_QUEUED, command.command_id)

    def _queue(self, command: Command, outcome: Outcome, fence: int | None) -> None:
        body: dict[str, object] = {
            "commandId": command.command_id,
            "printerSerial": command.printer_serial,
            "status": outcome.status,
            "message": outcome.message,
        }
        if outcome.status is not Status.COMPLETED:
            body["errorMessage"] = outcome.message
        if outcome.result is not None:
            body["result"] = outcome.result
        if fence is not None:
            body["fence"] = fence
        self._rooms.outbox.replace(Kind.RESULT, command.command_id, body, command.request_id)
        self._rooms.reports_waiting.set()
