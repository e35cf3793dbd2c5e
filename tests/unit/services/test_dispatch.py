"""Which job goes to which printer, and why one waits."""

from datetime import timedelta
from pathlib import Path

import pytest

from printpipe.adapters.metered import billed
from printpipe.domain.errors import Conflict, NotFound
from printpipe.domain.ids import NO_KEY
from printpipe.domain.lifecycles import JobStatus, Priority
from printpipe.domain.ports.documents import Update
from printpipe.services.jobs import dispatch, queue
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report
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


def test_odd_reports_of_one_farm_stop_no_other(tmp_path: Path) -> None:
    odd, other = embedded_farm(tmp_path, "a"), embedded_farm(tmp_path, "b")
    for color in ("#FFFFFFFF", "FFFFFF", "white", "", None):
        printer = odd.at(odd.printer())
        trays = [{"slot": 0, "type": "PLA", "color": color}, "odd", {"slot": [0]}, {"slot": -1, "type": 7}]
        status = {"state": "idle", "loadedFilaments": trays, "nozzleDiameter": 0.4}
        odd.later(seconds=1)
        status_reports.report(odd.context(), odd.site, Report(printer.serial, None, status, odd.now))
        odd.send(odd.order(odd.file(WHITE)))
    waits = other.send(other.order(other.file(WHITE))).job_id
    other.printer()
    odd.now = other.now
    odd.sweep()
    assert other.job(waits).command_id is not None


def test_a_file_that_no_start_can_name_says_so_and_holds_nobody_up(farm: Farm) -> None:
    printer = farm.printer()
    hopeless = farm.send(farm.order(farm.file(WHITE, first=65))).job_id
    assert list(farm.reasons(hopeless)) == [printer]
    assert farm.reasons(hopeless)[printer][0].startswith("start_refused: ")
    assert farm.send(farm.order(farm.file(WHITE))).printer_id == printer


def test_users_take_turns_however_long_the_queue_is(farm: Farm) -> None:
    file = farm.file(WHITE)
    many = farm.orders(file, 150, [Priority.NORMAL], users=1)
    farm.enqueue(many)
    farm.later(minutes=1)
    lone = farm.send(farm.order(file, "bob")).job_id
    for _ in range(2):
        farm.printer()
    farm.serve()
    assert lone in {each.job_id for each in farm.starts()}


def test_one_organization_with_many_jobs_keeps_no_other_waiting(tmp_path: Path) -> None:
    crowd, other = embedded_farm(tmp_path, "a"), embedded_farm(tmp_path, "b")
    crowd.enqueue(crowd.orders(crowd.file(WHITE), 1100, [Priority.URGENT], users=1))
    waits = other.send(other.order(other.file(WHITE))).job_id
    other.printer()
    other.sweep()
    assert other.job(waits).command_id is not None


def test_a_start_that_comes_too_late_for_its_plate_waits_again(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    farm.later(minutes=1)
    farm.reports(printer, "printing")
    farm.later(minutes=2)
    farm.reports(printer, "completed")
    with pytest.raises(Conflict):
        farm.take(farm.starts()[0].command_id)
    assert (farm.job(job).status, farm.job(job).command_id) == (JobStatus.QUEUED, None)
    assert farm.reasons(job) == {printer: ["plate_not_cleared"]}


def test_a_plate_that_was_cleared_too_early_is_not_clear_when_the_print_has_ended(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    farm.take(farm.starts()[0].command_id)
    farm.happens(job, "job_started")
    farm.later(minutes=1)
    farm.clear_plate(printer)
    farm.later(minutes=1)
    farm.happens(job, "job_completed")
    assert not farm.at(printer).plate_cleared


def test_a_start_of_somebodys_own_keeps_the_queue_away(farm: Farm) -> None:
    printer = farm.printer()
    own = farm.start(printer)
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    assert farm.reasons(job) == {printer: ["busy"]}
    farm.refuse(own)
    assert farm.serve() == 1


def test_starts_that_nobody_takes_do_not_put_the_deadline_off(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE)), patience=timedelta(hours=1)).job_id
    for _ in range(8):
        farm.later(minutes=11)
        farm.reports(printer, "idle")
        farm.sweep()
    assert (farm.job(job).status, farm.job(job).run) == (JobStatus.HELD, 6)


def test_a_job_past_its_deadline_is_not_begun_though_nobody_has_taken_it_back_yet(farm: Farm) -> None:
    farm.send(farm.order(farm.file(WHITE)), patience=timedelta(minutes=1))
    farm.later(minutes=2)
    farm.printer()
    assert farm.serve() == 0


def test_a_report_of_the_run_before_does_not_end_the_next(farm: Farm) -> None:
    first, second = farm.printer(), farm.printer()
    job = farm.send(farm.order(farm.file(WHITE), plates_requested=3)).job_id
    begun, before = farm.starts()[0], farm.at(str(farm.job(job).printer_id))
    farm.take(begun.command_id)
    farm.happens(job, "job_started")
    farm.later(minutes=30)
    farm.happens(job, "job_completed")
    (other,) = {first, second} - {before.printer_id}
    farm.reports(other, "idle")
    farm.serve()
    assert farm.job(job).printer_id == other
    farm.happens(job, "job_completed", command_id=begun.command_id)
    farm.happens(job, "job_completed", serial=before.serial)
    assert (farm.job(job).plates_completed, farm.job(job).status) == (1, JobStatus.QUEUED)


def test_an_agent_whose_clock_is_late_still_ends_its_runs(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.send(farm.order(farm.file(WHITE), plates_requested=2)).job_id
    for _ in range(2):
        farm.take(farm.starts()[-1].command_id)
        farm.later(hours=-3)
        farm.happens(job, "job_started")
        farm.happens(job, "job_completed")
        farm.later(hours=3)
        farm.clear(printer)
        farm.serve()
    assert (farm.job(job).plates_completed, farm.job(job).status) == (2, JobStatus.COMPLETED)


def test_a_printer_out_of_use_and_one_that_is_gone_are_named(farm: Farm) -> None:
    printer = farm.printer()
    job = farm.order(farm.file(WHITE))
    farm.documents.commit(Update(f"printers/{printer}", {"active": False}))
    farm.send(job, printer)
    assert farm.reasons(job) == {printer: ["inactive"]}
    farm.documents.commit(Update(f"printers/{printer}", {"deletedAt": farm.now}))
    assert farm.reasons(job) == {}
    assert [each.text for each in dispatch.hindrances(farm.job(job), [])] == ["wanted_printer_gone"]


def test_dispatch_costs_the_same_however_many_jobs_have_ended(farm: Farm) -> None:
    farm.printer()
    bills = []
    for ended in (0, 200):
        done = farm.orders(farm.file(WHITE), ended, [Priority.NORMAL], users=3) if ended else []
        for begin in range(0, len(done), 100):
            some = done[begin : begin + 100]
            farm.documents.commit(*(Update(f"print_jobs/{each}", {"status": "completed"}) for each in some))
        job = farm.order(farm.file(WHITE))
        with billed() as bill:
            metered = farm.metered()
            queue.send(metered, job, None, None, NO_KEY)
        bills.append(bill.lines())
        farm.cancel(job)
    assert bills[0] == bills[1]
    assert bills[0]["reads"] <= 12
