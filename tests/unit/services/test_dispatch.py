"""Which job goes to which printer, and why one waits."""

from datetime import timedelta
from pathlib import Path

import pytest

from printpipe.domain.errors import Conflict, NotFound
from printpipe.domain.lifecycles import JobStatus, Priority
from tests.farm import Farm, embedded_farm

WHITE, RED = ("PLA", "#FFFFFF"), ("PLA", "#C12E1F")
PETG = ("PETG", "#000000")


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm of the test's own."""
    return embedded_farm(tmp_path)


def test_a_sent_job_is_started_at_the_printer_that_fits(farm: Farm) -> None:
    farm.printer("X1C", [WHITE])
    farm.printer("P1S", [PETG])
    fitting = farm.printer("P1S", [PETG, RED, WHITE])
    job = farm.send(farm.order(farm.file(WHITE)))
    (start,) = farm.starts()
    assert (job.status, job.printer_id, job.command_id) == (JobStatus.QUEUED, fitting, start.command_id)
    assert (start.metadata["useAms"], start.metadata["amsMapping"]) == (True, [2])
    assert start.metadata["expectedFilaments"] == [{"slot": 2, "type": "PLA", "color": "#FFFFFF"}]
    assert list(farm.at(fitting).occupants) == [job.job_id]


def test_a_held_job_is_never_started(farm: Farm) -> None:
    farm.printer()
    farm.order(farm.file(WHITE))
    farm.sweep()
    assert farm.starts() == []


def test_a_waiting_job_says_why_for_each_printer(farm: Farm) -> None:
    other, empty, away, busy = farm.printer("X1C"), farm.printer("P1S", [PETG]), farm.printer(), farm.printer()
    farm.reports(away, "offline")
    farm.reports(busy, "printing")
    job = farm.send(farm.order(farm.file(WHITE)))
    assert (job.status, job.command_id) == (JobStatus.QUEUED, None)
    assert farm.reasons(job.job_id) == {
        other: ["model_mismatch: P1S"],
        empty: ["material_missing: PLA"],
        away: ["offline"],
        busy: ["busy", "plate_not_cleared"],
    }


def test_a_printer_gets_the_next_job_when_its_plate_is_cleared(farm: Farm) -> None:
    printer = farm.printer()
    file = farm.file(WHITE)
    first, second = (farm.send(farm.order(file)).job_id for _ in range(2))
    (start,) = farm.starts()
    farm.take(start.command_id)
    farm.happens(first, "job_started")
    farm.later(hours=1)
    farm.happens(first, "job_completed")
    farm.reports(printer, "completed")
    assert farm.serve() == 0
    assert farm.reasons(second) == {printer: ["plate_not_cleared"]}
    farm.clear(printer)
    assert farm.serve() == 1
    assert [each.job_id for each in farm.starts()] == [first, second]


def test_priority_goes_before_age_and_users_take_turns(farm: Farm) -> None:
    file, sent = farm.file(WHITE), []
    for user, priority in [("a", "normal"), ("a", "normal"), ("b", "normal"), ("c", "low"), ("a", "urgent")]:
        farm.later(seconds=1)
        sent.append(farm.send(farm.order(file, user, Priority(priority))).job_id)
    for _ in sent:
        farm.printer()
        farm.later(seconds=1)
        assert farm.serve() == 1
    assert [sent.index(str(each.job_id)) for each in farm.starts()] == [4, 2, 0, 1, 3]


def test_a_job_waits_for_the_printer_that_its_owner_wants(farm: Farm) -> None:
    wanted, other = farm.printer(), farm.printer()
    farm.reports(wanted, "offline")
    job = farm.send(farm.order(farm.file(WHITE)), wanted)
    assert farm.reasons(job.job_id) == {wanted: ["offline"], other: ["not_wanted"]}
    farm.later(seconds=1)
    farm.reports(wanted, "idle")
    farm.sweep()
    assert farm.job(job.job_id).printer_id == wanted


def test_a_job_that_waited_too_long_goes_back_to_a_person(farm: Farm) -> None:
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    brief = farm.send(farm.order(farm.file(WHITE)), patience=timedelta(minutes=5)).job_id
    farm.later(minutes=5)
    farm.sweep()
    assert (farm.job(job).status, farm.job(brief).status) == (JobStatus.QUEUED, JobStatus.HELD)
    farm.later(hours=12)
    farm.printer()
    farm.sweep()
    assert (farm.job(job).status, farm.starts()) == (JobStatus.HELD, [])
    assert farm.send(job).command_id is not None


def test_a_start_that_nobody_took_is_given_to_another_printer(farm: Farm) -> None:
    first = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    second = farm.printer()
    farm.later(minutes=13)
    farm.reports(second, "idle")
    farm.sweep()
    assert farm.job(job).printer_id == second
    assert [run.status for run in farm.job(job).runs] == [JobStatus.FAILED, JobStatus.QUEUED]
    assert (dict(farm.at(first).occupants), list(farm.at(second).occupants)) == ({}, [job])


def test_several_plates_are_several_runs(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE, plates=2), plates_requested=3)).job_id
    for done in range(3):
        start = farm.starts()[-1]
        farm.take(start.command_id)
        farm.later(minutes=1)
        farm.happens(job, "job_started")
        farm.later(minutes=30)
        assert farm.job(job).plates_completed == done
        farm.happens(job, "job_completed")
        farm.happens(job, "job_completed")
        farm.clear(printer)
        farm.serve()
    ended = farm.job(job)
    assert (ended.status, ended.plates_completed) == (JobStatus.COMPLETED, 3)
    assert [(run.number, run.status, run.plate_index) for run in ended.runs] == [
        (1, JobStatus.COMPLETED, 1),
        (2, JobStatus.COMPLETED, 2),
        (3, JobStatus.COMPLETED, 1),
    ]
    assert len(farm.starts()) == 3


def test_a_failed_run_ends_the_job(farm: Farm) -> None:
    farm.printer()
    job = farm.send(farm.order(farm.file(WHITE), plates_requested=3)).job_id
    farm.take(farm.starts()[0].command_id)
    farm.later(minutes=1)
    farm.happens(job, "job_failed")
    assert (farm.job(job).status, farm.job(job).plates_completed) == (JobStatus.FAILED, 0)


def test_what_is_begun_or_not_there_is_not_sent(farm: Farm) -> None:
    farm.printer()
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    with pytest.raises(Conflict):
        farm.send(job)
    with pytest.raises(NotFound):
        farm.send("no-such-job")
