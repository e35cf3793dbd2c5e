"""The command for a picture of now: an event of its own, and the picture with it."""

from typing import Protocol

from edge_agent.camera.photographer import SNAPSHOT
from edge_agent.command import Outcome, completed
from edge_agent.drivers.base import Camera, CameraFailed, StatusReport
from edge_agent.execution import Rooms, Run
from edge_agent.reporters.events import EventReporter


class Pictured(Protocol):
    """What has to be known of a printer: a part of its driver."""

    serial: str
    address: str

    @property
    def camera(self) -> Camera | None: ...

    def status(self) -> StatusReport | None: ...


def taken(run: Run, printer: Pictured, rooms: Rooms) -> Outcome:
    """Take it, and tell under which event it is found; done again, tell that again. Raises CameraFailed."""
    event_id, size = run.progress.get("eventId"), run.progress.get("size", "0")
    if event_id is not None:
        return _outcome(event_id, int(size))
    camera = printer.camera
    if camera is None:
        raise CameraFailed("unsupported", "this printer has no camera that the agent can look through")
    jpeg = camera.picture(run.authorise)
    status = printer.status()
    job = None if status is None else status.numbers.get("printJobId")
    events = EventReporter(printer.serial, printer.address, rooms)
    with rooms.store.transaction():
        event_id = events.report(
            SNAPSHOT,
            "info",
            "a picture was ordered",
            print_job_id=job,
            status_data={"commandId": run.command.command_id},
        )
        rooms.outbox.put_picture(event_id, jpeg)
        run.note(eventId=event_id, size=str(len(jpeg)))
    return _outcome(event_id, len(jpeg))


def _outcome(event_id: str, size: int) -> Outcome:
    return completed(f"a picture of {size} bytes was taken", {"eventId": event_id, "size": size})
