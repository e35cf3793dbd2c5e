"""All who look on at one instance: what each is told, in which order, and what is kept for one that does not read."""

import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.errors import Unavailable
from printpipe.domain.job_records import Job
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Document, Listener, Query, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Event
from printpipe.services.live.changes import Change, Marks
from printpipe.services.live.hub import Hub
from printpipe.services.live.reader import MOST_WAITING, Ended, Reader
from tests.counts import count

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SILENT = timedelta(minutes=20)
GRACE = 0.2
"""Seconds; the feed also looks after its printers in a quarter of it."""


class FollowedDocuments(EmbeddedDocuments):
    """The embedded store, which counts its listeners, and whose listeners can fail as a broken line's do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.following: list[_Fragile] = []
        self.begun = 0
        self.away = False

    def listen(self, query: Query, on_change: Callable[[list[Document]], None]) -> Listener:
        if self.away:
            raise Unavailable("The store does not answer")
        self.begun += 1
        self.following = [each for each in self.following if each.alive]
        self.following.append(_Fragile(super().listen(query, on_change)))
        return self.following[-1]


class _Fragile:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.alive = True

    def close(self) -> None:
        self.alive = False
        self._listener.close()

    def __enter__(self) -> "_Fragile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Clock:
    """Stands still until it is told to go on."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FollowedDocuments]:
    made = FollowedDocuments(tmp_path / "documents.db")
    yield made
    for each in made.following:
        each.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Audience(Hub):
    """A hub that knows its readers, so that none is left behind."""

    readers: list[Reader]

    def join(self, *asked: Any, **more: Any) -> Reader:
        self.readers.append(super().join(*asked, **more))
        return self.readers[-1]


@pytest.fixture
def hub(store: FollowedDocuments, clock: Clock) -> Iterator[Hub]:
    made = Audience(store, Collections(), clock, grace=GRACE)
    made.readers = []
    yield made
    for each in made.readers:
        each.leave()


def add_printer(store: EmbeddedDocuments, name: str, organization: str = "org", site: str = "site") -> None:
    record = Printer(
        printer_id=name,
        organization_id=organization,
        recipient_id=site,
        chosen_id=f"chosen-{name}",
        serial=f"S-{name}",
        active=True,
        created_at=NOW,
    )
    store.commit(Create(f"printers/{name}", record.data()))
    report(store, name, {"state": "idle"})


def report(store: EmbeddedDocuments, name: str, status: dict[str, Any]) -> None:
    """The printer reports that."""
    state = {"version": 1, "reportedAt": NOW, "receivedAt": NOW, "sampledAt": NOW, "status": status}
    store.commit(Update(f"printers/{name}", {"state": state}))


def job(name: str, status: str = "queued", **more: Any) -> Create:
    record = Job(
        job_id=name,
        number=len(name),
        organization_id="org",
        recipient_id="site",
        status=status,  # type: ignore[arg-type]
        created_at=NOW,
        updated_at=NOW,
        request_id="r",
        **more,
    )
    return Create(f"print_jobs/{name}", record.data())


def event(name: str, kind: str = "hms_error", **more: Any) -> Create:
    record = Event(
        event_id=name,
        organization_id="org",
        recipient_id="site",
        event_type=kind,
        event_status="error",
        occurred_at=NOW,
        created_at=NOW,
        request_id="r",
        **more,
    )
    return Create(f"printer_events/{name}", record.data())


def said(change: Change) -> tuple[str, Any]:
    """A change in short."""
    record = change.record
    if isinstance(record, Printer):
        return record.printer_id, dict(record.state.status) if record.state else None
    if isinstance(record, Job):
        return record.job_id, record.status.value
    return (record.event_id, record.event_type) if isinstance(record, Event) else (record.transfer_id, record.status)


def until(reader: Reader, wanted: Callable[[Change], bool], seconds: float = 5.0) -> list[Change]:
    """What the reader is told, up to what is wanted."""
    heard: list[Change] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        told = reader.next(0.1)
        if told is not None:
            heard.append(told.change)
            if wanted(told.change):
                return heard
    raise AssertionError(f"it did not come; there came {[said(each) for each in heard]}")


def saw(name: str, value: Any) -> Callable[[Change], bool]:
    return lambda change: said(change) == (name, value)


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_all(reader: Reader, *wanted: tuple[str, Any]) -> list[Change]:
    """What the reader is told, up to the last of these, which come in any order: each source is followed by itself."""
    missing = list(wanted)

    def is_last(change: Change) -> bool:
        missing[:] = [each for each in missing if each != said(change)]
        return not missing

    return until(reader, is_last)


def drained(reader: Reader, store: EmbeddedDocuments) -> list[Change]:
    """All that the reader is told by now: behind it comes a mark from each source."""
    mark = f"mark-{random.random()}"
    printer = Printer(
        printer_id=mark, organization_id="org", recipient_id="site", serial=mark, active=True, created_at=NOW
    )
    store.commit(Create(f"printers/{mark}", printer.data()), job(mark), event(mark))
    heard = until_all(reader, (mark, None), (mark, "queued"), (mark, "hms_error"))
    return [each for each in heard if said(each)[0] != mark]


def test_at_first_comes_how_everything_is_then_what_happens_in_order(hub: Hub, store: FollowedDocuments) -> None:
    store.commit(job("ended", "completed"), job("open"), event("old"))
    add_printer(store, "a")
    reader = hub.join("org")
    first = until(reader, saw("a", {"state": "idle"}))
    assert [said(each) for each in first] == [("open", "queued"), ("a", {"state": "idle"})]
    for percent in range(20):
        report(store, "a", {"state": "printing", "progress": percent})
    last = {"state": "printing", "progress": 19}
    shown = [said(each)[1]["progress"] for each in until(reader, saw("a", last))]
    assert shown == sorted(set(shown))
    store.commit(Update("print_jobs/open", {"status": "printing", "updatedAt": NOW}))
    assert [said(each) for each in drained(reader, store)] == [("open", "printing")]
    store.commit(event("new"), event("other", "job_started"))
    assert [said(each) for each in drained(reader, store)] == [("new", "hms_error")]


def test_what_nobody_can_see_is_not_told(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    reader = hub.join("org")
    until(reader, saw("a", {"state": "idle"}))
    store.commit(
        Update("printers/a", {"plateCleared": False}), Create("print_jobs/unreadable", {"organizationId": "org"})
    )
    newer = job("newer")
    store.commit(Create(newer.path, {**newer.data, "schemaVersion": 9}), job("known"))
    assert [said(each) for each in drained(reader, store)] == [("known", "queued")], "one document ends no feed"
    store.commit(Update("printers/a", {"plateCleared": True}))
    assert drained(reader, store) == []


def test_a_jobs_progress_is_that_of_its_printer(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    store.commit(job("j", "printing", printer_id="a"))
    reader = hub.join("org")
    until(reader, saw("j", "printing"))
    report(store, "a", {"state": "printing", "progress": 7, "printJobId": "j"})
    heard = until(reader, lambda change: isinstance(change.record, Printer))
    assert [each.source for each in heard] == ["jobs", "printers"]
    assert heard[0].printer == heard[1].record


def test_each_is_told_of_its_own(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    add_printer(store, "b", site="other-site")
    add_printer(store, "c", organization="other-org")
    readers = {
        "all": hub.join("org"),
        "site": hub.join("org", frozenset({"other-site"})),
        "printer": hub.join("org", printers=frozenset({"chosen-a"})),
        "serial": hub.join("org", printers=frozenset({"S-b"})),
        "strangers": hub.join("other-org"),
        "nobody": hub.join("no-org"),
    }
    for name in "abc":
        report(store, name, {"state": "printing"})
    store.commit(event("alert", printer_serial="S-a"))
    printing = {"state": "printing"}
    everything = until_all(readers["all"], ("a", printing), ("b", printing), ("alert", "hms_error"))
    assert {said(each)[0] for each in everything} == {"a", "b", "alert"}
    until(readers["printer"], saw("alert", "hms_error"))
    seen = {who: set[str]() for who in readers}
    seen["strangers"] = {said(each)[0] for each in until(readers["strangers"], saw("c", printing))}
    for who, reader in readers.items():
        while told := reader.next(0.2):
            seen[who].add(said(told.change)[0])
    assert seen["site"] == seen["serial"] == {"b"}
    assert (seen["strangers"], seen["nobody"]) == ({"c"}, set())


def test_who_changes_what_it_watches_is_told_of_that(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    add_printer(store, "b")
    reader = hub.join("org")
    until(reader, saw("b", {"state": "idle"}))
    reader.watch(frozenset({"chosen-b"}))
    for name in "ab":
        report(store, name, {"state": "printing"})
    assert [said(each)[0] for each in until(reader, saw("b", {"state": "printing"}))] == ["b"]
    reader.watch(None)
    report(store, "a", {"state": "paused"})
    assert [said(each)[0] for each in until(reader, saw("a", {"state": "paused"}))] == ["a"]


def test_many_share_one_set_of_listeners_which_ends_after_the_last(hub: Hub, store: FollowedDocuments) -> None:
    readers = [hub.join("org") for _ in range(count(50, quick=20))]
    assert store.begun == 4
    for reader in readers[1:]:
        reader.leave()
        reader.leave()
    time_for_the_grace = time.monotonic() + 3 * GRACE
    while time.monotonic() < time_for_the_grace:
        assert readers[0].next(0.05) is None
        assert len([each for each in store.following if each.alive]) == 4
    readers[0].leave()
    hub.join("org").leave()  # within the grace: the same feed
    assert store.begun == 4
    eventually(lambda: not any(each.alive for each in store.following))
    hub.join("org")
    assert store.begun == 8


def test_one_that_does_not_read_is_dropped_and_nothing_is_kept_for_it(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    idle, reader = hub.join("org"), hub.join("org")
    until(reader, saw("a", {"state": "idle"}))
    (first,) = [told for told in [idle.next(1)] if told]
    changes = count(20_000, quick=4000)

    def flood() -> None:
        for number in range(changes):
            record = first.change.record.model_copy(update={"name": f"{number:2000}"})
            idle.put(Change("printers", record, NOW, first.change.place + number + 1, first.change.place + number + 1))

    tracemalloc.start()
    try:
        flood()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    would_be = changes * 2000
    assert kept < would_be / 100
    assert peak < 3 * would_be * MOST_WAITING / changes
    with pytest.raises(Ended) as ended:
        idle.next(0)
    assert ended.value.too_slow
    report(store, "a", {"state": "printing"})
    until(reader, saw("a", {"state": "printing"}))  # the others go on


def test_who_comes_again_at_another_instance_misses_nothing_and_hears_nothing_twice(
    tmp_path: Path, clock: Clock
) -> None:
    dice = random.Random(5)
    stores = [FollowedDocuments(tmp_path / "documents.db") for _ in range(2)]
    hubs = [Hub(store, Collections(), clock, grace=60) for store in stores]
    for name in "abc":
        add_printer(stores[0], name)
    stores[0].commit(*(job(f"j{number}") for number in range(5)))
    told, marks, states = list[tuple[str, Any]](), None, dict[str, Any]()
    for turn in range(count(60, quick=12)):
        reader = hubs[turn % 2].join("org", marks=marks)
        for step in range(dice.randint(0, 6)):
            status = {"state": "printing", "turn": turn, "step": step}
            name = dice.choice("abc")
            report(stores[dice.randint(0, 1)], name, status)
            states[name] = status
        if dice.random() < 0.5:
            done = dice.randint(0, 4)
            fields = {"status": "printing", "message": f"turn {turn}", "updatedAt": NOW}
            stores[0].commit(Update(f"print_jobs/j{done}", fields))
        for _ in range(dice.randint(0, 9)):
            if news := reader.next(0.3 if dice.random() < 0.3 else 0.02):
                told.append(said(news.change)) if isinstance(news.change.record, Printer) else None
                marks = news.marks
        reader.leave()
    reader = hubs[0].join("org", marks=marks)
    told += [said(each) for each in drained(reader, stores[0]) if isinstance(each.record, Printer)]
    seen: list[str] = [f"{name} {status}" for name, status in told]
    assert len(seen) == len(set(seen))
    last = dict(told)
    assert {name: last.get(name) for name in states} == states
    for each in hubs:
        each.join("org").leave()


def test_a_listener_that_fails_is_begun_anew_and_nothing_is_missed(hub: Hub, store: FollowedDocuments) -> None:
    add_printer(store, "a")
    reader = hub.join("org")
    until(reader, saw("a", {"state": "idle"}))
    for each in list(store.following):
        each.close()
    report(store, "a", {"state": "printing"})
    until(reader, saw("a", {"state": "printing"}), 10)
    eventually(lambda: store.begun == 8)


def test_where_nothing_can_be_followed_nobody_is_left_waiting(hub: Hub, store: FollowedDocuments) -> None:
    store.away = True
    with pytest.raises(Unavailable):
        hub.join("org")
    store.away = False
    reader = hub.join("org")
    store.away = True
    for each in store.following:
        each.close()
    with pytest.raises(Ended) as ended:
        reader.next(20)
    assert not ended.value.too_slow
    store.away = False
    add_printer(store, "a")
    until(hub.join("org"), saw("a", {"state": "idle"}))


def test_a_printers_silence_is_told(hub: Hub, store: FollowedDocuments, clock: Clock) -> None:
    add_printer(store, "a")
    reader = hub.join("org")
    until(reader, saw("a", {"state": "idle"}))
    clock.now += SILENT
    (change,) = until(reader, lambda _: True)
    assert (change.at, change.mark) == (clock.now, None)


def test_marks_are_read_as_they_are_written() -> None:
    marks = Marks(1, 0, 1_700_000_000_123_456_789, 3)
    assert Marks.parse(str(marks)) == marks
    for text in ("", "1.2.3", "1.2.3.4.5", "a.b.c.d", "-1.2.3.4", "1.2.3.٤", "1.2.3.4 ", f"{'9' * 21}.1.1.1"):
        assert Marks.parse(text) is None
