"""Commands as their senders and a polling client meet them: names, lifetimes, the queue's cap, downloads."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.cloud import Cloud, Site, running

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"
CAP = 3


@pytest.fixture(scope="module")
def narrow(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The same backend behind a gateway with short queues and some G-code of its own."""
    folder = tmp_path_factory.mktemp("narrow")
    with running(cloud.backend, folder, COMMAND_QUEUE_CAP=str(CAP), GCODE_ALLOWED="M117, m0600") as functions:
        yield functions


def _order(cloud: Cloud, recipient: str, command: str, **more: Any) -> requests.Response:
    headers = more.pop("headers", {})
    body = {"recipientId": recipient, "commandType": command, **more}
    return cloud.call("POST", "/control", key=cloud.operator_key, json=body, headers=headers)


def _listed(cloud: Cloud, site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.call(
        "GET", f"/control?recipientId={site.lan_recipient}", key=site.lan_key
    ).json()["commands"]
    return found


@pytest.mark.parametrize(
    ("command", "metadata", "shown", "carried", "kind"),
    [
        ("setHeat", {"nozzleTemp": 210}, "setHeat", {"nozzleTemp": 210}, "set_temperature"),
        ("set_bed_temp", {"target": 60}, "heat", {"bedTemp": 60}, "set_temperature"),
        ("set-nozzle-temp", {"target": 210}, "heat", {"nozzleTemp": 210}, "set_temperature"),
        ("pausePrint", {}, "pause", {}, "pause"),
        ("home_x", {}, "home", {"axes": "x"}, "home"),
        ("set_fan_speed", {"speed": 0}, "set_fan", {"percent": 0, "fan": "part"}, "set_fan"),
        ("set_print_speed", {"percent": 120}, "set_speed", {"percent": 120}, "set_speed"),
        ("set_flow_rate", {"percent": 95}, "set_flow_rate", {"percent": 95}, "set_flow_rate"),
        ("jog", {"z": 5, "feed_rate": 600}, "jog", {"z": 5, "feedrate": 600}, "move"),
        ("custom_gcode", {"command": "M105"}, "sendGcode", {"gcode": "M105"}, "send_gcode"),
        ("camera", {"cameraState": "off"}, "camera_off", {}, "camera_off"),
        ("download", {"url": "https://a.example/b.3mf"}, "download", {"url": "https://a.example/b.3mf"}, "download"),
    ],
)
def test_a_polling_client_gets_every_command_by_a_name_that_it_knows(
    cloud: Cloud,
    site: Site,
    command: str,
    metadata: dict[str, object],
    shown: str,
    carried: dict[str, object],
    kind: str,
) -> None:
    queued = cloud.queue(site.lan_recipient, command, metadata, printerSerial=SERIAL)
    (listed,) = _listed(cloud, site)
    assert (listed["commandId"], listed["commandType"], listed["metadata"]) == (queued, shown, carried)
    stored = cloud.document(f"printer_commands/{queued}").data
    assert (stored["type"], stored["commandType"]) == (kind, shown if command == "camera" else command)


@pytest.mark.parametrize("command", ["stop", "cancel", "stop_print", "cancelPrint", "pause-print", "cool"])
def test_what_stops_or_protects_a_machine_goes_first(cloud: Cloud, site: Site, command: str) -> None:
    cloud.queue(site.lan_recipient, "light_on")
    urgent = cloud.queue(site.lan_recipient, command)
    assert _listed(cloud, site)[0]["commandId"] == urgent
    assert cloud.document(f"printer_commands/{urgent}").data["lane"] == "priority"


@pytest.mark.parametrize(
    ("command", "metadata", "seconds"),
    [
        ("start_print", {"fileName": "a.3mf"}, 600),
        ("download", {"fileName": "a.3mf"}, 600),
        ("stop", {}, 600),
        ("pause", {}, 120),
        ("resume_print", {}, 120),
        ("move", {"x": 1}, 60),
        ("home", {}, 60),
        ("heat", {"bedTemp": 60}, 60),
        ("sendGcode", {"gcode": "G28"}, 60),
        ("set_flow_rate", {"percent": 100}, 60),
    ],
)
def test_a_command_lives_as_long_as_its_kind_is_worth_executing(
    cloud: Cloud, site: Site, command: str, metadata: dict[str, object], seconds: int
) -> None:
    answer = _order(cloud, site.lan_recipient, command, metadata=metadata).json()
    lifetime = datetime.fromisoformat(answer["expiresAt"]) - datetime.fromisoformat(answer["createdAt"])
    assert lifetime == timedelta(seconds=seconds)


def test_a_stop_carries_its_job(cloud: Cloud, site: Site) -> None:
    stop = cloud.queue(site.lan_recipient, "stop_print", {"print_job_id": "job-1"})
    stored = cloud.document(f"printer_commands/{stop}").data
    assert (stored["jobId"], stored["metadata"]) == ("job-1", {"printJobId": "job-1"})


def test_a_full_queue_takes_no_more_but_what_stops_a_machine(narrow: Cloud) -> None:
    site = narrow.new_site()
    for number in range(CAP):
        narrow.queue(site.lan_recipient, "fan", {"percent": number}, printerSerial=SERIAL)
    refused = _order(narrow, site.lan_recipient, "light_on", printerSerial=SERIAL)
    assert (refused.status_code, refused.json()["error_type"]) == (429, "RateLimitError"), refused.text
    assert int(refused.headers["Retry-After"]) > 0
    narrow.queue(site.lan_recipient, "light_on", printerSerial="01P00A000000002")
    for command in ("stop", "pause", "cool-down"):
        narrow.queue(site.lan_recipient, command, printerSerial=SERIAL)
    assert _order(narrow, site.lan_recipient, "pause", printerSerial=SERIAL).status_code == 429
    assert _order(narrow, site.lan_recipient, "cancel_print", printerSerial=SERIAL).status_code == 200
    stored = narrow.documents("printer_commands", site.lan_recipient)
    assert len([each for each in stored if each.data["printerSerial"] == SERIAL]) == 2 * CAP + 1
    assert len(narrow.documents("audit_log", site.lan_recipient)) == 2 * CAP + 2


def test_a_full_queue_starts_no_print(narrow: Cloud) -> None:
    site = narrow.new_site()
    job = narrow.upload(site.agent_recipient)["fileId"]
    for number in range(CAP):
        narrow.queue(site.agent_recipient, "fan", {"percent": number}, printerSerial=SERIAL)
    start = {"fileName": "model.3mf", "fileId": job}
    refused = _order(narrow, site.agent_recipient, "start_print", metadata=start, printerSerial=SERIAL)
    assert refused.status_code == 429
    assert narrow.document(f"print_jobs/{job}").data["status"] == "held"


def test_a_repetition_is_answered_though_the_queue_is_full(narrow: Cloud) -> None:
    site = narrow.new_site()
    once = {"Idempotency-Key": "light"}
    first = _order(narrow, site.lan_recipient, "light_on", printerSerial=SERIAL, headers=once)
    for number in range(CAP - 1):
        narrow.queue(site.lan_recipient, "fan", {"percent": number}, printerSerial=SERIAL)
    assert _order(narrow, site.lan_recipient, "light_off", printerSerial=SERIAL).status_code == 429
    again = _order(narrow, site.lan_recipient, "light_on", printerSerial=SERIAL, headers=once)
    assert (again.status_code, again.json()) == (200, first.json())


def test_what_has_expired_takes_no_room(narrow: Cloud) -> None:
    site = narrow.new_site()
    soon = (datetime.now().astimezone() + timedelta(seconds=1.5)).isoformat()
    for _ in range(CAP):
        narrow.queue(site.lan_recipient, "light_on", printerSerial=SERIAL, expiresAt=soon)
    deadline = time.monotonic() + 5
    while _order(narrow, site.lan_recipient, "light_off", printerSerial=SERIAL).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("line", ["M117 Hello", "M600", "m600 X10"])
def test_a_deployment_may_add_gcode(narrow: Cloud, line: str) -> None:
    site = narrow.new_site()
    queued = narrow.queue(site.lan_recipient, "sendGcode", {"gcode": line})
    assert narrow.document(f"printer_commands/{queued}").data["metadata"] == {"gcode": line}
    refused = _order(narrow, site.lan_recipient, "sendGcode", metadata={"gcode": "M601"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "metadata.gcode")


def test_an_agent_gets_a_downloads_file_and_the_job_stays_held(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.agent_recipient)
    file = uploaded["fileId"]
    command = cloud.queue(site.agent_recipient, "download", {"fileId": file}, printerSerial=SERIAL)
    ack = {"commandId": command, "recipientId": site.agent_recipient, "agentId": "agent-1", "status": "processing"}
    claim = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).json()
    assert (claim["file"]["fileId"], claim["file"]["sha256"]) == (file, uploaded["sha256"])
    fetched = cloud.call("GET", f"/fetch/{claim['file']['fetchToken']}").json()
    assert fetched["sha256"] == uploaded["sha256"]
    assert cloud.document(f"print_jobs/{file}").data["status"] == "held"
    assert cloud.call("GET", f"/fetch/{claim['file']['fetchToken']}").status_code == 410
    start = cloud.queue(site.agent_recipient, "start_print", {"fileName": "model.3mf", "jobId": file})
    assert cloud.document(f"printer_commands/{start}").data["jobId"] == file


@pytest.mark.parametrize(
    ("metadata", "status", "field"),
    [
        ({"fileId": "no-such-file"}, 404, "fileId"),
        ({"fileName": "a.3mf"}, 400, "metadata.fileId"),
        ({"url": "https://a.example/b.3mf"}, 400, "metadata.fileId"),
    ],
)
def test_an_agent_downloads_files_of_ours_alone(
    cloud: Cloud, site: Site, metadata: dict[str, str], status: int, field: str
) -> None:
    answer = _order(cloud, site.agent_recipient, "download", metadata=metadata)
    assert (answer.status_code, answer.json()["detail"]) == (status, field)
    assert cloud.documents("printer_commands", site.agent_recipient) == []


def test_a_download_of_another_tenants_file_is_not_found(cloud: Cloud, site: Site) -> None:
    file = cloud.upload(cloud.new_site().agent_recipient)["fileId"]
    for recipient in (site.agent_recipient, site.lan_recipient):
        assert _order(cloud, recipient, "download", metadata={"fileId": file}).status_code == 404
