"""What clients tell of printers: events with their pictures, snapshots, errors and the ends of prints."""

import base64
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from local.simulator.jpeg import grey_blocks
from printpipe.domain.pictures import MAX_BYTES
from tests.cloud import Cloud, Site
from tests.contract.test_billed_operations import call as billed_call
from tests.pictures import GOOD, HOSTILE, PNG, padded

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"
ADDRESS = "192.168.1.100"
REPORT = "/api/printer-events/report"
ERROR = "/api/printer-events/error"
SNAPSHOT = "/api/printer-images/upload"
COMPLETED = "/api/print-jobs/completed"
OTHER = grey_blocks([[255, 0], [7, 128]])
THIRD = grey_blocks([[1, 2, 3]])


def _event(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "recipientId": site.lan_recipient,
        "printerSerial": SERIAL,
        "printerIpAddress": ADDRESS,
        "eventType": "custom_event",
        "eventStatus": "info",
        **more,
    }


def _post(cloud: Cloud, site: Site, path: str, body: Mapping[str, Any], **options: Any) -> requests.Response:
    return cloud.call("POST", path, **{"key": site.lan_key, "json": body, **options})


def _stored(cloud: Cloud, site: Site, **more: Any) -> str:
    answer = _post(cloud, site, REPORT, _event(site, **more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["eventId"])


def _image(cloud: Cloud, key: str, event: str, content: bytes, **options: Any) -> requests.Response:
    files = {"image": ("snapshot.jpg", content, "image/jpeg")}
    return cloud.call("POST", f"/api/printer-events/{event}/upload-image", key=key, files=files, **options)


def _serves(url: str, content: bytes) -> bool:
    answer = requests.get(url, timeout=10)
    return answer.status_code == 200 and answer.content == content


def _objects(cloud: Cloud) -> int:
    """How many pictures lie in the bucket; those of print files come when these are read."""
    environment = cloud.backend.environment
    if cloud.backend.embedded:
        root = Path(environment["PRINTPIPE_DATA_DIR"]) / "files" / environment["GCS_BUCKET_NAME"] / "objects"
        names = [json.loads(facts.read_bytes())["name"] for facts in root.glob("*/facts.json")]
        return sum(name.startswith("pictures/") for name in names)
    url = f"{environment['STORAGE_EMULATOR_HOST']}/storage/v1/b/{environment['GCS_BUCKET_NAME']}/o?prefix=pictures/"
    return len(requests.get(url, timeout=10).json().get("items", []))


def _assert_refused(answer: requests.Response, status: int, field: str) -> None:
    assert (answer.status_code, answer.json()["detail"]) == (status, field), answer.text
    assert answer.json()["error_type"] == {409: "ConflictError", 404: "NotFoundError"}.get(status, "ValidationError")


# Events


@pytest.mark.parametrize("serial", [{"printerSerial": ""}, {"printerSerial": None}, {}])
def test_a_printer_may_be_named_by_its_address_alone(cloud: Cloud, site: Site, serial: dict[str, Any]) -> None:
    body = {**_event(site), **serial}
    if not serial:
        del body["printerSerial"]
    assert _post(cloud, site, REPORT, body).status_code == 201
    (event,) = cloud.documents("printer_events", site.lan_recipient)
    assert (event.data["printerSerial"], event.data["printerIpAddress"]) == (None, ADDRESS)


@pytest.mark.parametrize("path", ["/printer-status", "/api/printer-status/update", REPORT, ERROR, SNAPSHOT, COMPLETED])
def test_whatever_is_reported_names_its_printer(cloud: Cloud, site: Site, path: str) -> None:
    whole = {
        **_event(site),
        "status": {},
        "success": True,
        "completedAt": "2025-10-31T10:00:00Z",
        "imageData": base64.b64encode(GOOD).decode(),
        "printerSerial": "",
        "printerIpAddress": None,
    }
    answer = _post(cloud, site, f"{path}?recipientId={site.lan_recipient}", whole)
    _assert_refused(answer, 400, "printerSerial")


def test_an_event_names_the_start_that_began_its_print(cloud: Cloud, site: Site) -> None:
    told: list[dict[str, Any]] = [{"commandId": "command-1"}, {"commandId": ""}, {"commandId": None}, {}]
    stored = [_stored(cloud, site, eventType="job_started", printJobId="job-1", **more) for more in told]
    wanted = ["command-1", None, None, None]
    assert [cloud.document(f"printer_events/{event}").data["commandId"] for event in stored] == wanted
    answer = cloud.call("GET", f"/api/printer-events?recipientId={site.lan_recipient}", key=site.lan_key)
    shown = {event["eventId"]: event["commandId"] for event in answer.json()["events"]}
    assert [shown[event] for event in stored] == wanted


@pytest.mark.parametrize("bad", [7, "x" * 2000, ["command-1"]])
def test_a_start_that_no_id_names_is_refused(cloud: Cloud, site: Site, bad: Any) -> None:
    _assert_refused(_post(cloud, site, REPORT, _event(site, commandId=bad)), 400, "commandId")


def test_an_event_of_no_printer_is_refused(cloud: Cloud, site: Site) -> None:
    body = _event(site, printerSerial="", printerIpAddress=None)
    _assert_refused(_post(cloud, site, REPORT, body), 400, "printerSerial")
    assert cloud.documents("printer_events", site.lan_recipient) == []


def test_an_hms_error_is_put_into_words_beside_the_clients_own(cloud: Cloud, site: Site) -> None:
    told = {"hmsCode": "0C00_0100_0001_0001", "module": "my module", "severity": "mine", "description": "my words"}
    event = _stored(cloud, site, eventType="hms_error", eventStatus="failed", errorData=told)
    stored = cloud.document(f"printer_events/{event}").data
    assert stored["errorData"] == told
    words = {name: stored["hms"][name] for name in ("module", "severity", "description", "attr", "code")}
    assert words == {
        "module": "ams",
        "severity": "error",
        "description": "AMS communication error",
        "attr": 0x0C00_0100,
        "code": 0x0001_0001,
    }


@pytest.mark.parametrize("more", [{"errorData": {"hmsCode": "nonsense"}}, {}, {"eventType": "job_failed"}])
def test_what_is_no_hms_code_stays_without_words(cloud: Cloud, site: Site, more: dict[str, Any]) -> None:
    event = _stored(cloud, site, **{"eventType": "hms_error", "errorData": {"code": "0300"}, **more})
    assert cloud.document(f"printer_events/{event}").data["hms"] is None


def test_the_same_event_id_is_the_same_event_and_no_other(cloud: Cloud, site: Site) -> None:
    body = _event(site, eventId="event-1", message="first")
    first, second = (_post(cloud, site, REPORT, body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    _assert_refused(_post(cloud, site, REPORT, {**body, "message": "another"}), 409, "Idempotency-Key")
    (event,) = cloud.documents("printer_events", site.lan_recipient)
    assert event.data["message"] == "first"
    assert _post(cloud, site, REPORT, {**body, "eventId": "event-2"}).status_code == 201


def test_the_same_key_is_the_same_event_and_no_other(cloud: Cloud, site: Site) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    for path, body in ((REPORT, _event(site)), (ERROR, {**_event(site), "image": base64.b64encode(GOOD).decode()})):
        first, second = (_post(cloud, site, path, body, headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 200), second.text
        assert first.json()["eventId"] == second.json()["eventId"]
        other = _post(cloud, site, path, {**body, "message": "another"}, headers=headers)
        _assert_refused(other, 409, "Idempotency-Key")
    assert len(cloud.documents("printer_events", site.lan_recipient)) == 2


def test_an_event_that_comes_many_times_at_once_is_stored_once(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient)["fileId"]
    body = _event(site, eventId="event-1", eventType="job_started", printJobId=job)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(cloud, site, REPORT, body), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["eventId"] for answer in answers}) == 1
    assert len(cloud.documents("printer_events", site.lan_recipient)) == 1
    assert cloud.document(f"print_jobs/{job}").data["status"] == "printing"


# An event's picture


def test_a_picture_is_served_replaced_and_never_doubled(cloud: Cloud, site: Site) -> None:
    event, before = _stored(cloud, site), _objects(cloud)
    first = _image(cloud, site.lan_key, event, GOOD).json()
    assert _serves(first["imageUrl"], GOOD)
    again = _image(cloud, site.lan_key, event, GOOD).json()
    assert (again["size"], again["sha256"]) == (first["size"], first["sha256"])
    assert _objects(cloud) == before + 1
    replaced = _image(cloud, site.lan_key, event, OTHER).json()
    assert _serves(replaced["imageUrl"], OTHER)
    assert _objects(cloud) == before + 1
    assert not _serves(first["imageUrl"], GOOD)


def test_the_objects_name_tells_nothing(cloud: Cloud, site: Site) -> None:
    event = _stored(cloud, site)
    _image(cloud, site.lan_key, event, GOOD)
    name = cloud.document(f"printer_events/{event}").data["image"]["gcsPath"]
    assert name.startswith("pictures/")
    assert not any(each in name for each in (event, SERIAL, site.lan_recipient, site.organization))


def test_a_picture_of_10_mebibytes_is_taken(cloud: Cloud, site: Site) -> None:
    event, content = _stored(cloud, site), padded(MAX_BYTES)
    answer = _image(cloud, site.lan_key, event, content)
    assert answer.status_code == 200, answer.text
    assert _serves(answer.json()["imageUrl"], content)


def test_a_key_that_was_used_for_another_picture_is_a_conflict(cloud: Cloud, site: Site) -> None:
    event, headers = _stored(cloud, site), {"Idempotency-Key": secrets.token_hex(8)}
    for _ in range(2):
        assert _image(cloud, site.lan_key, event, GOOD, headers=headers).status_code == 200
    _assert_refused(_image(cloud, site.lan_key, event, OTHER, headers=headers), 409, "Idempotency-Key")
    assert cloud.document(f"printer_events/{event}").data["image"]["size"] == len(GOOD)


def test_pictures_that_come_at_once_leave_one(cloud: Cloud, site: Site) -> None:
    event, before = _stored(cloud, site), _objects(cloud)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: _image(cloud, site.lan_key, event, (GOOD, OTHER)[n % 2]), range(6)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert _objects(cloud) == before + 1
    assert cloud.document(f"printer_events/{event}").data["image"]["size"] in (len(GOOD), len(OTHER))


def test_a_strangers_picture_finds_no_event(cloud: Cloud, site: Site) -> None:
    event, before = _stored(cloud, site), _objects(cloud)
    for key in (cloud.new_site().organization_key, cloud.new_site().lan_key, site.agent_key):
        _assert_refused(_image(cloud, key, event, GOOD), 404, "eventId")
    assert cloud.document(f"printer_events/{event}").data["image"] is None
    assert _objects(cloud) == before


def test_only_a_form_with_a_picture_will_do(cloud: Cloud, site: Site) -> None:
    path = f"/api/printer-events/{_stored(cloud, site)}/upload-image"
    picture = {"picture": ("a.jpg", GOOD, "image/jpeg")}
    _assert_refused(cloud.call("POST", path, key=site.lan_key, files=picture), 400, "image")
    _assert_refused(cloud.call("POST", path, key=site.lan_key, json={"image": "x"}), 400, "Content-Type")


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_picture_is_refused_wherever_it_comes(cloud: Cloud, site: Site, case: str) -> None:
    content = HOSTILE[case]()
    status = 413 if len(content) > MAX_BYTES else 400
    event, before = _stored(cloud, site), _objects(cloud)
    written = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    _assert_refused(_image(cloud, site.lan_key, event, content), status, "image")
    snapshot = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "imageData": written}
    _assert_refused(_post(cloud, site, SNAPSHOT, snapshot), status, "imageData")
    _assert_nothing_but(cloud, site, event)
    assert _objects(cloud) == before


BAD_IMAGES: dict[str, Any] = {
    "a PNG": f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
    "a truncated JPEG": base64.b64encode(GOOD[:-9]).decode(),
    "10 MiB and a byte": base64.b64encode(padded(MAX_BYTES + 1)).decode(),
    "no base64": "****",
    "no text": [255, 216],
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_a_report_counts_though_its_picture_is_bad(cloud: Cloud, site: Site, case: str) -> None:
    job, before = _job(cloud, site, "printing"), _objects(cloud)
    ended = _complete(cloud, site, jobId=job, image=BAD_IMAGES[case])
    failed = _post(cloud, site, ERROR, _event(site, image=BAD_IMAGES[case]))
    assert (ended.status_code, failed.status_code) == (200, 201)
    for answer in (ended, failed):
        shown = answer.json()
        assert (shown["imageUploaded"], shown["imageUrl"]) == (False, None)
        assert shown["imageMessage"].startswith("image: ")
        assert cloud.document(f"printer_events/{shown['eventId']}").data["image"] is None
    assert _state(cloud, job) == "completed"
    assert _objects(cloud) == before


FIELDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no picture": (SNAPSHOT, {"imageData": None}, "imageData"),
    "a picture as numbers": (SNAPSHOT, {"imageData": [255, 216]}, "imageData"),
    "no base64": (SNAPSHOT, {"imageData": "****"}, "imageData"),
    "a PNG, said to be one": (
        SNAPSHOT,
        {"imageData": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"},
        "imageData",
    ),
    "a picture without a printer": (SNAPSHOT, {"printerSerial": "", "printerIpAddress": ""}, "printerSerial"),
    "a serial that is a path": (SNAPSHOT, {"printerSerial": "../other"}, "printerSerial"),
    "no such time": (SNAPSHOT, {"timestamp": "yesterday"}, "timestamp"),
    "a type of two lines": (SNAPSHOT, {"imageType": "snap\nshot"}, "imageType"),
    "no code": (ERROR, {"errorCode": ["0300"]}, "errorCode.str"),
    "an over-long message": (ERROR, {"errorMessage": "x" * 5000}, "errorMessage"),
    "data that is none": (ERROR, {"errorData": "broken"}, "errorData"),
    "an error without a printer": (ERROR, {"printerSerial": None, "printerIpAddress": None}, "printerSerial"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_bad_field_is_refused_and_named(cloud: Cloud, site: Site, case: str) -> None:
    path, change, field = FIELDS[case]
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIAL}
    if path == SNAPSHOT:
        body["imageData"] = base64.b64encode(GOOD).decode()
    answer = _post(cloud, site, path, {**body, **change})
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"].startswith(field.partition(".")[0])
    _assert_nothing_but(cloud, site, None)


def _assert_nothing_but(cloud: Cloud, site: Site, event: str | None) -> None:
    stored = cloud.documents("printer_events", site.lan_recipient)
    assert [each.id for each in stored] == ([event] if event else [])
    assert all(each.data["image"] is None for each in stored)
    for collection in ("printers", "print_jobs"):
        assert cloud.documents(collection, site.lan_recipient) == []


def test_what_clients_send_empty_counts_as_absent(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIAL}
    for path in (ERROR, REPORT):
        event = {"eventType": "job_started", "eventStatus": "info"} if path == REPORT else {"error": "jammed"}
        answers = [_post(cloud, site, path, {**body, **event, "eventId": ""}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len({answer.json()["eventId"] for answer in answers}) == 2
    assert _snapshot(cloud, site, GOOD, imageType="").status_code == 200
    (printer,) = cloud.documents("printers", site.lan_recipient)
    assert printer.data["picture"]["type"] == "snapshot"


# Snapshots


def _snapshot(cloud: Cloud, site: Site, content: bytes, minute: int | None = None, **more: Any) -> requests.Response:
    body = {
        "recipientId": site.lan_recipient,
        "printerSerial": SERIAL,
        "printerIpAddress": ADDRESS,
        "imageType": "snapshot",
        "imageData": base64.b64encode(content).decode(),
        "timestamp": f"2025-10-31T10:{minute:02}:00Z" if minute is not None else None,
        **more,
    }
    return _post(cloud, site, SNAPSHOT, body)


def test_a_printers_newest_picture_is_kept(cloud: Cloud, site: Site) -> None:
    before = _objects(cloud)
    for minute, content, newest in ((5, GOOD, GOOD), (9, OTHER, OTHER), (7, THIRD, OTHER), (9, OTHER, OTHER)):
        answer = _snapshot(cloud, site, content, minute)
        assert answer.status_code == 200, answer.text
        assert _serves(answer.json()["imageUrl"], newest)
        assert answer.json()["newest"] is (content is newest)
        assert _objects(cloud) == before + 1
    (printer,) = cloud.documents("printers", site.lan_recipient)
    assert (printer.data["active"], printer.data["serial"]) == (False, SERIAL)
    assert printer.data["picture"]["type"] == "snapshot"
    assert printer.data["picture"]["takenAt"].minute == 9


def test_the_same_picture_taken_later_is_newer(cloud: Cloud, site: Site) -> None:
    for minute, content, newest in ((1, GOOD, True), (5, GOOD, True), (3, OTHER, False)):
        assert _snapshot(cloud, site, content, minute).json()["newest"] is newest


@pytest.mark.parametrize("serial", [SERIAL, None])
def test_a_snapshot_that_comes_many_times_at_once_is_one(cloud: Cloud, site: Site, serial: str | None) -> None:
    options = {"headers": {"Idempotency-Key": secrets.token_hex(8)}}
    body = {"recipientId": site.lan_recipient, "printerSerial": serial, "printerIpAddress": ADDRESS}
    body |= {"imageData": _written(GOOD), "timestamp": "2025-10-31T10:00:00Z"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: _post(cloud, site, SNAPSHOT, body, **options), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert all(_serves(answer.json()["imageUrl"], GOOD) for answer in answers)
    assert len(cloud.documents("printers", site.lan_recipient)) == (1 if serial else 0)


def test_a_clock_that_is_ahead_shuts_out_no_later_picture(cloud: Cloud, site: Site) -> None:
    assert _snapshot(cloud, site, GOOD, timestamp="2099-01-01T00:00:00Z").json()["newest"] is True
    assert _snapshot(cloud, site, OTHER).json()["newest"] is True


def test_a_picture_goes_with_the_printers_state(cloud: Cloud, site: Site) -> None:
    status = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "printerIpAddress": ADDRESS}
    assert _post(cloud, site, "/printer-status", {**status, "status": {"state": "idle"}}).status_code == 200
    assert _snapshot(cloud, site, GOOD, printerSerial="").json()["newest"] is True
    assert _post(cloud, site, "/printer-status", {**status, "status": {"state": "printing"}}).status_code == 200
    (printer,) = cloud.documents("printers", site.lan_recipient)
    assert printer.data["state"]["status"]["state"] == "printing"
    assert printer.data["picture"]["size"] == len(GOOD)


def test_a_picture_of_an_unknown_address_creates_no_printer(cloud: Cloud, site: Site) -> None:
    answer = _snapshot(cloud, site, GOOD, printerSerial=None)
    assert _serves(answer.json()["imageUrl"], GOOD)
    assert cloud.documents("printers", site.lan_recipient) == []


@pytest.mark.parametrize("serial", [SERIAL, None])
def test_a_key_that_was_used_for_another_snapshot_is_a_conflict(cloud: Cloud, site: Site, serial: str | None) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"recipientId": site.lan_recipient, "printerSerial": serial, "printerIpAddress": ADDRESS}
    first, again, other = (
        _post(cloud, site, SNAPSHOT, {**body, "imageData": _written(content)}, headers=headers)
        for content in (GOOD, GOOD, OTHER)
    )
    assert (first.status_code, again.status_code) == (200, 200)
    assert _serves(again.json()["imageUrl"], GOOD)
    _assert_refused(other, 409, "Idempotency-Key")


def test_a_picture_of_another_sites_printer_is_a_conflict(cloud: Cloud, site: Site) -> None:
    assert _snapshot(cloud, site, GOOD).status_code == 200
    other = _snapshot(cloud, site, OTHER, recipientId=site.agent_recipient)
    assert other.status_code == 403
    before = _objects(cloud)
    body = {"recipientId": site.agent_recipient, "printerSerial": SERIAL, "imageData": base64.b64encode(OTHER).decode()}
    _assert_refused(_post(cloud, site, SNAPSHOT, body, key=site.agent_key), 409, "printerSerial")
    assert _objects(cloud) == before


# Errors


def test_an_error_report_is_an_event(cloud: Cloud, site: Site) -> None:
    written = f"data:image/jpeg;base64,{base64.b64encode(GOOD).decode()}"
    cases: list[tuple[dict[str, Any], str, str | None]] = [
        ({"errorCode": "0300_0300_0002_0003", "errorMessage": "hot"}, "hms_error", "hot"),
        ({"errorCode": 550, "message": "no room"}, "printer_error", "no room"),
        ({"error": "lost", "errorData": {"attr": 83887360, "code": 65543}}, "hms_error", "lost"),
        ({"errorType": "mqtt", "errorCode": None, "image": ""}, "printer_error", None),
        ({"image": written, "timestamp": "2025-10-31T10:05:00"}, "printer_error", None),
    ]
    for more, kind, message in cases:
        body = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, **more}
        answer = _post(cloud, site, ERROR, body).json()
        stored = cloud.document(f"printer_events/{answer['eventId']}").data
        assert (answer["eventType"], stored["eventType"], stored["message"]) == (kind, kind, message)
        assert stored["eventStatus"] == "failed"
        assert (stored["hms"] is not None) == (kind == "hms_error")
        assert _serves(answer["imageUrl"], GOOD) if more.get("image") else answer["imageUrl"] is None


def test_the_clients_own_error_data_is_never_overwritten(cloud: Cloud, site: Site) -> None:
    body = {"printerSerial": SERIAL, "errorCode": "0300_0300_0002_0003", "errorData": {"errorCode": 7, "more": "x"}}
    answer = _post(cloud, site, f"{ERROR}?recipientId={site.lan_recipient}", body).json()
    stored = cloud.document(f"printer_events/{answer['eventId']}").data
    assert stored["errorData"] == {"errorCode": 7, "more": "x"}


# The ends of prints


def _complete(cloud: Cloud, site: Site, **more: Any) -> requests.Response:
    options = more.pop("options", {})
    body = {
        "productName": "Phone stand",
        "printerSerial": SERIAL,
        "printerIpAddress": ADDRESS,
        "success": True,
        "completedAt": "2099-01-01T00:00:00Z",
        **more,
    }
    return _post(cloud, site, f"{COMPLETED}?recipientId={site.lan_recipient}", body, **options)


def _job(cloud: Cloud, site: Site, state: str) -> str:
    """A job of the site that stands at the printer in this state."""
    file = cloud.upload(site.lan_recipient)["fileId"]
    cloud.queue(site.lan_recipient, "start_print", {"fileName": "a.3mf", "fileId": file}, printerSerial=SERIAL)
    if state == "printing":
        _stored(cloud, site, eventType="job_started", printJobId=file)
    return str(file)


def _state(cloud: Cloud, job: str) -> str:
    return str(cloud.document(f"print_jobs/{job}").data["status"])


def _ends(cloud: Cloud, site: Site, job: str) -> list[str]:
    found = cloud.documents("printer_events", site.lan_recipient)
    return [
        each.data["eventType"]
        for each in found
        if each.data["printJobId"] == job and each.data["eventType"] not in ("job_started",)
    ]


@pytest.mark.parametrize(("success", "end"), [(True, "completed"), (False, "failed")])
def test_a_named_job_ends_once(cloud: Cloud, site: Site, success: bool, end: str) -> None:
    job = _job(cloud, site, "printing")
    other = _job(cloud, site, "printing")
    for second in (0, 0, 7):
        answer = _complete(
            cloud,
            site,
            jobId=job,
            success=success,
            errorMessage="it fell over",
            completedAt=f"2025-10-31T10:00:{second:02}Z",
        )
        assert answer.status_code == 200, answer.text
        assert (answer.json()["jobId"], answer.json()["status"]) == (job, end)
    assert _state(cloud, job) == end
    assert cloud.document(f"files/{job}").data["status"] == end
    assert _state(cloud, other) == "printing"
    assert _ends(cloud, site, job) == [f"job_{end}"]


def test_a_contradicting_end_is_a_conflict_and_kept(cloud: Cloud, site: Site) -> None:
    job, before = _job(cloud, site, "printing"), _objects(cloud)
    assert _complete(cloud, site, jobId=job).status_code == 200
    late = _complete(cloud, site, jobId=job, success=False, errorMessage="spaghetti", image=_written(GOOD))
    assert (late.status_code, late.json()["detail"]) == (409, "completed")
    stored = cloud.document(f"print_jobs/{job}").data
    assert (stored["status"], stored["lateResult"]["status"]) == ("completed", "failed")
    assert stored["lateResult"]["reason"] == "spaghetti"
    assert _ends(cloud, site, job) == ["job_completed"]
    assert _objects(cloud) == before


def test_a_failure_tells_of_a_cancelled_job_too(cloud: Cloud, site: Site) -> None:
    job = _job(cloud, site, "printing")
    _stored(cloud, site, eventType="job_cancelled", printJobId=job)
    answer = _complete(cloud, site, jobId=job, success=False)
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert _state(cloud, job) == "cancelled"
    assert _ends(cloud, site, job) == ["job_cancelled"]


def test_without_a_job_the_one_at_the_printer_ends(cloud: Cloud, site: Site) -> None:
    printing, queued = _job(cloud, site, "printing"), _job(cloud, site, "queued")
    for _ in range(2):
        assert _complete(cloud, site, jobId="number-of-the-client").json()["jobId"] == printing
    assert (_state(cloud, printing), _state(cloud, queued)) == ("completed", "queued")
    assert _ends(cloud, site, printing) == ["job_completed"]


def test_what_an_event_told_already_does_not_end_the_next_job(cloud: Cloud, site: Site) -> None:
    first, second = _job(cloud, site, "printing"), _job(cloud, site, "queued")
    _stored(cloud, site, eventType="job_completed", printJobId=first)
    answer = _complete(cloud, site, image=_written(GOOD)).json()
    assert answer["jobId"] == first
    assert _serves(answer["imageUrl"], GOOD)
    assert _state(cloud, second) == "queued"
    assert _ends(cloud, site, first) == ["job_completed"]


def test_a_start_that_nobody_reported_ends_too(cloud: Cloud, site: Site) -> None:
    job = _job(cloud, site, "queued")
    assert _complete(cloud, site).json()["jobId"] == job
    assert _state(cloud, job) == "completed"


def test_a_job_that_came_after_the_end_is_another(cloud: Cloud, site: Site) -> None:
    job = _job(cloud, site, "printing")
    assert _complete(cloud, site, completedAt="2025-10-31T10:00:00Z").json()["jobId"] != job
    assert _state(cloud, job) == "printing"


def test_a_print_that_was_begun_without_us_is_an_external_job(cloud: Cloud, site: Site) -> None:
    report = {"completedAt": "2025-10-31T10:00:00Z", "printTimeSeconds": 600, "image": _written(GOOD)}
    before = _objects(cloud)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: _complete(cloud, site, **report), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.json()["jobId"], answer.json()["eventId"]) for answer in answers}) == 1
    (job,) = cloud.documents("print_jobs", site.lan_recipient)
    told = {name: job.data[name] for name in ("external", "status", "fileName", "printerSerial", "run")}
    assert told == {
        "external": True,
        "status": "completed",
        "fileName": "Phone stand",
        "printerSerial": SERIAL,
        "run": 0,
    }
    assert (job.data["endedAt"] - job.data["startedAt"]).total_seconds() == 600
    assert len(cloud.documents("printer_events", site.lan_recipient)) == 1
    assert _objects(cloud) == before + 1
    late = _complete(cloud, site, **{**report, "success": False})
    assert (late.status_code, late.json()["detail"]) == (409, "completed")
    assert cloud.document(job.path).data["lateResult"]["status"] == "failed"
    assert _complete(cloud, site, completedAt="2025-10-31T11:00:00Z").json()["jobId"] != job.id


@pytest.mark.parametrize("name", ["", None])
def test_a_print_ends_without_a_name(cloud: Cloud, site: Site, name: str | None) -> None:
    job = _job(cloud, site, "printing")
    assert _complete(cloud, site, productName=name).json()["jobId"] == job
    assert _state(cloud, job) == "completed"
    external = _complete(cloud, site, productName=name, completedAt="2025-10-31T10:00:00Z").json()["jobId"]
    stored = cloud.document(f"print_jobs/{external}").data
    assert (stored["external"], stored["fileName"]) == (True, None)


def test_another_tenants_job_is_not_ended(cloud: Cloud, site: Site) -> None:
    job, other = _job(cloud, site, "printing"), cloud.new_site()
    answer = _complete(cloud, other, jobId=job)
    assert answer.status_code == 200
    assert answer.json()["jobId"] != job
    assert _state(cloud, job) == "printing"
    assert _ends(cloud, site, job) == []


def test_a_key_that_was_used_for_another_end_is_a_conflict(cloud: Cloud, site: Site) -> None:
    options = {"headers": {"Idempotency-Key": secrets.token_hex(8)}}
    first, second = (_complete(cloud, site, options=options) for _ in range(2))
    assert first.json()["jobId"] == second.json()["jobId"]
    _assert_refused(_complete(cloud, site, productName="Vase", options=options), 409, "Idempotency-Key")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"completedAt": None}, "completedAt"),
        ({"completedAt": "0001-01-01T00:00:00Z"}, "completedAt"),
        ({"completedAt": "9999-12-31T23:59:59-10:00"}, "completedAt"),
        ({"success": "yes"}, "success"),
        ({"productName": "Phone\nstand"}, "productName"),
        ({"printTimeSeconds": -1}, "printTimeSeconds"),
        ({"printTimeSeconds": 1e300}, "printTimeSeconds"),
        ({"printerSerial": "", "printerIpAddress": ""}, "printerSerial"),
    ],
)
def test_a_bad_report_of_an_end_changes_nothing(cloud: Cloud, site: Site, change: dict[str, Any], field: str) -> None:
    job = _job(cloud, site, "printing")
    _assert_refused(_complete(cloud, site, **change), 400, field)
    assert _state(cloud, job) == "printing"


def _written(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


# The list


def _list(cloud: Cloud, site: Site, **query: Any) -> requests.Response:
    return cloud.call(
        "GET", "/api/printer-events", key=site.lan_key, params={"recipientId": site.lan_recipient, **query}
    )


def test_events_are_listed_page_by_page_the_newest_first(cloud: Cloud, site: Site) -> None:
    stored = [_stored(cloud, site, message=str(number)) for number in range(7)][::-1]
    listed, cursor, pages = [], None, 0
    while cursor or not pages:
        answer = _list(cloud, site, limit=3, **({"cursor": cursor} if cursor else {})).json()
        listed += [each["eventId"] for each in answer["events"]]
        cursor, pages = answer["nextCursor"], pages + 1
    created = [cloud.document(f"printer_events/{each}").data["createdAt"] for each in listed]
    assert created == sorted(created, reverse=True)
    assert (sorted(listed), pages) == (sorted(stored), 3)


def test_events_are_listed_by_type_and_from_a_moment_on(cloud: Cloud, site: Site) -> None:
    first = _stored(cloud, site, eventType="job_started")
    _stored(cloud, site, eventType="hms_error")
    last = _stored(cloud, site, eventType="job_started")
    found = _list(cloud, site, type="job_started").json()
    assert ([each["eventId"] for each in found["events"]], found["nextCursor"]) == ([last, first], None)
    since = cloud.document(f"printer_events/{last}").data["createdAt"].isoformat()
    assert [each["eventId"] for each in _list(cloud, site, since=since, type="job_started").json()["events"]] == [last]
    assert _list(cloud, site, since="2099-01-01T00:00:00Z").json()["events"] == []


def test_a_listed_picture_is_served(cloud: Cloud, site: Site) -> None:
    event = _stored(cloud, site)
    _image(cloud, site.lan_key, event, GOOD)
    _stored(cloud, site)
    without, with_picture = _list(cloud, site).json()["events"]
    assert without["imageUrl"] is None
    assert _serves(with_picture["imageUrl"], GOOD)


def test_a_page_reads_what_it_shows_and_one_more(cloud: Cloud, site: Site) -> None:
    for _ in range(5):
        _stored(cloud, site)
    path = f"/api/printer-events?recipientId={site.lan_recipient}&limit=2"
    _list(cloud, site)
    answer, cost = billed_call(cloud, "GET", path, key=site.lan_key)
    assert len(answer.json()["events"]) == 2
    assert (cost.reads, cost.writes, cost.counts) == (3, 0, 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b'["a", 1]').decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b'[1e400, "a"]').decode()}, "cursor"),
        ({"cursor": base64.urlsafe_b64encode(b'[1, "../a"]').decode()}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"type": "a/b"}, "type"),
    ],
)
def test_a_bad_query_is_refused_and_named(cloud: Cloud, site: Site, query: dict[str, Any], field: str) -> None:
    _assert_refused(_list(cloud, site, **query), 400, field)


def test_another_tenants_events_are_not_listed(cloud: Cloud, site: Site) -> None:
    _stored(cloud, site, message="mine alone")
    other = cloud.new_site()
    cursor = base64.urlsafe_b64encode(b'[4070908800000000, "z"]').decode()
    for key, status in ((other.lan_key, 404), (site.agent_key, 403)):
        params = {"recipientId": site.lan_recipient, "cursor": cursor}
        answer = cloud.call("GET", "/api/printer-events", key=key, params=params)
        assert answer.status_code == status
        assert "mine alone" not in answer.text
    assert _list(cloud, other, cursor=cursor).json()["events"] == []
