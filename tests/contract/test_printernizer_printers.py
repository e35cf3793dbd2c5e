"""Printers through Printernizer's API: entered, tested, shown, changed and deleted; the backend's health and set-up."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Delete, Update
from printpipe.services.health import VERSION
from tests.cloud import Cloud, Site, running
from tests.contract.order_desk import AGENT, Desk

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL, CODE, ADDRESS = "AC87654321", "13572468", "192.168.1.102"
BAMBU = {
    "name": "Bambu Lab A1 #2",
    "type": "bambu_lab",
    "ip_address": ADDRESS,
    "access_code": "87654321",
    "serial_number": SERIAL,
    "is_active": True,
}
PRUSA = {"name": "Prusa Core One #1", "type": "prusa", "ip_address": "192.168.1.101", "model": "Core One"}

Json = dict[str, Any]


class Shop:
    """A member of an organization at work, and the agent and the printers of its site."""

    def __init__(self, cloud: Cloud, site: Site, role: str = "operator") -> None:
        self.cloud, self.site = cloud, site
        self.token = cloud.token(site.organization, role, f"user-{secrets.token_hex(5)}")

    def call(
        self, method: str, path: str = "", body: Json | None = None, key: str | None = None, **query: Any
    ) -> requests.Response:
        """One call; `key` is an idempotency key."""
        headers = {"Idempotency-Key": key} if key else None
        where = f"/api/v1/printers{path}"
        return self.cloud.call(method, where, token=self.token, json=body, params=query, headers=headers)

    def enter(self, entry: Json, **more: Any) -> Json:
        answer = self.call("POST", body={"recipient_id": self.site.agent_recipient, **entry, **more})
        return done(answer, 201)

    def show(self, name: str) -> Json:
        return done(self.call("GET", f"/{name}"))

    def change(self, printer: str, **fields: Any) -> Json:
        return done(self.call("PUT", f"/{printer}", fields))

    def listed(self, **query: Any) -> list[str]:
        listing = done(self.call("GET", **query))
        assert listing["total_count"] == len(listing["printers"])
        assert listing["active_count"] == sum(each["is_active"] for each in listing["printers"])
        return [each["id"] for each in listing["printers"]]

    def report(self, serial: str, recipient: str | None = None, **status: Any) -> None:
        site = recipient or self.site.agent_recipient
        body = {"recipientId": site, "printerSerial": serial, "status": status}
        done(self.cloud.call("POST", "/printer-status", key=self.site.organization_key, json=body))

    def claim(self) -> list[Json]:
        """What our agent is given."""
        path = f"/control?recipientId={self.site.agent_recipient}&claim=true&agentId={AGENT}"
        given: list[Json] = done(self.cloud.call("GET", path, key=self.site.agent_key))["commands"]
        return given

    def test(self, status: str = "completed", **result: Any) -> None:
        """Our agent carries out the one test that waits, with this result."""
        (command,) = self.claim()
        assert (command.get("type") or command["commandType"]) == "test_connection"
        told = {"recipientId": self.site.agent_recipient, "commandId": command["commandId"], "status": status}
        body = {**told, "agentId": AGENT, "fence": command["fence"], **result}
        done(self.cloud.call("POST", "/control/result", key=self.site.agent_key, json=body))


@pytest.fixture
def shop(cloud: Cloud, site: Site) -> Shop:
    return Shop(cloud, site)


@pytest.fixture
def only_site(cloud: Cloud, site: Site) -> Shop:
    """An organization whose only site has our agent."""
    cloud.backend.documents.commit(Delete(f"recipients/{site.lan_recipient}"))
    return Shop(cloud, site)


def done(answer: requests.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


def refused(answer: requests.Response, status: int, code: str) -> Json:
    """What is told of it."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    error: Json = body["error"]
    assert error["code"] == code, error
    return error


def test_a_printer_is_entered_as_the_description_shows(only_site: Shop) -> None:
    created = done(only_site.call("POST", body={"id": "bambu_a1_002", **BAMBU}), 201)
    made = created.pop("created_at")
    assert created == {
        "id": "bambu_a1_002",
        "name": "Bambu Lab A1 #2",
        "type": "bambu_lab",
        "status": "configuring",
        "connection_status": "testing",
        "message": "Printer configuration created, testing connection...",
    }
    shown = only_site.show("bambu_a1_002")
    assert (shown["created_at"], shown["serial_number"], shown["ip_address"]) == (made, SERIAL, ADDRESS)
    assert (shown["status"], shown["connection_status"]) == ("configuring", "testing")
    assert only_site.show(SERIAL) == shown
    assert only_site.listed() == ["bambu_a1_002"]


def test_the_agents_answer_shows_as_the_connection(shop: Shop) -> None:
    shop.enter(BAMBU, id="left")
    shop.test(result={"firmwareVersion": "01.04.00.00", "model": "A1", "serial": SERIAL})
    shown = shop.show("left")
    assert (shown["status"], shown["connection_status"]) == ("configuring", "connected")
    assert (shown["firmware_version"], shown["model"], shown["connection_error"]) == ("01.04.00.00", "A1", None)
    assert shop.claim() == []

    assert shop.change("left", ip_address="192.168.1.103")["connection_status"] == "testing"
    shop.test("failed", errorMessage="The printer does not answer", result={"errorCode": "unreachable"})
    shown = shop.show("left")
    assert (shown["status"], shown["connection_status"]) == ("offline", "failed")
    assert shown["connection_error"]

    shop.report(SERIAL, state="idle")
    assert shop.show("left")["connection_status"] == "connected", "it was heard of since"


def test_a_test_without_an_answer_has_failed(cloud: Cloud, shop: Shop) -> None:
    shop.enter(BAMBU, id="left")
    (stored,) = cloud.documents("printers", shop.site.agent_recipient)
    long_ago = datetime.now(UTC) - timedelta(minutes=3)
    cloud.backend.documents.commit(Update(stored.path, {"contact.testedAt": long_ago}))
    shown = shop.show("left")
    assert (shown["status"], shown["connection_status"]) == ("offline", "failed")
    assert "in time" in shown["connection_error"]


@pytest.mark.parametrize(
    ("change", "tested"),
    [
        ({"ip_address": "192.168.1.103"}, True),
        ({"access_code": "11112222"}, True),
        ({"api_key": "11112222"}, True),
        ({"serial_number": "AC00000001"}, True),
        ({"ip_address": ADDRESS, "serial_number": SERIAL, "type": "bambu_lab"}, False),
        ({"name": "Another", "model": "A1", "is_active": False}, False),
        ({"access_code": "", "ip_address": None}, False),
    ],
)
def test_what_a_printer_is_reached_by_is_tested_anew(shop: Shop, change: Json, tested: bool) -> None:
    shop.enter(BAMBU, id="left")
    shop.test()
    answer = shop.change("left", **change)
    assert answer["message"] == "Printer configuration updated successfully"
    assert answer["connection_status"] == ("testing" if tested else "connected")
    assert len(shop.claim()) == tested


def test_a_site_without_our_agent_tests_nothing(cloud: Cloud, shop: Shop) -> None:
    created = shop.enter(BAMBU, id="left", recipient_id=shop.site.lan_recipient)
    assert (created["status"], created["connection_status"]) == ("offline", "unknown")
    assert "no agent" in created["message"]
    shop.change("left", ip_address="192.168.1.103")
    assert cloud.documents("printer_commands", shop.site.lan_recipient) == []
    shop.report(SERIAL, shop.site.lan_recipient, state="idle")
    shown = shop.show("left")
    assert (shown["status"], shown["connection_status"]) == ("idle", "connected")
    assert shown["capabilities"]["supports_remote_control"] is True


def test_a_full_queue_keeps_no_printer_from_being_entered(cloud: Cloud, shop: Shop) -> None:
    shop.enter(BAMBU, id="left")
    shop.test()
    for _ in range(60):
        body = {"recipientId": shop.site.agent_recipient, "printerSerial": SERIAL, "commandType": "home"}
        if cloud.call("POST", "/control", key=cloud.operator_key, json=body).status_code == 429:
            break
    answer = shop.change("left", ip_address="192.168.1.103")
    assert answer["connection_status"] in ("testing", "failed")
    assert shop.show("left")["ip_address"] == "192.168.1.103"


def test_ids_are_one_organizations_own_and_taken_once(cloud: Cloud, shop: Shop) -> None:
    shop.enter(BAMBU, id="left")
    other = {**BAMBU, "serial_number": "AC00000001", "recipient_id": shop.site.agent_recipient}
    assert refused(shop.call("POST", body={**other, "id": "left"}), 409, "CONFLICT")["details"] == {"field": "id"}
    refused(shop.call("POST", body={**other, "id": SERIAL}), 409, "CONFLICT")
    again = {**BAMBU, "id": "right", "recipient_id": shop.site.agent_recipient}
    refused(shop.call("POST", body=again), 409, "CONFLICT")
    unnamed = shop.enter({**BAMBU, "serial_number": "AC00000002"})["id"]
    refused(shop.call("POST", body={**other, "id": unnamed}), 409, "CONFLICT")
    assert shop.listed() == [unnamed, "left"]
    stranger = Shop(cloud, cloud.new_site())
    stranger.enter(BAMBU, id="left")
    assert stranger.show("left")["recipient_id"] == stranger.site.agent_recipient

    deleted = done(shop.call("DELETE", "/left"))
    assert deleted["message"] == "Printer configuration removed successfully"
    assert refused(shop.call("GET", "/left"), 404, "PRINTER_NOT_FOUND")["details"] == {"field": "printer_id"}
    shop.enter(BAMBU, id="left")
    assert stranger.listed() == ["left"]


def test_of_many_at_once_one_gets_the_id(shop: Shop) -> None:
    def enter(number: int) -> int:
        body = {**BAMBU, "id": "left", "serial_number": f"AC{number}", "recipient_id": shop.site.agent_recipient}
        return shop.call("POST", body=body).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(enter, range(6))) == [201, *[409] * 5]
    assert shop.listed() == ["left"]


def test_one_call_many_times_at_once_is_one_printer(cloud: Cloud, shop: Shop) -> None:
    body = {**BAMBU, "id": "left", "recipient_id": shop.site.agent_recipient}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: done(shop.call("POST", body=body, key="once"), 201), range(6)))
    assert all(each == answers[0] for each in answers)
    assert len(cloud.documents("printer_commands", shop.site.agent_recipient)) == 1
    refused(shop.call("POST", body={**body, "name": "Right"}, key="once"), 409, "CONFLICT")


def test_a_printer_that_was_seen_already_becomes_the_one_that_is_entered(shop: Shop) -> None:
    shop.report(SERIAL, state="idle", nozzleTemp=25.0)
    (seen,) = shop.listed()
    assert shop.listed(active=True) == []
    created = shop.enter(BAMBU, id=SERIAL)
    assert (created["id"], created["status"], created["connection_status"]) == (SERIAL, "idle", "testing")
    assert shop.listed(active=True) == [SERIAL]
    assert shop.show(seen)["id"] == SERIAL


WRONG: dict[str, tuple[Json, str]] = {
    "another maker": ({"type": "creality"}, "type"),
    "no type": ({"type": None}, "type"),
    "no code": ({"access_code": None}, "access_code"),
    "an empty code": ({"access_code": ""}, "access_code"),
    "two codes": ({"api_key": "other"}, "access_code"),
    "a code with spaces": ({"access_code": "1 2"}, "access_code"),
    "no serial number": ({"serial_number": ""}, "serial_number"),
    "a path as a serial number": ({"serial_number": "../x"}, "serial_number"),
    "no address": ({"ip_address": None}, "ip_address"),
    "an address beyond all": ({"ip_address": "192.168.1.900"}, "ip_address"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_configuration_is_named(shop: Shop, case: str) -> None:
    fields, named = WRONG[case]
    body = {**BAMBU, "recipient_id": shop.site.agent_recipient, **fields}
    error = refused(shop.call("POST", body=body), 422, "INVALID_PRINTER_CONFIG")
    assert error["details"] == {"field": named}
    assert shop.listed() == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"id": "a b"}, "id"),
        ({"id": "_x"}, "id"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"is_active": "yes"}, "is_active"),
        ({"model": "A1\u0007"}, "model"),
        ({"recipient_id": None}, "recipient_id"),
    ],
)
def test_what_is_wrong_is_named(shop: Shop, fields: Json, named: str) -> None:
    body = {**BAMBU, "recipient_id": shop.site.agent_recipient, **fields}
    error = refused(shop.call("POST", body=body), 422, "VALIDATION_ERROR")
    assert error["details"]["field"] == named
    if named == "recipient_id":
        assert shop.site.agent_recipient in error["message"]
        assert shop.site.lan_recipient in error["message"]


def test_a_prusa_printer_has_the_key_of_its_prusalink(shop: Shop, cloud: Cloud) -> None:
    shop.enter(PRUSA, id="prusa_core_001", api_key="Zx9-key")
    entered = shop.show("prusa_core_001")
    assert (entered["type"], entered["model"], entered["serial_number"]) == ("prusa", "Core One", None)
    assert entered["capabilities"] == {"has_camera": False, "has_ams": False, "supports_remote_control": True}
    path = f"/api/agent/printers?recipientId={shop.site.agent_recipient}"
    (told,) = done(cloud.call("GET", path, key=shop.site.agent_key))["printers"]
    assert told["accessCode"] == "Zx9-key"
    shop.enter(PRUSA, id="bare", name="Without a key", ip_address="192.168.1.104", is_active=False)
    assert shop.listed(active=False) == ["bare"]
    assert shop.listed(type="prusa", active=True) == ["prusa_core_001"]
    assert shop.listed(type="bambu_lab") == []
    refused(shop.call("GET", type="creality"), 422, "INVALID_PRINTER_CONFIG")
    refused(shop.call("GET", active="perhaps"), 422, "VALIDATION_ERROR")


def test_access_codes_are_for_admins(cloud: Cloud, site: Site) -> None:
    viewer, operator, admin = (Shop(cloud, site, role) for role in ("viewer", "operator", "admin"))
    operator.enter(BAMBU, id="left", access_code=CODE)
    assert [each.show("left")["access_code"] for each in (viewer, operator, admin)] == [None, None, CODE]
    assert CODE not in admin.call("GET").text
    refused(viewer.call("PUT", "/left", {"name": "Mine"}), 403, "FORBIDDEN")
    refused(viewer.call("DELETE", "/left"), 403, "FORBIDDEN")
    refused(viewer.call("POST", body={**BAMBU, "recipient_id": site.agent_recipient}), 403, "FORBIDDEN")
    stored = "".join(
        str(each.data)
        for name in ("printers", "printer_commands")
        for each in cloud.documents(name, site.agent_recipient)
    )
    assert CODE not in stored + cloud.log.read_text()


def test_a_key_for_one_site_sees_and_enters_that_sites_printers(cloud: Cloud, shop: Shop, site: Site) -> None:
    shop.enter(BAMBU, id="left")
    shop.enter(PRUSA, id="right", recipient_id=site.lan_recipient)
    key = cloud.new_key(site.organization, [site.lan_recipient], ["app"])
    path = "/api/v1/printers"
    listing = done(cloud.call("GET", path, key=key))
    assert [each["id"] for each in listing["printers"]] == ["right"]
    refused(cloud.call("GET", f"{path}/left", key=key), 403, "FORBIDDEN")
    refused(cloud.call("DELETE", f"{path}/left", key=key), 403, "FORBIDDEN")
    entered = done(cloud.call("POST", path, key=key, json={**PRUSA, "ip_address": "192.168.1.105"}), 201)
    assert shop.show(entered["id"])["recipient_id"] == site.lan_recipient
    assert done(cloud.call("GET", "/api/v1/system/info", key=key))["database"]["printers_count"] == 2
    refused(cloud.call("GET", path, key=cloud.operator_key), 403, "FORBIDDEN")


def test_a_printer_of_another_organization_is_not_there(cloud: Cloud, shop: Shop) -> None:
    shop.enter(BAMBU, id="left")
    stranger = Shop(cloud, cloud.new_site(), "admin")
    (stored,) = cloud.documents("printers", shop.site.agent_recipient)
    for name in ("left", SERIAL, stored.id):
        for method, body in (("GET", None), ("PUT", {"name": "Mine"}), ("DELETE", None)):
            refused(stranger.call(method, f"/{name}", body), 404, "PRINTER_NOT_FOUND")
    assert stranger.listed() == []
    assert shop.show("left")["name"] == BAMBU["name"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"state": "idle"}, "idle"),
        ({"state": "completed"}, "idle"),
        ({"state": "printing"}, "online"),
        ({"state": "preparing"}, "online"),
        ({"state": "paused"}, "paused"),
        ({"state": "failed"}, "idle"),
        ({"state": "failed", "printError": 50348044}, "error"),
        ({"state": "error"}, "error"),
        ({"state": "offline"}, "offline"),
        ({"online": False}, "offline"),
    ],
)
def test_what_a_printer_does_in_one_word(shop: Shop, status: Json, shown: str) -> None:
    shop.enter(BAMBU, id="left")
    shop.report(SERIAL, nozzleTemp=210.5, **status)
    found = shop.show("left")
    assert found["status"] == shown
    assert found["temperatures"]["nozzle"] == (None if shown == "offline" else 210.5)
    assert found["last_seen"] is not None


def test_a_printer_is_shown_with_its_job_and_what_it_measures(cloud: Cloud, site: Site, shop: Shop) -> None:
    desk = Desk(cloud, site)
    entered = desk.printer()
    file = cloud.upload(site.agent_recipient)["fileId"]
    job = desk.order(file_id=file, printer_id=entered["id"])["id"]
    desk.send(job, printer_id=entered["id"])
    number = cloud.document(f"print_jobs/{job}").data["number"]
    before = shop.show(entered["serial"])["current_job"]
    assert (before["id"], before["name"], before["status"]) == (number, "model.3mf", "queued")
    assert refused(shop.call("DELETE", f"/{entered['id']}"), 409, "PRINTER_BUSY")["message"]
    refused(shop.call("PUT", f"/{entered['id']}", {"serial_number": "AC1"}), 409, "PRINTER_BUSY")

    (start,) = [each for each in desk.claim() if each["commandType"] == "start_print"]
    desk.carry_out(start)
    desk.event(job, "job_started")
    status = {"state": "printing", "progress": 45.7, "layer": 125, "totalLayers": 274, "remainingTime": 3600}
    measured = {"nozzleTemp": 210.5, "nozzleTargetTemp": 210.0, "bedTemp": 60.0, "bedTargetTemp": 60.0}
    desk.report(entered, **status, **measured, chamberTemp=28.5, printJobId=job)
    shown = shop.show(entered["id"])
    work = shown["current_job"]
    assert work.pop("started_at") is not None
    assert work == {
        "id": number,
        "name": "model.3mf",
        "status": "printing",
        "progress": 45.7,
        "layer_current": 125,
        "layer_total": 274,
        "estimated_remaining": 3600,
    }
    expected = {"nozzle": 210.5, "nozzle_target": 210.0, "bed": 60.0, "bed_target": 60.0, "chamber": 28.5}
    assert (shown["status"], shown["type"], shown["temperatures"]) == ("online", "bambu_lab", expected)
    assert shown["capabilities"] == {"has_camera": True, "has_ams": True, "supports_remote_control": True}
    (row,) = done(shop.call("GET"))["printers"]
    assert row == {name: value for name, value in done(shop.call("GET", f"/{row['id']}")).items() if name in row}


def test_what_one_dialect_enters_the_others_have(cloud: Cloud, shop: Shop, site: Site) -> None:
    shop.enter(BAMBU, id="left")
    shop.test()
    listing = done(cloud.call("GET", "/api/printers", token=shop.token))["printers"]
    (same,) = listing
    assert (same["name"], same["serial"], same["brand"], same["is_active"]) == (
        BAMBU["name"],
        SERIAL,
        "Bambu Lab",
        True,
    )
    body = {"recipientId": site.agent_recipient, "printerSerial": SERIAL, "commandType": "pause"}
    command = done(cloud.call("POST", "/control", key=site.organization_key, json=body))["commandId"]
    assert [each["commandId"] for each in shop.claim()] == [command]

    entry = {"recipient_id": site.agent_recipient, "name": "Other", "model": "Voron 2.4", "serial": "V1"}
    other = done(cloud.call("POST", "/api/printers", token=shop.token, json=entry), 201)["id"]
    shown = shop.show(other)
    assert (shown["id"], shown["type"], shown["name"]) == (other, None, "Other")
    assert shop.change(other, name="Renamed")["id"] == other
    assert done(cloud.call("GET", f"/api/printers/{other}", token=shop.token))["name"] == "Renamed"
    assert shop.listed() == [other, "left"]


def test_the_health_is_told_to_everybody(cloud: Cloud, site: Site) -> None:
    told = done(cloud.call("GET", "/api/v1/health"))
    assert told.keys() == {"status", "timestamp", "version", "database", "active_printers", "uptime_seconds"}
    assert (told["status"], told["database"], told["version"]) == ("healthy", "connected", VERSION)
    assert site.organization not in str(told)


def test_the_set_up_is_the_callers_own(cloud: Cloud, shop: Shop, site: Site) -> None:
    cloud.backend.documents.commit(Update(f"organizations/{site.organization}", {"timeZone": "Europe/Berlin"}))
    shop.enter(BAMBU)
    shop.enter(PRUSA)
    cloud.upload(site.agent_recipient)
    told = done(cloud.call("GET", "/api/v1/system/info", token=shop.token))
    assert told["system"] == {
        "version": VERSION,
        "timezone": "Europe/Berlin",
        "language": "en",
        "business_mode": True,
    }
    store = "sqlite" if cloud.backend.embedded else "firestore"
    assert told["database"] == {"type": store, "jobs_count": 1, "files_count": 1, "printers_count": 2}
    assert set(told["features"].values()) == {True}
    other = done(cloud.call("GET", "/api/v1/system/info", key=cloud.new_site().organization_key))
    assert set(other["database"].values()) == {store, 0}


@pytest.fixture(scope="module")
def open_cloud(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Site]]:
    """The same backend behind a gateway where calls without a credential act for an organization."""
    site = cloud.new_site()
    folder = tmp_path_factory.mktemp("anonymous")
    with running(cloud.backend, folder, ANONYMOUS_ORGANIZATION_ID=site.organization) as functions:
        yield functions, site


def test_without_a_credential_nothing_is_told(cloud: Cloud) -> None:
    for path in ("/printers", "/printers/left", "/system/info"):
        refused(cloud.call("GET", f"/api/v1{path}"), 401, "UNAUTHENTICATED")
    refused(cloud.call("POST", "/api/v1/printers", json=BAMBU), 401, "UNAUTHENTICATED")


def test_calls_without_a_credential_act_for_the_organization_that_is_named(
    open_cloud: tuple[Cloud, Site], shop: Shop
) -> None:
    open_, site = open_cloud
    shop.enter(BAMBU, id="theirs")
    body = {**BAMBU, "id": "left", "recipient_id": site.agent_recipient}
    done(open_.call("POST", "/api/v1/printers", json=body), 201)
    shown = done(open_.call("GET", "/api/v1/printers/left"))
    assert (shown["recipient_id"], shown["access_code"]) == (site.agent_recipient, None)
    assert [each["id"] for each in done(open_.call("GET", "/api/v1/printers"))["printers"]] == ["left"]
    refused(open_.call("GET", "/api/v1/printers/theirs"), 404, "PRINTER_NOT_FOUND")
    stranger = {**body, "id": "x", "serial_number": "AC1", "recipient_id": shop.site.agent_recipient}
    refused(open_.call("POST", "/api/v1/printers", json=stranger), 404, "NOT_FOUND")
    assert done(open_.call("GET", "/api/v1/system/info"))["database"]["printers_count"] == 1
    done(open_.call("PUT", "/api/v1/printers/left", json={"name": "Left"}))
    refused(open_.call("GET", "/api/v1/printers", key="no-such-key"), 401, "UNAUTHENTICATED")
    assert open_.call("GET", "/api/printers").status_code == 401, "the other dialects have no anonymous callers"
    assert open_.call("GET", "/api/v1/keys").status_code == 401
    done(open_.call("DELETE", "/api/v1/printers/left"))


def test_a_repetition_tells_another_site_nothing(cloud: Cloud, site: Site) -> None:
    here, elsewhere = (
        cloud.new_key(site.organization, [each], ["app"]) for each in (site.agent_recipient, site.lan_recipient)
    )
    entry, once = {**PRUSA, "access_code": CODE}, {"Idempotency-Key": "once"}
    first, again = (cloud.call("POST", "/api/v1/printers", key=here, json=entry, headers=once) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    refused = cloud.call("POST", "/api/v1/printers", key=elsewhere, json=entry, headers=once)
    assert refused.status_code == 403
    assert first.json()["id"] not in refused.text
