"""When a job began and ended is when its printer's client saw it, as far as that can be."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain import costs
from printpipe.domain.ids import NO_KEY, new_id
from printpipe.domain.lifecycles import JobStatus
from printpipe.services import events
from printpipe.services.events import Happening
from tests.farm import Farm, embedded_farm

WHITE = ("PLA", "#FFFFFF")


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm of the test's own."""
    return embedded_farm(tmp_path)


def tell(farm: Farm, job_id: str, event_type: str, at: datetime) -> None:
    """The site's agent tells of a job's run, of what it saw at that time by its own clock."""
    job = farm.job(job_id)
    told = Happening(
        recipient_id=farm.site,
        client_id=new_id(),
        printer_serial=job.printer_serial,
        printer_ip_address=None,
        command_id=job.command_id,
        event_type=event_type,
        event_status="info",
        print_job_id=job_id,
        error_data=None,
        status_data=None,
        message=None,
        occurred_at=at,
    )
    events.report(farm.context(), told, NO_KEY)


def begun(farm: Farm, **more: Any) -> str:
    """A job that waited for three weeks until its start was carried out just now."""
    printer = farm.printer()
    job = farm.order(farm.file(WHITE), **more)
    farm.later(days=21)
    farm.reports(printer, "idle")
    go_on(farm, job)
    return job


def go_on(farm: Farm, job: str) -> None:
    """The job's next run is begun."""
    if farm.job(job).status == JobStatus.HELD:
        farm.send(job)
    farm.take(farm.starts()[-1].command_id)


def test_a_report_that_comes_days_later_tells_when_it_was(farm: Farm) -> None:
    job, start = begun(farm), farm.now
    farm.later(days=2)
    tell(farm, job, "job_started", start + timedelta(minutes=1))
    tell(farm, job, "job_completed", start + timedelta(minutes=31))
    after = farm.job(job)
    assert (after.started_at, after.ended_at) == (start + timedelta(minutes=1), start + timedelta(minutes=31))
    assert costs.printed_seconds(after) == 1800


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=14), timedelta(days=20000)])
def test_a_clock_that_is_slow_takes_no_print_to_before_its_start_was_ordered(farm: Farm, behind: timedelta) -> None:
    job, start = begun(farm), farm.now
    farm.later(minutes=1)
    tell(farm, job, "job_started", farm.now - behind)
    farm.later(minutes=30)
    tell(farm, job, "job_completed", farm.now - behind)
    after = farm.job(job)
    assert after.status == JobStatus.COMPLETED
    assert (after.started_at, after.ended_at) == (start + timedelta(minutes=1), start + timedelta(minutes=31))


def test_no_run_ends_before_it_began(farm: Farm) -> None:
    job = begun(farm, plates_requested=2)
    printer = str(farm.job(job).printer_id)
    tell(farm, job, "job_started", farm.now)
    farm.later(minutes=30)
    tell(farm, job, "job_completed", farm.now)
    farm.clear(printer)
    farm.serve()
    go_on(farm, job)
    farm.later(minutes=10)
    tell(farm, job, "job_started", farm.now)
    farm.later(minutes=20)
    tell(farm, job, "job_completed", farm.now - timedelta(minutes=25))  # the clock was put back
    after = farm.job(job)
    assert after.status == JobStatus.COMPLETED
    assert costs.printed_seconds(after) == (30 + 20) * 60
