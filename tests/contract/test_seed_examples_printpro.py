"""Every example of the printed description of PrintPro3D's management API, run as it stands there.

Host, token, ids and dates aside. An answer must hold every field that the description shows, of its type; what was
created or changed shows what was sent.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Create
from tests.cloud import Cloud
from tests.contract.described import MODEL, check, curl

ONE_BACKEND_AT_REDUCED_COUNTS = True

ACCESS_CODE = "12345678"
PRINTER = {
    "name": "Bambu Lab X1C #1",
    "brand": "Bambu Lab",
    "model": "X1 Carbon",
    "ip_address": "192.168.1.100",
    "access_code": ACCESS_CODE,
    "num_ams_units": 1,
    "supported_materials": ["PLA", "PETG", "ABS"],
}
JOB = {
    "plates_requested": 1,
    "priority": "normal",
    "ams_configuration": {
        "enabled": True,
        "slots": [{"slot_number": 1, "filament_type": "PLA", "filament_color": "Red"}],
    },
}
STATUS = {
    "status": "printing",
    "progress_percentage": 45.5,
    "current_layer": 120,
    "total_layers": 250,
    "nozzle_temp_current": 218.5,
    "bed_temp_current": 59.8,
    "time_remaining_seconds": 4200,
}


@dataclass(frozen=True)
class Office:
    """An organization with one site, as the description's one, and the token of its administrator."""

    cloud: Cloud
    organization: str
    recipient: str
    token: str

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request as the description shows it."""
        return self.cloud.call(method, path, token=self.token, **options)

    def curl(self, line: str) -> requests.Response:
        """What the shell would send for a line of the description."""
        return curl(self.cloud, line, {"<token>": self.token, "uuid": self.organization})

    def named(self, body: Mapping[str, Any], **ids: str) -> dict[str, Any]:
        """The body, with the organization's id and others."""
        return {"organizationId": self.organization, **ids, **body}

    def printer(self) -> str:
        """The description's printer; its id."""
        created = check(self.call("POST", "/api/printers", json=self.named(PRINTER)), self.named(PRINTER), 201)
        return str(created["id"])

    def job(self, printer: str) -> str:
        """The description's job for that printer; its id."""
        product = self.cloud.upload(self.recipient, secrets.token_hex(8))["productId"]
        body = self.named(JOB, product_id=product, printer_id=printer)
        created = check(self.call("POST", "/api/print-jobs", json=body), body, 201)
        assert missing_values(body, created) == []
        return str(created["id"])

    def command(self, printer: str, command_type: str, metadata: Mapping[str, Any]) -> str:
        """A command for that printer; its id."""
        body = self.named({"command_type": command_type, "metadata": dict(metadata)}, printer_id=printer)
        shown = {**body, "status": "pending", "metadata": {}}  # which the executor reads under names of its own
        created = check(self.call("POST", "/api/printer-commands", json=body), shown, 201)
        assert (created["command_type"], created["printer_id"]) == (command_type, printer)
        return str(created["id"])


@pytest.fixture
def office(cloud: Cloud) -> Office:
    """The organization that the description speaks of."""
    organization, recipient = secrets.token_hex(8), secrets.token_hex(8)
    now = {"createdAt": datetime.now(UTC), "name": "PrintPro3D"}
    site = {"recipientId": recipient, "client": "lan_client"}
    cloud.backend.documents.commit(
        Create(f"organizations/{organization}", {"organizationId": organization, **now}),
        Create(f"recipients/{recipient}", {"organizationId": organization, **site, **now}),
    )
    return Office(cloud, organization, recipient, cloud.token(organization, "admin"))


def missing_values(sent: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    """What was sent and is not what the answer shows."""
    return [name for name, value in sent.items() if answer.get(name) != value]


def test_create_printer(office: Office) -> None:
    body = office.named(PRINTER)
    created = check(office.call("POST", "/api/printers", json=body), body, 201)
    assert missing_values(body, created) == []


def test_create_printer_with_curl(office: Office) -> None:
    line = r"""curl -X POST http://localhost:8080/api/printers \
  -H "Authorization: Bearer <token>" \
  -H "Content-Type: application/json" \
  -d '{
    "organizationId": "uuid",
    "name": "Test Printer",
    "ip_address": "192.168.1.100"
  }'
"""
    created = check(office.curl(line), {"name": "Test Printer", "ip_address": "192.168.1.100"}, 201)
    assert (created["name"], created["organizationId"]) == ("Test Printer", office.organization)


def test_list_printers_with_curl(office: Office) -> None:
    printer = office.printer()
    line = r"""curl "http://localhost:8080/api/printers?organizationId=uuid" \
  -H "Authorization: Bearer <token>"
"""
    (listed,) = check(office.curl(line), {"printers": [{"id": "uuid", **office.named(PRINTER)}]})["printers"]
    assert (listed["id"], missing_values(PRINTER, listed)) == (printer, [])


@pytest.mark.parametrize("status", ["idle", "printing", "offline"])
def test_list_printers_by_status(office: Office, status: str) -> None:
    printer, other = office.printer(), office.printer()
    if status != "offline":
        report = office.named({"status": status}, printer_id=printer)
        check(office.call("POST", "/api/printer-status", json=report), report, 201)
    query = f"organizationId={office.organization}&status={status}"
    listed = check(office.call("GET", f"/api/printers?{query}"), {"printers": [{"status": status}]})["printers"]
    assert {each["id"] for each in listed} == ({printer} if status != "offline" else {printer, other})


def test_one_printer(office: Office) -> None:
    printer = office.printer()
    report = office.named(STATUS, printer_id=printer)
    check(office.call("POST", "/api/printer-status", json=report), report, 201)
    path = f"/api/printers/{printer}"
    live = {name: value for name, value in STATUS.items() if name != "status"}
    shown = {"id": "uuid", **office.named(PRINTER), "status": "printing", "live": live}
    for query in ("", f"?organizationId={office.organization}"):
        found = check(office.call("GET", path + query), shown)
        assert missing_values(PRINTER, found) == []
    changes = office.named({"name": "Bambu Lab X1C #2", "supported_materials": ["PLA"]})
    assert missing_values(changes, check(office.call("PUT", path, json=changes), changes)) == []
    check(office.call("DELETE", f"{path}?organizationId={office.organization}"), {"id": "uuid"})
    check(office.call("GET", path), {"error": "Error message description"}, 404)


def test_create_and_send_job(office: Office) -> None:
    printer = office.printer()
    job = office.job(printer)
    body = {"organizationId": office.organization, "printerId": printer}
    sent = check(office.call("POST", f"/api/print-jobs/{job}/send", json=body), {"id": "uuid", "status": "queued"})
    assert (sent["id"], sent["printer_id"]) == (job, printer)
    query = f"?organizationId={office.organization}"
    shown = {"id": "uuid", "product_id": "uuid", "printer_id": "uuid", "status": "queued", **office.named(JOB)}
    (listed,) = check(office.call("GET", f"/api/print-jobs{query}"), {"print_jobs": [shown]})["print_jobs"]
    assert listed["id"] == job
    check(office.call("GET", f"/api/print-jobs/{job}{query}"), shown)


def test_job_status_and_progress(office: Office) -> None:
    job = office.job(office.printer())
    for status in ("printing", "completed"):
        body = office.named({"status": status, "progress_percentage": 45.5})
        check(office.call("PUT", f"/api/print-jobs/{job}/status", json=body), {"id": "uuid", "status": status})


def test_cancel_and_delete_job(office: Office) -> None:
    job = office.job(office.printer())
    body = {"organizationId": office.organization}
    check(office.call("POST", f"/api/print-jobs/{job}/cancel", json=body), {"id": "uuid", "status": "cancelled"})
    path = f"/api/print-jobs/{job}?organizationId={office.organization}"
    check(office.call("DELETE", path), {"id": "uuid"})
    check(office.call("GET", path), {"error": "Error message description"}, 404)


def test_set_bed_temperature(office: Office) -> None:
    printer = office.printer()
    command = office.command(printer, "set_bed_temp", {"target": 60})
    query = f"?organizationId={office.organization}"
    shown = {"id": "uuid", "printer_id": "uuid", "command_type": "set_bed_temp", "status": "pending", "metadata": {}}
    for path in (f"/api/printer-commands{query}", f"/api/printer-commands/pending{query}&printer_id={printer}"):
        (listed,) = check(office.call("GET", path), {"commands": [shown]})["commands"]
        assert listed["id"] == command
    for status in ("processing", "completed"):
        body = office.named({"status": status})
        answer = office.call("PUT", f"/api/printer-commands/{command}/status", json=body)
        check(answer, {"id": "uuid", "status": status})
    check(office.call("DELETE", f"/api/printer-commands/{command}{query}"), {"id": "uuid"})
    assert check(office.call("GET", f"/api/printer-commands{query}"), {})["commands"] == []


COMMANDS: Mapping[str, Mapping[str, Any]] = {
    "start_print": {"fileName": "model.gcode"},
    "pause_print": {},
    "resume_print": {},
    "stop_print": {},
    "cancel_print": {},
    "set_bed_temp": {"target": 60},
    "set_nozzle_temp": {"target": 220},
    "set_chamber_temp": {"target": 40},
    "home_all": {},
    "home_x": {},
    "home_y": {},
    "home_z": {},
    "set_fan_speed": {"speed": 50},
    "set_print_speed": {"speed": 100},
    "set_flow_rate": {"rate": 100},
    "camera_on": {},
    "camera_off": {},
    "light_on": {},
    "light_off": {},
    "load_filament": {"slot": 1},
    "unload_filament": {},
    "custom_gcode": {"gcode": "G28"},
}


def test_command_types(office: Office) -> None:
    printer = office.printer()
    queued = [office.command(printer, command, metadata) for command, metadata in COMMANDS.items()]
    listed = check(office.call("GET", "/api/printer-commands?limit=100"), {})["commands"]
    assert {each["id"]: each["command_type"] for each in listed} == dict(zip(queued, COMMANDS, strict=True))


def test_update_status(office: Office) -> None:
    printer = office.printer()
    body = office.named(STATUS, printer_id=printer, current_job_id=office.job(printer))
    created = check(office.call("POST", "/api/printer-status", json=body), body, 201)
    assert missing_values(body, created) == []
    query = f"?organizationId={office.organization}"
    latest = check(office.call("GET", f"/api/printer-status/latest/{printer}{query}"), body)
    assert missing_values(body, latest) == []
    history = check(office.call("GET", f"/api/printer-status/history/{printer}{query}"), {"history": [body]})
    assert missing_values(body, history["history"][0]) == []


def test_what_the_printers_side_is_sent(office: Office) -> None:
    printer, file = office.printer(), office.cloud.upload(office.recipient, content=MODEL, name="model.3mf")
    start = office.command(printer, "start_print", {"fileName": "model.3mf", "fileId": file["fileId"]})
    answer = office.call("PUT", f"/api/printer-commands/{start}/status", json=office.named({"status": "processing"}))
    shown = {
        "job_id": "uuid",
        "product_id": "uuid",
        "product_name": "Product Name",
        "printer_target": {"printer_id": "uuid", "printer_name": "Bambu X1C", "ip_address": "192.168.1.100"},
        "gcode_file": {"url": "https://signed-url...", "file_name": "model.gcode"},
        "print_parameters": {},
    }
    payload = check(answer, {"payload": shown})["payload"]
    assert (payload["printer_target"]["printer_id"], payload["product_id"]) == (printer, "PROD-55")
    assert requests.get(payload["gcode_file"]["url"], timeout=10).content == MODEL
    assert ACCESS_CODE not in answer.text  # it goes to the site's agent alone, which asks for it


@pytest.mark.parametrize("name", ["userId", "sub", "id"])
@pytest.mark.parametrize("told", [True, False], ids=["with the organization", "without"])
def test_a_token_as_described(office: Office, name: str, told: bool) -> None:
    user = secrets.token_hex(8)
    claims = {name: user, "email": "someone@example.com", "exp": int(time.time()) + 60}
    if not told:
        member = {"organizationId": office.organization, "userId": user, "role": "viewer"}
        made = office.cloud.call("POST", "/api/v1/memberships", key=office.cloud.operator_key, json=member)
        assert made.status_code == 201, made.text
    organization = office.organization if told else None
    token = office.cloud.token(organization, role=None, user=None, **claims)
    query = f"organizationId={office.organization}"
    check(office.cloud.call("GET", f"/api/printers?{query}", token=token), {"printers": []})


@pytest.mark.parametrize("path", ["/health", "curl"])
def test_health(office: Office, path: str) -> None:
    shown = {
        "status": "healthy",
        "timestamp": "2025-11-12T10:30:00.000Z",
        "service": "PrintPro3D Backend",
        "printerBackend": {"healthy": True, "url": "https://printer-backend-934564650450.europe-west1.run.app"},
    }
    asked = office.curl("curl http://localhost:8080/health") if path == "curl" else office.cloud.call("GET", path)
    assert datetime.fromisoformat(check(asked, shown)["timestamp"]).tzinfo is not None


def test_errors(office: Office) -> None:
    error, other = {"error": "Error message description"}, office.cloud.new_site().organization
    viewer = office.cloud.token(office.organization, "viewer")
    answers = {
        400: office.call("POST", "/api/printers", json=office.named({"ip_address": "192.168.1.100"})),
        401: office.cloud.call("GET", f"/api/printers?organizationId={office.organization}"),
        403: office.call("GET", f"/api/printers?organizationId={other}"),
        404: office.call("GET", "/api/printers/no-such-printer"),
    }
    for status, answer in answers.items():
        assert check(answer, error, status).keys() == {"error"}
    assert "name" in answers[400].json()["error"]
    forbidden = office.cloud.call("POST", "/api/printers", token=viewer, json=office.named(PRINTER))
    assert check(forbidden, error, 403).keys() == {"error"}
    unknown = office.cloud.call("GET", "/api/print-jobs", token="no.such.token")
    assert check(unknown, error, 401).keys() == {"error"}
