"""Statistics as callers see them: counted by the event function, read from the daily documents, for their own alone."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from printpipe.domain.errors import Unavailable
from printpipe.domain.file_records import Origin
from printpipe.domain.job_records import Consumption, Cost, Costs, Job
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.messages import JobEvent
from printpipe.domain.ports.documents import Create, Query, Update, Where
from printpipe.domain.printer_records import Printer
from printpipe.domain.statistics import Counts, MaterialUse, Statistic
from printpipe.domain.transfers import Transfer, TransferStatus
from printpipe.services.statistics import counting
from tests.backends import Backend
from tests.cloud import Cloud, Site
from tests.contract.order_desk import Desk
from tests.contract.test_billed_operations import call
from tests.counted_jobs import context_of, counted, ended_job, print_file, reckoned
from tests.counts import count

ONE_BACKEND_AT_REDUCED_COUNTS = True
SECONDS = 30.0
AUGUST = "start_date=2025-08-01&end_date=2025-08-31"
ENDED = datetime(2025, 8, 15, 12, tzinfo=UTC)


def of(backend: Backend, organization: str) -> dict[str, Any]:
    """An organization's statistics, by the rest of their ids."""
    found = backend.documents.query(Query("statistics", [Where("organizationId", "==", organization)]))
    return {each.id.removeprefix(f"{organization}_"): each.data for each in found}


def told(cloud: Cloud, job: Job) -> None:
    """The event function is told that the job has ended, or was changed since."""
    message = JobEvent(
        event_id=secrets.token_hex(8),
        kind=f"job_{job.status}",
        organization_id=job.organization_id,
        occurred_at=ENDED,
        request_id="told",
        about="job",
        job_id=job.job_id,
        status=job.status.value,
    )
    cloud.deliver("trigger-job-counted", message)


def stored(cloud: Cloud, job: Job) -> Job:
    """The job, stored and counted."""
    cloud.backend.documents.commit(Create(f"print_jobs/{job.job_id}", job.data()))
    told(cloud, job)
    return job


def get(cloud: Cloud, site: Site, path: str) -> Any:
    """What a viewer of the organization is told."""
    answer = cloud.call("GET", f"/api/v1/statistics/{path}", token=cloud.token(site.organization, "viewer"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def printer(cloud: Cloud, site: Site, name: str) -> str:
    """A printer in use that has reported just now; its id."""
    record = Printer(
        printer_id=secrets.token_hex(8),
        organization_id=site.organization,
        recipient_id=site.lan_recipient,
        serial=secrets.token_hex(6),
        name=name,
        active=True,
        created_at=ENDED,
    )
    now = datetime.now(UTC)
    state = {"version": 1, "reportedAt": now, "receivedAt": now, "sampledAt": now, "status": {"state": "idle"}}
    cloud.backend.documents.commit(Create(f"printers/{record.printer_id}", {**record.data(), "state": state}))
    return record.printer_id


def test_an_overview_adds_up_what_ended_in_the_period(cloud: Cloud, site: Site) -> None:
    machine, other = (printer(cloud, site, name) for name in ("Left", "Right"))
    black, white = (Consumption(material=f"OVERTURE PLA {name}", milligrams=2_100_500) for name in ("Black", "White"))
    costs = Costs(material=Cost(amount=1_234_550), power=Cost(amount=449), labor=Cost(amount=1, fixed=True))
    jobs = [
        ended_job(site.organization, ENDED, printer=machine, seconds=4000, consumption=black, costs=costs),
        ended_job(
            site.organization, ENDED, printer=other, seconds=4001, consumption=black, is_business=True, costs=costs
        ),
        ended_job(site.organization, ENDED, printer=machine, seconds=None, consumption=white, status=JobStatus.FAILED),
        ended_job(site.organization, ENDED + timedelta(days=31), printer=machine, seconds=9),
        ended_job(site.organization, ENDED, consumption=Consumption(), status=JobStatus.CANCELLED, seconds=None),
    ]
    for job in jobs:
        stored(cloud, job)
    told(cloud, jobs[0])

    seen = get(cloud, site, f"overview?{AUGUST}")
    assert seen["printers"] == {"total_active": 2, "online_count": 2, "utilization_rate": 0.001}
    assert seen["jobs"] == {
        "total_jobs": 4,
        "completed_jobs": 2,
        "failed_jobs": 1,
        "cancelled_jobs": 1,
        "success_rate": 0.667,
        "total_print_time": 8001,
        "average_job_duration": 4001,
    }
    assert seen["materials"] == {
        "total_used_kg": 6.3015,
        "most_used_material": "OVERTURE PLA Black",
        "materials_breakdown": [
            {"material": "OVERTURE PLA Black", "used_kg": 4.201, "jobs": 2},
            {"material": "OVERTURE PLA White", "used_kg": 2.1005, "jobs": 1},
        ],
    }
    assert seen["business"] == {
        "business_jobs": 1,
        "private_jobs": 3,
        "business_percentage": 0.25,
        "revenue_estimate": 123.5,
    }
    own = get(cloud, site, f"printers/{machine}?{AUGUST}")
    assert (own["printer_id"], own["printer_name"]) == (machine, "Left")
    assert own["uptime"] == {"total_hours": 744.0, "active_hours": 1.11, "utilization_rate": 0.001}
    assert [own["jobs"][f"{end}_jobs"] for end in ("total", "completed", "failed", "cancelled")] == [2, 1, 1, 0]
    assert own["materials"]["total_used_kg"] == 4.201

    cloud.backend.documents.commit(Update(f"print_jobs/{jobs[1].job_id}", {"deletedAt": ENDED}))
    told(cloud, jobs[1])
    seen = get(cloud, site, f"overview?{AUGUST}")
    assert (seen["jobs"]["total_jobs"], seen["business"]["revenue_estimate"]) == (3, 0)


def test_the_days_show_as_the_printed_description_shows_them(cloud: Cloud, site: Site) -> None:
    """Two days of August, which come to the figures of the description's examples."""
    machine, used = printer(cloud, site, "Bambu Lab A1 #1"), {}
    for key, (name, kilogrammes, jobs) in enumerate((("Black", 4.2, 35), ("White", 3.1, 28), ("Clear", 2.8, 15))):
        kind = "PETG" if name == "Clear" else "PLA"
        use = MaterialUse(name=f"OVERTURE {kind} {name}", milligrams=int(kilogrammes * 1_000_000), jobs=jobs)
        used[f"m{key}"] = use
    first = Counts(completed=85, failed=1, business=72, private=14, timed=86, seconds=400_000, milligrams=12_000_000)
    second = Counts(failed=3, private=3, timed=3, seconds=32_000, milligrams=500_000, revenue=4_855_000)
    own = Counts(completed=42, failed=3, timed=45, seconds=1_746_000, milligrams=6_800_000, material_cost=3_400_000)
    for name, counts, materials in (
        ("2025-08-02", first, used),
        ("2025-08-31", second, {}),
        ("2025-07-31", second, used),
        (f"{machine}_2025-08-30", own, {"m0": used["m0"]}),
    ):
        record = Statistic(organization_id=site.organization, day=name[-10:], counts=counts, materials=materials)
        cloud.backend.documents.commit(Create(f"statistics/{site.organization}_{name}", record.data()))
    seen = get(cloud, site, f"overview?{AUGUST}")
    assert (seen["start_date"], seen["end_date"]) == ("2025-08-01T00:00:00Z", "2025-08-31T23:59:59Z")
    assert seen["jobs"] == {
        "total_jobs": 89,
        "completed_jobs": 85,
        "failed_jobs": 4,
        "cancelled_jobs": 0,
        "success_rate": 0.955,
        "total_print_time": 432000,
        "average_job_duration": 4854,
    }
    assert seen["materials"] == {
        "total_used_kg": 12.5,
        "most_used_material": "OVERTURE PLA Black",
        "materials_breakdown": [
            {"material": "OVERTURE PLA Black", "used_kg": 4.2, "jobs": 35},
            {"material": "OVERTURE PLA White", "used_kg": 3.1, "jobs": 28},
            {"material": "OVERTURE PETG Clear", "used_kg": 2.8, "jobs": 15},
        ],
    }
    assert seen["business"] == {
        "business_jobs": 72,
        "private_jobs": 17,
        "business_percentage": 0.809,
        "revenue_estimate": 485.5,
    }
    seen = get(cloud, site, f"printers/{machine}?start_date=2025-08-01&end_date=2025-08-30")
    assert seen["uptime"] == {"total_hours": 720.0, "active_hours": 485.0, "utilization_rate": 0.674}
    assert seen["materials"] == {"total_used_kg": 6.8, "cost_total": 340.0, "most_used": "OVERTURE PLA Black"}
    assert seen["jobs"]["success_rate"] == 0.933


def test_files_and_downloads_are_counted_as_they_are(cloud: Cloud, site: Site) -> None:
    documents, now = cloud.backend.documents, ENDED
    for number in range(4):
        file = print_file(site.organization, f"{site.organization}-{number}", 1.0)
        origin = Origin(printer_id="p", path="/a.3mf", size=1) if number == 0 else None
        gone = {"deleted_at": now} if number == 3 else {}
        changed = file.model_copy(update={"size": 1024 * 1024, "origin": origin, **gone})
        documents.commit(Create(f"files/{file.file_id}", changed.data()))
    for status in (TransferStatus.COMPLETED, TransferStatus.COMPLETED, TransferStatus.FAILED, TransferStatus.COPYING):
        transfer = Transfer(
            transfer_id=secrets.token_hex(8),
            organization_id=site.organization,
            recipient_id=site.lan_recipient,
            printer_id="p",
            kind="fetch",
            file_name="a.3mf",
            status=status,
            active=not status.is_over,
            created_at=now,
            updated_at=now,
        )
        documents.commit(Create(f"transfers/{transfer.transfer_id}", transfer.data()))
    assert get(cloud, site, "overview")["files"] == {
        "total_files": 3,
        "downloaded_files": 1,
        "local_only_files": 2,
        "download_success_rate": 0.667,
        "total_storage_used_mb": 3.0,
    }


def test_one_organization_sees_nothing_of_another(cloud: Cloud, site: Site) -> None:
    machine = printer(cloud, site, "Left")
    stored(cloud, ended_job(site.organization, ENDED, printer=machine))
    stranger = cloud.new_site()
    seen = get(cloud, stranger, f"overview?{AUGUST}")
    assert (seen["jobs"]["total_jobs"], seen["printers"]["total_active"], seen["files"]["total_files"]) == (0, 0, 0)
    token = cloud.token(stranger.organization, "viewer")
    answer = cloud.call("GET", f"/api/v1/statistics/printers/{machine}", token=token)
    assert answer.status_code == 404
    own = cloud.call("GET", f"/api/v1/statistics/printers/{machine}", key=site.agent_key)
    assert own.status_code == 403  # a key of another site


def test_a_month_is_at_most_forty_reads(cloud: Cloud, site: Site) -> None:
    for number in range(5):
        stored(cloud, ended_job(site.organization, ENDED + timedelta(days=number)))
    path, key = f"/api/v1/statistics/overview?{AUGUST}", site.organization_key
    cloud.call("GET", path, key=key)
    answer, cost = call(cloud, "GET", path, key=key)
    assert answer.json()["jobs"]["total_jobs"] == 5
    assert (cost.reads, cost.counts, cost.writes) == (32, 7, 0)
    assert cost.reads + cost.counts <= 40


@pytest.mark.parametrize("query", ["start_date=2025-08-01", "start_date=2025-01-01&end_date=2026-01-02", "period=x"])
def test_a_period_that_is_none_is_refused(cloud: Cloud, site: Site, query: str) -> None:
    token = cloud.token(site.organization, "viewer")
    for path in ("overview", "printers/none"):
        answer = cloud.call("GET", f"/api/v1/statistics/{path}?{query}", token=token)
        assert answer.status_code in (422, 404)
        assert answer.json()["error"]["code"] in ("VALIDATION_ERROR", "PRINTER_NOT_FOUND")


def test_consumers_that_race_count_each_job_once(backend: Backend) -> None:
    """Two at once for each job, all of one day that nobody has begun."""
    organization, number = "race", count(12, quick=2)
    printers = ("printer-a", "printer-b")
    jobs = [ended_job(organization, ENDED, printer=printers[each % 2], seconds=60 + each) for each in range(number)]
    backend.documents.commit(*(Create(f"print_jobs/{job.job_id}", job.data()) for job in jobs))
    context = context_of(backend.documents, lambda: ENDED)

    def deliver(job: Job) -> None:
        deadline = time.monotonic() + SECONDS
        while True:  # as the platform delivers again what has failed
            try:
                return counting.count(context, job.job_id)
            except Unavailable:
                assert time.monotonic() < deadline

    with ThreadPoolExecutor(2 * number) as pool:
        list(pool.map(deliver, [*jobs, *reversed(jobs)]))
    found = backend.documents.query(Query("print_jobs", [Where("organizationId", "==", organization)]))
    assert counted(of(backend, organization)) == reckoned([each.data for each in found], "UTC")


def test_what_people_do_to_jobs_is_counted_by_itself(cloud: Cloud, site: Site) -> None:
    """On the embedded backend the gateway delivers events; the cancellation of a job becomes one."""
    if not cloud.backend.embedded:
        pytest.skip("the relay delivers the emulator's events, and none runs here")
    desk = Desk(cloud, site)
    cloud.upload(site.agent_recipient)
    job = str(desk.order()["id"])
    desk.cancel(job)
    assert _today(cloud, site, 1) == {"cancelled": 1, "private": 1}
    assert desk.call("DELETE", f"/{job}").status_code == 200
    assert _today(cloud, site, 0) == {}


def _today(cloud: Cloud, site: Site, wanted: int) -> dict[str, int]:
    """The present day's counts, once it has that many jobs."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = counted({name: each for name, each in of(cloud.backend, site.organization).items() if "_" not in name})
        days = [counts for counts, _ in found.values()]
        if sum(each["cancelled"] for each in days) == wanted and of(cloud.backend, site.organization):
            return days[0] if days else {}
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
