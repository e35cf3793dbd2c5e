"""What prints cost: from grams, watts and seconds, to the cent, unless a person said it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain import costs
from printpipe.domain.file_records import Filament, Plate
from printpipe.domain.job_progress import elapsed_seconds, progress_of
from printpipe.domain.job_records import Consumption, Cost, Costs, Progress, Run
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.tenant_records import Prices
from tests.unit.domain.test_fitting import a_file, a_job

BEGUN = datetime(2025, 9, 3, 12, 0, tzinfo=UTC)
PRICES = Prices(per_gram=500, per_kwh=3000, watts=120)
PLATES = (
    Plate(index=1, estimated_seconds=7200, weight_g=45.5, filament=(Filament(type="PLA", used_g=45.5),)),
    Plate(index=2, estimated_seconds=600, weight_g=1.25),
)
FILE = a_file(plates=PLATES)


def printed(status: JobStatus, minutes: int, **more: Any) -> Any:
    ended = BEGUN + timedelta(minutes=minutes)
    return a_job(status=status, started_at=BEGUN, ended_at=ended, plates_completed=status == "completed", **more)


def test_the_documents_own_example() -> None:
    known = costs.known(a_job(), FILE, PRICES)
    assert known.material == Cost(amount=22_750)
    assert known.power == Cost(amount=720)
    assert costs.money(22_750) == 2.28
    assert costs.total(known) == 23_470


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, 0.0), (49, 0.0), (50, 0.01), (149, 0.01), (150, 0.02), (10_050, 1.01), (99_999, 10.0)]
)
def test_money_is_rounded_half_up_when_it_is_shown(amount: int, shown: float) -> None:
    assert costs.money(amount) == shown


@given(st.decimals(0, 10**9, places=2))
def test_what_a_person_sets_is_shown_as_it_was_set(said: Any) -> None:
    assert costs.money(costs.amount(float(said))) == float(said)


def test_a_plate_that_is_named_is_the_one_that_costs() -> None:
    assert costs.estimated_milligrams(a_job(plate_index=2), FILE) == 1250
    assert costs.estimated_seconds(a_job(plate_index=1, plates_requested=3), FILE) == 21_600
    assert costs.estimated_milligrams(a_job(plate_index=1, plates_requested=3), FILE) == 136_500
    assert costs.known(a_job(), None, PRICES) == Costs()
    assert costs.total(Costs()) is None


def test_a_finished_print_costs_what_it_took() -> None:
    known = costs.known(printed(JobStatus.COMPLETED, 60), FILE, PRICES)
    assert (known.material, known.power) == (Cost(amount=22_750), Cost(amount=360))


def test_a_print_that_stopped_costs_the_part_that_was_printed() -> None:
    job = printed(JobStatus.CANCELLED, 60, progress=Progress(percent=40.0))
    assert costs.consumption(job, FILE) == Consumption(material="PLA", milligrams=18_200)
    assert costs.known(job, FILE, PRICES).material == Cost(amount=9_100)
    assert costs.consumption(printed(JobStatus.FAILED, 1), FILE).milligrams == 0


def test_what_a_person_set_and_what_stands_is_not_computed_again() -> None:
    own = Costs(material=Cost(amount=25_000, fixed=True), labor=Cost(amount=120_000, fixed=True))
    known = costs.known(a_job(costs=own), FILE, PRICES)
    assert known == Costs(material=own.material, power=Cost(amount=720), labor=own.labor)
    settled = printed(JobStatus.COMPLETED, 60, costs=Costs(material=Cost(amount=1), power=Cost(amount=2)))
    assert costs.known(settled, FILE, Prices(per_gram=9_999, watts=9_999)) == settled.costs


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_price_is_never_off_by_more_than_half_a_part(milligrams: int, per_gram: int) -> None:
    assert abs(costs.material(milligrams, Prices(per_gram=per_gram)) * 1000 - milligrams * per_gram) <= 500


def test_the_main_filament_gives_the_material_its_name() -> None:
    used = (Filament(type="PLA", used_g=1.0), Filament(type="PETG", brand="OVERTURE", color="#000000", used_g=2.0))
    plate = Plate(index=1, filament=used)
    assert costs.main_filament(plate) == used[1]
    assert costs.material_name(plate) == "OVERTURE PETG #000000"
    assert costs.material_name(Plate(index=1)) is None
    assert costs.main_filament(None) is None


def test_time_runs_while_a_job_is_printed_and_not_between_its_runs() -> None:
    def run(number: int, begins: int, ends: int | None) -> Run:
        ended_at = None if ends is None else BEGUN + timedelta(minutes=ends)
        started_at = BEGUN + timedelta(minutes=begins)
        status = JobStatus.PRINTING if ends is None else JobStatus.COMPLETED
        return Run(number=number, status=status, ordered_at=BEGUN, started_at=started_at, ended_at=ended_at)

    now = BEGUN + timedelta(hours=1)
    going = a_job(status=JobStatus.PRINTING, started_at=BEGUN, runs=(run(1, 0, 10), run(2, 50, None)))
    assert elapsed_seconds(going, now) == 20 * 60
    assert elapsed_seconds(a_job(), now) is None
    assert elapsed_seconds(a_job(started_at=BEGUN), now) == 3600
    assert elapsed_seconds(printed(JobStatus.FAILED, 7), now) == 7 * 60


def test_progress_is_the_printers_where_that_shows_this_job() -> None:
    job = a_job(progress=Progress(percent=3.0))
    shown = {"printJobId": "job-1", "progress": 45.7, "layer": 125, "totalLayers": 274, "remainingTime": 3600}
    live = Progress(percent=45.7, layer=125, total_layers=274, remaining_seconds=3600)
    assert progress_of(job, shown) == live
    assert progress_of(job, {**shown, "printJobId": "another"}) == progress_of(job, None) == job.progress
    assert progress_of(job, {"jobId": "job-1", "progress": True, "layer": "x"}) == Progress()
    assert progress_of(a_job(), None) == Progress()
