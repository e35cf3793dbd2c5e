"""Journal, outbox and their store: durable, idempotent, in order."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent import backoff, jobs
from edge_agent.command import Command, completed
from edge_agent.jobs import Job, JobBook, Phase
from edge_agent.journal import KEEP, Journal, Stage
from edge_agent.ordering import ordering
from edge_agent.outbox import Kind, Outbox
from edge_agent.store import Store, StoreInUse, StoreUnusable
from edge_agent.timestamps import Clock

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Hand:
    """Two clocks moved by hand: one tells the time, and may be set; the other only runs."""

    def __init__(self) -> None:
        self.moment, self.seconds = START, 0.0
        self.clock = Clock(lambda: self.moment, lambda: self.seconds)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "agent.db")
    yield store
    store.close()


def command(kind: str = "pause", sequence: int = 1, command_id: str = "c1", **metadata: object) -> Command:
    return Command(
        command_id=command_id,
        recipient_id="site-1",
        printer_serial="P",
        command_type=kind,
        sequence=sequence,
        metadata=dict(metadata),
    )


def job(marker: str, phase: Phase) -> Job:
    return Job(marker=marker, printer="P", command_id=f"c-{marker}", phase=phase, published_at=START)


def test_the_store_is_durable_and_closed_to_others(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "agent.db").stat().st_mode & 0o077 == 0
    row = store.row("PRAGMA synchronous")
    assert row is not None
    assert row[0] == 2
    mode = store.row("PRAGMA journal_mode")
    assert mode is not None
    assert mode[0] == "wal"


def test_a_command_is_recorded_once_and_known_after_a_restart(store: Store, hand: Hand, tmp_path: Path) -> None:
    journal = Journal(store, hand.clock)
    _, new = journal.record(command())
    _, again = journal.record(command())
    assert (new, again) == (True, False)
    journal.advance("c1", Stage.PUBLISHING)
    journal.fence("c1", 3)
    journal.note("c1", {"uploaded": "x"})
    store.close()
    other = Store(tmp_path / "agent.db")
    reopened = Journal(other, hand.clock)
    assert reopened.agent_id == journal.agent_id
    (entry,) = reopened.unfinished()
    assert (entry.stage, entry.fence, dict(entry.progress)) == (Stage.PUBLISHING, 3, {"uploaded": "x"})
    assert entry.command == command()
    other.close()


def test_a_journal_has_one_agent(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreInUse, match="another agent"):
        Store(tmp_path / "agent.db")


def test_an_ended_command_keeps_its_outcome(store: Store, hand: Hand) -> None:
    journal = Journal(store, hand.clock)
    journal.record(command())
    journal.finish("c1", completed("paused"))
    entry, new = journal.record(command())
    assert not new
    assert entry.outcome == completed("paused")
    assert journal.unfinished() == []


@pytest.mark.parametrize(
    ("older", "newer", "overruled"),
    [
        (command("start_print", 1), command("stop", 2), True),
        (command("start_print", 3), command("stop", 2), False),
        (command("start_print", 1, printJobId="a"), command("stop", 2, printJobId="a"), True),
        (command("start_print", 1, printJobId="a"), command("stop", 2, printJobId="b"), False),
        (command("stop", 1), command("start_print", 2), False),
        (command("pause", 1), command("resume", 2), True),
        (command("set_temperature", 1), command("cooldown", 2), True),
        (command("set_fan", 1, fan="aux"), command("set_fan", 2, fan="part"), False),
        (command("set_fan", 1), command("set_fan", 2, fan="part"), True),
        (command("light_on", 1), command("light_off", 2), True),
        (command("set_speed", 1), command("light_off", 2), False),
        (command("home", 1), command("home", 2), False),
        (command("camera_on", 1), command("camera_off", 2), True),
        (command("camera_on", 1), command("timelapse_off", 2), False),
        (command("load_filament", 1, slot=1), command("unload_filament", 2), True),
        (command("move", 1, x=1), command("move", 2, x=1), False),
        (command("move", 1, x=1), command("stop", 2), True),
        (command("calibrate", 1), command("stop", 2), True),
        (command("calibrate", 1), command("stop", 2, printJobId="a"), False),
        (command("skip_objects", 1), command("start_print", 2), True),
        (command("skip_objects", 3), command("start_print", 2), False),
    ],
)
def test_a_later_command_overrules_an_older_one(
    store: Store, hand: Hand, older: Command, newer: Command, overruled: bool
) -> None:
    journal = Journal(store, hand.clock)
    group = ordering(newer).group
    if group is not None:
        journal.mark_executed("P", group, newer)
    found = any(journal.executed_after("P", name, older) for name in ordering(older).overruled_by)
    assert found is overruled
    assert not any(journal.executed_after("Q", name, older) for name in ordering(older).overruled_by)


def test_an_older_command_does_not_hide_a_newer_one(store: Store, hand: Hand) -> None:
    journal = Journal(store, hand.clock)
    journal.mark_executed("P", "stop", command("stop", 9, "new"))
    journal.mark_executed("P", "stop", command("stop", 2, "old"))
    assert journal.executed_after("P", "stop", command("start_print", 5))


def test_the_outbox_is_first_in_first_out_within_a_kind(store: Store, hand: Hand) -> None:
    box = Outbox(store, hand.clock)
    assert box.put(Kind.EVENT, "e1", {"n": 1})
    assert box.put(Kind.RESULT, "r1", {"n": 2})
    assert box.put(Kind.EVENT, "e2", {"n": 3})
    assert not box.put(Kind.EVENT, "e1", {"n": 4})
    first = box.first(Kind.EVENT)
    assert first is not None
    assert first.body == {"n": 1}
    box.remove(first)
    second = box.first(Kind.EVENT)
    assert second is not None
    assert second.name == "e2"
    assert box.first(Kind.EVENT, after=second.row) is None


def test_a_newer_status_replaces_the_waiting_one_and_survives_its_delivery(store: Store, hand: Hand) -> None:
    box = Outbox(store, hand.clock)
    box.replace(Kind.STATUS, "P", {"n": 1})
    under_way = box.first(Kind.STATUS)
    assert under_way is not None
    box.replace(Kind.STATUS, "P", {"n": 2})
    box.remove(under_way)
    left = box.first(Kind.STATUS)
    assert left is not None
    assert left.body == {"n": 2}


def test_nothing_is_forgotten_because_the_clock_was_wrong(store: Store, hand: Hand) -> None:
    journal, box, book = Journal(store, hand.clock), Outbox(store, hand.clock), JobBook(store, hand.clock)
    journal.record(command())
    journal.finish("c1", completed("paused"))
    box.put(Kind.EVENT, "e1", {})
    book.save(job("a", Phase.ENDED))
    hand.moment += timedelta(days=4000)
    journal.prune()
    book.prune()
    assert not box.prune()
    assert box.first(Kind.EVENT) is not None
    assert journal.entry("c1") is not None
    assert book.job("a") is not None


def test_only_so_much_is_remembered(store: Store, hand: Hand) -> None:
    journal, book = Journal(store, hand.clock), JobBook(store, hand.clock)
    with store.transaction():
        book.save(job("oldest", Phase.ENDED))
        for number in range(jobs.KEEP):
            book.save(job(str(number), Phase.ENDED))
        for name in ("ended", "open"):
            journal.record(command(command_id=name))
        journal.finish("ended", completed("paused"))
        for number in range(KEEP):
            journal.record(command(command_id=str(number)))
    journal.prune()
    book.prune()
    assert book.job("oldest") is None
    assert book.job("0") is not None
    assert journal.entry("ended") is None
    assert journal.entry("open") is not None


def test_the_live_job_is_the_one_that_began_last_whatever_the_clock_says(store: Store, hand: Hand) -> None:
    book = JobBook(store, hand.clock)
    book.save(job("first", Phase.ENDED))
    hand.moment -= timedelta(hours=2)
    book.save(job("second", Phase.ACTIVE))
    live = book.live("P")
    assert live is not None
    assert live.marker == "second"


def test_a_commit_that_fails_leaves_the_store_usable(store: Store, hand: Hand) -> None:
    box = Outbox(store, hand.clock)
    store.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    store.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    store.row("PRAGMA foreign_keys=ON")
    with pytest.raises(sqlite3.IntegrityError):
        store.execute("INSERT INTO child VALUES (7)")
    assert box.put(Kind.EVENT, "e1", {})


def test_a_damaged_store_is_called_damaged_and_not_in_use(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StoreUnusable, match="damaged") as raised:
        Store(path)
    assert not isinstance(raised.value, StoreInUse)


def test_what_fails_inside_a_transaction_leaves_nothing(store: Store, hand: Hand) -> None:
    box = Outbox(store, hand.clock)

    def half() -> None:
        with store.transaction():
            box.put(Kind.EVENT, "e1", {})
            raise sqlite3.OperationalError

    with pytest.raises(sqlite3.OperationalError):
        half()
    assert box.first(Kind.EVENT) is None


def test_back_off_doubles_up_to_its_ceiling_with_jitter() -> None:
    longest = [backoff.delay(n, first=1, ceiling=10, draw=lambda: 1.0) for n in range(1, 7)]
    shortest = [backoff.delay(n, first=1, ceiling=10, draw=lambda: 0.0) for n in range(1, 7)]
    assert longest == [1, 2, 4, 8, 10, 10]
    assert shortest == [0.5, 1, 2, 4, 5, 5]
    assert backoff.delay(10_000) <= backoff.CEILING_SECONDS
