"""Events of printers and jobs, into the outbox: once each, in order, whatever happens to the line."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from edge_agent.execution import Rooms
from edge_agent.jobs import Job
from edge_agent.logs import log, log_exception
from edge_agent.outbox import Kind
from edge_agent.timestamps import render

OnEvent = Callable[[str, str, Mapping[str, Any] | None], None]
"""Is told of an event as soon as it is queued: its id, its type, its errorData. Returns at once."""


class EventReporter:
    """Queues events of one printer. Within a store transaction the event stands or falls with it.

    `on_event` is told of each of them.
    """

    def __init__(self, serial: str, address: str, rooms: Rooms) -> None:
        self._serial = serial
        self.address = address
        """Where the printer is; it may move."""
        self._rooms = rooms
        self.on_event: OnEvent = lambda _event_id, _kind, _error_data: None

    def report(
        self,
        kind: str,
        status: str,
        message: str,
        *,
        job: Job | None = None,
        print_job_id: str | None = None,
        error_data: Mapping[str, Any] | None = None,
        status_data: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> str:
        """Queue one event under a new id, and return that. `occurred_at` is by the cloud's clock; None: now.

        `job` is what it is about: the event names the start command that began that print, so that the runs of one
        job can be told apart. Who does not have it may know its `print_job_id`.
        """
        command_id = None
        if job is not None:
            print_job_id, command_id = job.print_job_id, job.command_id or None
        event_id = str(uuid.uuid4())
        body: dict[str, Any] = {
            "eventId": event_id,
            "printerSerial": self._serial,
            "printerIpAddress": self.address,
            "eventType": kind,
            "eventStatus": status,
            "printJobId": print_job_id,
            "commandId": command_id,
            "errorData": error_data,
            "statusData": status_data,
            "message": message,
            "occurredAt": render(occurred_at or self._rooms.server_time.now()),
        }
        self._rooms.outbox.put(Kind.EVENT, event_id, {name: value for name, value in body.items() if value is not None})
        log(
            kind,
            printerSerial=self._serial,
            printJobId=print_job_id,
            commandId=command_id,
            errorData=error_data,
            reason=message,
        )
        self._rooms.reports_waiting.set()
        try:
            self.on_event(event_id, kind, error_data)
        except Exception as error:
            log_exception("event_not_followed", error, printerSerial=self._serial, eventId=event_id)
        return event_id
