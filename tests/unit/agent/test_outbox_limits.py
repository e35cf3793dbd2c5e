"""What the outbox gives up when it is full or things have waited for too long, and what it never gives up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.config import OutboxConfig
from edge_agent.outbox import PICTURES, Kind, Outbox
from edge_agent.store import Store
from edge_agent.timestamps import Clock

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = 86_400.0
LIMITS = OutboxConfig(days=7, size=64 * 1024)
JPEG = b"\xff\xd8" + bytes(8_000) + b"\xff\xd9"


class Hand:
    """Two clocks moved by hand: one tells the time, and may be set; the other only runs."""

    def __init__(self) -> None:
        self.moment, self.seconds = START, 1000.0
        self.clock = Clock(lambda: self.moment, lambda: self.seconds)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "agent.db")
    yield store
    store.close()


@pytest.fixture
def box(store: Store, hand: Hand) -> Outbox:
    return Outbox(store, hand.clock, LIMITS)


def put(box: Outbox, name: str, kind: str, status: str = "info", size: int = 0) -> None:
    body = {"eventType": kind, "eventStatus": status, "printerSerial": "P", "message": "x" * size}
    box.put(Kind.EVENT, name, body)


def names(box: Outbox, kind: Kind = Kind.EVENT) -> list[str]:
    return [report.name for report in box.waiting(kind, 10_000)]


def pictures(folder: Path) -> int:
    return len(list((folder / PICTURES).iterdir()))


def test_pictures_go_first_then_samples_then_other_events_and_the_oldest_of_each(box: Outbox, tmp_path: Path) -> None:
    for number in range(4):
        put(box, f"job-{number}", "job_completed")
        put(box, f"sample-{number}", "status_update", size=8_000)
        put(box, f"warning-{number}", "status_update", "warning")
        box.put_picture(f"sample-{number}", JPEG)
    assert pictures(tmp_path) == len(names(box, Kind.PICTURE)) == 3
    assert names(box, Kind.PICTURE)[0] == "sample-1"
    for number in range(3):
        put(box, f"more-{number}", "hms_error", "warning", size=8_000)
    assert pictures(tmp_path) == 0
    assert [name for name in names(box) if name.startswith("sample")] == [f"sample-{n}" for n in range(4)]
    put(box, "more-3", "hms_error", "warning", size=8_000)
    assert [name for name in names(box) if name.startswith("sample")] == ["sample-1", "sample-2", "sample-3"]
    assert box.summary().bytes <= LIMITS.size
    assert box.prune() == {"picture": 4, "event": 1}
    assert box.prune() == {}


def test_what_must_not_be_lost_is_kept_beyond_the_limit(box: Outbox, hand: Hand) -> None:
    put(box, "sample", "status_update")
    put(box, "warning", "status_update", "failed")
    box.put(Kind.RESULT, "c1", {"status": "completed"})
    box.replace(Kind.STATUS, "P", {"n": 1})
    for number in range(100):
        put(box, f"job-{number}", "job_failed", "failed", size=1_000)
        put(box, f"hms-{number}", "hms_cleared", size=1_000)
    hand.seconds += 100 * DAY
    box.prune()
    assert len(names(box)) == 200
    assert names(box, Kind.RESULT) == ["c1"]
    assert names(box, Kind.STATUS) == ["P"]


def test_what_may_go_goes_after_seven_days(box: Outbox, hand: Hand, tmp_path: Path) -> None:
    put(box, "sample", "status_update")
    put(box, "job", "job_started")
    box.put_picture("job", JPEG)
    hand.seconds += 6 * DAY
    put(box, "later", "status_update")
    hand.seconds += 1.1 * DAY
    assert box.prune() == {"picture": 1, "event": 1}
    assert names(box) == ["job", "later"]
    assert pictures(tmp_path) == 0


def test_days_are_counted_over_restarts_and_not_by_a_clock_that_is_set(
    box: Outbox, store: Store, hand: Hand, tmp_path: Path
) -> None:
    put(box, "sample", "status_update")
    hand.moment += timedelta(days=20_000)
    assert box.prune() == {}
    hand.seconds += 5 * DAY
    box.replace(Kind.STATUS, "P", {})
    hand.seconds = 5.0  # the machine was switched off and on
    again = Outbox(store, hand.clock, LIMITS)
    assert again.prune() == {}
    hand.seconds += 2.1 * DAY
    assert again.prune() == {"event": 1}


def test_the_summary_says_what_waits(box: Outbox, hand: Hand) -> None:
    assert (box.summary().bytes, box.summary().oldest) == (0, None)
    put(box, "e1", "job_started")
    hand.moment += timedelta(hours=1)
    put(box, "e2", "job_completed")
    box.put(Kind.RESULT, "c1", {})
    box.put_picture("e2", JPEG)
    told = box.summary()
    assert told.waiting == {"result": 1, "event": 2, "status": 0, "picture": 1}
    assert told.oldest == START
    assert len(JPEG) < told.bytes < len(JPEG) + 3_000
    for kind in Kind:
        for report in box.waiting(kind, 10):
            box.remove(report)
    assert (box.summary().bytes, box.summary().oldest) == (0, None)


def test_a_picture_waits_for_its_event_and_survives_a_restart(
    box: Outbox, store: Store, hand: Hand, tmp_path: Path
) -> None:
    put(box, "e1", "hms_error")
    box.put_picture("e1", JPEG)
    assert box.first_picture() is None
    again = Outbox(store, hand.clock, LIMITS)
    event = again.first(Kind.EVENT)
    assert event is not None
    again.delivered(event, "cloud-1")
    found = again.first_picture()
    assert found is not None
    assert (found[0].body, found[1]) == ({"eventId": "cloud-1"}, JPEG)
    again.remove(found[0])
    assert again.first_picture() is None
    assert pictures(tmp_path) == 0


def test_a_picture_may_come_after_its_event_was_delivered(box: Outbox) -> None:
    put(box, "e1", "hms_error")
    event = box.first(Kind.EVENT)
    assert event is not None
    box.delivered(event, "cloud-1")
    box.put_picture("e1", JPEG)
    found = box.first_picture()
    assert found is not None
    assert found[0].body == {"eventId": "cloud-1"}


def test_a_refused_event_takes_its_picture_along(box: Outbox, tmp_path: Path) -> None:
    put(box, "e1", "hms_error")
    box.put_picture("e1", JPEG)
    event = box.first(Kind.EVENT)
    assert event is not None
    box.remove(event)
    assert names(box, Kind.PICTURE) == []
    assert pictures(tmp_path) == 0


def test_files_and_rows_that_lost_each_other_are_cleared_away(
    box: Outbox, store: Store, hand: Hand, tmp_path: Path
) -> None:
    put(box, "e1", "hms_error")
    box.put_picture("e1", JPEG)
    event = box.first(Kind.EVENT)
    assert event is not None
    box.delivered(event, "cloud-1")
    (tmp_path / PICTURES / "stray.jpg").write_bytes(JPEG)
    Outbox(store, hand.clock, LIMITS)
    assert pictures(tmp_path) == 1
    for path in (tmp_path / PICTURES).iterdir():
        path.unlink()
    assert box.first_picture() is None
    assert names(box, Kind.PICTURE) == []


def test_an_older_agents_outbox_is_taken_over(tmp_path: Path, hand: Hand) -> None:
    path = tmp_path / "agent.db"
    old = Store(path)
    for name in ("added", "removed"):
        old.execute(f"DROP TRIGGER outbox_{name}")
    old.execute("DROP TABLE outbox")
    old.execute(
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,"
        " body TEXT NOT NULL, request_id TEXT NOT NULL, created_at REAL NOT NULL, UNIQUE (kind, name))"
    )
    old.execute("INSERT INTO outbox VALUES (1, 'event', 'e1', '{\"printerSerial\": \"P\"}', '', 0)")
    old.close()
    store = Store(path)
    box = Outbox(store, hand.clock, LIMITS)
    event = box.first(Kind.EVENT)
    assert event is not None
    assert (event.lane, box.summary().waiting["event"]) == ("P", 1)
    assert box.summary().bytes > 0
    box.remove(event)
    assert box.summary().bytes == 0
    store.close()
