"""Printers' access codes: in clear in the agent's own answer, and nowhere else."""

import json
import secrets
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
import requests

from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Query
from tests.cloud import Cloud, Site

LEFT, RIGHT = "01P00A381200434", "01S00C123400001"


def _register(
    cloud: Cloud, site: Site, *printers: dict[str, Any], key: str | None = None, **headers: str
) -> requests.Response:
    body = {"recipientId": site.agent_recipient, "printers": list(printers)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cloud.call("POST", "/api/agent/printers", key=key or site.organization_key, json=body, headers=named)


def _listed(cloud: Cloud, site: Site, key: str | None = None) -> requests.Response:
    return cloud.call("GET", f"/api/agent/printers?recipientId={site.agent_recipient}", key=key or site.agent_key)


def _codes(cloud: Cloud, site: Site) -> dict[str, str | None]:
    return {each["printerSerial"]: each["accessCode"] for each in _listed(cloud, site).json()["printers"]}


def _everything(cloud: Cloud) -> str:
    """All that is stored, as text."""
    names = [getattr(Collections(), each.name) for each in fields(Collections)]
    return "\n".join(str(each.data) for name in names for each in cloud.backend.documents.query(Query(name)))


def _audit(cloud: Cloud, site: Site) -> list[dict[str, Any]]:
    return [dict(each.data) for each in cloud.documents("audit_log", site.agent_recipient)]


def test_a_printers_address_is_one_where_people_enter_it(cloud: Cloud, site: Site) -> None:
    for address in ("192.168.1.256", "printer_7", "192.168.1.9:8883", "::1%eth0"):
        answer = _register(cloud, site, {"printerSerial": LEFT, "printerIpAddress": address})
        assert (answer.status_code, answer.json()["detail"]) == (400, "printers.0.printerIpAddress")
    for address in ("192.168.1.9", "2001:db8::9", "printer-7.local", ""):
        answer = _register(cloud, site, {"printerSerial": LEFT, "printerIpAddress": address})
        assert answer.status_code == 200, answer.text
    assert answer.json()["printers"][0]["printerIpAddress"] == "printer-7.local"
    report = {"recipientId": site.lan_recipient, "printerSerial": RIGHT, "printerIpAddress": "printer_7"}
    told = cloud.call("POST", "/printer-status", key=site.lan_key, json={**report, "status": {"state": "idle"}})
    assert told.status_code == 200, "a client in the field is heard whatever its printers are called"


def test_a_code_is_in_the_agents_answer_alone(cloud: Cloud, site: Site) -> None:
    code = secrets.token_hex(4)
    recipient = {"recipientId": site.agent_recipient}
    told = [_register(cloud, site, {"printerSerial": LEFT, "printerIpAddress": "192.168.1.9", "accessCode": code})]
    told.append(_register(cloud, site, {"printerSerial": LEFT, "accessCode": code}, Idempotency_Key="again"))
    told.append(_register(cloud, site, {"printerSerial": LEFT, "accessCode": code + "\n"}))
    told.append(_register(cloud, site, {"printerSerial": LEFT, "accessCode": [code]}))
    told.append(_register(cloud, site, {"printerSerial": LEFT, "accessCode": code * 20}))
    assert [answer.status_code for answer in told] == [200, 200, 400, 400, 400]
    cloud.queue(site.agent_recipient, "pause", printerSerial=LEFT)
    status = {**recipient, "printerSerial": LEFT, "status": {"state": "idle", "accessCode": code}}
    told += [
        cloud.call("POST", "/printer-status", key=site.agent_key, json=status),
        cloud.call("GET", f"/control?recipientId={site.agent_recipient}", key=site.organization_key),
        cloud.call("POST", "/debug/listPendingCommands", key=site.organization_key, json=recipient),
        _listed(cloud, site, site.lan_key),
        _listed(cloud, site, "no-such-key"),
    ]
    listed = _listed(cloud, site)
    assert listed.headers["Cache-Control"] == "no-store"
    assert [(each["printerSerial"], each["accessCode"]) for each in listed.json()["printers"]] == [(LEFT, code)]
    assert code not in "".join(answer.text for answer in told)
    assert code not in _everything(cloud)
    assert code not in cloud.log.read_text()
    (printer,) = cloud.documents("printers", site.agent_recipient)
    assert "accessCode" not in printer.data
    assert cloud.document(f"printer_secrets/{printer.id}").data["accessCode"].startswith("k1.")


def test_registering_again_changes_only_what_is_new(cloud: Cloud, site: Site) -> None:
    first = _register(
        cloud, site, {"printerSerial": LEFT, "name": "Left", "model": "P1S", "accessCode": "11111111"}
    ).json()
    before = cloud.document(f"printers/{first['printers'][0]['printerId']}")
    again = _register(
        cloud, site, {"printerSerial": LEFT, "name": "Left", "model": "P1S", "accessCode": "11111111"}
    ).json()
    assert again == first
    assert cloud.document(before.path) == before
    assert len(_audit(cloud, site)) == 1
    changed = _register(
        cloud, site, {"printerSerial": LEFT, "accessCode": "22222222"}, {"printerSerial": RIGHT, "name": "Right"}
    ).json()
    assert [each["name"] for each in changed["printers"]] == ["Left", "Right"]
    assert changed["printers"][0]["printerId"] == before.id
    assert _codes(cloud, site) == {LEFT: "22222222", RIGHT: None}
    actions = [(each["action"], each["printer"], each["keyId"] is not None) for each in _audit(cloud, site)]
    assert sorted(actions) == [("printer.registered", LEFT, True)] * 2 + [("printer.registered", RIGHT, True)]


def test_a_repeated_call_is_known_by_its_key(cloud: Cloud, site: Site) -> None:
    entry = {"printerSerial": LEFT, "accessCode": "11111111"}
    first = _register(cloud, site, entry, Idempotency_Key="k-1")
    again = _register(cloud, site, entry, Idempotency_Key="k-1")
    other = _register(cloud, site, {**entry, "name": "Left"}, Idempotency_Key="k-1")
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert first.json() == again.json()
    (printer,) = cloud.documents("printers", site.agent_recipient)
    assert printer.data["name"] is None


def test_a_repetition_undoes_nothing(cloud: Cloud, site: Site) -> None:
    first = {"printerSerial": LEFT, "name": "first", "accessCode": "11111111"}
    _register(cloud, site, first, Idempotency_Key="k-2")
    second = {"printerSerial": LEFT, "name": "second", "accessCode": "22222222"}
    _register(cloud, site, second, {"printerSerial": RIGHT}, Idempotency_Key="k-3")
    before = cloud.stored(site.organization)
    again = _register(cloud, site, first, Idempotency_Key="k-2")
    assert again.status_code == 200
    assert [each["name"] for each in again.json()["printers"]] == ["second"]
    assert _codes(cloud, site) == {LEFT: "22222222", RIGHT: None}
    assert cloud.stored(site.organization) == before


def test_what_is_remembered_of_a_call_ends(cloud: Cloud, site: Site) -> None:
    _register(cloud, site, {"printerSerial": LEFT}, Idempotency_Key="k-4")
    (receipt,) = [data for path, data in cloud.stored(site.organization).items() if path.startswith("idempotency_keys")]
    assert receipt["expiresAt"] - receipt["createdAt"] == timedelta(hours=24)


def test_a_printer_that_appeared_becomes_active_and_keeps_its_state(cloud: Cloud, site: Site) -> None:
    status = {"recipientId": site.agent_recipient, "printerSerial": LEFT, "status": {"state": "printing"}}
    assert cloud.call("POST", "/printer-status", key=site.agent_key, json=status).status_code == 200
    assert _codes(cloud, site) == {LEFT: None}
    (registered,) = _register(cloud, site, {"printerSerial": LEFT, "accessCode": "11111111"}).json()["printers"]
    assert registered["active"] is True
    assert (
        cloud.call("POST", "/printer-status", key=site.agent_key, json={**status, "status": {"state": "idle"}}).json()[
            "statusUpdateId"
        ]
        == f"{registered['printerId']}-2"
    )
    data = cloud.document(f"printers/{registered['printerId']}").data
    assert (data["active"], data["state"]["status"]) == (True, {"state": "idle"})
    assert _codes(cloud, site) == {LEFT: "11111111"}


def test_a_printer_of_another_site_is_named_and_nothing_is_stored(cloud: Cloud, site: Site) -> None:
    status = {"recipientId": site.lan_recipient, "printerSerial": RIGHT, "status": {}}
    assert cloud.call("POST", "/printer-status", key=site.lan_key, json=status).status_code == 200
    answer = _register(cloud, site, {"printerSerial": LEFT}, {"printerSerial": RIGHT, "accessCode": "11111111"})
    assert (answer.status_code, answer.json()["detail"]) == (409, "printers.1.printerSerial")
    assert cloud.documents("printers", site.agent_recipient) == []
    assert _audit(cloud, site) == []


@pytest.mark.parametrize(("scope", "reads", "writes"), [("agent.read", 200, 403), ("printers.write", 403, 200)])
def test_reading_and_setting_are_different_rights(
    cloud: Cloud, site: Site, scope: str, reads: int, writes: int
) -> None:
    key = cloud.new_key(site.organization, None, [scope])
    assert _register(cloud, site, {"printerSerial": LEFT, "accessCode": "1"}, key=key).status_code == writes
    assert _listed(cloud, site, key).status_code == reads


def test_a_code_belongs_to_its_printer(cloud: Cloud, site: Site) -> None:
    _register(cloud, site, {"printerSerial": LEFT, "accessCode": "11111111"}, {"printerSerial": RIGHT})
    stored = {each.data["serial"]: each for each in cloud.documents("printers", site.agent_recipient)}
    code = cloud.document(f"printer_secrets/{stored[LEFT].id}").data
    cloud.backend.documents.commit(Create(f"printer_secrets/{stored[RIGHT].id}", code))
    assert _codes(cloud, site) == {LEFT: "11111111", RIGHT: None}


def test_a_site_without_our_agent_has_no_such_list(cloud: Cloud, site: Site) -> None:
    body = {"recipientId": site.lan_recipient, "printers": [{"printerSerial": LEFT, "accessCode": "11111111"}]}
    assert cloud.call("POST", "/api/agent/printers", key=site.organization_key, json=body).status_code == 200
    path = f"/api/agent/printers?recipientId={site.lan_recipient}"
    for key in (site.lan_key, site.organization_key, cloud.operator_key):
        answer = cloud.call("GET", path, key=key)
        assert answer.status_code == 403
        assert "11111111" not in answer.text


def test_commands_carry_no_code(cloud: Cloud, site: Site) -> None:
    code = secrets.token_hex(4)
    _register(cloud, site, {"printerSerial": LEFT, "accessCode": code})
    command = cloud.queue(site.agent_recipient, "pause", printerSerial=LEFT)
    poll = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    claimed = cloud.call("GET", poll, key=site.agent_key)
    assert command in claimed.text
    assert code not in claimed.text
    assert code not in json.dumps(dict(cloud.document(f"printer_commands/{command}").data), default=str)
