"""A camera's URL holds the printer's access code: what people are told of a print holds the URL without it."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"
SHOWN = "no picture of rtsps://192.168.1.9:322/live yet"

Json = dict[str, Any]


class Hall:
    """A printer at a site whose client polls; whatever is told of it holds its camera's URL."""

    def __init__(self, cloud: Cloud, site: Site) -> None:
        self.cloud, self.site, self.code = cloud, site, secrets.token_hex(4)
        self.said = f"no picture of rtsps://bblp:{self.code}@192.168.1.9:322/live yet"
        self.recipient, self._token = site.lan_recipient, cloud.token(site.organization)
        body = {"recipient_id": self.recipient, "name": "Left", "serial": SERIAL}
        self.printer = str(self.manage("POST", "/api/printers", body)["id"])

    def manage(self, method: str, path: str, body: Json | None = None) -> Json:
        """A call of the management API."""
        return self._answered(method, path, body, token=self._token)

    def tell(self, path: str, body: Json) -> Json:
        """A call of the site's client."""
        return self._answered("POST", path, {"recipientId": self.recipient, **body}, key=self.site.lan_key)

    def command(self) -> str:
        """A new command; its id."""
        body = {"printer_id": self.printer, "command_type": "light_on", "metadata": {}}
        return str(self.manage("POST", "/api/printer-commands", body)["id"])

    def job(self) -> str:
        """A new job; its id."""
        return str(self.cloud.upload(self.recipient)["fileId"])

    def _answered(self, method: str, path: str, body: Json | None, **credential: Any) -> Json:
        answer = self.cloud.call(method, path, json=body, **credential)
        assert answer.ok, f"{path}: {answer.text}"
        assert self.code not in answer.text
        found: Json = answer.json()
        return found


def _result(hall: Hall) -> list[str]:
    command = hall.command()
    told = {"status": "failed", "message": hall.said, "errorMessage": hall.said}
    hall.tell("/control/result", {"commandId": command, **told})
    hall.tell("/control/result", {"commandId": command, **told})
    return [f"printer_commands/{command}.message", f"printer_commands/{command}.errorMessage"]


def _older_result(hall: Hall) -> list[str]:
    command = hall.command()
    hall.tell(
        f"/control/{command}/result?recipientId={hall.recipient}",
        {"success": False, "result": hall.said, "error": hall.said},
    )
    return [f"printer_commands/{command}.message", f"printer_commands/{command}.errorMessage"]


def _status_of_command(hall: Hall) -> list[str]:
    command = hall.command()
    told = {"status": "failed", "message": hall.said, "error_message": hall.said}
    hall.manage("PUT", f"/api/printer-commands/{command}/status", told)
    return [f"printer_commands/{command}.message", f"printer_commands/{command}.errorMessage"]


def _status_of_job(hall: Hall) -> list[str]:
    job = hall.job()
    hall.manage("PUT", f"/api/print-jobs/{job}/status", {"status": "failed", "error_message": hall.said})
    return [f"print_jobs/{job}.reason"]


def _cancelling(hall: Hall) -> list[str]:
    job = hall.job()
    hall.manage("POST", f"/api/print-jobs/{job}/cancel", {"reason": hall.said})
    return [f"print_jobs/{job}.reason"]


def _event(hall: Hall) -> list[str]:
    job = hall.job()
    event = {"printerSerial": SERIAL, "eventType": "job_failed", "eventStatus": "failed", "printJobId": job}
    stored = hall.tell("/api/printer-events/report", {**event, "message": hall.said})["eventId"]
    return [f"printer_events/{stored}.message", f"print_jobs/{job}.reason"]


def _data_of_event(hall: Hall) -> list[str]:
    job = hall.job()
    event = {"printerSerial": SERIAL, "eventType": "job_failed", "eventStatus": "failed", "printJobId": job}
    hall.tell("/api/printer-events/report", {**event, "errorData": {"reason": hall.said}})
    return [f"print_jobs/{job}.reason"]


def _error(hall: Hall) -> list[str]:
    told = {"printerSerial": SERIAL, "errorType": hall.said, "error": hall.said}
    stored = hall.tell("/api/printer-events/error", told)["eventId"]
    return [f"printer_events/{stored}.message", f"printer_events/{stored}.errorData.errorType"]


def _completion(hall: Hall) -> list[str]:
    job = hall.job()
    told = {"printerSerial": SERIAL, "jobId": job, "success": False, "completedAt": "2025-10-31T10:00:00Z"}
    path = f"/api/print-jobs/completed?recipientId={hall.recipient}"
    event = hall.tell(path, {**told, "errorMessage": hall.said})["eventId"]
    return [f"print_jobs/{job}.reason", f"printer_events/{event}.message"]


WAYS: dict[str, Callable[[Hall], list[str]]] = {
    each.__name__.strip("_"): each
    for each in (
        _result,
        _older_result,
        _status_of_command,
        _status_of_job,
        _cancelling,
        _event,
        _data_of_event,
        _error,
        _completion,
    )
}


@pytest.mark.parametrize("way", WAYS)
def test_a_urls_user_is_neither_stored_nor_shown_nor_logged(cloud: Cloud, site: Site, way: str) -> None:
    hall = Hall(cloud, site)
    for place in WAYS[way](hall):
        path, name, *deeper = place.split(".")
        kept = cloud.document(path).data[name]
        for each in deeper:
            kept = kept[each]
        assert kept == SHOWN, place
    assert hall.code not in str(cloud.stored(site.organization))
    assert hall.code not in cloud.log.read_text()
