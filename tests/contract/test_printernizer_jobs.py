"""The organization's book of jobs: listed, summed up, written into and cancelled, whichever dialect they came by."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site
from tests.contract.order_desk import PRODUCT, Desk, Json

ONE_BACKEND_AT_REDUCED_COUNTS = True

JOBS = "/api/v1/jobs"
BERLIN = ZoneInfo("Europe/Berlin")


class Book:
    """The jobs of an organization, read and written with its key."""

    def __init__(self, cloud: Cloud, site: Site) -> None:
        self.cloud, self.site, self.key = cloud, site, site.organization_key

    def get(self, path: str = "", **query: Any) -> requests.Response:
        return self.cloud.call("GET", f"{JOBS}{path}", key=self.key, params=query)

    def listed(self, **query: Any) -> Json:
        return done(self.get(**query))

    def numbers(self, **query: Any) -> list[int]:
        return [each["id"] for each in self.listed(**query)["jobs"]]

    def show(self, number: int) -> Json:
        return done(self.get(f"/{number}"))

    def write(self, number: int, **body: Any) -> Json:
        return done(self.cloud.call("PUT", f"{JOBS}/{number}", key=self.key, json=body))

    def cancel(self, number: int, **more: Any) -> requests.Response:
        return self.cloud.call("POST", f"{JOBS}/{number}/cancel", key=self.key, **more)

    def job(self, recipient: str | None = None, **fields: Any) -> int:
        """A new held job with its file, and these fields as they are stored."""
        made = self.cloud.upload(recipient or self.site.agent_recipient, PRODUCT)["fileId"]
        if fields:
            self.cloud.backend.documents.commit(Update(f"print_jobs/{made}", fields))
        return int(self.cloud.document(f"print_jobs/{made}").data["number"])

    def organization(self, **fields: Any) -> None:
        self.cloud.backend.documents.commit(Update(f"organizations/{self.site.organization}", fields))


def done(answer: requests.Response) -> Json:
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def refused(answer: requests.Response, status: int, code: str) -> Json:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    details: Json = answer.json()["error"]["details"]
    return details


@pytest.fixture
def book(cloud: Cloud, site: Site) -> Book:
    return Book(cloud, site)


@pytest.fixture
def desk(cloud: Cloud, site: Site) -> Desk:
    return Desk(cloud, site)


def at(hours: float) -> datetime:
    """So many hours after a certain moment."""
    return datetime(2025, 9, 3, 12, tzinfo=UTC) + timedelta(hours=hours)


def test_pages_follow_one_another_and_are_counted(book: Book) -> None:
    made = [book.job(createdAt=at(hour)) for hour in range(5)]
    pages = [book.listed(limit=2, page=page) for page in (1, 2, 3, 4)]
    assert [[each["id"] for each in page["jobs"]] for page in pages] == [made[:2:-1], made[2:0:-1], made[:1], []]
    counted = {"limit": 2, "total_items": 5, "total_pages": 3}
    assert [page["pagination"] for page in pages] == [
        {**counted, "page": 1, "has_next": True, "has_previous": False},
        {**counted, "page": 2, "has_next": True, "has_previous": True},
        {**counted, "page": 3, "has_next": False, "has_previous": True},
        {**counted, "page": 4, "has_next": False, "has_previous": True},
    ]
    assert book.numbers(order_dir="asc", limit=3) == made[:3]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=11&limit=100", "page"),
        ("page=0", "page"),
        ("limit=101", "limit"),
        ("limit=0", "limit"),
        ("status=paused", "status"),
        ("order_by=name", "order_by"),
        ("order_dir=up", "order_dir"),
        ("is_business=maybe", "is_business"),
        ("start_date=yesterday", "start_date"),
        ("start_date=1756900000", "start_date"),
        ("end_date=9999-12-31", "end_date"),
        ("start_date=2025-09-04&end_date=2025-09-03", "end_date"),
    ],
)
def test_what_no_list_can_be_asked_for_is_refused(book: Book, query: str, field: str) -> None:
    answer = book.cloud.call("GET", f"{JOBS}?{query}", key=book.key)
    assert refused(answer, 422, "VALIDATION_ERROR") == {"field": field}


def test_jobs_are_found_by_what_they_are(book: Book) -> None:
    held, business = book.job(), book.job(isBusiness=True)
    printing, paused = book.job(status="printing", isBusiness=True), book.job(status="paused")
    ended = [book.job(status=status) for status in ("completed", "failed", "cancelled")]
    assert set(book.numbers(status="queued")) == {held, business}
    assert set(book.numbers(status="printing")) == {printing, paused}
    assert [book.numbers(status=word) for word in ("completed", "failed", "cancelled")] == [[each] for each in ended]
    assert set(book.numbers(is_business="true")) == {business, printing}
    assert book.numbers(is_business="true", status="printing") == [printing]
    assert book.listed(is_business="false")["pagination"]["total_items"] == 5


def test_jobs_are_found_by_their_printer_by_each_of_its_names(book: Book, desk: Desk) -> None:
    left, right = desk.printer(), desk.printer()
    given, wanting = book.job(printerId=left["id"], status="printing"), book.job(wantedPrinterId=left["id"])
    book.job(printerId=right["id"], wantedPrinterId=left["id"])
    for name in (left["id"], left["serial"]):
        found = book.listed(printer_id=name)
        assert {each["id"] for each in found["jobs"]} == {given, wanting}
        assert found["pagination"]["total_items"] == 2
        assert {(each["printer_id"], each["printer_name"]) for each in found["jobs"]} == {(left["id"], left["serial"])}
    assert book.numbers(printer_id=left["id"], status="queued") == [wanting]
    assert refused(book.get(printer_id="nobody"), 404, "PRINTER_NOT_FOUND") == {"field": "printer_id"}


def test_a_date_is_a_day_of_the_organizations(book: Book) -> None:
    book.organization(timeZone="Europe/Berlin")
    day = [datetime(2025, 10, 26, tzinfo=BERLIN), datetime(2025, 10, 26, 23, 59, 59, 999_000, tzinfo=BERLIN)]
    around = [datetime(2025, 10, 25, 23, 59, tzinfo=BERLIN), datetime(2025, 10, 27, tzinfo=BERLIN)]
    within = {book.job(createdAt=each.astimezone(UTC)) for each in day}
    before, after = [book.job(createdAt=each.astimezone(UTC)) for each in around]
    assert set(book.numbers(start_date="2025-10-26", end_date="2025-10-26")) == within
    assert set(book.numbers(start_date="2025-10-26")) == within | {after}
    assert set(book.numbers(end_date="2025-10-26")) == within | {before}
    exactly = "2025-10-25T22:00:00Z"
    assert len(book.numbers(start_date=exactly, end_date=exactly)) == 1
    assert book.numbers(end_date="2025-10-25T21:59:00Z") == [before]


def test_other_orders_put_last_what_has_not_begun(book: Book) -> None:
    held = book.job(createdAt=at(0))
    long = book.job(createdAt=at(1), startedAt=at(1), endedAt=at(4), status="completed")
    short = book.job(createdAt=at(2), startedAt=at(2), endedAt=at(2.5), status="failed")
    assert book.numbers(order_by="start_time") == [short, long, held]
    assert book.numbers(order_by="start_time", order_dir="asc") == [long, short, held]
    assert book.numbers(order_by="duration", order_dir="asc") == [short, long, held]
    assert book.numbers(order_by="duration", limit=1) == [long]
    assert book.numbers(order_by="duration", limit=1, page=3) == [held]
    assert [each["actual_duration"] for each in book.listed(order_by="duration")["jobs"]] == [10_800, 1800, None]


def test_the_summary_is_of_all_jobs_and_of_today(book: Book) -> None:
    book.organization(timeZone="Europe/Berlin")
    now = datetime.now(UTC)
    midnight = now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    for status in ("held", "queued", "preparing", "unknown", "cancelled"):
        book.job(status=status, endedAt=now if status == "cancelled" else None)
    for ended in (midnight, midnight - timedelta(seconds=1), now):
        book.job(status="completed", endedAt=ended)
    book.job(status="failed", endedAt=midnight - timedelta(days=1))
    summary = book.listed(status="printing", limit=1)["summary"]
    assert summary == {"active_jobs": 2, "queued_jobs": 2, "completed_today": 2, "failed_today": 0}


def test_a_sites_key_sees_and_changes_its_own_jobs_alone(cloud: Cloud, site: Site, book: Book) -> None:
    theirs, own = book.job(site.agent_recipient, status="printing"), book.job(site.lan_recipient, isBusiness=True)
    book.key = site.lan_key
    listed = book.listed()
    assert ([each["id"] for each in listed["jobs"]], listed["pagination"]["total_items"]) == ([own], 1)
    assert listed["summary"]["active_jobs"] == 0
    assert book.numbers(order_by="duration", is_business="true") == [own]
    refused(book.get(f"/{theirs}"), 403, "FORBIDDEN")
    refused(book.cancel(theirs), 403, "FORBIDDEN")
    refused(cloud.call("PUT", f"{JOBS}/{theirs}", key=book.key, json={"notes": "mine"}), 403, "FORBIDDEN")
    assert book.show(own)["id"] == own


def test_a_job_that_was_deleted_is_gone(book: Book, desk: Desk) -> None:
    number = book.job()
    (listed,) = desk.listed()
    assert desk.call("DELETE", f"/{listed}").status_code == 200
    assert book.numbers() == []
    refused(book.get(f"/{number}"), 404, "JOB_NOT_FOUND")


def test_a_print_is_seen_as_its_printer_shows_it(book: Book, desk: Desk) -> None:
    printer = desk.printer()
    job_id = desk.cloud.upload(desk.site.agent_recipient, PRODUCT, layers=3, seconds=7200)["fileId"]
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=3300)
    fields = {"status": "printing", "printerId": printer["id"], "startedAt": begun, "isBusiness": True}
    desk.cloud.backend.documents.commit(Update(f"print_jobs/{job_id}", fields))
    number = book.numbers()[0]
    assert book.show(number)["estimated_completion"] == f"{begun + timedelta(seconds=7200):%Y-%m-%dT%H:%M:%SZ}"
    desk.report(printer, state="printing", printJobId=job_id, progress=45.7, layer=2, totalLayers=3, remainingTime=3600)
    shown = book.show(number)
    assert (shown["status"], shown["progress"]) == ("printing", 45.7)
    assert (shown["layer_current"], shown["layer_total"]) == (2, 3)
    assert 3300 <= shown["actual_duration"] < 3400
    due = datetime.fromisoformat(shown["estimated_completion"]) - datetime.now(UTC)
    assert timedelta(seconds=3500) < due <= timedelta(seconds=3600)
    assert (shown["material_info"]["actual_usage"], shown["end_time"]) == (None, None)
    assert book.listed()["jobs"][0] | {"actual_duration": 0, "estimated_completion": None} == shown | {
        "actual_duration": 0,
        "estimated_completion": None,
    }


def test_a_finished_print_tells_what_it_took(book: Book) -> None:
    number = book.job(status="completed", startedAt=at(0), endedAt=at(1), platesCompleted=1)
    shown = book.show(number)
    assert (shown["status"], shown["progress"], shown["actual_duration"]) == ("completed", 100.0, 3600)
    assert shown["estimated_completion"] is None
    assert shown["material_info"]["actual_usage"] == shown["material_info"]["estimated_usage"] > 0
    assert shown["costs"]["power_cost"] == 0.04  # 120 W for an hour at 0.30


def test_prices_are_the_organizations(book: Book) -> None:
    number = book.job()
    book.organization(prices={"perGram": 10_000, "perKwh": 0, "watts": 100}, currency="CHF")
    shown = book.show(number)
    assert shown["material_info"]["cost_per_gram"] == 1.0
    cost = round(shown["material_info"]["estimated_usage"], 2)
    assert shown["costs"] == {
        "material_cost": cost,
        "power_cost": 0.0,
        "labor_cost": 0.0,
        "total_cost": cost,
        "currency": "CHF",
    }


def test_what_is_written_stands_and_the_rest_stays(book: Book) -> None:
    number = book.job()
    before = book.show(number)
    customer = {"order_id": "PO-2025-0234", "customer_name": "Max Mustermann GmbH"}
    book.write(number, is_business=True, customer_info=customer, material_cost=2.5, labor_cost=12.345, notes="urgent")
    shown = book.show(number)
    assert (shown["is_business"], shown["customer_info"], shown["notes"]) == (True, customer, "urgent")
    assert (shown["costs"]["material_cost"], shown["costs"]["labor_cost"]) == (2.5, 12.35)
    assert shown["costs"]["power_cost"] == before["costs"]["power_cost"]
    book.write(number, customer_info={"order_id": None}, material_cost=None, notes=None)
    shown = book.show(number)
    assert shown["customer_info"] == {"order_id": None, "customer_name": "Max Mustermann GmbH"}
    assert shown["costs"]["material_cost"] == before["costs"]["material_cost"]
    assert (shown["costs"]["labor_cost"], shown["notes"], shown["is_business"]) == (12.35, None, True)
    book.write(number, customer_info=None, labor_cost=None, is_business=None)
    shown = book.show(number)
    assert (shown["customer_info"]["customer_name"], shown["is_business"]) == (None, True)
    assert shown["costs"] == before["costs"]


def test_a_job_that_ended_can_be_written_into(book: Book) -> None:
    number = book.job(status="completed", endedAt=at(0), costs={"material": {"amount": 100, "fixed": False}})
    assert book.show(number)["costs"]["material_cost"] == 0.01
    book.write(number, material_cost=None)
    assert book.show(number)["costs"]["material_cost"] == 0.01
    book.write(number, material_cost=3)
    assert book.show(number)["costs"]["material_cost"] == 3.0


def test_writing_the_same_changes_nothing_and_each_change_is_on_record(cloud: Cloud, book: Book) -> None:
    number = book.job()
    before = book.show(number)["updated_at"]
    assert book.write(number)["updated_at"] == book.write(number, is_business=False)["updated_at"] == before
    book.write(number, notes="urgent", is_business=True)
    path = f"/api/v1/organizations/{book.site.organization}/audit"
    entries = cloud.call("GET", path, key=book.key).json()["entries"]
    noted = [each["detail"] for each in entries if each["action"] == "job.updated"]
    assert noted == ["is_business, notes"]


def test_people_who_write_at_once_lose_nothing(book: Book) -> None:
    number = book.job()
    bodies = [{"notes": "urgent"}, {"is_business": True}, {"material_cost": 1}, {"labor_cost": 2}, {"power_cost": 3}]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda body: book.write(number, **body), bodies))
    shown = book.show(number)
    assert (shown["notes"], shown["is_business"], shown["costs"]["total_cost"]) == ("urgent", True, 6.0)


def test_a_job_is_cancelled_once_and_one_that_was_completed_not_at_all(book: Book) -> None:
    number = book.job()
    first = done(book.cancel(number))
    assert (first["id"], first["status"]) == (number, "cancelled")
    assert done(book.cancel(number)) == first
    assert book.show(number)["status"] == "cancelled"
    refused(book.cancel(book.job(status="completed", endedAt=at(0))), 409, "CONFLICT")


def test_cancelling_a_print_stops_its_printer(book: Book, desk: Desk) -> None:
    printer = desk.printer()
    file = desk.cloud.upload(desk.site.agent_recipient, PRODUCT)["fileId"]
    desk.send(file, printer_id=printer["id"])
    assert len(desk.claim()) == 1
    number = book.numbers()[0]
    first = done(book.cancel(number, headers={"Idempotency-Key": "once"}))
    assert done(book.cancel(number, headers={"Idempotency-Key": "once"})) == first
    assert done(book.cancel(number)) == first
    assert book.show(number)["status"] in ("queued", "printing")
    stops = [each for each in desk.claim() if each["commandType"] == "stop"]
    assert [each["metadata"]["printJobId"] for each in stops] == [file]
    desk.carry_out(stops[0])
    assert book.show(number)["status"] == "cancelled"
    assert done(book.cancel(number)) == first
