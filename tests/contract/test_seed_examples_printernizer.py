"""Every example of the printed description of Printernizer's API, run as it stands there.

Host, ids and dates aside. An answer must hold every field that the description shows, of its type; where ours says
something else, the test names the field.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from printpipe.domain.job_records import Job
from printpipe.domain.ports.documents import Delete, Update
from tests.cloud import Cloud
from tests.contract import printernizer_shown as printed
from tests.contract.described import missing
from tests.contract.live import said, shows, socket
from tests.contract.storage_agent import Json, StorageAgent, done, found, id_of, sums
from tests.contract.test_statistics import told as count_job

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "AC12345678"
PATHS = ("/cache/test_print.3mf", "/cache/bracket_v2.3mf", "/cache/old_test.3mf")
SLICED = {
    "layer_height": "0.2",
    "sparse_infill_density": "20%",
    "inner_wall_speed": ["100"],
    "nozzle_temperature": ["210"],
    "enable_support": "0",
    "filament_vendor": ["OVERTURE"],
    "curr_bed_type": "High Temp Plate",
    "hot_plate_temp": ["60"],
}
UNMEASURED = ("first_layer_adhesion", "surface_finish", "dimensional_accuracy")
"""What the description shows of a print's quality: nobody measures it, and it is null."""
UNREAD = (
    "estimated_print_time",
    "layer_height",
    "layer_count",
    "infill",
    "support_material",
    "material_type",
    "nozzle_temperature",
    "bed_temperature",
)
"""What the description shows of a file's content: null until the file was downloaded."""


class Workshop:
    """The description's site with its two printers, its admin, and its agent."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.site = cloud, cloud.new_site()
        organization = f"organizations/{self.site.organization}"
        cloud.backend.documents.commit(
            Delete(f"recipients/{self.site.lan_recipient}"), Update(organization, {"timeZone": "Europe/Berlin"})
        )
        self.agent = StorageAgent(cloud, self.site)
        self.token = cloud.token(self.site.organization, "admin")
        self.content = sliced("custom_bracket")

    def call(self, method: str, path: str, body: Json | None = None) -> requests.Response:
        """A request as the description shows it."""
        return self.cloud.call(method, f"/api/v1{path}", token=self.token, json=body)

    def enter(self, shown: Json, **more: str) -> None:
        """A printer of the description's."""
        given = ("id", "name", "type", "model", "ip_address", "serial_number", "is_active")
        done(self.call("POST", "/printers", {**{name: shown[name] for name in given if name in shown}, **more}), 201)
        (test,) = self.agent.claim("test_connection")
        done(self.agent.result(test, result={"firmwareVersion": "1.04.00.00"}))

    def report(self, serial: str, **status: Any) -> None:
        """The agent tells what the printer shows."""
        body = {"recipientId": self.site.agent_recipient, "printerSerial": serial, "status": status}
        done(self.cloud.call("POST", "/printer-status", key=self.site.agent_key, json=body))

    def event(self, job: str, kind: str) -> None:
        """The agent tells what has happened to the job."""
        told = {"printerSerial": SERIAL, "eventType": kind, "eventStatus": "info", "printJobId": job}
        body = {"recipientId": self.site.agent_recipient, **told}
        done(self.cloud.call("POST", "/api/printer-events/report", key=self.site.agent_key, json=body), 201)

    def printing(self) -> str:
        """A job of the description's, on the printer; our id of it."""
        upload = self.cloud.upload(self.site.agent_recipient, content=self.content, name="custom_bracket.3mf")
        return self.start(str(upload["fileId"]))

    def start(self, file: str) -> str:
        """Has a stored file printed; its job."""
        order = {"fileName": "custom_bracket.3mf", "fileId": file}
        self.cloud.queue(self.site.agent_recipient, "start_print", order, printerSerial=SERIAL)
        (start,) = self.agent.claim("start_print")
        done(self.agent.result(start))
        job = str(self.cloud.document(f"printer_commands/{start['commandId']}").data["jobId"])
        self.event(job, "job_started")
        numbers = {"nozzleTemp": 210.5, "nozzleTargetTemp": 210, "bedTemp": 60, "bedTargetTemp": 60}
        chamber, progress = {"chamberTemp": 28.5}, {"progress": 45.7, "layer": 125, "totalLayers": 274}
        spool = {"loadedFilaments": [{"slot": 0, "type": "PLA", "color": "#000000"}]}
        self.report(
            SERIAL, state="printing", printJobId=job, remainingTime=3600, **numbers, **chamber, **progress, **spool
        )
        return job

    def finish(self, job: str) -> None:
        """The print is done, and counted."""
        self.event(job, "job_completed")
        self.report(SERIAL, state="idle")
        if self.cloud.backend.embedded:
            self.cloud.wait_for_effects(self.site.organization)
        else:
            count_job(self.cloud, Job.of(self.cloud.document(f"print_jobs/{job}")))

    @property
    def job(self) -> int:
        """The number of the newest job."""
        return int(done(self.call("GET", "/jobs"))["jobs"][0]["id"])

    @property
    def printer(self) -> Json:
        """The description's first printer, with our id of it."""
        query = f"printer_aliases/{self.site.organization}_id_bambu_a1_001"
        return {"id": self.cloud.document(query).data["printerId"], "recipient_id": self.site.agent_recipient}

    def list_files(self, *paths: str) -> list[str]:
        """The files lie on the printer; their ids."""
        files = [found(path, len(self.content)) for path in paths]
        self.agent.order_listing(self.printer)
        for command in self.agent.claim():
            mine = command["printerId"] == self.printer["id"]
            done(self.agent.result(command, result={"files": files if mine else [], "truncated": False}))
        return [id_of(self.printer, path) for path in paths]

    def fetch(self, file: str) -> None:
        """The file is downloaded."""
        done(self.call("POST", f"/files/{file}/download"), 202)
        (command,) = self.agent.claim("fetch_file")
        done(self.agent.deliver(command, self.content))
        done(self.agent.result(command, result=sums(self.content)))


def sliced(title: str) -> bytes:
    """A 3MF that says how it was sliced."""
    content = io.BytesIO(make_3mf(title, layers=274, seconds=7200))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("Metadata/project_settings.config", json.dumps(SLICED))
    return content.getvalue()


def told(answer: requests.Response, shown: Json, *aside: str, status: int = 200) -> Json:
    """The answer's body: what the description shows, but for these fields, which say something else."""
    body = done(answer, status)
    same_as(shown, body, *aside)
    return body


def same_as(shown: Json, body: Json, *aside: str) -> None:
    """Asserts that the body is what the description shows, but for these fields; none of them is missing."""
    unlike = missing(shown, body)
    assert not [text for text in unlike if text.endswith(" is missing")], unlike
    assert {text.partition(":")[0].partition(" is ")[0].removeprefix("body.") for text in unlike} == set(aside), unlike


@pytest.fixture(scope="module")
def shop(cloud: Cloud) -> Workshop:
    workshop = Workshop(cloud)
    bambu, prusa = printed.PRINTERS["printers"]
    workshop.enter(prusa, serial_number="10589-1")
    workshop.report("10589-1", state="idle", nozzleTemp=25, bedTemp=25)
    workshop.enter(bambu, access_code=printed.PRINTER["access_code"])
    workshop.report(SERIAL, state="idle")
    return workshop


@pytest.fixture
def busy(shop: Workshop) -> Iterator[Workshop]:
    """The first printer prints while the test lasts."""
    job = shop.printing()
    yield shop
    shop.finish(job)


def test_health(cloud: Cloud, shop: Workshop) -> None:
    body = told(cloud.call("GET", "/api/v1/health"), printed.HEALTH)
    assert body["active_printers"] >= 0


def test_system_information(cloud: Cloud, shop: Workshop) -> None:
    ours = ("features.business_analytics", "features.preview_system")  # which the description has not yet
    embedded = cloud.backend.embedded
    body = told(shop.call("GET", "/system/info"), printed.SYSTEM, *ours, *([] if embedded else ["database.type"]))
    assert body["system"]["timezone"] == "Europe/Berlin"
    assert body["database"]["type"] == ("sqlite" if embedded else "firestore")
    assert body["database"]["printers_count"] == 2


def test_printers(busy: Workshop) -> None:
    body = told(busy.call("GET", "/printers"), printed.PRINTERS)
    for query in ("?active=true", "?type=bambu_lab", "?type=prusa&active=true"):
        assert done(busy.call("GET", f"/printers{query}"))["printers"]
    for shown, ours in zip(printed.PRINTERS["printers"], body["printers"], strict=True):
        same = ("id", "name", "type", "model", "ip_address", "temperatures")
        assert missing_values({name: shown[name] for name in same}, ours) == []
    assert body["printers"][0]["current_job"]["progress"] == 45.7
    assert body["printers"][1]["current_job"] is None


def test_a_printer(busy: Workshop) -> None:
    body = told(busy.call("GET", "/printers/bambu_a1_001"), printed.PRINTER)
    same = ("id", "serial_number", "access_code", "connection_status", "firmware_version", "temperatures")
    assert missing_values({name: printed.PRINTER[name] for name in same}, body) == []
    assert (body["current_job"]["layer_current"], body["current_job"]["layer_total"]) == (125, 274)


def test_a_printer_comes_changes_and_goes(shop: Workshop) -> None:
    told(shop.call("POST", "/printers", printed.NEW_PRINTER), printed.PRINTER_CREATED, status=201)
    path = f"/printers/{printed.NEW_PRINTER['id']}"
    changed = told(shop.call("PUT", path, printed.PRINTER_CHANGES), printed.PRINTER_CHANGED)
    assert changed["id"] == printed.NEW_PRINTER["id"]
    assert missing_values(printed.PRINTER_CHANGES, done(shop.call("GET", path))) == []
    told(shop.call("DELETE", path), printed.PRINTER_REMOVED)
    shop.agent.claim()


def test_jobs(busy: Workshop) -> None:
    told(busy.call("PUT", f"/jobs/{busy.job}", printed.JOB_CHANGES), printed.JOB_CHANGED)
    body = told(busy.call("GET", "/jobs"), printed.JOBS, "pagination.has_next")
    (job, *_) = body["jobs"]
    same = ("printer_id", "printer_name", "job_name", "progress", "layer_current", "layer_total", "estimated_duration")
    assert missing_values({name: printed.JOBS["jobs"][0][name] for name in same}, job) == []
    assert job["material_info"]["type"] == "PLA"
    queries = (
        "printer_id=bambu_a1_001&status=printing&is_business=true",
        "start_date=2025-09-01&page=1&limit=100",
        "order_by=start_time&order_dir=asc",
    )
    for query in queries:
        assert job["id"] in [each["id"] for each in done(busy.call("GET", f"/jobs?{query}"))["jobs"]]


def test_a_job(busy: Workshop) -> None:
    done(busy.call("PUT", f"/jobs/{busy.job}", printed.JOB_CHANGES))
    nobodys = [f"quality_metrics.{name}" for name in UNMEASURED]
    body = told(busy.call("GET", f"/jobs/{busy.job}"), printed.JOB, *nobodys)
    assert missing_values({"is_business": True, "customer_info": printed.JOB["customer_info"]}, body) == []
    same = ("layer_height", "infill", "print_speed")
    assert missing_values({name: printed.JOB["print_settings"][name] for name in same}, body["print_settings"]) == []
    assert (body["costs"]["material_cost"], body["notes"]) == (2.5, "High priority order")
    assert (body["material_info"]["brand"], body["material_info"]["cost_per_gram"]) == ("OVERTURE", 0.05)


def test_a_job_is_cancelled(shop: Workshop) -> None:
    shop.cloud.upload(shop.site.agent_recipient, content=shop.content, name="custom_bracket.3mf")
    told(shop.call("POST", f"/jobs/{shop.job}/cancel"), printed.JOB_CANCELLED)


def test_files(shop: Workshop) -> None:
    available, downloaded = shop.list_files(*PATHS[:2])
    shop.fetch(downloaded)
    local = shop.cloud.upload(shop.site.agent_recipient, content=shop.content, name="local_design.3mf")["fileId"]
    body = done(shop.call("GET", "/files?page=1&limit=100"))
    by_id = {each["id"]: each for each in body["files"]}
    body["files"] = [by_id[available], by_id[downloaded], by_id[local]]
    unread = [f"files[].metadata.{name}" for name in printed.FILES["files"][0]["metadata"]]
    same_as(printed.FILES, body, *unread)
    icons = [each["status_icon"] for each in body["files"]]
    assert icons == [each["status_icon"] for each in printed.FILES["files"]]
    queries = ("printer_id=bambu_a1_001&status=available", "file_type=.3mf&search=test_print")
    for query in queries:
        assert available in [each["id"] for each in done(shop.call("GET", f"/files?{query}"))["files"]]


def test_a_file_on_a_printer(shop: Workshop) -> None:
    (file,) = shop.list_files("/cache/unread.3mf")
    unread = [f"metadata.{name}" for name in UNREAD]
    body = told(shop.call("GET", f"/files/{file}"), printed.FILE, "preview_url", *unread, "related_jobs")
    assert (body["preview_url"], body["related_jobs"], body["local_path"]) == (None, [], None)


def test_a_file_that_was_downloaded_and_printed(shop: Workshop) -> None:
    (file,) = shop.list_files("/cache/printed.3mf")
    shop.fetch(file)
    (stored,) = [each.data for each in shop.cloud.documents("files", shop.site.agent_recipient) if is_of(each, file)]
    shop.finish(shop.start(str(stored["fileId"])))
    body = told(shop.call("GET", f"/files/{file}"), printed.FILE, "status")
    assert (body["status"], body["metadata"]["layer_count"]) == ("downloaded", 274)
    preview = shop.cloud.call("GET", body["preview_url"], token=shop.token)
    assert preview.headers["Content-Type"] == "image/png"


def test_a_download_and_its_status(shop: Workshop) -> None:
    (file,) = shop.list_files("/cache/watched.3mf")
    begun = told(shop.call("POST", f"/files/{file}/download"), printed.DOWNLOAD, status=202)
    (command,) = shop.agent.claim("fetch_file")
    half = len(shop.content) // 2
    done(shop.agent.progress(command, half, total=len(shop.content)))
    body = told(shop.call("GET", f"/files/{file}/download/status"), printed.DOWNLOAD_STATUS)
    assert (body["download_id"], body["file_id"], body["error"]) == (begun["download_id"], file, None)
    assert (body["bytes_downloaded"], body["bytes_total"]) == (half, len(shop.content))
    done(shop.agent.deliver(command, shop.content))
    done(shop.agent.result(command, result=sums(shop.content)))
    told(shop.call("DELETE", f"/files/{file}"), printed.FILE_DELETED)


def test_cleanup(shop: Workshop) -> None:
    files = shop.list_files("/cache/old_1.3mf", "/cache/old_2.3mf", "/cache/old_3.3mf")
    for file in files:
        shop.fetch(file)
    query = "older_than_days=0&min_size_mb=0&unused_only=false"
    listed = told(shop.call("GET", f"/files/cleanup/candidates?{query}"), printed.CANDIDATES)
    assert {each["id"] for each in listed["cleanup_candidates"]} >= set(files)
    asked = {**printed.CLEANUP, "file_ids": files}
    body = told(shop.call("POST", "/files/cleanup", asked), printed.CLEANED)
    assert (body["cleaned_files"], body["failed_cleanups"]) == (3, [])


def test_statistics(shop: Workshop) -> None:
    (file,) = shop.list_files("/cache/counted.3mf")
    shop.fetch(file)
    shop.finish(shop.printing())
    for query in ("period=month", "period=day", "period=year"):
        body = told(shop.call("GET", f"/statistics/overview?{query}"), printed.OVERVIEW)
        assert body["period"] == query.removeprefix("period=")
    assert body["materials"]["most_used_material"].startswith("OVERTURE PLA")
    period = "start_date=2025-08-01T00:00:00Z&end_date=2025-08-31T23:59:59Z"
    assert done(shop.call("GET", f"/statistics/overview?{period}"))["jobs"]["total_jobs"] == 0


def test_a_printers_statistics(shop: Workshop) -> None:
    shop.finish(shop.printing())
    nobodys = ("first_layer_success_rate", "average_surface_quality", "dimensional_accuracy")
    unmeasured = [f"quality_metrics.{name}" for name in nobodys]
    answer = shop.call("GET", "/statistics/printers/bambu_a1_001")
    body = told(answer, printed.PRINTER_STATISTICS, "maintenance.last_maintenance", *unmeasured)
    assert (body["printer_id"], body["period"]) == ("bambu_a1_001", "month")
    assert body["jobs"]["completed_jobs"] >= 1


def test_an_error(shop: Workshop) -> None:
    (file,) = shop.list_files("/cache/lost.3mf")
    heard = datetime.now(UTC) - timedelta(minutes=45)
    shop.cloud.backend.documents.commit(Update(f"printers/{shop.printer['id']}", {"state.receivedAt": heard}))
    answer = shop.call("POST", f"/files/{file}/download")
    shop.report(SERIAL, state="idle")
    body = told(answer, printed.ERROR, "error.message", "error.details.connection_attempts", status=502)
    assert (body["error"]["code"], body["error"]["details"]["printer_id"]) == ("PRINTER_OFFLINE", "bambu_a1_001")
    assert body["error"]["message"].startswith(printed.ERROR["error"]["message"])


def test_rate_limits(cloud: Cloud, shop: Workshop) -> None:
    key = cloud.new_key(shop.site.organization, None, ["read"])
    shown = cloud.call("GET", "/api/v1/jobs", key=key).headers
    assert (shown["X-RateLimit-Limit"], shown["X-RateLimit-Remaining"]) == ("1000", "999")
    ends = datetime.fromtimestamp(int(shown["X-RateLimit-Reset"]), UTC)
    assert timedelta(0) <= ends - datetime.now(UTC) + timedelta(seconds=1) <= timedelta(hours=1, seconds=2)


def test_a_message(cloud: Cloud, busy: Workshop) -> None:
    with socket(cloud.base_url, cloud.new_key(busy.site.organization, None, ["events.read"])) as opened:
        busy.report(SERIAL, state="printing", progress=46.2, nozzleTemp=210.8, bedTemp=59.8)
        message = said(opened, shows(printer_id="bambu_a1_001", progress=46.2))[-1]
    same_as(printed.MESSAGE, dict(message))
    assert message["data"]["temperatures"]["nozzle"] == 210.8


def missing_values(shown: Json, ours: Json) -> list[str]:
    """What our answer shows otherwise."""
    return [
        name
        for name, value in shown.items()
        if (missing_values(value, ours[name]) if isinstance(value, dict) else ours[name] != value)
    ]


def is_of(document: Any, file: str) -> bool:
    return bool(document.data["productId"] == file)
