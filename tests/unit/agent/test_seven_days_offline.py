"""A week without the cloud: forty printers, every job and HMS event kept within the limit, told in order afterwards."""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import OutboxConfig
from edge_agent.delivery import Delivery
from edge_agent.execution import Rooms
from edge_agent.outbox import PICTURES, Kind
from edge_agent.picture_delivery import PictureDelivery
from edge_agent.timestamps import render
from tests.counts import SOAK, count
from tests.integration.agent_site import until
from tests.unit.agent.offline_rooms import Hand, rooms, running
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud

PRINTERS = [f"01P00A{number:09}" for number in range(40)]
WEEK = 7 * 86_400
TICK = count(15, quick=3600)
"""Seconds between two reports of a printer's status."""
LIMIT = OutboxConfig(days=7, size=count(100 * 1000**2, quick=2 * 1000**2))
JPEG = random.Random(1).randbytes(count(60_000, quick=3_000))
SAMPLE_SECONDS = count(600, quick=8 * 3600)
PICTURE_SECONDS = count(3600, quick=12 * 3600)
PRINTS = count(84, quick=2)
"""Of each printer in the week."""
STEPS = ["job_preparing", "job_started", "first_layer", "hms_error", "job_paused", "hms_cleared", "job_resumed"]


class Week:
    """What happens at the printers, in the order in which it does."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = defaultdict(list)
        """The events of each printer, in order."""
        self.kept: set[str] = set()
        """Those that must not be lost."""
        self._number = 0
        chance = random.Random(7)
        self._due: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for printer in PRINTERS:
            for _ in range(PRINTS):
                begin = chance.randrange(WEEK - 10 * TICK)
                for step, kind in enumerate([*STEPS, chance.choice(["job_completed", "job_failed", "job_cancelled"])]):
                    self._due[begin // TICK + step].append((printer, kind))

    def tick(self, site: Rooms, at: int) -> None:
        """All that happens at this moment, `at` seconds from the beginning."""
        with site.store.transaction():
            for printer in PRINTERS:
                site.outbox.replace(Kind.STATUS, printer, status(printer, at))
            for printer, kind in self._due[at // TICK]:
                self.kept.add(self._happen(site, printer, kind))
            for printer in PRINTERS:
                if at % SAMPLE_SECONDS < TICK:
                    self._happen(site, printer, "status_update")
                if at % PICTURE_SECONDS < TICK:
                    site.outbox.put_picture(self._happen(site, printer, "snapshot"), JPEG)

    def _happen(self, site: Rooms, printer: str, kind: str) -> str:
        self._number += 1
        name = f"e-{self._number}"
        body = {
            "eventId": name,
            "printerSerial": printer,
            "printerIpAddress": "192.168.1.50",
            "eventType": kind,
            "eventStatus": "info",
            "printJobId": "b3b0a1d2-6a52-4d4e-9c55-0d8b3cbd0a11",
            "commandId": "c1c3d3b2-9c1f-4b2e-8a77-2f6a5c2b9d10",
            "statusData": {"fileName": "a part with a long name, plate 3.gcode.3mf"},
            "occurredAt": render(site.clock.now()),
        }
        site.outbox.put(Kind.EVENT, name, body)
        self.told[printer].append(name)
        return name


def status(printer: str, at: int) -> dict[str, Any]:
    numbers = {"state": "printing", "progress": at % 100, "bedTemp": 60.0, "nozzleTemp": 220.0, "layer": at % 300}
    return {"printerSerial": printer, "status": {**numbers, "fileName": "a part with a long name.3mf"}, "timestamp": at}


def on_disk(folder: Path) -> int:
    """The bytes of all files of the agent's state."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@pytest.mark.timeout(3600 if SOAK else 180)
def test_a_week_offline_loses_no_job_and_no_hms_event(cloud: StandInCloud, tmp_path: Path) -> None:
    hand, week, state = Hand(), Week(), tmp_path / "state"
    given_up = 0
    largest = 0
    for day in range(7):  # the agent is started anew every morning
        with rooms(cloud.url, state, clock=hand.clock, outbox=LIMIT) as site:
            for at in range(day * 86_400, (day + 1) * 86_400, TICK):
                week.tick(site, at)
                hand.seconds += TICK
                if at % 3600 < TICK:
                    given_up += sum(site.outbox.prune().values())
                    assert site.outbox.summary().bytes <= LIMIT.size
            largest = max(largest, on_disk(state))
    assert given_up > 0, "the limit was not reached"
    assert largest <= LIMIT.size * 1.1 + 5_000_000, "the log that SQLite writes ahead has 5 MB at most"
    with rooms(cloud.url, state, outbox=LIMIT) as site:
        waiting = site.outbox.summary().waiting
        assert waiting["status"] == len(PRINTERS)
        events = site.outbox.waiting(Kind.EVENT, 10**6)
        assert week.kept <= {event.name for event in events}
        assert waiting["picture"] == len(list((state / PICTURES).iterdir())) > 0
        with running(site, Delivery(site).loop, PictureDelivery(site).loop):
            until(lambda: site.outbox.summary().bytes == 0, count(2400, quick=90), "everything is delivered")
    arrived: dict[str, list[str]] = defaultdict(list)
    for event in cloud.events:
        arrived[event["printerSerial"]].append(event["eventId"])
    for printer in PRINTERS:
        there = set(arrived[printer])
        assert arrived[printer] == [name for name in week.told[printer] if name in there], "once each, in order"
    everything = {name for names in arrived.values() for name in names}
    assert week.kept <= everything
    assert len(cloud.pictures) == waiting["picture"]
    last = [name for names in week.told.values() for name in names[-3:]]
    assert set(last) <= everything, "it is the oldest that was given up"
