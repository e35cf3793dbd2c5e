"""The deployed LAN client prints, unchanged, through the functions as they are now."""

from pathlib import Path
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from tests.cloud import Cloud, Site
from tests.contract.lan_client import LanClient, LanPrinter, PowerCut

ONE_BACKEND_AT_REDUCED_COUNTS = True

PRODUCT, NAME = "PROD-55", "model.3mf"
MODEL = make_3mf("model", layers=3, seconds=60)
HOTBED = {"hmsCode": "0300_0300_0002_0003", "description": "Hotbed heating abnormal", "severity": "critical"}


class Shop:
    """A site with one LAN client and one printer, and the web app's side of it."""

    def __init__(self, cloud: Cloud, disk: Path) -> None:
        self.cloud, self.site, self._disk = cloud, cloud.new_site(), disk
        self.printer = LanPrinter("01P00A381200434", "192.168.1.100")

    def client(self, *others: LanPrinter) -> LanClient:
        """The client, started anew on the same machine."""
        site = self.site
        return LanClient(self.cloud.base_url, site.lan_recipient, site.lan_key, self._disk, [self.printer, *others])

    def upload(self) -> str:
        """Uploads the model; the job's id."""
        return str(self.cloud.upload(self.site.lan_recipient, PRODUCT, content=MODEL, name=NAME)["jobId"])

    def order(self, job: str | None = None, **metadata: Any) -> str:
        """Orders the print of a job, as the web app does; the command's id."""
        note = {"productName": "cube", "productId": PRODUCT} | ({"printJobId": job} if job else {})
        return self.send("start_print", fileName=NAME, unencryptedData=note, **metadata)

    def send(self, command: str, **metadata: Any) -> str:
        """Queues a command for the printer."""
        return self.cloud.queue(self.site.lan_recipient, command, metadata, printerSerial=self.printer.serial)

    def stored(self, path: str) -> str:
        """The status of what is stored there."""
        return str(self.cloud.document(path).data["status"])


@pytest.fixture
def shop(keyless_cloud: Cloud, tmp_path: Path) -> Shop:
    """A site of the test's own, where the deployment allows keyless legacy clients."""
    return Shop(keyless_cloud, tmp_path)


def test_a_print_from_the_upload_to_its_end(shop: Shop) -> None:
    job, client, printer = shop.upload(), shop.client(), shop.printer
    client.heartbeat()
    command = shop.order(job)
    assert client.poll() == [command]
    assert printer.started == [(NAME, MODEL)]
    assert shop.stored(f"printer_commands/{command}") == "completed"
    assert client.poll() == []

    client.report_event(printer, "job_started", "info", printJobId=job, statusData={"fileName": NAME})
    assert shop.stored(f"print_jobs/{job}") == "printing"
    client.report_flat(printer, progress=45, bedTemp=60, nozzleTemp=220)
    seen = client.report_nested(printer, camera=True, progress=46, bedTemp=60, nozzleTemp=220)
    assert seen["imageUploaded"] is True
    assert requests.get(seen["imageUrl"], timeout=10).content[:2] == b"\xff\xd8"
    client.send_picture(printer)
    error = client.report_error(printer, "Hotbed heating abnormal", errorData=HOTBED)
    client.attach(error["eventId"])

    assert client.complete(printer, success=True)["jobId"] == job
    client.report_flat(printer, progress=100)
    assert shop.stored(f"print_jobs/{job}") == "completed"
    assert shop.stored(f"files/{job}") == "completed"
    (known,) = shop.cloud.documents("printers", shop.site.lan_recipient)
    assert known.data["serial"] == printer.serial
    assert printer.started == [(NAME, MODEL)]


def test_a_print_that_is_ordered_as_a_job(shop: Shop) -> None:
    job, client, printer = shop.upload(), shop.client(), shop.printer
    wish = {"recipientId": shop.site.lan_recipient, "printerSerial": printer.serial, "productId": PRODUCT}
    ordered = shop.cloud.call("POST", "/api/print-jobs", key=shop.site.lan_key, json=wish).json()
    assert ordered["jobId"] == job
    assert client.poll() == [ordered["commandId"]]
    assert printer.started == [(NAME, MODEL)]
    assert client.complete(printer, success=True)["jobId"] == job
    assert shop.stored(f"print_jobs/{job}") == "completed"


def test_a_restart_in_the_middle_starts_nothing_twice(shop: Shop) -> None:
    job, client, printer = shop.upload(), shop.client(), shop.printer

    def fail() -> None:
        raise PowerCut

    client.before_result = fail
    command = shop.order(job)
    with pytest.raises(PowerCut):
        client.poll()
    assert len(printer.started) == 1
    assert shop.stored(f"printer_commands/{command}") == "pending"

    again = shop.client()
    for _ in range(3):
        assert again.poll() == []
    assert len(printer.started) == 1
    again.report_event(printer, "job_started", "info", printJobId=job)
    assert again.complete(printer, success=True)["jobId"] == job
    assert shop.stored(f"print_jobs/{job}") == "completed"
    assert again.poll() == []
    assert len(printer.started) == 1


def test_a_print_that_is_paused_resumed_and_stopped(shop: Shop) -> None:
    job, client, printer = shop.upload(), shop.client(), shop.printer
    shop.order(job)
    client.poll()
    client.report_event(printer, "job_started", "info", printJobId=job)
    for command, state in (("pause", "PAUSE"), ("resume", "RUNNING")):
        sent = shop.send(command)
        assert client.poll() == [sent]
        assert printer.state == state
        assert shop.stored(f"printer_commands/{sent}") == "completed"
        client.report_nested(printer)
    sent = shop.send("stop", printJobId=job)
    assert client.poll() == [sent]
    assert printer.told == ["pause", "resume", "stop"]
    assert client.complete(printer, success=False)["jobId"] == job
    assert shop.stored(f"print_jobs/{job}") == "failed"


def test_a_stop_that_comes_too_late_does_not_stop_the_next_print(shop: Shop) -> None:
    first, client, printer = shop.upload(), shop.client(), shop.printer
    shop.order(first)
    client.poll()
    client.complete(printer, success=True)
    second = shop.upload()
    shop.order(second)
    client.poll()
    shop.send("stop", printJobId=first)
    assert client.poll() == []
    assert (printer.state, printer.told) == ("RUNNING", [])
    sent = shop.send("stop", printJobId=second)
    assert client.poll() == [sent]
    assert printer.told == ["stop"]


def test_a_second_copy_is_printed_from_the_clients_own_disk(shop: Shop) -> None:
    job, client, printer = shop.upload(), shop.client(), shop.printer
    shop.order(job)
    client.poll()
    client.complete(printer, success=True)
    command = shop.order(fileId=job)
    assert client.poll() == [command]
    assert printer.started == [(NAME, MODEL)] * 2
    copy = str(shop.cloud.document(f"printer_commands/{command}").data["jobId"])
    assert copy != job
    assert shop.stored(f"print_jobs/{copy}") == "preparing"


def test_a_command_finds_its_printer_by_any_of_its_names(shop: Shop) -> None:
    other = LanPrinter("01S00C000000002", "192.168.1.101", "printer-002")
    client = shop.client(other)
    shop.cloud.queue(shop.site.lan_recipient, "light_on", printerId="printer-002")
    shop.send("light_off")
    shop.cloud.queue(shop.site.lan_recipient, "home", printerSerial="01X-of-nobody")
    assert len(client.poll()) == 2
    assert (other.told, shop.printer.told) == (["light_on"], ["light_off"])


def test_without_the_switch_it_can_neither_shake_hands_nor_tell(cloud: Cloud, site: Site, tmp_path: Path) -> None:
    job = cloud.upload(site.lan_recipient, PRODUCT)["jobId"]
    printer = LanPrinter("01P00A381200434", "192.168.1.100")
    client = LanClient(cloud.base_url, site.lan_recipient, site.lan_key, tmp_path, [printer])
    note = {"productId": PRODUCT, "printJobId": job}
    cloud.queue(
        site.lan_recipient, "start_print", {"fileName": NAME, "unencryptedData": note}, printerSerial=printer.serial
    )
    with pytest.raises(AssertionError, match="handshake: 401"):
        client.poll()
    assert printer.started == []
