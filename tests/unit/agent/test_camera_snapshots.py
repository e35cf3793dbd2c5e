"""The command for a picture: one event, one picture, however often it is carried out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.camera import snapshot
from edge_agent.command import Command, completed
from edge_agent.drivers.base import Camera, CameraFailed, StatusReport
from edge_agent.execution import Refused, Rooms, Run
from edge_agent.outbox import Kind
from tests.unit.agent.offline_rooms import rooms

SERIAL = "01P00A381200434"
PICTURE = b"\xff\xd8picture\xff\xd9"


class Lens:
    """Counts the looks through it."""

    def __init__(self) -> None:
        self.looks = 0

    def picture(self, check: Callable[[], None]) -> bytes:
        check()
        self.looks += 1
        return PICTURE


class PrinterAtWork:
    """One that prints a job, with or without a camera."""

    def __init__(self, camera: Camera | None) -> None:
        self.serial, self.address, self.camera = SERIAL, "127.0.0.1", camera

    def status(self) -> StatusReport | None:
        return StatusReport("printing", (), {"printJobId": "job-1"})


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rooms]:
    with rooms("http://127.0.0.1:9", tmp_path) as made:
        yield made


def ordered(made: Rooms) -> Run:
    """The command's run, from what the journal has of it."""
    command = Command(command_id="c-1", recipient_id="site-1", printer_serial=SERIAL, command_type="snapshot")
    made.journal.record(command)
    entry = made.journal.entry("c-1")
    assert entry is not None
    return Run(entry, made)


def test_a_snapshot_is_an_event_of_the_running_job(made: Rooms) -> None:
    outcome = snapshot.taken(ordered(made), PrinterAtWork(Lens()), made)
    event = made.outbox.first(Kind.EVENT)
    assert event is not None
    assert outcome == completed("a picture of 11 bytes was taken", {"eventId": event.name, "size": len(PICTURE)})
    assert (event.body["eventType"], event.body["printJobId"]) == ("snapshot", "job-1")
    assert event.body["statusData"] == {"commandId": "c-1"}


def test_done_again_after_a_crash_it_tells_what_it_told_before(made: Rooms) -> None:
    lens = Lens()
    first = snapshot.taken(ordered(made), PrinterAtWork(lens), made)
    again = snapshot.taken(ordered(made), PrinterAtWork(lens), made)
    assert (first, lens.looks) == (again, 1)
    assert len(made.outbox.waiting(Kind.EVENT, 10)) == 1


def test_without_a_camera_there_is_no_event(made: Rooms) -> None:
    with pytest.raises(CameraFailed) as caught:
        snapshot.taken(ordered(made), PrinterAtWork(None), made)
    assert caught.value.code == "unsupported"
    assert made.outbox.first(Kind.EVENT) is None


def test_a_command_that_is_not_wanted_any_more_takes_no_picture(made: Rooms) -> None:
    run, lens = ordered(made), Lens()
    run.cancel_reason = "cancelled"
    with pytest.raises(Refused):
        snapshot.taken(run, PrinterAtWork(lens), made)
    assert (lens.looks, made.outbox.first(Kind.EVENT)) == (0, None)
