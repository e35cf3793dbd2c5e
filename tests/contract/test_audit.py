"""Who did what, on which printer, from where: one record for every command and upload."""

from collections.abc import Sequence
from typing import Any

from printpipe.domain.ports.documents import Document
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"


def _records(cloud: Cloud, recipient: str, action: str) -> Sequence[Document]:
    return [each for each in cloud.documents("audit_log", recipient) if each.data["action"] == action]


def _queue(cloud: Cloud, site: Site, **headers: str) -> Any:
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "commandType": "cancel"}
    return cloud.call("POST", "/control", key=site.organization_key, json=body, headers=headers)


def test_a_command_is_recorded(cloud: Cloud, site: Site) -> None:
    answer = _queue(cloud, site, **{"X-Request-Id": "request-of-mine", "X-Forwarded-For": "1.1.1.1, 203.0.113.9"})
    (record,) = _records(cloud, site.lan_recipient, "command.queued")
    shown = {name: record.data[name] for name in ("organizationId", "subject", "printer", "detail", "address")}
    assert shown == {
        "organizationId": site.organization,
        "subject": answer.json()["commandId"],
        "printer": SERIAL,
        "detail": "stop",
        "address": "203.0.113.9",
    }
    assert (record.data["caller"], record.data["requestId"]) == ("test", "request-of-mine")
    assert record.data["keyId"]
    assert record.data["keyId"] not in site.organization_key


def test_a_refused_command_is_not(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "commandType": "explode"}
    assert cloud.call("POST", "/control", key=site.organization_key, json=body).status_code == 400
    assert cloud.documents("audit_log", site.lan_recipient) == []


def test_an_upload_and_its_start_are_recorded(cloud: Cloud, site: Site) -> None:
    file = cloud.upload(site.lan_recipient)["fileId"]
    command = cloud.queue(site.lan_recipient, "start_print", {"fileName": "model.3mf", "fileId": file})
    (uploaded,) = _records(cloud, site.lan_recipient, "file.uploaded")
    (queued,) = _records(cloud, site.lan_recipient, "command.queued")
    assert (uploaded.data["subject"], uploaded.data["caller"]) == (file, "operator")
    assert (queued.data["subject"], queued.data["detail"]) == (command, "start_print")
