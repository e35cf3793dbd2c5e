"""Reports on their way to the cloud: each printer's in order, none kept back by another printer's, pictures behind."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import Timing
from edge_agent.delivery import Delivery, delay
from edge_agent.execution import Rooms
from edge_agent.outbox import Kind
from edge_agent.picture_delivery import PictureDelivery
from tests.integration.agent_site import until
from tests.unit.agent.offline_rooms import rooms, running
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud

JPEG = b"\xff\xd8 a picture \r\n\r\n of a print \xff\xd9"


class MoodyCloud(StandInCloud):
    """Fails on the events that a test names."""

    def __init__(self) -> None:
        super().__init__()
        self.poison: set[str] = set()
        self.down = threading.Event()

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
        if self.down.is_set():
            return 502, {}
        if any(name.encode() in content for name in self.poison):
            return 500, {"ok": False, "error_type": "InternalError", "message": "Internal error", "detail": ""}
        return super().answer(method, path, content)

    def names(self, printer: str = "") -> list[str]:
        """The events that have arrived, of this printer alone if given, in order."""
        return [event["eventId"] for event in self.events if printer in ("", event["printerSerial"])]


@pytest.fixture
def cloud() -> Iterator[MoodyCloud]:
    with stand_in_cloud(MoodyCloud) as made:
        yield made


@pytest.fixture
def site(cloud: MoodyCloud, tmp_path: Path) -> Iterator[Rooms]:
    with rooms(cloud.url, tmp_path) as made:
        yield made


def happen(site: Rooms, printer: str, name: str, kind: str = "job_paused") -> None:
    body = {"eventId": name, "eventType": kind, "eventStatus": "info", "printerSerial": printer}
    site.outbox.put(Kind.EVENT, name, body)


def test_what_the_cloud_cannot_digest_of_one_printer_holds_no_other_printer_up(cloud: MoodyCloud, site: Rooms) -> None:
    cloud.poison = {"a-1"}
    for number in range(1, 4):
        happen(site, "A", f"a-{number}")
        happen(site, "B", f"b-{number}")
    with running(site, Delivery(site).loop):
        until(lambda: cloud.names("B") == ["b-1", "b-2", "b-3"], 5)
        assert cloud.names("A") == []
        until(lambda: cloud.names("A") == ["a-2", "a-3"], 10, "patience with a-1 has an end")
        cloud.poison = set()
        until(lambda: cloud.names("A") == ["a-2", "a-3", "a-1"], 10)


def test_an_outage_keeps_every_printers_order(cloud: MoodyCloud, site: Rooms) -> None:
    cloud.down.set()
    order = [(printer, f"{printer}-{number}") for number in range(20) for printer in ("A", "B", "C")]
    with running(site, Delivery(site).loop):
        for printer, name in order:
            happen(site, printer, name)
        cloud.poison = {"A", "B", "C"}
        cloud.down.clear()
        before = len(cloud.traced)
        until(lambda: len(cloud.traced) > before + 6, 5, "the cloud has failed on each")
        cloud.poison = set()
        until(lambda: len(cloud.events) == len(order), 20)
    for printer in ("A", "B", "C"):
        assert cloud.names(printer) == [name for of, name in order if of == printer]


def test_a_long_backlog_of_events_keeps_no_status_back(cloud: MoodyCloud, site: Rooms) -> None:
    with site.store.transaction():
        for number in range(300):
            happen(site, "A", f"a-{number}")
        site.outbox.replace(Kind.STATUS, "A", {"printerSerial": "A", "status": {}})
    with running(site, Delivery(site).loop):
        until(lambda: ("batch", "") in cloud.traced, 5)
        assert len(cloud.events) < 100


def test_a_picture_follows_its_event(cloud: MoodyCloud, site: Rooms) -> None:
    cloud.down.set()
    with running(site, Delivery(site).loop, PictureDelivery(site).loop):
        for name in ("a-1", "a-2"):
            happen(site, "A", name)
            site.outbox.put_picture(name, JPEG + name.encode())
        cloud.down.clear()
        until(lambda: cloud.pictures == {"a-1": JPEG + b"a-1", "a-2": JPEG + b"a-2"}, 10)
        happen(site, "A", "a-3")
        until(lambda: "a-3" in cloud.names(), 5)
        site.outbox.put_picture("a-3", JPEG)
        until(lambda: cloud.pictures.get("a-3") == JPEG, 5)
        until(lambda: site.outbox.summary().bytes == 0, 5)


def test_a_picture_waits_through_an_outage_and_holds_no_event_up(cloud: MoodyCloud, site: Rooms) -> None:
    cloud.refuse("upload-image", 503, times=3)
    happen(site, "A", "a-1")
    site.outbox.put_picture("a-1", JPEG)
    with running(site, Delivery(site).loop, PictureDelivery(site).loop):
        happen(site, "A", "a-2")
        until(lambda: cloud.names() == ["a-1", "a-2"], 5)
        until(lambda: cloud.pictures == {"a-1": JPEG}, 10)


@pytest.mark.parametrize(("status", "times"), [(422, 1), (413, 1), (404, 10), (500, 10)])
def test_a_picture_that_the_cloud_will_not_have_is_dropped_and_the_next_one_goes(
    cloud: MoodyCloud, site: Rooms, status: int, times: int
) -> None:
    cloud.refuse("upload-image", status, times=times)
    for name in ("a-1", "a-2"):
        happen(site, "A", name)
        site.outbox.put_picture(name, JPEG)
    with running(site, Delivery(site).loop, PictureDelivery(site).loop):
        until(lambda: cloud.pictures == {"a-2": JPEG}, 10)
        until(lambda: site.outbox.summary().waiting["picture"] == 0, 5)
        assert cloud.refusals["upload-image"] == []


def test_reports_are_tried_again_after_one_second_to_sixty() -> None:
    waits = [delay(Timing(), attempt) for attempt in range(1, 30) for _ in range(20)]
    assert min(waits) >= 1
    assert max(waits) <= 60
    assert all(delay(Timing(), 20) >= 30 for _ in range(20))
    assert len(set(waits)) > 500
