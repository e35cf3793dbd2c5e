"""Every example of the printed API descriptions, run as it stands there: method, path, headers, body, and the answer.

Host, key, ids, dates and remote URLs aside. An answer must hold every field that the description shows, of its type.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.contract.described import MODEL, RECIPIENT, SERIAL, Service, check, described_service
from tests.contract.wire_client import PICTURE

ONE_BACKEND_AT_REDUCED_COUNTS = True

EVENTS = "/api/printer-events/report"
EVENT_SERIAL, EVENT_ADDRESS = "01P00A123", "192.168.1.100"


@pytest.fixture
def service(cloud: Cloud) -> Service:
    """The site that the descriptions name."""
    return described_service(cloud)


def test_authenticated_request(service: Service) -> None:
    line = r"""curl -X POST https://printpro3d-api-931368217793.europe-west1.run.app/control \
  -H "Content-Type: application/json" \
  -H "X-API-Key: your-api-key-here" \
  -d '{"recipientId":"RID123","commandType":"pause"}'"""
    check(service.curl(line), {"ok": True, "commandId": "cmd-uuid-5678", "status": "pending"})


UPLOADED = {
    "ok": True,
    "fileId": "file-uuid-1234",
    "productId": "PROD-55",
    "recipientId": "RID123",
    "fetchToken": "token-abcd1234",
    "expiresAt": "2025-11-01T12:00:00Z",
    "gcsBucket": "your-bucket",
    "gcsPath": "products/PROD-55/file.gcode",
}


def test_upload_as_a_form(service: Service) -> None:
    form = {
        "recipientId": "RID123",
        "productId": "PROD-55",
        "encryptedData": "base64-encrypted-string",
        "unencryptedData": '{"printSettings":"..."}',
    }
    for name, media_type, content in (
        ("model.3mf", "model/3mf", MODEL),
        ("file.gcode", "application/x-gcode", b"G28\nG1 X10 Y10 E1\n"),
        ("file.gco", "text/plain", b"G28\nG1 X10 Y10 E1\n"),
        ("file.gcode", "application/octet-stream", b"G28\nG1 X10 Y10 E1\n"),
    ):
        check(service.call("POST", "/upload", data=form, files={"file": (name, content, media_type)}), UPLOADED)


def test_upload_as_json(service: Service) -> None:
    stored = service.upload()
    body = {
        "recipientId": "RID123",
        "productId": "PROD-55",
        "gcodeUrl": f"https://storage.googleapis.com/{stored['gcsBucket']}/{stored['gcsPath']}",
        "encryptedData": "base64-encrypted-string",
        "unencryptedData": '{"printSettings":"..."}',
    }
    check(service.call("POST", "/upload", json=body), UPLOADED)


def test_fetch(service: Service) -> None:
    token = service.upload()["fetchToken"]
    body = check(
        service.call("GET", f"/fetch/{token}", key=False),
        {
            "ok": True,
            "fileId": "file-uuid-1234",
            "recipientId": "RID123",
            "productId": "PROD-55",
            "fetchToken": "token-abcd1234",
            "data": "base64-encoded-file-content",
            "fileName": "model.3mf",
            "metadata": {"encryptedData": None, "unencryptedData": None},
        },
    )
    assert base64.b64decode(body["data"])[:2] == b"PK"


def test_handshake(service: Service) -> None:
    service.upload()
    check(
        service.call("POST", "/products/PROD-55/handshake", json={"recipientId": "RID123"}),
        {
            "ok": True,
            "productId": "PROD-55",
            "recipientId": "RID123",
            "fetchToken": "new-token-xyz789",
            "expiresAt": "2025-11-01T12:15:00Z",
            "hasFiles": True,
        },
    )


def test_product_status(service: Service) -> None:
    service.upload()
    body = {
        "recipientId": "RID123",
        "requestedMode": "remote",
        "success": True,
        "fileName": "model.3mf",
        "lastRequestedAt": "2025-10-31T10:30:00Z",
        "errorMessage": None,
        "printStarted": True,
        "printCompleted": False,
    }
    answer = service.call("POST", "/products/PROD-55/status", json=body)
    check(answer, {"ok": True, "productId": "PROD-55", "status": "printing"})


@pytest.mark.parametrize("function", ["listPendingJobs", "listRecipientFiles"])
def test_list_pending_jobs(service: Service, function: str) -> None:
    service.upload()
    waiting = {
        "fileId": "file-uuid-1234",
        "productId": "PROD-55",
        "fileName": "model.3mf",
        "fetchToken": "token-abcd1234",
        "createdAt": "2025-10-31T09:00:00Z",
    }
    answer = service.call("POST", f"/api/apps/app-1/functions/{function}", json={"recipientId": "RID123"})
    check(answer, {"ok": True, "pending": [waiting], "skipped": []})


def test_claim_job(service: Service) -> None:
    body = {"recipientId": "RID123", "printerId": "printer-001", "jobId": service.upload()["fileId"]}
    check(
        service.call("POST", "/api/apps/app-1/functions/claimJob", json=body),
        {
            "ok": True,
            "jobId": "file-uuid-1234",
            "status": "claimed",
            "claimedBy": "printer-001",
            "claimedAt": "2025-10-31T10:00:00Z",
        },
    )


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "keyless"])
def test_list_pending_files(service: Service, keyed: bool) -> None:
    service.upload()
    waiting = {
        "fileId": "file-uuid-1234",
        "productId": "PROD-55",
        "fileName": "model.3mf",
        "fetchToken": "token-abcd1234" if keyed else None,
        "status": "pending",
    }
    answer = service.call("GET", "/recipients/RID123/pending", key=keyed)
    check(answer, {"ok": True, "pending": [waiting], "skipped": []})


def _queue(service: Service) -> str:
    body = {
        "recipientId": "RID123",
        "printerSerial": SERIAL,
        "commandType": "pause",
        "metadata": {"reason": "filament change"},
        "expiresAt": f"{datetime.now(UTC) + timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}",
        "printerIpAddress": "192.168.1.100",
        "printerId": "printer-001",
    }
    shown = {"ok": True, "commandId": "cmd-uuid-5678", "status": "pending", "createdAt": "2025-10-31T10:00:00Z"}
    return str(check(service.call("POST", "/control", json=body), shown)["commandId"])


LISTED = {
    "commandId": "cmd-uuid-5678",
    "commandType": "pause",
    "status": "pending",
    "recipientId": "RID123",
    "createdAt": "2025-10-31T10:00:00Z",
}


def test_queue_and_list_commands(service: Service) -> None:
    _queue(service)
    for query in ("recipientId=RID123", f"recipientId=RID123&printerSerial={SERIAL}&limit=25"):
        check(service.call("GET", f"/control?{query}"), {"ok": True, "commands": [LISTED]})


@pytest.mark.parametrize(
    ("command", "metadata"),
    [
        ("pause", {}),
        ("resume", {}),
        ("stop", {}),
        ("cancel", {}),
        ("heat", {"nozzleTemp": 220, "bedTemp": 60}),
        ("setHeat", {"bedTemp": 60}),
        ("cool", {}),
        ("cooldown", {}),
        ("start_print", {"fileName": "model.3mf", "plateIndex": 1, "useAms": False}),
        ("camera", {"cameraState": "on"}),
        ("camera_on", {}),
        ("camera_off", {}),
        ("set_speed", {"percent": 100}),
        ("speed", {"speedPercent": 100}),
        ("set_fan", {"percent": 0}),
        ("fan", {"fanPercent": 50}),
        ("home", {}),
        ("light_on", {}),
        ("light_off", {}),
        ("load_filament", {"slot": 1}),
        ("unload_filament", {}),
        ("move", {"x": 10, "y": 0, "z": 0, "feedrate": 3000}),
        ("jog", {"z": 1}),
        ("sendGcode", {"gcode": "G28"}),
        ("download", {"fileName": "model.3mf"}),
        ("start", {"fileName": "model.3mf"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_supported_commands(service: Service, command: str, metadata: dict[str, Any]) -> None:
    body = {"recipientId": "RID123", "printerSerial": SERIAL, "commandType": command, "metadata": metadata}
    queued = check(service.call("POST", "/control", json=body), {"ok": True, "status": "pending"})
    shown = {**LISTED, "commandType": "camera_on" if command == "camera" else command}
    listed = check(service.call("GET", "/control?recipientId=RID123"), {"ok": True, "commands": [shown]})
    assert [each["commandId"] for each in listed["commands"]] == [queued["commandId"]]


def test_acknowledge_and_result(service: Service) -> None:
    command = _queue(service)
    named = {"commandId": command, "recipientId": "RID123", "printerSerial": SERIAL}
    check(
        service.call("POST", "/control/ack", json={**named, "status": "processing"}),
        {
            "ok": True,
            "commandId": "cmd-uuid-5678",
            "status": "processing",
            "acknowledgedAt": "2025-10-31T10:00:30Z",
        },
    )
    result = {**named, "status": "completed", "message": "Print paused successfully", "errorMessage": None}
    check(
        service.call("POST", "/control/result", json=result),
        {"ok": True, "commandId": "cmd-uuid-5678", "status": "completed", "completedAt": "2025-10-31T10:01:00Z"},
    )


@pytest.mark.parametrize("status", ["failed", "error"])
def test_other_results(service: Service, status: str) -> None:
    result = {"commandId": _queue(service), "recipientId": "RID123", "status": status, "errorMessage": "it moved"}
    check(service.call("POST", "/control/result", json=result), {"ok": True, "status": "failed"})


@pytest.mark.parametrize("path", ["/api/apps/app-1/functions/updatePrinterStatus", "/printer-status"])
def test_printer_status(service: Service, path: str) -> None:
    body = {
        "recipientId": "RID123",
        "printerSerial": "01P00A381200434",
        "printerIpAddress": "192.168.1.100",
        "status": {
            "state": "printing",
            "progress": 45,
            "bedTemp": 60,
            "nozzleTemp": 220,
            "remainingTime": 3600,
            "gcodeState": "RUNNING",
            "amsStatus": "idle",
        },
        "timestamp": "2025-10-31T10:05:00Z",
    }
    shown = {"ok": True, "statusUpdateId": "status-uuid-9012", "timestamp": "2025-10-31T10:05:00Z"}
    check(service.call("POST", path, json=body), shown)


def test_debug_list(service: Service) -> None:
    _queue(service)
    listed = {
        **LISTED,
        "printerSerial": "01P00A381200434",
        "metadata": {},
        "expiresAt": "2025-10-31T15:00:00Z",
    }
    answer = service.call("POST", "/debug/listPendingCommands", json={"recipientId": "RID123", "limit": 50})
    check(answer, {"ok": True, "count": 3, "commands": [listed]})


def test_health_check(service: Service) -> None:
    check(service.call("GET", "/", key=False), {"ok": True, "message": "Cloud printer backend is running"})


def test_job_requisition(service: Service) -> None:
    stored = service.upload()
    body = {
        "recipientId": "RID123",
        "printerSerial": "01P00A381200434",
        "productId": "PROD-55",
        "jobMetadata": {
            "gcodeUrl": f"https://storage.googleapis.com/{stored['gcsBucket']}/{stored['gcsPath']}",
            "estimatedPrintTimeSeconds": 5400,
        },
    }
    answer = check(
        service.call("POST", "/api/print-jobs", json=body),
        {
            "jobId": "job-abc-123",
            "productId": "PROD-55",
            "status": "pending",
            "files": [{"url": "...", "type": "gcode"}, {"url": "...", "type": "thumbnail"}],
        },
    )
    assert len(answer["files"]) == 2


def test_file_synchronization_and_start(service: Service) -> None:
    file = service.upload()
    for command in ("download", "start"):
        body = {
            "recipientId": "RID123",
            "printerSerial": SERIAL,
            "commandType": command,
            "metadata": {"fileName": "model.3mf", "fileId": file["fileId"]},
        }
        queued = check(service.call("POST", "/control", json=body), {"ok": True, "status": "pending"})
        result = {"commandId": queued["commandId"], "recipientId": "RID123", "status": "completed"}
        check(service.call("POST", "/control/result", json=result), {"ok": True, "status": "completed"})
    stored = service.cloud.document(f"print_jobs/{file['jobId']}").data
    assert stored["status"] == "preparing"


def test_status_reporting(service: Service) -> None:
    body = {
        "recipientId": "RID123",
        "printerIpAddress": "192.168.1.100",
        "progressPercent": 45,
        "bedTemp": 60,
        "nozzleTemp": 220,
        "lastEventAt": "2025-10-31T10:05:00Z",
    }
    check(service.call("POST", "/api/printer-status", json=body), {"ok": True})


def test_upload_and_fetch_workflow(service: Service) -> None:
    upload = r"""curl -X POST http://localhost:8080/upload \
  -H "X-API-Key: dev-key-123" \
  -F "recipientId=RID123" \
  -F "productId=PROD-55" \
  -F "file=@model.3mf"
"""
    uploaded = check(service.curl(upload), {"ok": True, "fetchToken": "token-xyz", "fileId": "file-123"})
    fetched = service.curl("curl http://localhost:8080/fetch/token-xyz", {"token-xyz": uploaded["fetchToken"]})
    assert base64.b64decode(check(fetched, {"ok": True, "data": "base64-content"})["data"]) == MODEL


def test_control_command_flow(service: Service) -> None:
    queue = r"""curl -X POST http://localhost:8080/control \
  -H "Content-Type: application/json" \
  -H "X-API-Key: dev-key-123" \
  -d '{
    "recipientId":"RID123",
    "printerSerial":"01P00A381200434",
    "commandType":"pause"
  }'
"""
    acknowledge = r"""curl -X POST http://localhost:8080/control/ack \
  -H "Content-Type: application/json" \
  -H "X-API-Key: dev-key-123" \
  -d '{
    "commandId":"cmd-456",
    "recipientId":"RID123",
    "printerSerial":"01P00A381200434",
    "status":"processing"
  }'
"""
    submit = r"""curl -X POST http://localhost:8080/control/result \
  -H "Content-Type: application/json" \
  -H "X-API-Key: dev-key-123" \
  -d '{
    "commandId":"cmd-456",
    "recipientId":"RID123",
    "printerSerial":"01P00A381200434",
    "status":"completed",
    "message":"Print paused successfully"
  }'
"""
    queued = check(service.curl(queue), {"ok": True, "commandId": "cmd-456", "status": "pending"})
    ids = {"cmd-456": queued["commandId"]}
    check(service.curl(acknowledge, ids), {"ok": True, "status": "processing"})
    check(service.curl(submit, ids), {"ok": True, "status": "completed"})


def _happening(event_type: str, event_status: str, **more: Any) -> dict[str, Any]:
    return {
        "recipientId": RECIPIENT,
        "printerSerial": EVENT_SERIAL,
        "printerIpAddress": EVENT_ADDRESS,
        "eventType": event_type,
        "eventStatus": event_status,
        **more,
    }


@pytest.mark.parametrize(
    "body",
    [
        _happening("job_started", "info", printJobId="job-uuid", statusData={"fileName": "model.3mf"}),
        _happening("job_completed", "success", printJobId="job-uuid", statusData={"fileName": "model.3mf"}),
        _happening(
            "job_failed",
            "failed",
            printJobId="job-uuid",
            statusData={"fileName": "model.3mf"},
            message="Print failed: heater malfunction",
        ),
        _happening(
            "status_update",
            "info",
            statusData={"progress": 45.5, "bedTemp": 60, "nozzleTemp": 220, "remainingTimeSeconds": 3600},
        ),
        _happening("custom_event", "info", message="Custom event message"),
        {
            **_happening("test_event", "info"),
            "printerSerial": "TEST123",
            "printerIpAddress": "192.168.1.1",
        },
    ],
    ids=lambda body: body["eventType"],
)
def test_reported_events(service: Service, body: dict[str, Any]) -> None:
    check(service.call("POST", EVENTS, json=body), {"eventId": "event-uuid", "created_at": "2025-10-31T10:05:00Z"}, 201)


@pytest.mark.parametrize(
    ("code", "module", "severity", "description"),
    [
        ("0300_0300_0002_0003", "hotbed", "critical", "Hotbed heating abnormal"),
        ("0500_0200_0001_0001", "extruder", "error", "Nozzle temperature abnormal"),
        ("0500_0300_0002_0001", "extruder", "critical", "Nozzle heating failed"),
        ("0700_0300_0001_0002", "motion", "error", "Homing failed"),
        ("0C00_0100_0001_0001", "ams", "error", "AMS communication error"),
        ("0D00_0200_0001_0001", "filament", "error", "Filament runout"),
    ],
)
def test_reported_hms_errors(service: Service, code: str, module: str, severity: str, description: str) -> None:
    data = {"hmsCode": code, "description": description, "severity": severity, "module": module}
    shown = {"eventId": "event-uuid", "created_at": "2025-10-31T10:05:00Z"}
    event = check(service.call("POST", EVENTS, json=_happening("hms_error", "failed", errorData=data)), shown, 201)
    stored = service.cloud.document(f"printer_events/{event['eventId']}").data
    assert {name: stored["errorData"][name] for name in data} == data
    picture = {"image": ("snapshot.jpg", PICTURE, "image/jpeg")}
    kept = service.call("POST", f"/api/printer-events/{event['eventId']}/upload-image", files=picture)
    assert kept.status_code in (200, 201), kept.text
    assert kept.json()["ok"] is True


def test_connection(service: Service) -> None:
    check(service.curl('curl -H "X-API-Key: your-key" https://backend-url/health'), {"ok": True, "status": "healthy"})
