"""Four dialects over one domain: what is created through one is seen, and ended, through the others."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.cloud import Cloud, Site
from tests.contract.order_desk import LOADED, PRODUCT

ONE_BACKEND_AT_REDUCED_COUNTS = True

Json = dict[str, Any]


class Workshop:
    """A site of the LAN client, with one printer that is heard of, and callers in every dialect."""

    def __init__(self, cloud: Cloud, site: Site) -> None:
        self.cloud, self.site = cloud, site
        self.token, self.key = cloud.token(site.organization, "admin"), site.organization_key
        self.serial = f"01P{secrets.token_hex(6).upper()}"
        self._queued = 0

    def printpro(self, method: str, path: str, body: Json | None = None, status: int = 200) -> Json:
        return done(self.cloud.call(method, path, token=self.token, json=body), status)

    def printernizer(self, method: str, path: str, body: Json | None = None, status: int = 200) -> Json:
        return done(self.cloud.call(method, f"/api/v1{path}", key=self.key, json=body), status)

    def taverna(self, verb: str, **said: Any) -> Json:
        body = {"api_key": self.key, "printer_id": self.serial, **said}
        return done(self.cloud.call("POST", f"/api/status/{verb}", json=body))

    def client(self, path: str, **body: Any) -> Json:
        said = {"recipientId": self.site.lan_recipient, **body}
        answer = self.cloud.call("POST", path, key=self.key, json=said)
        assert answer.ok, answer.text
        told: Json = answer.json()
        return told

    def heard(self) -> None:
        """The printer reports that it is there, and what is loaded."""
        status = {"state": "idle", "loadedFilaments": LOADED}
        self.client("/printer-status", printerSerial=self.serial, status=status)

    def next_number(self) -> int:
        self._queued += 1
        return self._queued


def done(answer: requests.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


@pytest.fixture
def shop(cloud: Cloud, site: Site) -> Workshop:
    return Workshop(cloud, site)


def enter_by_cloud(shop: Workshop) -> None:
    entries = [{"printerSerial": shop.serial, "name": "Printer 1", "model": "P1S"}]
    shop.client("/api/agent/printers", printers=entries)


def enter_by_printpro(shop: Workshop) -> None:
    entry = {"recipient_id": shop.site.lan_recipient, "serial": shop.serial, "name": "Printer 1"}
    shop.printpro("POST", "/api/printers", {**entry, "brand": "Bambu Lab", "model": "P1S"}, 201)


def enter_by_printernizer(shop: Workshop) -> None:
    entry = {"id": "bambu_a1_002", "name": "Printer 1", "type": "bambu_lab", "serial_number": shop.serial}
    reached = {"ip_address": "192.168.1.102", "access_code": "87654321", "recipient_id": shop.site.lan_recipient}
    shop.printernizer("POST", "/printers", {**entry, **reached, "model": "P1S", "is_active": True}, 201)


ENTERING: Mapping[str, Callable[[Workshop], None]] = {
    "cloud": enter_by_cloud,
    "printpro": enter_by_printpro,
    "printernizer": enter_by_printernizer,
}


@pytest.mark.parametrize("ended_by", ["printpro", "printernizer"])
@pytest.mark.parametrize("entered_by", ENTERING)
def test_a_printer_is_one_and_the_same(cloud: Cloud, shop: Workshop, entered_by: str, ended_by: str) -> None:
    ENTERING[entered_by](shop)
    shop.heard()
    (managed,) = shop.printpro("GET", "/api/printers")["printers"]
    (shown,) = shop.printernizer("GET", "/printers")["printers"]
    assert (managed["serial"], shown["serial_number"]) == (shop.serial, shop.serial)
    assert (managed["name"], shown["name"]) == ("Printer 1", "Printer 1")
    assert shown["id"] in (managed["id"], "bambu_a1_002")
    jobs = cloud.call("GET", f"/api/status/printer/{shown['id']}", params={"api_key": shop.key})
    assert done(jobs)["active_jobs_count"] == 0
    for path in (f"/printers/{shown['id']}", f"/printers/{shop.serial}", f"/printers/{managed['id']}"):
        assert shop.printernizer("GET", path)["serial_number"] == shop.serial
    paused = shop.client("/control", printerSerial=shop.serial, commandType="pause")
    (command,) = shop.printpro("GET", "/api/printer-commands")["commands"]
    assert command["id"] == paused["commandId"]
    shop.printpro("DELETE", f"/api/printer-commands/{paused['commandId']}")
    if ended_by == "printpro":
        shop.printpro("DELETE", f"/api/printers/{managed['id']}")
    else:
        shop.printernizer("DELETE", f"/printers/{shown['id']}")
    assert shop.printpro("GET", "/api/printers")["printers"] == []
    assert shop.printernizer("GET", "/printers")["printers"] == []
    gone = cloud.call("GET", f"/api/status/printer/{shown['id']}", params={"api_key": shop.key})
    assert gone.status_code == 404


def begin_by_cloud(shop: Workshop) -> None:
    shop.cloud.upload(shop.site.lan_recipient, PRODUCT)
    shop.client("/api/print-jobs", printerSerial=shop.serial, productId=PRODUCT, jobMetadata={})


def begin_by_printpro(shop: Workshop) -> None:
    shop.cloud.upload(shop.site.lan_recipient, PRODUCT)
    (printer,) = shop.printpro("GET", "/api/printers")["printers"]
    shop.printpro("PUT", f"/api/printers/{printer['id']}", {"plate_cleared": True})
    job = shop.printpro("POST", "/api/print-jobs", {"product_id": PRODUCT}, 201)
    sent = shop.printpro("POST", f"/api/print-jobs/{job['id']}/send")
    assert sent["printer_id"] == printer["id"], sent


def begin_by_taverna(shop: Workshop) -> None:
    shop.taverna("start", print_queue_id=shop.next_number(), model_file="dragon.stl")


def complete_by_cloud(shop: Workshop, job: Json, number: int) -> str:
    moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {"printerSerial": shop.serial, "success": True, "jobId": job["id"], "completedAt": moment}
    shop.client(f"/api/print-jobs/completed?recipientId={shop.site.lan_recipient}", productName=PRODUCT, **told)
    return "completed"


def complete_by_printpro(shop: Workshop, job: Json, number: int) -> str:
    shop.printpro("PUT", f"/api/print-jobs/{job['id']}/status", {"status": "completed"})
    return "completed"


def complete_by_taverna(shop: Workshop, job: Json, number: int) -> str:
    shop.taverna("update", print_status_id=number, status="completed", progress=100)
    return "completed"


def fail_by_taverna(shop: Workshop, job: Json, number: int) -> str:
    shop.taverna("update", print_status_id=number, status="failed", message="Bico entupido")
    return "failed"


def cancel_by_taverna(shop: Workshop, job: Json, number: int) -> str:
    shop.taverna("update", print_status_id=number, status="canceled")
    return "cancelled"


def _stopped(shop: Workshop) -> None:
    """The LAN client carries out the stop that it is shown."""
    path = f"/control?recipientId={shop.site.lan_recipient}"
    (stop,) = [
        each for each in done(shop.cloud.call("GET", path, key=shop.key))["commands"] if each["commandType"] == "stop"
    ]
    shop.client("/control/result", commandId=stop["commandId"], status="completed")


def cancel_by_printpro(shop: Workshop, job: Json, number: int) -> str:
    shop.printpro("POST", f"/api/print-jobs/{job['id']}/cancel")
    _stopped(shop)
    return "cancelled"


def cancel_by_printernizer(shop: Workshop, job: Json, number: int) -> str:
    shop.printernizer("POST", f"/jobs/{number}/cancel")
    _stopped(shop)
    return "cancelled"


BEGINNING = {"cloud": begin_by_cloud, "printpro": begin_by_printpro, "taverna": begin_by_taverna}
ENDING = {
    "completed by cloud": complete_by_cloud,
    "completed by printpro": complete_by_printpro,
    "completed by taverna": complete_by_taverna,
    "failed by taverna": fail_by_taverna,
    "cancelled by taverna": cancel_by_taverna,
    "cancelled by printpro": cancel_by_printpro,
    "cancelled by printernizer": cancel_by_printernizer,
}
TAVERNA = {"completed": "completed", "failed": "failed", "cancelled": "canceled"}


@pytest.mark.parametrize("ended", ENDING)
@pytest.mark.parametrize("begun_by", BEGINNING)
def test_a_job_is_one_and_the_same(shop: Workshop, begun_by: str, ended: str) -> None:
    enter_by_printpro(shop)
    shop.heard()
    BEGINNING[begun_by](shop)
    (managed,) = shop.printpro("GET", "/api/print-jobs")["print_jobs"]
    (shown,) = shop.printernizer("GET", "/jobs")["jobs"]
    number = shown["id"]
    assert (shown["status"], managed["printer_serial"]) == ("queued", shop.serial)
    shop.taverna("update", print_status_id=number, status="printing", progress=40, metrics={"current_layer": 2})

    def seen() -> tuple[Any, ...]:
        by_printpro = shop.printpro("GET", f"/api/print-jobs/{managed['id']}")
        by_printernizer = shop.printernizer("GET", f"/jobs/{number}")
        by_taverna = done(shop.cloud.call("GET", f"/api/status/{number}"))
        assert TAVERNA.get(by_printernizer["status"], "printing") == by_taverna["status"]
        assert by_printernizer["status"] == by_printpro["status"]
        assert by_printernizer["progress"] == by_taverna["progress_percentage"]
        return by_printernizer["status"], by_printernizer["progress"], by_printernizer["layer_current"]

    assert seen() == ("printing", 40.0, 2)
    (printer,) = shop.printernizer("GET", "/printers")["printers"]
    assert printer["current_job"]["id"] == number
    end = ENDING[ended](shop, managed, number)
    assert seen()[0] == end
    listed = shop.printernizer("GET", f"/jobs?status={end}")["jobs"]
    assert [each["id"] for each in listed] == [number]
    assert shop.printernizer("GET", "/printers")["printers"][0]["current_job"] is None
    _is_counted_once(shop, end)


def _is_counted_once(shop: Workshop, end: str) -> None:
    deadline = time.monotonic() + 15
    while True:
        jobs = shop.printernizer("GET", "/statistics/overview?period=day")["jobs"]
        if jobs["total_jobs"] or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    counted = {"completed": jobs["completed_jobs"], "failed": jobs["failed_jobs"]}
    assert jobs["total_jobs"] == 1
    assert counted == {"completed": int(end == "completed"), "failed": int(end == "failed")}
