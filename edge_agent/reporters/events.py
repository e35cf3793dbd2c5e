"""Events of printers and jobs, into the outbox: once each, in order, whatever happens to the line."""

import uuid
from collections.abc import Mapping
from typing import Any

from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.outbox import Kind
from edge_agent.timestamps import render


class EventReporter:
    """Queues events of one printer. Within a store transaction the event stands or falls with it."""

    def __init__(self, serial: str, address: str, rooms: Rooms) -> None:
        self._serial = serial
        self._address = address
        self._rooms = rooms

    def report(
        self,
        kind: str,
        status: str,
        message: str,
        *,
        print_job_id: str | None = None,
        error_data: Mapping[str, Any] | None = None,
        status_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue one event under a new id."""
        event_id = str(uuid.uuid4())
        body: dict[str, Any] = {
            "eventId": event_id,
            "printerSerial": self._serial,
            "printerIpAddress": self._address,
            "eventType": kind,
            "eventStatus": status,
            "printJobId": print_job_id,
            "errorData": error_data,
            "statusData": status_data,
            "message": message,
            "occurredAt": render(self._rooms.clock.now()),
        }
        self._rooms.outbox.put(Kind.EVENT, event_id, {name: value for name, value in body.items() if value is not None})
        log(kind, printerSerial=self._serial, printJobId=print_job_id, errorData=error_data, reason=message)
        self._rooms.reports_waiting.set()
