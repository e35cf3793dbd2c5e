"""When pictures are taken, who shares one, and that nothing waits for them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.limit import Limit
from edge_agent.camera.photographer import WAITING, Photographer
from edge_agent.camera.shared import APART_SECONDS, SharedCamera
from edge_agent.config import PicturesConfig
from edge_agent.delivery import Delivery
from edge_agent.drivers.base import CameraFailed
from edge_agent.execution import Refused, Rooms
from edge_agent.jobs import Job
from edge_agent.picture_delivery import PictureDelivery
from edge_agent.reporters.events import EventReporter
from tests.integration.agent_site import until
from tests.unit.agent.offline_rooms import START, Hand, rooms, running
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud

SERIAL = "01P00A381200434"
JOB = Job(marker="cube_1", printer=SERIAL, command_id="c-1", print_job_id="job-1", published_at=START)


def nothing() -> None:
    """The check of somebody who waits on."""


@dataclass
class Lens:
    """Shows another picture at every look, once it is let."""

    shows: threading.Event = field(default_factory=threading.Event)
    fails: CameraFailed | None = None
    looks: list[float] = field(default_factory=list)

    def look(self, limit: Limit) -> bytes:
        self.looks.append(time.monotonic())
        number = len(self.looks)
        while not self.shows.wait(limit.step()):
            continue
        if self.fails is not None:
            raise self.fails
        return b"picture %d" % number


def shared(lens: Lens, seconds: float = 10.0) -> SharedCamera:
    return SharedCamera(lens.look, seconds, time.monotonic, threading.Event())


@pytest.fixture
def lens() -> Lens:
    return Lens()


def test_who_asks_at_once_is_given_one_picture_and_who_asks_later_another(lens: Lens) -> None:
    camera = shared(lens)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(camera.picture, nothing) for _ in range(4)]
        until(lambda: bool(lens.looks))
        lens.shows.set()
        assert {each.result() for each in asked} == {b"picture 1"}
    assert camera.picture(nothing) == b"picture 2"
    first, second = lens.looks
    assert second - first >= APART_SECONDS


def test_a_failure_is_shared_likewise(lens: Lens) -> None:
    camera = shared(lens)
    lens.fails = CameraFailed("refused", "no")
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(camera.picture, nothing) for _ in range(3)]
        until(lambda: bool(lens.looks))
        lens.shows.set()
        assert [str(each.exception()) for each in asked] == ["no"] * 3
    assert len(lens.looks) == 1


def test_who_gives_up_takes_nobody_along(lens: Lens) -> None:
    camera, gives_up = shared(lens), threading.Event()

    def check() -> None:
        if gives_up.is_set():
            raise Refused("cancelled")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(camera.picture, check)
        until(lambda: bool(lens.looks))
        other = pool.submit(camera.picture, nothing)
        gives_up.set()
        assert isinstance(one.exception(), Refused)
        lens.shows.set()
        assert other.result() == b"picture 2"


def test_nobody_waits_for_longer_than_a_picture_may_take(lens: Lens) -> None:
    camera = shared(lens, seconds=1.0)
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(camera.picture, nothing) for _ in range(3)]
        codes = {each.exception().code for each in asked}  # type: ignore[union-attr]
    assert codes == {"unreachable"}
    assert time.monotonic() - began < 3


# A photographer


class Studio:
    """A printer's events and its photographer."""

    def __init__(self, rooms: Rooms, lens: Lens, cloud: StandInCloud) -> None:
        self.lens, self.cloud = lens, cloud
        self.events = EventReporter(SERIAL, "127.0.0.1", rooms)
        self.printed: Job | None = None
        self.at_fault = False
        camera = SharedCamera(lens.look, 5.0, time.monotonic, rooms.stopping)
        self.photographer = Photographer(
            SERIAL, camera, rooms, self.events, lambda: self.printed, lambda: self.at_fault
        )

    def tell(self, kind: str, **error_data: Any) -> str:
        return self.events.report(kind, "info", kind, job=JOB, error_data=error_data or None)

    def pictured(self, event_id: str) -> bytes:
        """The event's picture, once the cloud has it."""
        until(lambda: event_id in self.cloud.pictures, what="the picture")
        return self.cloud.pictures[event_id]


@contextmanager
def studio(folder: Path, lens: Lens, hand: Hand | None = None, **pictures: Any) -> Iterator[Studio]:
    """One whose reports are delivered."""
    clock = None if hand is None else hand.clock
    with stand_in_cloud() as cloud, rooms(cloud.url, folder, clock=clock) as made:
        made = replace(made, pictures=PicturesConfig(**pictures))
        with running(made, Delivery(made).loop, PictureDelivery(made).loop):
            yield Studio(made, lens, cloud)


def test_the_events_that_call_for_a_picture_are_given_one(tmp_path: Path, lens: Lens) -> None:
    lens.shows.set()
    with studio(tmp_path, lens) as made:
        for kind in ("job_preparing", "job_started", "job_resumed", "job_cancelled", "status_update", "hms_cleared"):
            made.tell(kind, severity="fatal")
        made.tell("job_paused")
        made.tell("hms_error", severity="common")
        made.tell("hms_error")
        assert lens.looks == []
        made.at_fault = True
        told = [made.tell("job_completed"), made.tell("job_failed"), made.tell("first_layer"), made.tell("job_paused")]
        told += [made.tell("hms_error", severity=each) for each in ("fatal", "serious", "critical", "error")]
        seen = [made.pictured(each) for each in told]
        assert set(made.cloud.pictures) == set(told)
        assert len(lens.looks) <= 3
        assert set(seen) <= {b"picture 1", b"picture 2", b"picture 3"}


def test_an_event_does_not_wait_for_its_picture(tmp_path: Path, lens: Lens) -> None:
    with studio(tmp_path, lens) as made:
        event = made.tell("job_completed")
        until(lambda: [each["eventId"] for each in made.cloud.events] == [event])
        later = made.tell("job_started")
        until(lambda: [each["eventId"] for each in made.cloud.events] == [event, later])
        assert made.cloud.pictures == {}
        lens.shows.set()
        assert made.pictured(event) == b"picture 1"


def test_a_camera_that_fails_costs_its_picture_alone(tmp_path: Path, lens: Lens) -> None:
    lens.fails = CameraFailed("busy", "somebody looks")
    lens.shows.set()
    with studio(tmp_path, lens) as made:
        lost = made.tell("job_failed")
        until(lambda: len(lens.looks) == 1)
        until(lambda: [each["eventId"] for each in made.cloud.events] == [lost])
        lens.fails = None
        assert made.pictured(made.tell("first_layer")) == b"picture 2"
        assert lost not in made.cloud.pictures


def test_no_more_events_wait_than_can_be_pictured(tmp_path: Path, lens: Lens) -> None:
    with studio(tmp_path, lens) as made:
        first = made.tell("job_failed")
        until(lambda: len(lens.looks) == 1)
        more = [made.tell("job_failed") for _ in range(WAITING + 3)]
        lens.shows.set()
        for each in [first, *more[3:]]:
            made.pictured(each)
        assert not set(more[:3]) & made.cloud.pictures.keys()


def test_nothing_is_pictured_where_that_is_switched_off(tmp_path: Path, lens: Lens) -> None:
    lens.shows.set()
    with studio(tmp_path, lens, on_events=False) as made:
        event = made.tell("job_completed")
        until(lambda: [each["eventId"] for each in made.cloud.events] == [event])
        made.photographer.tick()
        assert lens.looks == []


def test_a_print_is_pictured_on_schedule(tmp_path: Path, lens: Lens) -> None:
    lens.shows.set()
    hand = Hand()

    def snapshots() -> list[Any]:
        return [each for each in made.cloud.events if each["eventType"] == "snapshot"]

    def passes(seconds: float, count: int) -> None:
        """Time passes; so many pictures there are then."""
        hand.seconds += seconds
        made.photographer.tick()
        until(lambda: len(snapshots()) == count and all(e["eventId"] in made.cloud.pictures for e in snapshots()))

    with studio(tmp_path, lens, hand, every=60) as made:
        passes(500, 0)
        made.printed = JOB
        passes(1, 0)
        passes(59, 0)
        passes(1, 1)
        assert made.cloud.events[0]["printJobId"] == "job-1"
        passes(59, 1)
        passes(1, 2)
        made.printed = None
        passes(61, 2)
