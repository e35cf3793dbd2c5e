"""What reports say of a printer's plate, and that they never say it is empty."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from printpipe.domain.ports.documents import Update
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report, Taken
from tests.cloud import Cloud, Site
from tests.contract.reporting import IDLE, SERIALS, Instance, printer_of
from tests.counts import count

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = SERIALS[0]
BENCHY = {"state": "completed", "fileName": "benchy.3mf", "printJobId": "job-1"}
CUBE = {"state": "completed", "fileName": "cube.3mf", "printJobId": "job-2"}


@pytest.fixture
def instance(cloud: Cloud, site: Site) -> Instance:
    return Instance(cloud, site.lan_recipient)


def cleared(instance: Instance) -> bool:
    """Whether the plate is held to be empty."""
    data = printer_of(instance.cloud, instance.recipient, SERIAL).data
    return bool(data["plateCleared"])


def clear(instance: Instance, at: datetime | None = None) -> None:
    """A person says that the plate is empty."""
    path = printer_of(instance.cloud, instance.recipient, SERIAL).path
    fields = {"plateCleared": True, "plateClearedAt": at or instance.now}
    instance.cloud.backend.documents.commit(Update(path, fields))


FIRST = [("idle", True), ("preparing", True), ("offline", True), ("completed", False), ("failed", False)]


@pytest.mark.parametrize(("state", "empty"), [*FIRST, ("printing", False), ("paused", False)])
def test_a_new_printers_plate_is_empty_unless_it_shows_a_print(instance: Instance, state: str, *, empty: bool) -> None:
    instance.report(SERIAL, {"state": state})
    assert cleared(instance) is empty


def test_the_first_report_of_a_printer_that_was_registered(cloud: Cloud, site: Site, instance: Instance) -> None:
    entries = [{"printerSerial": serial, "name": "left"} for serial in SERIALS[:2]]
    body = {"recipientId": site.agent_recipient, "printers": entries}
    assert cloud.call("POST", "/api/agent/printers", key=site.agent_key, json=body).ok
    agent = Instance(cloud, site.agent_recipient)
    agent.batch((SERIALS[0], {"state": "completed"}), (SERIALS[1], IDLE))
    flags = [printer_of(cloud, site.agent_recipient, serial).data["plateCleared"] for serial in SERIALS[:2]]
    assert flags == [False, True]


Step = tuple[str, dict[str, Any], float, bool]
DAYS: dict[str, Sequence[Step]] = {
    "a print": [
        ("idle", IDLE, 0, True),
        ("it heats", {"state": "preparing"}, 10, True),
        ("it prints", {"state": "printing"}, 60, False),
        ("it ends", BENCHY, 600, False),
        ("switched off and on", IDLE, 600, False),
    ],
    "a print that nobody saw": [("idle", IDLE, 0, True), ("it has ended", BENCHY, 3600, False)],
    "it was cancelled while it heated": [
        ("idle", IDLE, 0, True),
        ("it heats", {"state": "preparing"}, 10, True),
        ("it failed", {"state": "failed"}, 10, False),
    ],
    "a blip": [
        ("idle", IDLE, 0, True),
        ("gone", {"state": "offline"}, 15, True),
        ("something", {"bedTemp": 20}, 15, True),
        ("gone again", {"state": "offline"}, 15, True),
        ("back", {"state": "completed"}, 15, True),
    ],
    "a long absence": [
        ("idle", IDLE, 0, True),
        ("gone", {"state": "offline"}, 15, True),
        ("still gone", {"state": "offline", "online": False}, 60, True),
        ("back", {"state": "completed"}, 45, False),
    ],
    "it heated before the blip": [
        ("it heats", {"state": "preparing"}, 0, True),
        ("gone", {"state": "offline"}, 15, True),
        ("back", {"state": "failed"}, 15, False),
    ],
    "never seen at work": [
        ("gone", {"state": "offline"}, 0, True),
        ("back", {"state": "completed"}, 15, False),
    ],
}


@pytest.mark.parametrize("day", DAYS)
def test_a_day_of_a_plate(instance: Instance, day: str) -> None:
    for title, status, seconds, empty in DAYS[day]:
        instance.later(seconds=seconds)
        instance.report(SERIAL, status)
        assert cleared(instance) is empty, title


CLEARED: dict[str, Sequence[Step]] = {
    "the same again": [(f"after {seconds} s", BENCHY, seconds, True) for seconds in (15, 61, 300, 86_400)],
    "a blip": [("gone", {"state": "offline"}, 15, True), ("back", BENCHY, 60, True), ("hotter", BENCHY, 3600, True)],
    "a blip without a name": [("gone", {}, 15, True), ("back", {"state": "completed"}, 60, True)],
    "a long absence": [("gone", {"state": "offline"}, 15, True), ("back", BENCHY, 120, False)],
    "another print": [("ended unseen", CUBE, 15, False)],
    "another print in a blip": [("gone", {"state": "offline"}, 15, True), ("back", CUBE, 15, False)],
    "it fails": [("failed unseen", BENCHY | {"state": "failed"}, 15, False)],
    "the screen": [("idle", IDLE, 15, True), ("printing", {"state": "printing"}, 15, False)],
}


@pytest.mark.parametrize("day", CLEARED)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same instance", "another instance"])
def test_a_plate_that_a_person_cleared(instance: Instance, day: str, *, elsewhere: bool) -> None:
    instance.report(SERIAL, {"state": "printing"})
    instance.later(minutes=10)
    instance.report(SERIAL, BENCHY)
    instance.later(minutes=5)
    instance.report(SERIAL, BENCHY)
    clear(instance)
    for title, status, seconds, empty in CLEARED[day]:
        at = Instance(instance.cloud, instance.recipient, instance.now) if elsewhere else instance
        instance.later(seconds=seconds)
        at.now = instance.now
        at.report(SERIAL, status)
        assert cleared(instance) is empty, title


def test_an_instance_that_does_not_know_of_the_person_undoes_nothing(instance: Instance) -> None:
    instance.report(SERIAL, BENCHY)
    clear(instance)
    for more in ({}, {"bedTemp": 40}, {"bedTemp": 41}):
        instance.later(seconds=15)
        instance.report(SERIAL, BENCHY | more)
        assert cleared(instance)
    instance.report(SERIAL, {"state": "printing"})
    assert not cleared(instance)


@pytest.mark.parametrize(("older", "empty"), [(1, True), (119, True), (120, False), (0, False), (-1, False)])
def test_a_picture_of_just_before_does_not_undo_what_a_person_said(
    instance: Instance, older: int, *, empty: bool
) -> None:
    instance.report(SERIAL, {"state": "printing"})
    instance.later(minutes=30)
    clear(instance)
    instance.later(seconds=1)
    seen = instance.now - timedelta(seconds=1 + older)
    instance.report(SERIAL, BENCHY, seen)
    state = printer_of(instance.cloud, instance.recipient, SERIAL).data["state"]
    assert (state["status"], cleared(instance)) == (BENCHY, empty)


def test_a_person_wins_a_race_with_the_reports_of_before(instance: Instance) -> None:
    instances = [Instance(instance.cloud, instance.recipient, instance.now) for _ in range(4)]
    for round_ in range(count(30, quick=6)):
        instance.report(SERIAL, {"state": "printing", "progress": round_})
        gate = threading.Barrier(len(instances) + 1)
        for each in instances:
            each.now = instance.now + timedelta(seconds=2)

        def run(index: int, gate: threading.Barrier = gate) -> None:
            gate.wait()
            at = instance.now + timedelta(seconds=1)
            instances[index].report(SERIAL, BENCHY | {"bedTemp": index}, at)

        with ThreadPoolExecutor(len(instances)) as pool:
            reports = [pool.submit(run, index) for index in range(len(instances))]
            gate.wait()
            clear(instance, instance.now + timedelta(seconds=2))
            for report in reports:
                report.result()
        assert cleared(instance)
        instance.later(minutes=10)


def test_a_reporter_that_tells_changes_at_once_is_believed_until_its_line_broke(instance: Instance) -> None:
    times: list[datetime] = []

    def report(status: dict[str, Any]) -> None:
        previous = times[-1] if times else None
        times.append(instance.now)
        seen = [Report(SERIAL, None, status, instance.now, previous=previous)]
        (taken,) = status_reports.report_all(instance.context, instance.recipient, seen)
        assert isinstance(taken, Taken)

    report(BENCHY)
    clear(instance)
    for offline, empty in ((90, True), (130, False)):
        instance.later(minutes=5)
        report({"state": "offline", "online": False})
        instance.later(seconds=offline)
        report(BENCHY)
        assert cleared(instance) is empty


def late(instance: Instance, *states: tuple[str, int]) -> None:
    """Reports of that many seconds ago, which come in one request."""
    seen = [Report(SERIAL, None, {"state": state}, instance.now - timedelta(seconds=ago)) for state, ago in states]
    assert all(
        isinstance(each, Taken) for each in status_reports.report_all(instance.context, instance.recipient, seen)
    )


@pytest.mark.parametrize("known", [False, True], ids=["unknown printer", "known printer"])
def test_a_print_that_came_with_a_newer_report_counts(instance: Instance, *, known: bool) -> None:
    if known:
        instance.report(SERIAL, {"state": "idle"})
        instance.later(seconds=30)
    late(instance, ("printing", 20), ("completed", 10), ("idle", 5))
    data = printer_of(instance.cloud, instance.recipient, SERIAL).data
    assert (data["state"]["status"], data["plateCleared"]) == ({"state": "idle"}, False)


def test_reports_that_are_sent_again_undo_nothing(instance: Instance) -> None:
    states = (("printing", 20), ("idle", 5))
    late(instance, *states)
    instance.later(minutes=10)
    clear(instance)
    instance.later(minutes=10)
    late(instance, *((state, ago + 1200) for state, ago in states))
    assert cleared(instance)
    seen = instance.now
    instance.report(SERIAL, {"state": "printing"}, seen)
    assert not cleared(instance)
    instance.later(minutes=3)
    clear(instance)
    instance.later(minutes=3)
    instance.report(SERIAL, {"state": "printing"}, seen)
    assert cleared(instance)
    instance.report(SERIAL, {"state": "printing", "progress": 1})
    assert not cleared(instance)


def test_fifty_plates_survive_a_blip(instance: Instance) -> None:
    serials = [f"S{number}" for number in range(50)]
    instance.batch(*[(serial, BENCHY) for serial in serials])
    documents = instance.cloud.documents("printers", instance.recipient)
    instance.cloud.backend.documents.commit(*[Update(each.path, {"plateCleared": True}) for each in documents])
    for status in ({"state": "offline"}, BENCHY):
        instance.later(seconds=50)
        instance.batch(*[(serial, status) for serial in serials])
    assert {each.data["plateCleared"] for each in instance.cloud.documents("printers", instance.recipient)} == {True}


def test_the_flag_costs_nothing(instance: Instance) -> None:
    instance.report(SERIAL, IDLE)
    steps: list[tuple[dict[str, Any], tuple[int, int]]] = [
        ({"state": "preparing"}, (0, 2)),  # a turn of the state, with a sample
        ({"state": "printing"}, (0, 2)),
        ({"state": "printing", "progress": 1}, (0, 1)),
        ({"state": "offline"}, (0, 2)),
        (BENCHY, (0, 2)),
        (BENCHY, (0, 0)),
    ]
    for status, cost in steps:
        instance.later(seconds=10)
        assert instance.cost(partial(instance.report, SERIAL, status)) == cost
