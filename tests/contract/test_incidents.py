"""What printers report of errors is listed as incidents, and pauses the print where the printer's owner chose that."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.cloud import Cloud, Site

SECONDS = 20.0
SERIAL = "01P00A381200434"
NAME = "left-one"
HOTBED = "0300_0300_0002_0003"


def reported(cloud: Cloud, site: Site, kind: str, **more: Any) -> None:
    """The site's client tells of an error at the printer, twice under one id."""
    body = {
        "recipientId": site.lan_recipient,
        "eventId": secrets.token_hex(8),
        "printerSerial": SERIAL,
        "eventType": kind,
        "eventStatus": "failed",
        "errorData": {"hmsCode": HOTBED},
        **more,
    }
    for _ in range(2):
        answer = cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=body)
        assert answer.ok, answer.text


def listed(cloud: Cloud, site: Site, query: str = "", **caller: str) -> Any:
    """The incidents that somebody is shown."""
    caller = caller or {"token": cloud.token(site.organization, "viewer")}
    answer = cloud.call("GET", f"/api/v1/incidents{query}", **caller)
    assert answer.status_code == 200, answer.text
    return answer.json()


def the_incident(cloud: Cloud, site: Site, **expected: Any) -> Mapping[str, Any]:
    """The only incident, once it is as expected."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = listed(cloud, site)["incidents"]
        if len(found) == 1 and expected.items() <= found[0].items():
            incident: Mapping[str, Any] = found[0]
            return incident
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_reported_errors_are_listed_and_pause_the_print(embedded_cloud: Cloud) -> None:
    cloud, site = embedded_cloud, embedded_cloud.new_site()
    entered = {
        "id": NAME,
        "name": "Left one",
        "type": "bambu_lab",
        "ip_address": "192.168.1.100",
        "access_code": "87654321",
        "serial_number": SERIAL,
        "recipient_id": site.lan_recipient,
    }
    operator = cloud.token(site.organization)
    assert cloud.call("POST", "/api/v1/printers", token=operator, json=entered).status_code == 201
    changed = cloud.call("PUT", f"/api/v1/printers/{NAME}", token=operator, json={"on_fatal": "pause"})
    assert changed.status_code == 200, changed.text
    assert cloud.call("GET", f"/api/v1/printers/{NAME}", token=operator).json()["on_fatal"] == "pause"
    printing = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "status": {"state": "printing"}}
    assert cloud.call("POST", "/printer-status", key=site.lan_key, json=printing).ok

    reported(cloud, site, "hms_error")
    incident = the_incident(cloud, site, status="open")
    assert {name: incident[name] for name in ("printer_id", "printer_name", "serial_number", "code", "action")} == {
        "printer_id": NAME,
        "printer_name": "Left one",
        "serial_number": SERIAL,
        "code": HOTBED,
        "action": "paused",
    }
    assert (incident["count"], incident["severity"], incident["module"]) == (1, "critical", "hotbed")
    waiting = cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=site.lan_key).json()["commands"]
    assert [(each["commandType"], each["printerSerial"]) for each in waiting] == [("pause", SERIAL)]

    reported(cloud, site, "hms_cleared", occurredAt=datetime.now(UTC).isoformat())
    assert the_incident(cloud, site, status="resolved")["resolved_at"] is not None
    for query in (f"?printer_id={NAME}&status=resolved&severity=critical", f"?printer_id={SERIAL}"):
        assert listed(cloud, site, query)["pagination"]["total_items"] == 1
    assert listed(cloud, site, "?status=open")["incidents"] == []

    other = cloud.new_site()
    assert listed(cloud, other)["incidents"] == []
    assert listed(cloud, site, key=cloud.new_key(site.organization, [site.agent_recipient], ["*"]))["incidents"] == []


def test_what_is_done_about_fatal_errors_is_chosen_from_a_list(embedded_cloud: Cloud) -> None:
    cloud, site = embedded_cloud, embedded_cloud.new_site()
    token = cloud.token(site.organization)
    made = cloud.call("POST", "/api/printers", token=token, json={"name": "Left", "recipient_id": site.lan_recipient})
    path = f"/api/printers/{made.json()['id']}"
    assert made.json()["on_fatal"] == "none"
    assert cloud.call("PUT", path, token=token, json={"on_fatal": "explode"}).status_code in (400, 422)
    assert cloud.call("PUT", path, token=token, json={"on_fatal": "pause"}).json()["on_fatal"] == "pause"
    assert cloud.call("PUT", path, token=token, json={"name": "Right"}).json()["on_fatal"] == "pause"
