"""Prints through the whole house that do not go smoothly: each job ends once, and for the right reason."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from local.stack import Stack
from printpipe.domain.ports.documents import Query, Where
from tests.counts import SOAK
from tests.e2e.stack import call, command_of, queue, stack, until

__all__ = ["stack"]

ONE_BACKEND_AT_REDUCED_COUNTS = True

LONG = make_3mf("long print", layers=40, seconds=2400)
"""Eight seconds at the stack's speed."""

ENDS = {"job_completed", "job_failed", "job_cancelled"}
SETTLED = 3.0 if SOAK else 1.0
"""Seconds for which no further end may come."""


@pytest.fixture(params=[0, 1] if SOAK else [None])
def serial(stack: Stack, request: pytest.FixtureRequest) -> str:
    """Each of the simulated printers; in a quick run one on each backend."""
    place = int(stack.backend == "embedded") if request.param is None else request.param
    return stack.printers[place].serial


def _order(stack: Stack, serial: str) -> str:
    """Uploads a long print and orders it; the job's id."""
    site = {"recipientId": stack.identity.agent.recipient_id, "productId": "PROD-LONG"}
    part = {"file": ("long.gcode.3mf", LONG, "model/3mf")}
    file = call(stack, "POST", "/upload", data=site, files=part).json()["fileId"]
    answer = call(stack, "POST", "/api/print-jobs", json={**site, "printerSerial": serial, "fileId": file})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


def _job(stack: Stack, job_id: str) -> Mapping[str, Any]:
    document = stack.platform.documents.get(f"print_jobs/{job_id}")
    assert document is not None
    return document.data


def _reaches(stack: Stack, job_id: str, status: str, seconds: float = 40.0) -> Mapping[str, Any]:
    until(lambda: _job(stack, job_id)["status"] == status, f"{job_id} {status}", seconds)
    return _job(stack, job_id)


def _events(stack: Stack, job_id: str) -> list[Mapping[str, Any]]:
    found = stack.platform.documents.query(Query("printer_events", [Where("printJobId", "==", job_id)]))
    return sorted((each.data for each in found), key=lambda data: data["occurredAt"])


def _ends(stack: Stack, job_id: str) -> list[Mapping[str, Any]]:
    """The job's last events, once no further one comes."""
    until(lambda: any(each["eventType"] in ENDS for each in _events(stack, job_id)), "the job's last event")
    settled, count = time.monotonic() + SETTLED, 0
    while time.monotonic() < settled:
        found = [each for each in _events(stack, job_id) if each["eventType"] in ENDS]
        assert len(found) >= count
        count = len(found)
        time.sleep(0.1)
    return [each for each in _events(stack, job_id) if each["eventType"] in ENDS]


def _printing(stack: Stack, job_id: str, serial: str) -> None:
    """Waits until the job is some layers high."""
    _reaches(stack, job_id, "printing")
    until(lambda: stack.inspect(serial)["layer"] >= 3, "the third layer")


def _fault(stack: Stack, serial: str, **switches: Any) -> None:
    requests.post(f"{stack.simulator_url}/printers/{serial}/faults", json=switches, timeout=5).raise_for_status()


def test_a_line_that_drops_in_mid_print_ends_in_one_completion(stack: Stack, serial: str) -> None:
    starts = len(stack.inspect(serial)["starts"])
    job = _order(stack, serial)
    _printing(stack, job, serial)
    for _ in range(3):
        _fault(stack, serial, drop_connection=True)
        until(lambda: stack.inspect(serial)["clients"] >= 1, "the agent's return", 20)
    assert _reaches(stack, job, "completed")["reason"] in (None, "the print is finished")
    assert [each["eventType"] for each in _ends(stack, job)] == ["job_completed"]
    assert [each["eventType"] for each in _events(stack, job)].count("job_started") == 1
    assert len(stack.inspect(serial)["starts"]) == starts + 1


def test_a_line_that_is_down_until_the_end_still_ends_in_one_completion(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    _fault(stack, serial, half_open=True, drop_connection=True)
    until(lambda: stack.inspect(serial)["gcode_state"] == "FINISH", "the printer's end", 40)
    _fault(stack, serial, half_open=False)
    _reaches(stack, job, "completed", 60)
    assert [each["eventType"] for each in _ends(stack, job)] == ["job_completed"]


def test_a_stop_cancels_the_job_once(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    command = queue(stack, "stop", serial, printJobId=job)
    until(lambda: command_of(stack, command)["status"] == "completed", "the stop's completion")
    assert stack.inspect(serial)["gcode_state"] in ("FAILED", "IDLE")
    assert "stopped by command" in str(_reaches(stack, job, "cancelled")["reason"])
    (end,) = _ends(stack, job)
    assert end["eventType"] == "job_cancelled"
    assert end["errorData"] == {"reason": "stopped_by_command", "commandId": command}


def test_a_cancel_at_the_printers_screen_is_told_apart(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    screen = f"{stack.simulator_url}/printers/{serial}/screen"
    requests.post(screen, json={"action": "cancel"}, timeout=5).raise_for_status()
    _reaches(stack, job, "cancelled")
    (end,) = _ends(stack, job)
    assert (end["eventType"], end["errorData"]["reason"]) == ("job_cancelled", "cancelled_at_printer")


def test_a_print_that_fails_says_why(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    failing = f"{stack.simulator_url}/printers/{serial}/fail"
    requests.post(failing, json={"print_error": 0x03008003}, timeout=5).raise_for_status()
    assert "0300_8003" in str(_reaches(stack, job, "failed")["reason"])
    assert [each["eventType"] for each in _ends(stack, job)] == ["job_failed"]


def test_a_stop_for_another_job_stops_nothing(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    command = queue(stack, "stop", serial, printJobId="another-job")
    until(lambda: command_of(stack, command)["status"] == "failed", "the refusal")
    assert stack.inspect(serial)["gcode_state"] == "RUNNING"
    right = queue(stack, "stop", serial, printJobId=job)
    until(lambda: command_of(stack, right)["status"] == "completed", "the stop's completion")


def test_a_busy_printer_refuses_a_second_job_and_goes_on(stack: Stack, serial: str) -> None:
    first = _order(stack, serial)
    _printing(stack, first, serial)
    second = _order(stack, serial)
    assert "busy" in str(_reaches(stack, second, "failed")["reason"])
    assert stack.inspect(serial)["gcode_state"] == "RUNNING"
    _reaches(stack, first, "completed")


def test_pause_and_resume_show_in_the_job(stack: Stack, serial: str) -> None:
    job = _order(stack, serial)
    _printing(stack, job, serial)
    for order, status in (("pause", "paused"), ("resume", "printing")):
        command = queue(stack, order, serial)
        until(lambda command=command: command_of(stack, command)["status"] == "completed", order)  # type: ignore[misc]
        _reaches(stack, job, status)
    _reaches(stack, job, "completed")


def test_without_developer_mode_the_operator_is_told(stack: Stack, serial: str) -> None:
    _fault(stack, serial, developer_mode=False)
    try:
        job = _order(stack, serial)
        assert "Developer Mode" in str(_reaches(stack, job, "failed")["reason"])
    finally:
        _fault(stack, serial, developer_mode=True)
