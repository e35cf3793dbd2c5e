"""What is counted of jobs is what they come to, whatever is repeated, late, out of order or corrected afterwards."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.errors import Forbidden, InvalidInput
from printpipe.domain.job_records import Consumption, Job
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.messages import JobEvent
from printpipe.domain.ports.documents import Create, Delete, Put, Query, Update, Version, Where, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.statistics import MOST_MATERIALS, MaterialUse, Statistic
from printpipe.services.access import organizations
from printpipe.services.statistics import overview
from printpipe.services.statistics.overview import Span, Totals
from printpipe.services.store.effects import Effect
from printpipe.triggers import job_counted, job_written
from printpipe.triggers.change import Change
from tests.counted_jobs import Post, context_of, counted, ended_job, half_up, print_file, reckoned
from tests.counts import count

JOBS = count(5000, quick=150)
PRINTERS = ("printer-a", "printer-b", "printer-c")
ENDS = (JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
MEMORY = Path("/dev/shm")

ZONES: Mapping[str, datetime] = {
    "Europe/Berlin": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "America/Sao_Paulo": datetime(2018, 11, 4, 3, tzinfo=UTC),  # there the clocks left midnight out
    "Pacific/Auckland": datetime(2026, 9, 26, 14, tzinfo=UTC),
}
"""When the clocks went to summer time."""


@pytest.fixture
def documents() -> Iterator[EmbeddedDocuments]:
    folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
    made = EmbeddedDocuments(Path(folder) / "documents.db")
    yield made
    made.close()
    shutil.rmtree(folder)


class Books:
    """A store with jobs, whose every write becomes an event that is delivered when the test likes."""

    def __init__(self, documents: EmbeddedDocuments) -> None:
        self.documents, self.events = documents, list[Change]()
        self.post, self._numbers = Post(), itertools.count(1)
        self.context = context_of(documents, lambda: LATER, bus=self.post)

    def organization(self, name: str, zone: str = "UTC", **prices: int) -> None:
        """A new one, or the same with another zone and prices."""
        fields = {"organizationId": name, "name": name, "timeZone": zone, "createdAt": LATER, "prices": prices}
        self.documents.commit(Put(f"organizations/{name}", fields))

    def store(self, job: Job) -> str:
        """A job as it is now; its id."""
        path = f"print_jobs/{job.job_id}"
        return self._told(path, Put(path, job.data()))

    def change(self, job_id: str, **fields: Any) -> None:
        """Somebody corrects a job."""
        path = f"print_jobs/{job_id}"
        self._told(path, Update(path, fields))

    def remove(self, job_id: str) -> None:
        """A job's document is removed, with what was noted of it, as very old ones are."""
        self.documents.commit(Delete(f"statistics_entries/{job_id}"))
        self._told(f"print_jobs/{job_id}", Delete(f"print_jobs/{job_id}"))

    def job(self, job_id: str) -> Mapping[str, Any] | None:
        """It, as stored."""
        document = self.documents.get(f"print_jobs/{job_id}")
        return document.data if document else None

    def deliver(self, event: Change) -> None:
        """The functions are called, one after the other; what they write to jobs becomes events too."""
        before = self.documents.get(event.path)
        for message in self.messages(event):
            effect = Effect("trigger-job-counted", message.event_id, message.organization_id, LATER)
            if not effect.done(self.context):
                job_counted.handle(message, effect, self.context)
        after = self.documents.get(event.path)
        if before and after and before.version != after.version:
            self.events.append(Change(self._event_id(), event.path, before.data, after.data))

    def messages(self, event: Change) -> list[JobEvent]:
        """What is published of an event."""
        job_written.handle(event, self.context)
        return [message for message in self.post.taken() if isinstance(message, JobEvent)]

    def _event_id(self) -> str:
        return f"event-{next(self._numbers)}"

    def settle(self) -> None:
        """Delivers all that is left, with what comes of it."""
        while self.events:
            self.deliver(self.events.pop())

    def statistics(self, organization: str) -> dict[str, Any]:
        """An organization's, by the rest of their ids."""
        found = self.documents.query(Query("statistics", [Where("organizationId", "==", organization)]))
        return {each.id.removeprefix(f"{organization}_"): each.data for each in found}

    def jobs(self, organization: str) -> list[Mapping[str, Any]]:
        """All of an organization's."""
        found = self.documents.query(Query("print_jobs", [Where("organizationId", "==", organization)]))
        return [each.data for each in found]

    def _told(self, path: str, write: Put | Update | Delete) -> str:
        before = self.documents.get(path)
        self.documents.commit(write)
        after = self.documents.get(path)
        sides = [each.data if each else None for each in (before, after)]
        self.events.append(Change(self._event_id(), path, *sides))
        return path.partition("/")[2]


@pytest.fixture
def books(documents: EmbeddedDocuments) -> Books:
    return Books(documents)


def random_job(chance: Random, organization: str, turn: datetime) -> Job:
    """It ends near the change of the clocks, often near a midnight."""
    near = chance.choice(
        [timedelta(hours=chance.randint(-200, 200)), timedelta(seconds=chance.randint(-90_000, 90_000))]
    )
    fixed = {"costs": {"labor": {"amount": chance.randint(1, 99_999), "fixed": True}}} if chance.random() < 0.2 else {}
    status = chance.choice(ENDS)
    progress = {"progress": {"percent": chance.randint(0, 99)}} if status != JobStatus.COMPLETED else {}
    return ended_job(
        organization,
        turn + near,
        seconds=chance.choice([None, chance.randint(0, 200_000)]),
        status=status,
        printer=chance.choice([*PRINTERS, None]),
        file_id=f"{organization}-{chance.randint(0, 9)}" if chance.random() < 0.9 else None,
        is_business=chance.random() < 0.5,
        **fixed,
        **progress,
    )


def correct(chance: Random, books: Books, job_id: str) -> None:
    """Somebody changes their mind about a job that has ended."""
    job = books.job(job_id)
    if job is None:
        return
    match chance.randint(0, 7):
        case 0:
            books.change(job_id, isBusiness=not job["isBusiness"])
        case 1:
            books.change(job_id, **{"costs.material": {"amount": chance.randint(0, 500_000), "fixed": True}})
        case 2:
            books.change(job_id, **{"costs.labor": {"amount": chance.randint(0, 500_000), "fixed": True}})
        case 3 | 4:
            books.change(job_id, deletedAt=None if job["deletedAt"] else LATER)
        case 5:
            books.change(job_id, consumption={"material": chance.choice(["ABS", None]), "milligrams": 1234})
        case 6:
            moved = job["endedAt"] + timedelta(hours=chance.randint(-30, 30))
            books.change(job_id, endedAt=moved, runs=[{**job["runs"][0], "endedAt": moved}])
        case 7:
            books.change(job_id, printerId=chance.choice([*PRINTERS, None]), status=chance.choice(ENDS).value)


@pytest.mark.timeout(count(1800, quick=180))
def test_what_is_counted_is_what_all_jobs_come_to(books: Books) -> None:
    chance = Random(7)
    zones = dict(zip(("berlin", "saopaulo", "auckland"), ZONES.items(), strict=True))
    for organization, (zone, _) in zones.items():
        books.organization(organization, zone, perGram=437, perKwh=3119, watts=173)
        for number in range(10):
            grams = None if number == 9 else chance.randint(1, 400_000) / 1000
            file = print_file(organization, f"{organization}-{number}", grams, chance.choice(["PLA", "PETG", "TPU"]))
            books.documents.commit(Create(f"files/{file.file_id}", file.data()))
    known: list[str] = []
    for _ in range(JOBS):
        organization, (_, turn) = chance.choice(list(zones.items()))
        job = random_job(chance, organization, turn)
        if chance.random() < 0.3:  # it is seen to print first
            books.store(job.model_copy(update={"status": JobStatus.PRINTING, "ended_at": None}))
        known.append(books.store(job))
        if chance.random() < 0.5:
            correct(chance, books, chance.choice(known))
        for _ in range(chance.randint(0, 4)):  # late, out of order, and again later
            books.deliver(chance.choice(books.events))
        if len(books.events) > 40:
            books.deliver(books.events.pop(chance.randrange(len(books.events))))
    chance.shuffle(books.events)
    books.settle()

    for organization, (zone, turn) in zones.items():
        jobs = books.jobs(organization)
        expected = reckoned(jobs, zone)
        assert counted(books.statistics(organization)) == expected
        first, last = ((turn + timedelta(days=days)).date() for days in (-20, 20))
        called = context_of(books.documents, lambda: LATER, organization)
        outcome, _ = overview.of_organization(called, Span(None, first, last))
        for field in ("seconds", "milligrams", "total_cost", "revenue", "completed"):
            camel = {"total_cost": "totalCost"}.get(field, field)
            days = [each for place, (each, _) in expected.items() if "_" not in place]
            assert getattr(outcome.counts, field) == sum(each.get(camel, 0) for each in days)
            assert getattr(outcome.counts, field) > 0
        assert sum(each.jobs for each in outcome.materials) > 0


def test_a_job_costs_what_was_paid_when_it_ended(books: Books) -> None:
    books.organization("org", perGram=437, perKwh=3119, watts=173)
    books.documents.commit(Create("files/f", print_file("org", "f", 12.345).data()))
    ended = datetime(2026, 3, 1, 12, tzinfo=UTC)
    done = books.store(ended_job("org", ended, seconds=5000, file_id="f"))
    set_by_hand: Any = {"material": {"amount": 7, "fixed": True}}
    fixed = books.store(ended_job("org", ended, seconds=5000, file_id="f", costs=set_by_hand))
    half: dict[str, Any] = {"status": JobStatus.FAILED, "progress": {"percent": 40.0}}
    failed = books.store(ended_job("org", ended, seconds=5000, file_id="f", **half))
    books.settle()

    power = {"amount": half_up(Fraction(173 * 5000 * 3119, 3_600_000)), "fixed": False}
    material = {"amount": half_up(Fraction(12345 * 437, 1000)), "fixed": False}
    job, other, third = (books.job(each) or {} for each in (done, fixed, failed))
    assert job["costs"] == {"material": material, "power": power, "labor": None}
    assert job["consumption"] == {"material": "PLA", "milligrams": 12345}
    assert other["costs"] == {"material": {"amount": 7, "fixed": True}, "power": power, "labor": None}
    assert third["consumption"]["milligrams"] == 4938

    before = books.statistics("org")
    books.organization("org", perGram=9999, perKwh=9999, watts=999)
    for each in (done, fixed, failed):
        books.change(each, notes="looked at again")
    books.settle()
    assert books.statistics("org") == before
    assert (books.job(done) or {})["costs"] == job["costs"]


def test_a_second_delivery_writes_nothing(books: Books) -> None:
    books.organization("org")
    job = books.store(ended_job("org", datetime(2026, 3, 1, tzinfo=UTC), printer="printer-a"))
    (event,) = books.events
    books.settle()
    versions = [each.version for path in ("statistics", "print_jobs") for each in books.documents.query(Query(path))]
    for _ in range(3):
        books.deliver(event)
    again = [each.version for path in ("statistics", "print_jobs") for each in books.documents.query(Query(path))]
    assert again == versions
    assert books.events == []
    assert books.statistics("org")["2026-03-01"]["counts"]["completed"] == 1
    before = books.statistics("org")
    books.remove(job)
    books.settle()
    books.deliver(event)
    assert books.statistics("org") == before


class InterruptedDocuments(EmbeddedDocuments):
    """The embedded store, in which others can do something just before a write."""

    meanwhile: Callable[[], None] | None = None

    def commit(self, *writes: Write) -> list[Version]:
        others, self.meanwhile = self.meanwhile, None
        if others:
            others()
        return super().commit(*writes)


@pytest.mark.parametrize("before", ["new", "known"])
@pytest.mark.parametrize("then", ["deleted", "removed", "corrected", "counted"])
def test_a_slow_consumer_does_not_count_what_is_so_no_longer(tmp_path: Path, before: str, then: str) -> None:
    documents = InterruptedDocuments(tmp_path / "documents.db")
    books = Books(documents)
    job = books.store(ended_job("org", datetime(2026, 3, 1, tzinfo=UTC), seconds=60))
    if before == "known":
        books.settle()
        books.change(job, isBusiness=True)
    event, stood = books.events.pop(), counted(books.statistics("org"))

    def meanwhile() -> None:
        match then:
            case "deleted":
                books.change(job, deletedAt=LATER)
            case "removed":
                books.remove(job)
            case "corrected":
                books.change(job, status=JobStatus.FAILED.value)
        books.deliver(books.events.pop() if books.events else event)

    documents.meanwhile = meanwhile
    books.deliver(event)
    expected = stood if then == "removed" else reckoned(books.jobs("org"), "UTC")
    assert counted(books.statistics("org")) == expected
    documents.close()


def test_what_has_not_ended_is_not_even_looked_at(books: Books) -> None:
    job = ended_job("org", LATER).model_copy(update={"status": JobStatus.PRINTING, "ended_at": None})
    books.store(job)
    metered = context_of(MeteredDocuments(books.documents), lambda: LATER)
    (message,) = books.messages(books.events[0])
    with billed() as bill:
        job_counted.handle(message, Effect("counted", message.event_id, "org", LATER), metered)
    assert bill.lines() == {}


def test_a_job_keeps_its_day_when_the_organization_moves(books: Books) -> None:
    ended = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    books.organization("org", "UTC")
    job = books.store(ended_job("org", ended))
    books.settle()
    books.organization("org", "Europe/Berlin")
    books.change(job, isBusiness=True)
    books.settle()
    assert [*counted(books.statistics("org"))] == ["2026-03-01"]
    later = ended + timedelta(minutes=1)
    books.change(job, endedAt=later)
    books.settle()
    assert [*counted(books.statistics("org"))] == ["2026-03-02"]


def test_an_organization_that_moves_begins_new_documents_for_its_days(books: Books) -> None:
    """The same date is another day there; both are read together, and what was counted stays where it is."""
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    books.organization("org", "UTC")
    early = books.store(ended_job("org", datetime(2026, 3, 2, 0, 30, tzinfo=UTC), printer="printer-a"))
    books.settle()
    for number, zone in enumerate(("America/Sao_Paulo", "America/Sao_Paulo", "Europe/Berlin"), 1):
        mover = context_of(books.documents, lambda at=now + timedelta(minutes=number): at, "org")  # type: ignore[misc]
        organizations.change(mover, "org", {"time_zone": zone}, {"watts": 7})
    books.store(ended_job("org", datetime(2026, 3, 2, 11, tzinfo=UTC), printer="printer-a"))
    books.change(early, isBusiness=True)
    books.settle()
    found = counted(books.statistics("org"))
    assert {name: counts["completed"] for name, (counts, _) in found.items()} == {
        "2026-03-02": 1,
        "2026-03-02_z2": 1,
        "printer-a_2026-03-02": 1,
        "printer-a_2026-03-02_z2": 1,
        "printer-a_total": 2,
    }
    asking = context_of(MeteredDocuments(books.documents), lambda: now + timedelta(days=3), "org")
    with billed() as bill:
        outcome, _ = overview.of_organization(asking, Span(None, date(2026, 3, 1), date(2026, 3, 5)))
    assert (outcome.counts.completed, outcome.counts.business) == (2, 1)
    assert bill.reads == 1 + 3 * 3 + 2  # what lies before the changes can have been counted in each of three zones


def test_a_day_has_room_for_so_many_materials(books: Books) -> None:
    books.organization("org")
    full = {f"m{number}": MaterialUse(name=f"Colour {number}", jobs=1) for number in range(MOST_MATERIALS - 1)}
    day = Statistic(organization_id="org", day="2026-03-01", materials=full)
    books.documents.commit(Create("statistics/org_2026-03-01", day.data()))
    ended = datetime(2026, 3, 1, tzinfo=UTC)
    names = ("Last", "Late", "Later", "Last")
    jobs = [
        books.store(ended_job("org", ended, consumption=Consumption(material=name, milligrams=10))) for name in names
    ]
    books.events.reverse()
    books.settle()
    materials = books.statistics("org")["2026-03-01"]["materials"]
    assert len(materials) == MOST_MATERIALS + 1
    assert materials["other"] == {"name": "other", "milligrams": 20, "jobs": 2}
    assert {"name": "Last", "milligrams": 20, "jobs": 2} in materials.values()
    for job in jobs:
        books.change(job, deletedAt=LATER)
    books.settle()
    materials = books.statistics("org")["2026-03-01"]["materials"]
    assert materials["other"] == {"name": "other", "milligrams": 0, "jobs": 0}
    assert {"name": "Last", "milligrams": 0, "jobs": 0} in materials.values()


def test_a_printer_knows_its_totals_by_one_read(books: Books) -> None:
    books.organization("org")
    for status in ENDS:
        used, ended = Consumption(material="PLA", milligrams=5), datetime(2026, 3, 1, tzinfo=UTC)
        books.store(ended_job("org", ended, status=status, printer="printer-a", seconds=100, consumption=used))
    books.settle()
    fields = {"organizationId": "org", "recipientId": "site", "active": True, "createdAt": LATER}
    printer = Printer.model_validate({"printerId": "printer-a", **fields})
    metered = context_of(MeteredDocuments(books.documents), lambda: LATER, "org")
    with billed() as bill:
        assert overview.printer_totals(metered, printer) == Totals(5, 3, 1, 500, 25)
    assert bill.reads == 1
    assert overview.printer_totals(metered, printer.model_copy(update={"printer_id": "new"})) == Totals()


@pytest.mark.timeout(count(1800, quick=180))
def test_a_month_costs_the_same_however_many_jobs_it_had(books: Books) -> None:
    books.organization("org", "Europe/Berlin")
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    asking = context_of(MeteredDocuments(books.documents), lambda: now, "org")
    bills, total = [], 0
    for milestone in (count(100, quick=10), count(1000, quick=30), count(5000, quick=60)):
        while total < milestone:
            books.store(ended_job("org", now - timedelta(minutes=7 * total), printer="printer-a", seconds=60))
            total += 1
        books.settle()
        with billed() as bill:
            outcome, _ = overview.of_organization(asking, Span("month"))
        in_march = sum(
            (now - timedelta(minutes=7 * each)).astimezone(ZoneInfo("Europe/Berlin")).month == 3
            for each in range(total)
        )
        assert outcome.counts.jobs == in_march
        bills.append((bill.reads, bill.counts))
    assert bills == [(32, 7)] * 3
    assert sum(bills[0]) <= 40


SPANS = [
    (Span("day"), "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"),
    (Span("week"), "2026-03-22T23:00:00Z", "2026-03-29T21:59:59Z"),
    (Span("month"), "2026-02-28T23:00:00Z", "2026-03-31T21:59:59Z"),
    (Span(), "2026-02-28T23:00:00Z", "2026-03-31T21:59:59Z"),
    (Span("year"), "2025-12-31T23:00:00Z", "2026-12-31T22:59:59Z"),
    (
        Span(None, datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)),
        "2026-02-28T23:00:00Z",
        "2026-03-31T21:59:59Z",
    ),
]


@pytest.mark.parametrize(("span", "start", "end"), SPANS)
def test_days_are_those_of_the_organization(books: Books, span: Span, start: str, end: str) -> None:
    books.organization("org", "Europe/Berlin")
    called = context_of(books.documents, lambda: datetime(2026, 3, 29, 12, tzinfo=UTC), "org")
    outcome, _ = overview.of_organization(called, span)
    assert (outcome.period.start, outcome.period.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_the_day_of_the_change_is_an_hour_shorter(books: Books) -> None:
    books.organization("org", "Europe/Berlin")
    called = context_of(books.documents, lambda: LATER, "org")
    day = date(2026, 3, 29)
    outcome, _ = overview.of_organization(called, Span(None, day, day))
    assert outcome.elapsed == 23 * 3600


@pytest.mark.parametrize(
    ("span", "field"),
    [
        (Span(None, date(2026, 3, 2), date(2026, 3, 1)), "end_date"),
        (Span(None, date(2025, 1, 1), date(2026, 1, 2)), "end_date"),
        (Span(None, date(2026, 1, 1)), "end_date"),
        (Span(None, None, date(2026, 1, 1)), "start_date"),
        (Span("week", date(2026, 1, 1), date(2026, 1, 1)), "period"),
        (Span(None, date(1, 1, 1), date(2026, 1, 1)), "start_date"),
    ],
)
def test_a_span_that_is_none_is_refused(books: Books, span: Span, field: str) -> None:
    called = context_of(books.documents, lambda: LATER, "org")
    with pytest.raises(InvalidInput) as refused:
        overview.of_organization(called, span)
    assert refused.value.field == field


def test_only_whole_organizations_are_told_of_themselves(books: Books) -> None:
    called = context_of(books.documents, lambda: LATER)
    with pytest.raises(Forbidden):
        overview.of_organization(called, Span())
