"""Bad input gets the documented error, names its field, and leaves nothing behind."""

import io
import json
import socket
import zipfile
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from local.sample_print import make_3mf
from tests.cloud import Cloud, Site

ERROR_FIELDS = {"ok", "error_type", "message", "detail"}


def _assert_refused(answer: requests.Response, status: int, kind: str, field: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["error_type"], body["detail"]) == (status, kind, field), answer.text
    assert set(body) == ERROR_FIELDS
    assert body["ok"] is False
    assert body["message"]
    assert "Traceback" not in answer.text


def _send(cloud: Cloud, site: Site, content: bytes, name: str = "model.3mf", **form: str) -> requests.Response:
    fields = {"recipientId": site.lan_recipient, "productId": "PROD-BAD", **form}
    return cloud.call("POST", "/upload", key=site.lan_key, data=fields, files={"file": (name, content, "model/3mf")})


def _assert_nothing_stored(cloud: Cloud, site: Site) -> None:
    assert cloud.documents("files", site.lan_recipient) == []
    assert cloud.documents("print_jobs", site.lan_recipient) == []


def _bomb() -> bytes:
    archive = io.BytesIO(make_3mf("cube", layers=3, seconds=60))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Metadata/plate_9.gcode", b"G1 X0 Y0\n" + b"\0" * 40_000_000)
    return archive.getvalue()


ONE_BACKEND_AT_REDUCED_COUNTS = True

FILES: dict[str, tuple[str, Callable[[], bytes], int, str]] = {
    "text named .3mf": ("model.3mf", lambda: b"this is a text, not a print", 400, "file"),
    "truncated zip": ("model.3mf", lambda: make_3mf("cube", layers=3, seconds=60)[:-400], 400, "file"),
    "zip bomb": ("model.3mf", _bomb, 400, "file"),
    "empty file": ("model.3mf", lambda: b"", 400, "file"),
    "wrong extension": ("model.stl", lambda: b"solid cube", 400, "file"),
    "parent folder": ("../../model.3mf", lambda: make_3mf("cube", layers=3, seconds=60), 400, "file"),
    "control characters": ("mo\x07del.3mf", lambda: make_3mf("cube", layers=3, seconds=60), 400, "file"),
    "binary named .gcode": ("model.gcode", lambda: bytes(range(256)) * 50, 400, "file"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_and_not_stored(cloud: Cloud, site: Site, case: str) -> None:
    name, make, status, field = FILES[case]
    answer = _send(cloud, site, make(), name)
    assert answer.status_code == status, answer.text
    _assert_refused(answer, status, "ValidationError", field)
    _assert_nothing_stored(cloud, site)


def test_33_megabytes_are_refused(cloud: Cloud, site: Site) -> None:
    answer = _send(cloud, site, b"G1 X0 Y0 E1 F1200\n" * (33 * 1024 * 1024 // 18), "model.gcode")
    assert answer.status_code == 413, answer.text
    assert answer.json()["error_type"] == "ValidationError"
    _assert_nothing_stored(cloud, site)


def test_33_megabytes_of_no_stated_length_are_refused(cloud: Cloud, site: Site) -> None:
    boundary, line = b"print-file", b"G1 X0 Y0 E1 F1200\n" * 4096
    head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="model.gcode"\r\n\r\n' % boundary
    address = urlsplit(cloud.base_url)
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=30) as connection:
        connection.sendall(
            b"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
            b"X-API-Key: %b\r\nContent-Type: multipart/form-data; boundary=%b\r\n\r\n"
            % (site.lan_key.encode(), boundary)
        )
        sent = 0
        try:
            for chunk in [head, *[line] * (34 * 1024 * 1024 // len(line))]:
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                sent += len(chunk)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            assert sent > 0  # the server may hang up on what it does not want to read
        try:
            answer = connection.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0], answer
    _assert_nothing_stored(cloud, site)


def test_too_much_metadata_is_refused(cloud: Cloud, site: Site) -> None:
    answer = _send(
        cloud, site, make_3mf("cube", layers=3, seconds=60), encryptedData="a" * 200_000, unencryptedData="b" * 100_000
    )
    _assert_refused(answer, 413, "ValidationError", "encryptedData")
    _assert_nothing_stored(cloud, site)


def test_metadata_above_what_kms_takes_at_once_comes_back_whole(cloud: Cloud, site: Site) -> None:
    secret = "secret-" * 20_000
    uploaded = _send(
        cloud, site, make_3mf("cube", layers=3, seconds=60), encryptedData=secret, unencryptedData="{}"
    ).json()
    stored = cloud.document(f"files/{uploaded['fileId']}").data["encryptedData"]
    assert "secret-" not in stored
    fetched = cloud.call("GET", f"/fetch/{uploaded['fetchToken']}").json()
    assert fetched["metadata"] == {"encryptedData": secret, "unencryptedData": "{}"}


def test_what_is_sealed_cannot_be_guessed_from_what_a_repetition_is_known_by(cloud: Cloud, site: Site) -> None:
    content, digests = make_3mf("cube", layers=3, seconds=60), set()
    for pin in ("1234", "4711"):
        answer = cloud.call(
            "POST",
            "/upload",
            key=site.lan_key,
            headers={"Idempotency-Key": f"once-{pin}"},
            data={"recipientId": site.lan_recipient, "productId": "PROD-1", "encryptedData": pin},
            files={"file": ("model.3mf", content, "model/3mf")},
        ).json()
        digests.add(cloud.document(f"idempotency_keys/{answer['fileId']}").data["requestDigest"])
        assert cloud.call("GET", f"/fetch/{answer['fetchToken']}").json()["metadata"]["encryptedData"] == pin
    assert len(digests) == 1


BODIES: dict[str, tuple[str, bytes, str]] = {
    "malformed JSON": ("/control", b'{"recipientId": ', "body"),
    "a list": ("/control", b"[1]", "body"),
    "not a number": ("/control", b'{"recipientId": "R", "commandType": "heat", "metadata": {"bedTemp": NaN}}', "body"),
    "an infinite number": (
        "/control",
        b'{"recipientId": "R", "commandType": "heat", "metadata": {"bedTemp": 1e999}}',
        "metadata.bedTemp",
    ),
    "a huge integer": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"n": 99999999999999999999}}',
        "status.n",
    ),
    "half a surrogate pair": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"n": "\\ud800"}}',
        "status.n",
    ),
    "a number for a string": ("/control/ack", b'{"recipientId": "R", "commandId": 7}', "commandId"),
    "a string for a number": ("/control/ack", b'{"recipientId": "R", "commandId": "c", "fence": "1"}', "fence"),
    "a missing field": ("/control/result", b'{"recipientId": "R", "commandId": "c"}', "status"),
    "a path in an id": ("/control/ack", b'{"recipientId": "R/../S", "commandId": "c"}', "recipientId"),
    "a control character in a name": (
        "/control",
        b'{"recipientId": "R", "commandType": "pa\\u0007use"}',
        "commandType",
    ),
    "an over-long id": ("/control", b'{"recipientId": "%b", "commandType": "pause"}' % (b"R" * 129), "recipientId"),
    "lists within lists": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"n": [[1]]}}',
        "status",
    ),
    "a reserved name": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"__n__": 1}}',
        "status",
    ),
    "too much of everything": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"n": "%b"}}' % (b"x" * 70_000),
        "status",
    ),
    "no date": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {}, "timestamp": "yesterday"}',
        "timestamp",
    ),
    "an unknown event status": (
        "/api/printer-events/report",
        b'{"recipientId": "R", "printerSerial": "S", "eventType": "x", "eventStatus": "fine"}',
        "eventStatus",
    ),
    "depth": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": ' + b'{"a":' * 60 + b"1" + b"}" * 61,
        "status" + ".a" * 32,
    ),
    "too deep for the store": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": ' + b'{"a":' * 11 + b"1" + b"}" * 12,
        "status",
    ),
    "too many fields": (
        "/printer-status",
        json.dumps({"recipientId": "R", "printerSerial": "S", "status": {str(n): n for n in range(1001)}}).encode(),
        "status",
    ),
    "a name without end": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {"%b": 1e999}}' % (b"k" * 900_000),
        "status." + "k" * 192 + "…",
    ),
    "more values than anybody sends": (
        "/printer-status",
        b'{"recipientId": "R", "printerSerial": "S", "status": {}, "more": [%b]}' % b",".join([b"{}"] * 30_000),
        "body",
    ),
    "endless depth": ("/printer-status", b"[" * 100_000, "body"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_refused(cloud: Cloud, site: Site, case: str) -> None:
    path, body, field = BODIES[case]
    answer = cloud.call("POST", path, key=site.lan_key, data=body, headers={"Content-Type": "application/json"})
    _assert_refused(answer, 400, "ValidationError", field)


def test_a_name_without_end_is_told_in_short_in_the_answer_and_in_the_log(cloud: Cloud, site: Site) -> None:
    body = b'{"recipientId": "R", "%b": 1e999}' % (b"k" * 900_000)
    answer = cloud.call("POST", "/control", key=site.lan_key, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert len(answer.text) < 1000
    assert "k" * 1000 not in cloud.log.read_text()


@pytest.mark.parametrize("path", ["/products/PROD-1/handshake", "/products/PROD-1/status"])
def test_without_a_key_a_body_is_not_looked_at(cloud: Cloud, path: str) -> None:
    headers = {"Content-Type": "application/json"}
    answers = [cloud.call("POST", path, data=body, headers=headers) for body in (b"{", b"[" * 100_000, b"{}")]
    for answer in answers:
        _assert_refused(answer, 401, "AuthError", "")


def test_no_answer_may_be_taken_for_another_media_type(cloud: Cloud, site: Site) -> None:
    for path in ("/", "/docs", "/openapi.json", "/control", f"/control?recipientId={site.lan_recipient}"):
        answer = cloud.call("GET", path, key=site.lan_key if "?" in path else None)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path


def test_a_wrong_content_type_is_refused(cloud: Cloud, site: Site) -> None:
    answer = cloud.call(
        "POST", "/control", key=site.lan_key, data=b"recipientId=R", headers={"Content-Type": "text/plain"}
    )
    _assert_refused(answer, 400, "ValidationError", "Content-Type")


@pytest.mark.parametrize(
    ("expires", "problem"),
    [("2020-01-01T00:00:00Z", "past"), ("2999-01-01T00:00:00Z", "24 hours")],
)
def test_an_expiry_that_makes_no_sense_is_refused(cloud: Cloud, site: Site, expires: str, problem: str) -> None:
    body = {"recipientId": site.lan_recipient, "commandType": "pause", "expiresAt": expires}
    answer = cloud.call("POST", "/control", key=site.lan_key, json=body)
    _assert_refused(answer, 400, "ValidationError", "expiresAt")
    assert problem in answer.json()["message"]
    assert cloud.documents("printer_commands", site.lan_recipient) == []


COMMANDS: dict[str, tuple[str, dict[str, object], str]] = {
    "no temperature": ("heat", {}, "metadata"),
    "a bed too hot": ("heat", {"bedTemp": 121}, "metadata.bedTemp"),
    "a fan too fast": ("fan", {"percent": 101}, "metadata.percent"),
    "a string for a percentage": ("speed", {"percent": "50"}, "metadata.percent"),
    "two lines of G-code": ("sendGcode", {"gcode": "G28\nM500"}, "metadata.gcode"),
    "a start without a file name": ("start_print", {"plateIndex": 1}, "metadata.fileName"),
    "a path for a name": ("start_print", {"fileName": "../a.3mf"}, "metadata.fileName"),
    "plate 0": ("start_print", {"fileName": "a.3mf", "plateIndex": 0}, "metadata.plateIndex"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_metadata_out_of_bounds_is_refused(cloud: Cloud, site: Site, case: str) -> None:
    command, metadata, field = COMMANDS[case]
    body = {"recipientId": site.lan_recipient, "commandType": command, "metadata": metadata}
    answer = cloud.call("POST", "/control", key=site.lan_key, json=body)
    _assert_refused(answer, 400, "ValidationError", field)
    assert cloud.documents("printer_commands", site.lan_recipient) == []


def test_a_fan_may_stand_still(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.lan_recipient, "setFan", {"fanPercent": 0})
    stored = cloud.document(f"printer_commands/{command}").data
    assert stored["type"] == "set_fan"
    assert stored["metadata"]["percent"] == 0


def test_a_url_of_the_own_bucket_is_read_there_for_its_tenant_alone(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.lan_recipient, "PROD-A")
    name = uploaded["gcsPath"]
    urls = (
        f"https://storage.googleapis.com/{uploaded['gcsBucket']}/{name}",
        f"https://{uploaded['gcsBucket']}.storage.googleapis.com/{name}?X-Goog-Signature=0",
    )
    for url in urls:
        body = {"recipientId": site.lan_recipient, "productId": "PROD-B", "gcodeUrl": url}
        copied = cloud.call("POST", "/upload", key=site.lan_key, json=body)
        assert copied.status_code == 200, copied.text
        assert copied.json()["sha256"] == uploaded["sha256"]
        assert copied.json()["gcsPath"] != name
    stranger = cloud.new_site()
    body = {"recipientId": stranger.lan_recipient, "productId": "PROD-B", "gcodeUrl": urls[0]}
    _assert_refused(cloud.call("POST", "/upload", key=stranger.lan_key, json=body), 404, "NotFoundError", "gcodeUrl")


def test_chunks_that_are_none_are_refused(cloud: Cloud, site: Site) -> None:
    address = urlsplit(cloud.base_url)
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=30) as connection:
        connection.sendall(
            b"POST /control HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
            b"X-API-Key: %b\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" % site.lan_key.encode()
        )
        assert b" 400 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_plate_that_the_file_has_not_is_refused(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.agent_recipient, "PROD-PLATE")
    body = {
        "recipientId": site.agent_recipient,
        "printerSerial": "01P00A381200434",
        "productId": "PROD-PLATE",
        "jobMetadata": {"plateIndex": 2},
    }
    answer = cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=body)
    _assert_refused(answer, 400, "ValidationError", "jobMetadata.plateIndex")
    assert cloud.documents("printer_commands", site.agent_recipient) == []


def test_the_cameras_state_is_in_the_commands_name(cloud: Cloud, site: Site) -> None:
    cloud.queue(site.lan_recipient, "camera", {"cameraState": "off"})
    (listed,) = cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=site.lan_key).json()["commands"]
    assert listed["commandType"] == "camera_off"
