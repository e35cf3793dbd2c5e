"""What the executor of a start is told of the print: where its bytes are, and no secret."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"

Json = dict[str, Any]
Take = Callable[[Cloud, Site, str], tuple[Json, str]]


def _by_ack(cloud: Cloud, site: Site, command: str) -> tuple[Json, str]:
    body = {"recipientId": site.agent_recipient, "commandId": command, "agentId": "agent-1", "status": "processing"}
    answer = cloud.call("POST", "/control/ack", key=site.agent_key, json=body)
    return answer.json(), answer.text


def _by_poll(cloud: Cloud, site: Site, command: str) -> tuple[Json, str]:
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    answer = cloud.call("GET", path, key=site.agent_key)
    (taken,) = answer.json()["commands"]
    assert taken["commandId"] == command
    return taken, answer.text


def _by_status(cloud: Cloud, site: Site, command: str) -> tuple[Json, str]:
    path, token = f"/api/printer-commands/{command}/status", cloud.token(site.organization)
    answer = cloud.call("PUT", path, token=token, json={"status": "processing"})
    return answer.json(), answer.text


WAYS: Mapping[str, Take] = {"ack": _by_ack, "poll": _by_poll, "status": _by_status}


def _site_of(site: Site, way: str) -> str:
    """The recipient where commands are taken that way: what our agent carries out is taken by nobody else."""
    return site.lan_recipient if way == "status" else site.agent_recipient


def _printer(cloud: Cloud, site: Site, recipient: str, code: str) -> str:
    body = {
        "recipient_id": recipient,
        "name": "Left",
        "serial": SERIAL,
        "ip_address": "192.168.1.100",
        "access_code": code,
    }
    answer = cloud.call("POST", "/api/printers", token=cloud.token(site.organization, "admin"), json=body)
    assert (answer.status_code, answer.json()["access_code"]) == (201, code), answer.text
    return str(answer.json()["id"])


def _order(cloud: Cloud, site: Site, printer: str, command: str, metadata: Json) -> str:
    body = {"printer_id": printer, "command_type": command, "metadata": metadata}
    answer = cloud.call("POST", "/api/printer-commands", token=cloud.token(site.organization), json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("way", WAYS)
def test_a_claimed_start_says_what_to_print_and_where_its_bytes_are(cloud: Cloud, site: Site, way: str) -> None:
    code, content, recipient = secrets.token_hex(8), make_3mf("cube", layers=3, seconds=60), _site_of(site, way)
    printer = _printer(cloud, site, recipient, code)
    file = cloud.upload(recipient, "PROD-9", content=content)["fileId"]
    asked = {"file_name": "model.3mf", "file_id": file, "plate_index": 1, "use_ams": True, "ams_mapping": [0, -1]}
    start = _order(cloud, site, printer, "start_print", asked)
    taken, text = WAYS[way](cloud, site, start)
    payload = taken["payload"]
    digest = hashlib.sha256(content).hexdigest()
    fetched = requests.get(payload["gcode_file"].pop("url"), timeout=10)
    assert (fetched.status_code, hashlib.sha256(fetched.content).hexdigest()) == (200, digest)
    assert payload == {
        "job_id": file,
        "product_id": "PROD-9",
        "product_name": "model.3mf",
        "printer_target": {
            "printer_id": printer,
            "printer_name": "Left",
            "printer_serial": SERIAL,
            "ip_address": "192.168.1.100",
        },
        "gcode_file": {
            "file_name": "model.3mf",
            "size": len(content),
            "sha256": digest,
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        },
        "print_parameters": {"plate_index": 1, "use_ams": True, "ams_mapping": [0, -1], "timelapse": None},
    }
    assert code not in text
    assert code not in str(cloud.stored(site.organization))
    assert code not in cloud.log.read_text()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("command", "metadata"),
    [
        ("pause_print", {}),
        ("set_bed_temp", {"target": 60}),
        ("start_print", {"file_name": "on-the-printer.3mf"}),
        ("download", {}),
    ],
)
def test_what_begins_no_print_of_ours_has_no_payload(
    cloud: Cloud, site: Site, way: str, command: str, metadata: Json
) -> None:
    recipient = _site_of(site, way)
    printer = _printer(cloud, site, recipient, "12345678")
    if command == "download":
        metadata = {"file_id": cloud.upload(recipient)["fileId"]}
    taken, _ = WAYS[way](cloud, site, _order(cloud, site, printer, command, metadata))
    assert (taken["status"], taken["payload"]) == ("processing", None)
