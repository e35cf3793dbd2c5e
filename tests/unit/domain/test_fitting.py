"""Why a job does not start here, and whose turn it is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain.filaments import Loaded, fits
from printpipe.domain.file_records import Filament, Plate, StoredPrintFile
from printpipe.domain.fitting import SILENCE, Candidate, Fit, Needs, Waiting, fit, order
from printpipe.domain.job_records import Job, Wish
from printpipe.domain.lifecycles import JobStatus, Priority
from printpipe.domain.printer_models import model_of
from printpipe.domain.printer_records import BuildVolume, Occupant, Printer, PrinterState

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
RED = "#C12E1F"
OCCUPANT = Occupant(at=NOW)
IDLE: Mapping[str, Any] = {
    "state": "idle",
    "online": True,
    "loadedFilaments": [
        {"slot": 0, "type": "PLA", "color": "#FFFFFF", "remain": 80},
        {"slot": 2, "type": "PLA", "color": RED, "remain": 60},
    ],
}
PLATE = Plate(
    index=1,
    filament=(Filament(slot=1, type="PLA", color=RED),),
    printer_model="Bambu Lab X1 Carbon",
    printer_model_id="BL-P001",
    nozzle_diameter=0.4,
    width=100.0,
    depth=80.0,
    height=30.0,
)


def a_printer(status: Mapping[str, Any] | None = IDLE, age: timedelta = timedelta(), **values: Any) -> Printer:
    seen = NOW - age
    state = status and PrinterState(version=1, reported_at=seen, received_at=seen, sampled_at=seen, status=status)
    base: dict[str, Any] = {
        "printer_id": "printer-1",
        "organization_id": "org",
        "recipient_id": "site-1",
        "serial": "00M00A000000001",
        "brand": "Bambu Lab",
        "model": "X1 Carbon",
        "active": True,
        "state": state,
        "created_at": NOW,
    }
    return Printer(**{**base, **values})


def a_file(plate: Plate = PLATE, **values: Any) -> StoredPrintFile:
    base: dict[str, Any] = {
        "file_id": "file-1",
        "organization_id": "org",
        "recipient_id": "site-1",
        "product_id": "product",
        "file_name": "part.3mf",
        "gcs_bucket": "bucket",
        "gcs_path": "path",
        "content_type": "model/3mf",
        "created_at": NOW,
        "status": "uploaded",
        "size": 1,
        "sha256": "0",
        "md5": "0",
        "fetch_token": "t",
        "fetch_token_expiry": NOW,
        "kind": "3mf",
        "plates": (plate,),
    }
    return StoredPrintFile(**{**base, **values})


def a_job(**values: Any) -> Job:
    base: dict[str, Any] = {
        "job_id": "job-1",
        "number": 1,
        "organization_id": "org",
        "recipient_id": "site-1",
        "status": JobStatus.QUEUED,
        "created_at": NOW,
        "updated_at": NOW,
        "request_id": "r",
    }
    return Job(**{**base, **values})


def outcome(
    job: Job | None = None,
    file: StoredPrintFile | None = None,
    printer: Printer | None = None,
    has_agent: bool = False,
    plate: int = 1,
) -> Fit | list[str]:
    needs = Needs.of(job or a_job(), file or a_file(), plate)
    found = fit(needs, Candidate.of(printer or a_printer(), NOW, has_agent))
    return found if isinstance(found, Fit) else [reason.text for reason in found]


def changed(**values: Any) -> StoredPrintFile:
    return a_file(PLATE.model_copy(update=values))


def status(**values: Any) -> dict[str, Any]:
    return {**IDLE, **values}


def unloaded(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in status(**values).items() if name != "loadedFilaments"}


FITS = Fit((2,), use_ams=True)
EXTERNAL = Fit((), use_ams=False)
NAMED = {"wanted_printer_id": "printer-1"}


def test_a_job_that_fits_is_told_its_tray() -> None:
    assert outcome() == FITS


@pytest.mark.parametrize(
    ("printer", "reasons"),
    [
        (a_printer(active=False), ["inactive"]),
        (a_printer(deleted_at=NOW), ["inactive"]),
        (a_printer(serial=None), ["unreachable"]),
        (a_printer(status(online=False)), ["offline"]),
        (a_printer(status(state="offline")), ["offline"]),
        (a_printer(status(state="printing", online=False)), ["offline"]),
        (a_printer(status(state="what")), ["offline"]),
        (a_printer(age=SILENCE + timedelta(seconds=1)), ["offline"]),
        (a_printer(status(state="printing")), ["busy"]),
        (a_printer(status(state="unknown", gcodeState="PAUSE")), ["busy"]),
        (a_printer(occupants={"job-0": OCCUPANT}), ["busy"]),
        (a_printer(plate_cleared=False), ["plate_not_cleared"]),
        (a_printer(model="P1S"), ["model_mismatch: X1C"]),
        (a_printer(model=None), ["model_unknown"]),
        (a_printer(model="X1"), ["model_unknown"]),
        (a_printer(build_volume=BuildVolume(x=99, y=200, z=200)), ["too_large: 100x80x30"]),
        (a_printer(nozzle_diameter=0.6), ["nozzle_mismatch: 0.4"]),
        (a_printer(status(nozzleDiameter=0.2)), ["nozzle_mismatch: 0.4"]),
        (a_printer(status(nozzleDiameter=0.6), nozzle_diameter=0.4), ["nozzle_mismatch: 0.4"]),
        (a_printer(status(nozzleDiameter=0.4), nozzle_diameter=0.6), ["nozzle_mismatch: 0.4"]),
        (a_printer(status(loadedFilaments=[])), ["material_missing: PLA"]),
        (a_printer(status(loadedFilaments=IDLE["loadedFilaments"][:1])), [f"color_missing: PLA {RED}"]),
        (a_printer(supported_materials=("PETG", "ABS")), ["material_missing: PLA"]),
        (a_printer(unloaded()), ["material_unknown: PLA"]),
    ],
)
def test_what_is_wrong_with_a_printer_is_said(printer: Printer, reasons: list[str]) -> None:
    assert outcome(printer=printer) == reasons


@pytest.mark.parametrize(
    "printer",
    [
        a_printer(age=SILENCE),
        a_printer(status(state="completed")),
        a_printer(status(state="unknown", gcodeState="FAILED")),
        a_printer(nozzle_diameter=0.4),
        a_printer(status(nozzleDiameter="0.6")),
        a_printer(status(nozzleDiameter=0.4), nozzle_diameter=0.4),
        a_printer(status(nozzleDiameter="0.6"), nozzle_diameter=0.4),
        a_printer(supported_materials=("petg", "pla")),
        a_printer(build_volume=BuildVolume(x=100, y=80, z=30)),
    ],
)
def test_what_is_not_in_the_way(printer: Printer) -> None:
    assert outcome(printer=printer) == FITS


def test_a_printer_that_never_reported_is_offline_and_nothing_is_known_of_it() -> None:
    assert outcome(printer=a_printer(None)) == ["offline", "material_unknown: PLA"]


def test_everything_that_is_wrong_is_said_at_once_and_in_one_order() -> None:
    printer = a_printer(
        status(state="printing", loadedFilaments=[]), active=False, serial=None, plate_cleared=False, model="A1 mini"
    )
    file = changed(width=300.0, depth=200.04, height=100.0, nozzle_diameter=0.6)
    assert outcome(a_job(wanted_printer_id="other"), file, printer) == [
        "not_wanted",
        "inactive",
        "unreachable",
        "busy",
        "plate_not_cleared",
        "model_mismatch: X1C",
        "too_large: 300x200x100",
        "nozzle_unknown",
        "material_missing: PLA",
    ]


def test_a_job_fits_only_the_printer_that_its_owner_wants() -> None:
    assert outcome(a_job(wanted_printer_id="printer-2")) == ["not_wanted"]
    assert outcome(a_job(**NAMED)) == FITS


def test_a_file_that_is_gone_and_a_plate_that_is_not_there() -> None:
    gone = fit(Needs.of(a_job(), None, 1), Candidate.of(a_printer(), NOW, has_agent=False))
    assert isinstance(gone, tuple)
    assert [reason.text for reason in gone] == ["file_missing"]
    assert outcome(plate=3) == ["file_missing: plate 3"]


def test_only_an_agent_fetches_a_file_of_another_site() -> None:
    printer = a_printer(recipient_id="site-2")
    assert outcome(printer=printer) == ["file_at_other_site"]
    assert outcome(printer=printer, has_agent=True) == FITS


def test_an_unknown_model_goes_only_where_its_owner_says() -> None:
    silent = changed(printer_model=None, printer_model_id=None)
    assert outcome(file=silent) == ["model_unknown"]
    assert outcome(a_job(**NAMED), silent) == FITS
    assert outcome(a_job(**NAMED), printer=a_printer(model=None)) == FITS
    assert outcome(a_job(**NAMED), printer=a_printer(model="P1S")) == ["model_mismatch: X1C"]


def test_the_models_own_room_counts_where_no_other_is_told() -> None:
    assert outcome(file=changed(height=300.0)) == ["too_large: 100x80x300"]
    assert outcome(file=changed(width=None, depth=None, height=300.0)) == ["too_large: ?x?x300"]
    assert outcome(file=changed(width=None, depth=None, height=None)) == FITS


def test_an_unknown_nozzle_is_taken_for_the_usual_one() -> None:
    assert outcome(file=changed(nozzle_diameter=None)) == FITS
    assert outcome(file=changed(nozzle_diameter=0.6)) == ["nozzle_unknown"]
    assert outcome(file=changed(nozzle_diameter=0.6), printer=a_printer(nozzle_diameter=0.6)) == FITS


def test_a_nozzle_that_was_changed_is_as_wrong_as_one_that_was_entered_wrongly() -> None:
    """Whichever of both is stale, somebody has to look."""
    for reported, entered in ((0.6, 0.4), (0.4, 0.6)):
        printer = a_printer(status(nozzleDiameter=reported), nozzle_diameter=entered)
        assert outcome(file=changed(nozzle_diameter=0.6), printer=printer) == ["nozzle_mismatch: 0.6"]


def test_where_no_spool_is_known_one_supported_filament_fits() -> None:
    printer = a_printer(unloaded(), supported_materials=("PLA", "PETG"))
    colourless = changed(filament=(Filament(slot=1, type="PLA"),))
    assert outcome(file=colourless, printer=printer) == EXTERNAL
    assert outcome(a_job(use_ams=False), colourless, printer) == EXTERNAL
    assert outcome(a_job(use_ams=True), colourless, printer) == ["ams_unknown"]
    assert outcome(printer=printer) == ["ams_unknown"]
    assert outcome(a_job(**NAMED), printer=printer) == EXTERNAL
    two = changed(filament=(Filament(slot=1, type="PLA"), Filament(slot=2, type="ABS")))
    assert outcome(file=two, printer=printer) == ["material_missing: ABS", "ams_unknown"]
    assert outcome(a_job(wishes=(Wish(slot=1, type="ABS"),)), printer=printer) == ["material_missing: ABS"]


def test_a_file_that_says_nothing_of_its_filament_goes_where_its_owner_says() -> None:
    silent = changed(filament=())
    for printer in (a_printer(), a_printer(unloaded())):
        assert outcome(file=silent, printer=printer) == ["material_unknown"]
        assert outcome(a_job(**NAMED), silent, printer) == EXTERNAL
        assert outcome(a_job(**NAMED, use_ams=True), silent, printer) == ["material_unknown"]
    assert outcome(a_job(wishes=(Wish(slot=1, type="PLA", color="White"),)), silent) == Fit((0,), use_ams=True)


def test_plain_gcode_cannot_be_told_a_tray() -> None:
    plain = a_file(kind="gcode")
    assert outcome(file=plain) == ["material_missing: PLA"]
    assert outcome(a_job(use_ams=True), plain) == ["ams_unknown"]
    external = a_printer(status(loadedFilaments=[{"slot": 254, "type": "PLA", "color": RED}]))
    assert outcome(file=plain, printer=external) == EXTERNAL


candidates = st.builds(
    lambda status, values: Candidate.of(a_printer(status, **values), NOW, has_agent=False),
    st.fixed_dictionaries(
        {"state": st.sampled_from(["idle", "printing", "offline", "completed"])},
        optional={
            "nozzleDiameter": st.sampled_from([0.4, 0.6, "x"]),
            "loadedFilaments": st.lists(
                st.fixed_dictionaries(
                    {
                        "slot": st.sampled_from([0, 1, 2, 7, 254]),
                        "type": st.sampled_from(["PLA", "PETG", None]),
                        "color": st.sampled_from([RED, "#FFFFFF", None]),
                        "remain": st.sampled_from([0, 50, None]),
                    }
                ),
                max_size=4,
            ),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from([None, "P1S", "X1"]),
            "supported_materials": st.sampled_from([(), ("PLA",), ("PLA", "PETG")]),
            "plate_cleared": st.booleans(),
        },
    ),
)
jobs = st.builds(
    lambda wanted, use_ams, wishes: a_job(wanted_printer_id=wanted, use_ams=use_ams, wishes=wishes),
    st.sampled_from([None, "printer-1"]),
    st.sampled_from([None, True, False]),
    st.lists(
        st.builds(
            Wish,
            slot=st.sampled_from([1, 2, 3]),
            type=st.sampled_from([None, "PLA", "PETG"]),
            color=st.sampled_from([None, "Red", "#FFFFFF"]),
        ),
        max_size=3,
    ).map(tuple),
)
plates = st.lists(
    st.builds(
        Filament,
        slot=st.sampled_from([1, 2, 3]),
        type=st.sampled_from([None, "PLA", "PETG"]),
        color=st.sampled_from([None, RED, "#FFFFFF"]),
    ),
    max_size=3,
).map(lambda filament: PLATE.model_copy(update={"filament": tuple(filament)}))


@given(jobs, plates, candidates)
def test_a_job_fits_with_the_right_filaments_or_there_is_a_reason(job: Job, plate: Plate, candidate: Candidate) -> None:
    needs = Needs.of(job, a_file(plate), 1)
    found = fit(needs, candidate)
    if not isinstance(found, Fit):
        assert found
        assert len(set(found)) == len(found)
        return
    assert candidate.online
    assert not candidate.busy
    loaded = {spool.slot: spool for spool in candidate.loaded or ()}
    if found.use_ams:
        for each in needs.needed:
            assert fits(each, loaded[found.ams_mapping[each.slot - 1]])
    elif candidate.loaded is not None and not needs.needed[0].is_unknown:
        assert all(fits(each, loaded[254]) for each in needs.needed)


FAULTS: Mapping[str, Any] = {
    "active": False,
    "reachable": False,
    "online": False,
    "busy": True,
    "plate_cleared": False,
    "recipient_id": "site-2",
    "printer_id": "printer-2",
    "volume": BuildVolume(x=1, y=1, z=1),
    "nozzles": frozenset({0.8}),
    "supported": frozenset({"PEEK"}),
    "loaded": (),
    "model": model_of("Voron 0.1"),
}


@given(jobs, plates, candidates, st.sampled_from(sorted(FAULTS)))
def test_one_more_fault_never_makes_a_printer_fit(job: Job, plate: Plate, candidate: Candidate, fault: str) -> None:
    needs = Needs.of(job, a_file(plate), 1)
    worse = fit(needs, replace(candidate, **{fault: FAULTS[fault]}))
    if not isinstance(fit(needs, candidate), Fit):
        assert not isinstance(worse, Fit)


@given(jobs, plates, candidates, st.integers(0, 3))
def test_a_spool_less_never_helps(job: Job, plate: Plate, candidate: Candidate, place: int) -> None:
    needs = Needs.of(job, a_file(plate), 1)
    if candidate.loaded and not isinstance(fit(needs, candidate), Fit):
        fewer: tuple[Loaded, ...] = tuple(each for at, each in enumerate(candidate.loaded) if at != place)
        assert not isinstance(fit(needs, replace(candidate, loaded=fewer)), Fit)


def waiting(job_id: str, user: str | None, minute: int, priority: Priority = Priority.NORMAL) -> Waiting:
    return Waiting(job_id, priority, user, NOW + timedelta(minutes=minute))


def ids(jobs: list[Waiting]) -> list[str]:
    return [job.job_id for job in jobs]


def test_priority_goes_before_everything() -> None:
    queue = [waiting("a", "u", 0), waiting("b", "u", 1, Priority.URGENT), waiting("c", "v", 2, Priority.LOW)]
    assert ids(order(queue, {"u": 9})) == ["b", "a", "c"]


def test_two_users_take_turns() -> None:
    queue = [waiting(f"a{n}", "anna", n) for n in range(3)] + [waiting(f"b{n}", "ben", 10 + n) for n in range(3)]
    assert ids(order(queue, {})) == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert ids(order(queue, {"anna": 2})) == ["b0", "b1", "a0", "b2", "a1", "a2"]


def test_jobs_that_nobody_ordered_share_one_turn() -> None:
    queue = [waiting("x0", None, 0), waiting("x1", None, 1), waiting("a0", "anna", 2)]
    assert ids(order(queue, {})) == ["x0", "a0", "x1"]


queues = st.lists(
    st.builds(
        waiting,
        job_id=st.uuids().map(str),
        user=st.sampled_from(["anna", "ben", "chris", None]),
        minute=st.integers(0, 5),
        priority=st.sampled_from(Priority),
    ),
    max_size=12,
    unique_by=lambda job: job.job_id,
)


@given(queues, st.dictionaries(st.sampled_from(["anna", "ben", None]), st.integers(0, 3)), st.randoms())
def test_the_order_is_one_whatever_order_the_jobs_are_told_in(
    queue: list[Waiting], running: dict[str | None, int], random: Any
) -> None:
    first = order(queue, running)
    assert sorted(ids(first)) == sorted(ids(queue))
    random.shuffle(queue)
    assert order(queue, running) == first
    ranks = [job.priority.rank for job in first]
    assert ranks == sorted(ranks, reverse=True)
    for user in {job.user for job in queue}:
        own = [(-job.priority.rank, job.queued_at, job.job_id) for job in first if job.user == user]
        assert own == sorted(own)
