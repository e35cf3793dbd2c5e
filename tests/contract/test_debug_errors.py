"""Stack traces are shown where a deployment asks for them, and nowhere else."""

import secrets
from pathlib import Path

import requests

from printpipe.domain.ports.documents import Create
from tests.backends import Backend
from tests.cloud import Cloud, Site, running

ONE_BACKEND_AT_REDUCED_COUNTS = True

BODY = {"recipientId": 7, "commandType": "pause"}
WRONG_JOB = {"product_id": 7}


def _break(cloud: Cloud, site: Site) -> requests.Response:
    """Acknowledges a command whose document nobody can read."""
    command = secrets.token_hex(8)
    cloud.backend.documents.commit(Create(f"printer_commands/{command}", {"recipientId": site.lan_recipient}))
    body = {"recipientId": site.lan_recipient, "commandId": command, "status": "processing"}
    return cloud.call("POST", "/control/ack", key=site.lan_key, json=body)


def _break_a_printer(cloud: Cloud, site: Site) -> requests.Response:
    """Asks for a printer whose document nobody can read, with a bearer token."""
    printer = secrets.token_hex(8)
    cloud.backend.documents.commit(Create(f"printers/{printer}", {"organizationId": site.organization}))
    return cloud.call("GET", f"/api/printers/{printer}", token=cloud.token(site.organization))


def test_no_error_shows_a_stack_trace(cloud: Cloud) -> None:
    answer = cloud.call("POST", "/control", key=cloud.operator_key, json=BODY)
    assert answer.status_code == 400
    assert set(answer.json()) == {"ok", "error_type", "message", "detail"}
    answer = cloud.call("POST", "/api/print-jobs", token=cloud.token("org-1"), json=WRONG_JOB)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_a_mistake_of_ours_shows_its_request_alone(cloud: Cloud, site: Site) -> None:
    answer = _break(cloud, site)
    assert answer.status_code == 500
    assert answer.json() == {
        "ok": False,
        "error_type": "InternalError",
        "message": "Internal error",
        "detail": f"request {answer.headers['X-Request-Id']}",
    }
    answer = _break_a_printer(cloud, site)
    assert answer.status_code == 500
    assert answer.json() == {"error": f"Internal error (request {answer.headers['X-Request-Id']})"}


def test_a_deployment_can_ask_for_them(embedded_backend: Backend, tmp_path: Path) -> None:
    with running(embedded_backend, tmp_path, DEBUG_ERRORS="true") as debugged:
        site = debugged.new_site()
        refused = debugged.call("POST", "/control", key=site.lan_key, json=BODY)
        token = debugged.token(site.organization)
        refused_job = debugged.call("POST", "/api/print-jobs", token=token, json=WRONG_JOB)
        answers = [refused, refused_job, _break(debugged, site), _break_a_printer(debugged, site)]
        assert [answer.status_code for answer in answers] == [400, 400, 500, 500]
        for answer in answers:
            assert "Traceback (most recent call last)" in answer.json()["traceback"]
            assert site.lan_key not in answer.text
            assert token not in answer.text
