"""What printers report: the live state and its version, the history, and what a report costs."""

import base64
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from printpipe.domain.errors import Conflict, DomainError
from printpipe.domain.ports.documents import Delete, Update
from printpipe.services.printers import heartbeats, status_reports
from printpipe.services.printers.status_reports import Report, Taken
from tests.cloud import Cloud, Site
from tests.contract.reporting import IDLE, NOON, SERIALS, Instance, history_of, printer_of
from tests.contract.wire_client import PICTURE
from tests.counts import count

BODY_LIMIT = 16 * 1024 * 1024


@pytest.fixture
def instance(cloud: Cloud, site: Site) -> Instance:
    return Instance(cloud, site.lan_recipient)


def _number(taken: Taken | DomainError) -> int:
    assert isinstance(taken, Taken)
    return int(taken.status_update_id.rsplit("-", 1)[1])


def _all(reports: Sequence[tuple[str, dict[str, Any]]], **more: object) -> list[tuple[str, dict[str, Any]]]:
    return [(serial, status | more) for serial, status in reports]


def test_a_batch_costs_one_write_for_each_printer_that_changed(instance: Instance) -> None:
    idle = [(serial, IDLE) for serial in SERIALS]
    costs = {"first seen": instance.cost(lambda: instance.batch(*idle))}
    instance.later(seconds=15)
    costs["unchanged"] = instance.cost(lambda: instance.batch(*idle))
    instance.later(seconds=15)
    costs["all warmer"] = instance.cost(lambda: instance.batch(*_all(idle, bedTemp=23)))
    instance.later(seconds=15)
    warmer = _all(idle, bedTemp=23)
    costs["two warmer"] = instance.cost(lambda: instance.batch(*_all(idle[:2], bedTemp=24), *warmer[2:]))
    costs["one prints"] = instance.cost(lambda: instance.batch((SERIALS[4], {"state": "printing"})))
    instance.later(minutes=5)
    costs["a sample is due"] = instance.cost(lambda: instance.batch(*warmer[2:4]))
    assert costs == {
        "first seen": (5, 15),  # no alias; each: the printer, its alias, a sample
        "unchanged": (0, 0),
        "all warmer": (0, 5),
        "two warmer": (0, 2),
        "one prints": (0, 2),  # with a sample
        "a sample is due": (0, 4),
    }


def test_another_instance_costs_one_read_for_each_printer_it_changed(instance: Instance) -> None:
    other = Instance(instance.cloud, instance.recipient)
    idle = [(serial, IDLE) for serial in SERIALS]
    instance.batch(*idle)
    assert other.cost(lambda: other.batch((SERIALS[1], IDLE | {"bedTemp": 30}))) == (2, 1)  # alias and printer, once
    changed = instance.cost(lambda: instance.batch(*_all(idle, bedTemp=31)))
    assert changed == (1, 5)
    assert instance.cost(lambda: instance.batch(*_all(idle, bedTemp=32))) == (0, 5)
    for serial in SERIALS:
        data = printer_of(instance.cloud, instance.recipient, serial).data
        assert data["state"]["status"]["bedTemp"] == 32
        assert data["state"]["version"] == (4 if serial == SERIALS[1] else 3)


def test_a_configured_printer_keeps_what_others_wrote(instance: Instance) -> None:
    instance.report(SERIALS[0], IDLE)
    path = printer_of(instance.cloud, instance.recipient, SERIALS[0]).path
    instance.cloud.backend.documents.commit(Update(path, {"name": "Left", "active": True}))
    instance.later(seconds=1)
    assert instance.cost(lambda: instance.report(SERIALS[0], IDLE | {"bedTemp": 40})) == (1, 1)
    data = instance.cloud.document(path).data
    assert (data["name"], data["active"], data["state"]["status"]["bedTemp"]) == ("Left", True, 40)


def test_a_printer_that_was_removed_appears_again(instance: Instance) -> None:
    instance.report(SERIALS[0], IDLE)
    first = printer_of(instance.cloud, instance.recipient, SERIALS[0])
    instance.cloud.backend.documents.commit(Delete(first.path))
    instance.later(seconds=1)
    instance.report(SERIALS[0], IDLE | {"bedTemp": 40})
    again = printer_of(instance.cloud, instance.recipient, SERIALS[0])
    assert again.id != first.id
    instance.later(seconds=1)
    assert instance.cost(lambda: instance.report(SERIALS[0], IDLE | {"bedTemp": 41})) == (0, 1)


def test_an_older_report_overwrites_no_newer_one_of_another_instance(instance: Instance) -> None:
    other = Instance(instance.cloud, instance.recipient)
    now = instance.now
    instance.report(SERIALS[0], {"state": "printing", "progress": 10}, now - timedelta(seconds=50))
    other.report(SERIALS[0], {"state": "printing", "progress": 30}, now - timedelta(seconds=10))
    late = instance.report(SERIALS[0], {"state": "printing", "progress": 20}, now - timedelta(seconds=30))
    state = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["state"]
    assert (state["status"]["progress"], state["version"], _number(late)) == (30, 2, 2)


def test_the_same_picture_as_before_is_written_where_another_instance_heard_something_else(instance: Instance) -> None:
    other, serial = Instance(instance.cloud, instance.recipient), SERIALS[0]
    times: list[datetime] = []

    def report(at: Instance, state: str) -> None:
        instance.later(seconds=15)
        other.now = instance.now
        seen = Report(serial, None, {"state": state}, instance.now, previous=times[-1] if times else None)
        times.append(instance.now)
        status_reports.report_all(at.context, at.recipient, [seen])

    for at, state in ((instance, "printing"), (other, "paused"), (instance, "printing")):
        report(at, state)
        assert printer_of(instance.cloud, instance.recipient, serial).data["state"]["status"]["state"] == state
    assert instance.cost(lambda: report(instance, "printing")) == (0, 0)


def test_a_report_that_changed_nothing_is_newer_than_an_older_one(instance: Instance) -> None:
    instance.report(SERIALS[0], IDLE, instance.now - timedelta(seconds=50))
    instance.report(SERIALS[0], IDLE, instance.now - timedelta(seconds=10))
    instance.report(SERIALS[0], {"state": "printing"}, instance.now - timedelta(seconds=30))
    assert printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["state"]["status"] == IDLE


def test_concurrent_reports_of_two_instances_end_in_the_newest(instance: Instance) -> None:
    instances = [instance, Instance(instance.cloud, instance.recipient)]
    number = count(64, quick=24)
    gate = threading.Barrier(number)
    instance.report(SERIALS[0], {"state": "printing", "progress": -1}, instance.now - timedelta(hours=1))

    def run(progress: int) -> Taken:
        gate.wait()
        at = instance.now - timedelta(seconds=number - progress)
        return instances[progress % 2].report(SERIALS[0], {"state": "printing", "progress": progress}, at)

    with ThreadPoolExecutor(number) as pool:
        taken = list(pool.map(run, range(number)))
    state = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["state"]
    assert state["status"]["progress"] == number - 1
    assert {_number(each) for each in taken} | {1} == set(range(1, state["version"] + 1))  # it rose by one each time


def test_two_instances_that_see_a_printer_first_make_one(instance: Instance) -> None:
    instances = [Instance(instance.cloud, instance.recipient) for _ in range(8)]
    gate = threading.Barrier(len(instances))

    def run(index: int) -> Taken:
        gate.wait()
        return instances[index].report(SERIALS[0], {"state": "idle", "bedTemp": index})

    with ThreadPoolExecutor(len(instances)) as pool:
        assert {each.printer_id for each in pool.map(run, range(len(instances)))} == {
            printer_of(instance.cloud, instance.recipient, SERIALS[0]).id
        }


def test_a_clock_that_is_ahead_shuts_out_nothing(instance: Instance) -> None:
    instance.report(SERIALS[0], {"state": "printing"}, instance.now + timedelta(days=400))
    instance.later(seconds=1)
    instance.report(SERIALS[0], {"state": "paused"}, instance.now)
    state = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["state"]
    assert (state["status"]["state"], state["reportedAt"]) == ("paused", instance.now)


PRINTING = {"state": "printing", "printJobId": "job-1", "hms": []}
BROKEN = {"hms": [{"code": "0300_0300_0002_0003", "severity": "serious", "module": "hotbed"}]}
OTHER = {"hms": [*BROKEN["hms"], {"attr": 50331904, "code": 65543}]}


def test_history_is_written_for_news_and_every_five_minutes(instance: Instance) -> None:
    steps: list[tuple[str, dict[str, Any], float, bool]] = [
        ("first seen", PRINTING | {"progress": 1}, 0, True),
        ("numbers", PRINTING | {"progress": 2}, 60, False),
        ("a new HMS entry", PRINTING | BROKEN, 10, True),
        ("it is gone", PRINTING, 10, False),
        ("and back", PRINTING | BROKEN, 10, False),
        ("another beside it", PRINTING | OTHER, 10, True),
        ("a print error", PRINTING | OTHER | {"printError": 50348044}, 10, True),
        ("still the same", PRINTING | OTHER | {"printError": 50348044, "progress": 3}, 10, False),
        ("paused", PRINTING | {"state": "paused"}, 10, True),
        ("unchanged", PRINTING | {"state": "paused"}, 200, False),
        ("five minutes later", PRINTING | {"state": "paused"}, 101, True),
        ("printing", PRINTING, 10, True),
        ("the entry comes again", PRINTING | BROKEN, 10, True),
        ("the next job, in the same state", PRINTING | {"printJobId": "job-2"}, 10, True),
        ("the end of the job", {"state": "completed", "printJobId": "job-2"}, 10, True),
    ]
    kept = 0
    for title, status, seconds, is_kept in steps:
        instance.later(seconds=seconds)
        taken = instance.report(SERIALS[0], status)
        kept += is_kept
        history = history_of(instance.cloud, instance.recipient)
        assert len(history) == kept, title
        named = [each for each in history if each["updateId"] == taken.status_update_id]
        assert [each["status"] for each in named] == ([status] if is_kept else []) or title == "unchanged", title


def test_an_unknown_address_is_kept_and_creates_nothing(instance: Instance) -> None:
    first = instance.report(None, IDLE, ip="192.168.1.50")
    instance.later(seconds=15)
    assert instance.cost(lambda: instance.report(None, IDLE | {"bedTemp": 23}, ip="192.168.1.50")) == (1, 0)
    instance.report(None, {"state": "printing"}, ip="192.168.1.50")
    instance.later(minutes=5)
    instance.report(None, {"state": "printing"}, ip="192.168.1.50")
    history = history_of(instance.cloud, instance.recipient)
    assert sorted(each["status"]["state"] for each in history) == ["idle", "printing", "printing"]
    assert first.status_update_id in {each["updateId"] for each in history}
    assert first.printer_id is None
    assert instance.cloud.documents("printers", instance.recipient) == []


def test_an_address_means_the_printer_that_had_it_last(instance: Instance) -> None:
    for serial in SERIALS[:2]:
        instance.report(serial, IDLE, ip="192.168.1.60")
        instance.later(seconds=5)
    instance.report(None, {"state": "printing"}, ip="192.168.1.60")
    states = [printer_of(instance.cloud, instance.recipient, each).data["state"]["status"] for each in SERIALS[:2]]
    assert [each["state"] for each in states] == ["idle", "printing"]
    kept = [each for each in history_of(instance.cloud, instance.recipient) if each["status"]["state"] == "printing"]
    assert [each["printerSerial"] for each in kept] == [SERIALS[1]]


def test_another_sites_printer_keeps_back_none_of_the_others(instance: Instance, site: Site) -> None:
    Instance(instance.cloud, site.agent_recipient).report(SERIALS[1], IDLE)
    for bed in (30, 31):
        first, foreign, third = instance.batch(*[(serial, IDLE | {"bedTemp": bed}) for serial in SERIALS[:3]])
        assert isinstance(foreign, Conflict)
        assert isinstance(first, Taken)
        assert isinstance(third, Taken)
    assert printer_of(instance.cloud, site.agent_recipient, SERIALS[1]).data["state"]["status"] == IDLE
    assert printer_of(instance.cloud, instance.recipient, SERIALS[2]).data["state"]["status"]["bedTemp"] == 31


def test_heartbeats_are_written_once_in_two_minutes(instance: Instance) -> None:
    path = f"recipients/{instance.recipient}"
    costs = []
    for _ in range(13):
        beat = lambda: heartbeats.beat(instance.context, instance.recipient, "1.4.2")  # noqa: E731
        costs.append(instance.cost(beat))
        instance.later(seconds=20)
    assert costs == [(0, 1), *[(0, 0)] * 5, (0, 1), *[(0, 0)] * 5, (0, 1)]
    data = instance.cloud.document(path).data
    assert (data["lastSeenAt"], data["clientVersion"]) == (NOON + timedelta(seconds=240), "1.4.2")
    assert data["organizationId"]


def _batch(cloud: Cloud, site: Site, *printers: dict[str, Any]) -> Any:
    body = {"recipientId": site.agent_recipient, "printers": list(printers)}
    return cloud.call("POST", "/api/printer-status/batch", key=site.agent_key, json=body)


def test_of_two_reports_about_one_printer_the_newer_counts(cloud: Cloud, site: Site) -> None:
    entries = [
        {"printerSerial": SERIALS[0], "status": {"progress": progress}, "timestamp": f"2025-10-31T10:0{progress}:00Z"}
        for progress in (2, 3, 1)
    ]
    answer = _batch(cloud, site, *entries, {"printerSerial": SERIALS[1], "status": IDLE})
    results = answer.json()["results"]
    assert [each["printerSerial"] for each in results] == [SERIALS[0]] * 3 + [SERIALS[1]]
    printer = printer_of(cloud, site.agent_recipient, SERIALS[0])
    assert printer.data["state"]["status"]["progress"] == 3
    assert {each["statusUpdateId"] for each in results[:3]} == {f"{printer.id}-1"}
    assert (printer.data["active"], printer.data["organizationId"]) == (False, site.organization)
    alias = cloud.document(f"printer_aliases/{site.organization}_serial_{SERIALS[0]}")
    assert alias.data["printerId"] == printer.id


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"printerSerial": "S3", "status": [1]}, "printers.2.status"),
        ({"printerSerial": "S3"}, "printers.2.status"),
        ({"printerSerial": "S3", "status": {"n": [[1]]}}, "printers.2.status"),
        ({"printerSerial": "S/3", "status": {}}, "printers.2.printerSerial"),
        ({"printerSerial": "S3", "status": {}, "timestamp": "soon"}, "printers.2.timestamp"),
    ],
)
def test_a_wrong_entry_is_named_and_stores_nothing(cloud: Cloud, site: Site, entry: dict[str, Any], field: str) -> None:
    good = [{"printerSerial": serial, "status": IDLE} for serial in SERIALS[:2]]
    answer = _batch(cloud, site, *good, entry)
    assert (answer.status_code, answer.json()["detail"]) == (400, field)
    assert cloud.documents("printers", site.agent_recipient) == []


@pytest.mark.one_backend
def test_a_batch_holds_at_most_a_hundred(cloud: Cloud, site: Site) -> None:
    many = [{"printerSerial": f"S{number}", "status": IDLE} for number in range(101)]
    assert _batch(cloud, site, *many[:100]).status_code == 200
    assert _batch(cloud, site, *many).json()["detail"] == "printers"
    assert _batch(cloud, site).json()["detail"] == "printers"
    assert len(cloud.documents("printers", site.agent_recipient)) == 100


def test_concurrent_requests_end_in_the_newest(cloud: Cloud, site: Site) -> None:
    number = count(64, quick=16)
    gate = threading.Barrier(number)

    def run(progress: int) -> int:
        at = f"2025-10-31T10:{progress:02}:00Z"
        entry = {"printerSerial": SERIALS[0], "status": {"state": "printing", "progress": progress}, "timestamp": at}
        gate.wait()
        answer = _batch(cloud, site, entry)
        assert answer.json()["results"][0]["error"] is None, answer.text
        return int(answer.status_code)

    with ThreadPoolExecutor(number) as pool:
        assert set(pool.map(run, range(number))) == {200}
    state = printer_of(cloud, site.agent_recipient, SERIALS[0]).data["state"]
    assert state["status"]["progress"] == number - 1


@pytest.mark.one_backend
def test_the_app_is_noted_and_gives_no_right(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0], "status": IDLE}
    path = f"/api/apps/{site.lan_recipient}/functions/updatePrinterStatus"
    assert cloud.call("POST", path, key=site.agent_key, json=body).status_code == 403
    assert cloud.call("POST", path, key=site.lan_key, json=body).status_code == 200
    (sample,) = history_of(cloud, site.lan_recipient)
    assert sample["appId"] == site.lan_recipient


JWT = {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}


@pytest.mark.one_backend
def test_the_shared_path_takes_a_key_alone(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0], "bedTemp": 60}
    path = "/api/printer-status"
    assert cloud.call("POST", path, key=site.lan_key, json=body).status_code == 200
    assert cloud.call("POST", f"{path}?apiKey={site.lan_key}", json=body).status_code == 200
    assert cloud.call("POST", path, headers=JWT, json=body).status_code == 401
    assert cloud.call("POST", path, key=site.lan_key, headers=JWT, json=body).status_code == 401
    assert cloud.call("POST", path, json=body).status_code == 401


@pytest.mark.one_backend
@pytest.mark.parametrize("path", ["/api/printer-status", "/api/printer-status/update"])
def test_flat_and_nested_reports_look_the_same(cloud: Cloud, site: Site, path: str) -> None:
    flat = {"state": "printing", "progressPercent": 45, "bedTemp": 60, "nozzleTemp": 220, "hms": [{"code": "0300"}]}
    nested = {"state": "printing", "progress": 45, "bedTemp": 60, "nozzleTemp": 220, "hms": [{"code": "0300"}]}
    shapes: list[dict[str, Any]] = [
        flat,
        {**flat, "state": None, "status": "printing", "fileName": "", "printJobId": None},
        {"status": nested},
        {"status": {**nested, "progress": 45}, "state": "idle", "bedTemp": 1},
    ]
    for number, shape in enumerate(shapes):
        body = {"recipientId": site.lan_recipient, "printerSerial": f"S{number}", **shape}
        assert cloud.call("POST", path, key=site.lan_key, json=body).status_code == 200
        assert printer_of(cloud, site.lan_recipient, f"S{number}").data["state"]["status"] == nested


@pytest.mark.one_backend
def test_a_wrong_status_is_named(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0]}
    for status in (7, [1], {"__n__": 1}, {"n": [[1]]}, "x" * 5000):
        answer = cloud.call("POST", "/api/printer-status", key=site.lan_key, json={**body, "status": status})
        assert (answer.status_code, answer.json()["detail"]) == (400, "status")


@pytest.mark.one_backend
def test_flat_readings_are_bounded_together(cloud: Cloud, site: Site) -> None:
    hms = [{"code": "x" * 60_000} for _ in range(4)]
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0], "hms": hms}
    answer = cloud.call("POST", "/api/printer-status/update", key=site.lan_key, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, "status")


@pytest.mark.one_backend
def test_a_status_never_shows_an_access_code(cloud: Cloud, site: Site) -> None:
    secret = "S3cr3t-" + site.organization
    status = {
        "state": "idle",
        "accessCode": secret,
        "net": {"lan_access_code": secret, "list": [{"Password": secret, "ssid": "farm"}]},
    }
    body = {
        "recipientId": site.lan_recipient,
        "printerIpAddress": "192.168.1.8",
        "status": status,
        "accessCode": secret,
    }
    paths = (
        "/printer-status",
        "/api/printer-status",
        "/api/printer-status/update",
        "/api/apps/a/functions/updatePrinterStatus",
    )
    answers = []
    for number, path in enumerate(paths):
        named = {**body, "printerSerial": f"S{number}"}
        answers.append(cloud.call("POST", path, key=site.lan_key, json=named).text)
    answers.append(
        cloud.call(
            "POST",
            "/api/printer-status/batch",
            key=site.lan_key,
            json={"recipientId": site.lan_recipient, "printers": [{**body, "printerSerial": "S9"}]},
        ).text
    )
    printers = cloud.documents("printers", site.lan_recipient)
    stored = [*printers, *cloud.documents("printer_status_updates", site.lan_recipient)]
    assert len(stored) == 10
    kept = {"state": "idle", "net": {"list": [{"ssid": "farm"}]}}
    assert [each.data["state"]["status"] for each in printers] == [kept] * 5
    assert not any(secret in str(each.data) for each in stored)
    assert secret not in "".join(answers) + cloud.log.read_text()


PICTURES: dict[str, tuple[object, bool]] = {
    "base64": (base64.b64encode(PICTURE).decode(), True),
    "a data URI": (f"data:image/jpeg;base64,{base64.b64encode(PICTURE).decode()}", True),
    "no picture": ("no picture", False),
    "another kind": (base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode(), False),
    "a number": (7, False),
    "an object": ({"data": "x"}, False),
    "cut off": (base64.b64encode(PICTURE[:-20]).decode(), False),
    "more than 10 MiB": (base64.b64encode(PICTURE + bytes(10 * 1024 * 1024)).decode(), False),
}


@pytest.mark.one_backend
@pytest.mark.parametrize("case", PICTURES)
def test_a_picture_never_makes_its_report_fail(cloud: Cloud, site: Site, case: str) -> None:
    image, kept = PICTURES[case]
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0], "status": IDLE, "cameraImage": image}
    answer = cloud.call("POST", "/api/printer-status/update", key=site.lan_key, json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["imageUploaded"] is kept
    assert (told["imageUrl"] is None, told["imageMessage"] is None) == (not kept, kept)
    assert printer_of(cloud, site.lan_recipient, SERIALS[0]).data["state"]["status"] == IDLE
    if kept:
        assert requests.get(told["imageUrl"], timeout=10).content == PICTURE


@pytest.mark.one_backend
def test_a_body_beyond_all_measure_is_refused(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIALS[0], "cameraImage": "A" * BODY_LIMIT}
    answer = cloud.call(
        "POST",
        "/api/printer-status/update",
        key=site.lan_key,
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
