"""An organization's printers through the management API: entered, listed, changed, deleted, and whose they are."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Delete, Update
from tests.cloud import Cloud, Site
from tests.contract import order_desk

ONE_BACKEND_AT_REDUCED_COUNTS = True

LEFT, RIGHT = "01P00A381200434", "01S00C123400001"
SEEDS_PRINTER = {
    "name": "Bambu Lab X1C #1",
    "brand": "Bambu Lab",
    "model": "X1 Carbon",
    "ip_address": "192.168.1.100",
    "access_code": "12345678",
    "num_ams_units": 1,
    "supported_materials": ["PLA", "PETG", "ABS"],
}

Json = dict[str, Any]


class Desk:
    """A member of an organization at work."""

    def __init__(self, cloud: Cloud, site: Site, role: str = "operator") -> None:
        self.cloud, self.site = cloud, site
        self.token = cloud.token(site.organization, role)

    def call(self, method: str, path: str = "", body: Json | None = None, **query: Any) -> requests.Response:
        return self.cloud.call(method, f"/api/printers{path}", token=self.token, json=body, params=query)

    def enter(self, **fields: Any) -> Json:
        answer = self.call("POST", body={"recipient_id": self.site.agent_recipient, "name": "Left", **fields})
        assert answer.status_code == 201, answer.text
        entered: Json = answer.json()
        return entered

    def show(self, printer_id: str) -> Json:
        answer = self.call("GET", f"/{printer_id}")
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    def change(self, printer_id: str, **fields: Any) -> Json:
        answer = self.call("PUT", f"/{printer_id}", fields)
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed

    def names(self, **query: Any) -> list[str]:
        answer = self.call("GET", **query)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["printers"]]

    def report(self, serial: str, address: str | None = None, **status: Any) -> None:
        body = {"recipientId": self.site.agent_recipient, "printerSerial": serial, "status": status}
        named = {"printerIpAddress": address} if address else {}
        answer = self.cloud.call("POST", "/printer-status", key=self.site.agent_key, json=body | named)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def desk(cloud: Cloud, site: Site) -> Desk:
    return Desk(cloud, site)


def refused(answer: requests.Response, status: int) -> str:
    """Why; the answer's only field."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    return str(body["error"])


def test_the_printed_example_works_where_there_is_one_site(cloud: Cloud, site: Site) -> None:
    cloud.backend.documents.commit(Delete(f"recipients/{site.lan_recipient}"))
    desk = Desk(cloud, site, "admin")
    answer = desk.call("POST", body={"organizationId": site.organization, **SEEDS_PRINTER})
    assert answer.status_code == 201, answer.text
    entered = answer.json()
    assert SEEDS_PRINTER.items() <= entered.items()
    assert (entered["recipient_id"], entered["organizationId"]) == (site.agent_recipient, site.organization)
    short = {"organizationId": site.organization, "name": "Test Printer", "ip_address": "192.168.1.100"}
    assert desk.call("POST", body=short).status_code == 201
    assert desk.names(organizationId=site.organization) == ["Test Printer", "Bambu Lab X1C #1"]
    assert desk.show(entered["id"]) == entered


def test_a_site_must_be_named_where_there_are_several(cloud: Cloud, site: Site, desk: Desk) -> None:
    why = refused(desk.call("POST", body={"name": "Left"}), 400)
    assert "recipient_id" in why
    assert site.agent_recipient in why
    assert site.lan_recipient in why
    for stranger in ("no-such-site", cloud.new_site().agent_recipient):
        why = refused(desk.call("POST", body={"name": "Left", "recipient_id": stranger}), 404)
        assert why.startswith("recipient_id")
    assert desk.names() == []


def test_an_organization_without_a_site_has_no_printers(cloud: Cloud, site: Site, desk: Desk) -> None:
    cloud.backend.documents.commit(
        *(Delete(f"recipients/{each}") for each in (site.lan_recipient, site.agent_recipient))
    )
    assert "recipient_id" in refused(desk.call("POST", body={"name": "Left"}), 400)


WRONG: dict[str, tuple[str, Any]] = {
    "name empty": ("name", ""),
    "name null": ("name", None),
    "name a number": ("name", 7),
    "name of two lines": ("name", "Left\nRight"),
    "name too long": ("name", "x" * 256),
    "brand an object": ("brand", {}),
    "model with a control character": ("model", "X1\u0007"),
    "an address with a path": ("ip_address", "192.168.1.9/admin"),
    "an address of another kind": ("ip_address", "someone@example.org"),
    "an address beyond all": ("ip_address", "192.168.1.900"),
    "a location of two lines": ("location", "Hall 2\nShelf 4"),
    "a location too long": ("location", "x" * 256),
    "notes too long": ("notes", "x" * 4097),
    "notes a list": ("notes", ["x"]),
    "a code with spaces": ("access_code", "1234 5678"),
    "a code too long": ("access_code", "1" * 65),
    "a code a number": ("access_code", 12345678),
    "a serial with a slash": ("serial", "../x"),
    "a serial number too long": ("serial_number", "0" * 129),
    "AMS units below none": ("num_ams_units", -1),
    "AMS units beyond all": ("num_ams_units", 17),
    "half an AMS unit": ("num_ams_units", 0.5),
    "AMS units a truth": ("num_ams_units", True),
    "materials a text": ("supported_materials", "PLA"),
    "a material that is a number": ("supported_materials.1", ["PLA", 1]),
    "too many materials": ("supported_materials", ["PLA"] * 51),
    "a nozzle of nothing": ("nozzle_diameter", 0),
    "a nozzle in micrometres": ("nozzle_diameter", 400),
    "a flat volume": ("build_volume.z", {"x": 256, "y": 256, "z": 0}),
    "a volume without height": ("build_volume.z", {"x": 256, "y": 256}),
    "a volume as a text": ("build_volume", "256x256x256"),
    "a site that is no id": ("recipient_id", "a/b"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(desk: Desk, case: str) -> None:
    field, value = WRONG[case]
    body = {"name": "Left", "recipient_id": desk.site.agent_recipient, field.partition(".")[0]: value}
    assert field in refused(desk.call("POST", body=body), 400)
    printer = desk.enter()
    if value is not None:
        assert field in refused(desk.call("PUT", f"/{printer['id']}", {field.partition(".")[0]: value}), 400)
    assert desk.show(printer["id"]) == printer


def test_numbers_that_are_none_are_refused(desk: Desk) -> None:
    raw = f'{{"name": "Left", "recipient_id": "{desk.site.agent_recipient}", "nozzle_diameter": NaN}}'
    answer = desk.cloud.call(
        "POST", "/api/printers", token=desk.token, data=raw, headers={"Content-Type": "application/json"}
    )
    refused(answer, 400)


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"serial": LEFT, "serial_number": RIGHT}, "serial_number"), ({"active": True, "is_active": False}, "is_active")],
)
def test_two_names_of_one_thing_may_not_contradict(desk: Desk, fields: Json, named: str) -> None:
    printer = desk.enter()
    assert named in refused(desk.call("PUT", f"/{printer['id']}", fields), 400)


def test_roles(cloud: Cloud, site: Site) -> None:
    viewer, operator, admin = (Desk(cloud, site, role) for role in ("viewer", "operator", "admin"))
    printer = operator.enter(access_code="first-code", serial=LEFT)
    path = f"/{printer['id']}"
    for desk, code in ((viewer, None), (operator, None), (admin, "first-code")):
        assert desk.show(printer["id"])["access_code"] == code
        assert [each["access_code"] for each in desk.call("GET").json()["printers"]] == [code]
    assert operator.change(printer["id"], access_code="later-code")["access_code"] is None
    assert admin.change(printer["id"], name="Left one")["access_code"] == "later-code"
    for method, where, body in (("POST", "", {"name": "R"}), ("PUT", path, {"name": "R"}), ("DELETE", path, None)):
        refused(viewer.call(method, where, body), 403)
    assert admin.show(printer["id"])["name"] == "Left one"
    told = "".join(str(each.data) for each in cloud.documents("printers", site.agent_recipient))
    told += cloud.log.read_text()
    assert "first-code" not in told
    assert "later-code" not in told


def test_a_printer_of_another_organization_is_not_there(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT, access_code="12345678")
    stranger = Desk(cloud, cloud.new_site(), "admin")
    path = f"/{printer['id']}"
    told = [
        refused(stranger.call(method, where, body), 404)
        for where in (path, "/no-such-printer")
        for method, body in (("GET", None), ("PUT", {"name": "Mine", "plate_cleared": False}), ("DELETE", None))
    ]
    assert set(told) == {"printer_id: No such printer"}
    assert stranger.names() == []
    refused(stranger.call("GET", organizationId=desk.site.organization), 403)
    refused(stranger.call("PUT", path, {"organizationId": desk.site.organization, "name": "Mine"}), 403)
    assert stranger.enter(serial=LEFT)["id"] != printer["id"], "a serial is unique within an organization"
    assert desk.show(printer["id"]) == printer


def test_the_sites_agent_gets_what_was_entered(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT, ip_address="192.168.1.9", access_code="12345678", model="P1S")
    path = f"/api/agent/printers?recipientId={desk.site.agent_recipient}"
    expected = {
        "printerId": printer["id"],
        "printerSerial": LEFT,
        "printerIpAddress": "192.168.1.9",
        "name": "Left",
        "model": "P1S",
        "active": True,
        "accessCode": "12345678",
    }
    assert cloud.call("GET", path, key=desk.site.agent_key).json()["printers"] == [expected]
    desk.change(printer["id"], access_code="87654321")
    desk.change(printer["id"], access_code=None, name="Left")
    desk.change(printer["id"], access_code="")
    listed = cloud.call("GET", path, key=desk.site.agent_key).json()["printers"]
    assert listed == [{**expected, "accessCode": "87654321"}]
    assert desk.call("DELETE", f"/{printer['id']}").status_code == 200
    assert cloud.call("GET", path, key=desk.site.agent_key).json()["printers"] == []
    assert not cloud.backend.documents.get_many([f"printer_secrets/{printer['id']}"])


def test_what_an_agent_registered_is_the_same_printer(cloud: Cloud, desk: Desk) -> None:
    entries = [{"printerSerial": LEFT, "name": "Left", "accessCode": "12345678"}]
    body = {"recipientId": desk.site.agent_recipient, "printers": entries}
    answer = cloud.call("POST", "/api/agent/printers", key=desk.site.organization_key, json=body)
    (registered,) = answer.json()["printers"]
    assert desk.names() == ["Left"]
    assert desk.show(registered["printerId"])["serial"] == LEFT
    again = {"name": "Right", "serial": LEFT, "recipient_id": desk.site.agent_recipient}
    assert "serial" in refused(desk.call("POST", body=again), 409)


def test_a_printer_that_appeared_becomes_the_one_that_is_entered(desk: Desk) -> None:
    desk.report(LEFT, "192.168.1.9", state="idle", bedTemp=23)
    (appeared,) = desk.call("GET").json()["printers"]
    assert (appeared["is_active"], appeared["name"], appeared["status"]) == (False, None, "idle")
    answer = desk.call("POST", body={"name": "Left", "serial_number": LEFT, "model": "P1S"})
    assert answer.status_code == 201, "its site is known"
    entered = answer.json()
    assert (entered["id"], entered["is_active"], entered["name"]) == (appeared["id"], True, "Left")
    assert (entered["live"]["bed_temp_current"], entered["ip_address"]) == (23, "192.168.1.9")
    assert "serial" in refused(desk.call("POST", body={"name": "Left", "serial": LEFT}), 409)
    assert len(desk.names()) == 1


def test_a_printer_of_another_site_is_not_entered(desk: Desk) -> None:
    desk.report(LEFT, state="idle")
    other = {"name": "Left", "serial": LEFT, "recipient_id": desk.site.lan_recipient}
    assert "serial" in refused(desk.call("POST", body=other), 409)


@pytest.mark.parametrize("reported_first", [False, True])
def test_a_printer_without_a_serial_is_the_one_at_its_address(desk: Desk, *, reported_first: bool) -> None:
    if reported_first:
        desk.report(LEFT, "192.168.1.9", state="idle")
    entered = desk.enter(ip_address="192.168.1.9")
    desk.report(LEFT, "192.168.1.9", state="printing")
    shown = desk.show(entered["id"])
    assert (shown["serial"], shown["status"], shown["name"]) == (LEFT, "printing", "Left")
    assert desk.names() == ["Left"]


PLATES = {"idle": True, "preparing": True, "offline": True, "printing": False, "paused": False, "completed": False}


@pytest.mark.parametrize("how", ["person", "agent"])
@pytest.mark.parametrize("state", [*PLATES, "failed"])
def test_a_plate_is_clear_at_registration_unless_the_printer_shows_a_print(
    cloud: Cloud, desk: Desk, state: str, how: str
) -> None:
    desk.report(LEFT, state=state)
    (appeared,) = cloud.documents("printers", desk.site.agent_recipient)
    cloud.backend.documents.commit(Update(appeared.path, {"plateCleared": False}))
    if how == "person":
        desk.enter(serial=LEFT)
    else:
        body = {"recipientId": desk.site.agent_recipient, "printers": [{"printerSerial": LEFT}]}
        assert cloud.call("POST", "/api/agent/printers", key=desk.site.agent_key, json=body).status_code == 200
    assert desk.show(appeared.id)["plate_cleared"] is PLATES.get(state, False)


@pytest.mark.parametrize("how", ["person", "agent"])
@pytest.mark.parametrize("cleared", [False, True])
def test_a_printer_that_was_switched_off_comes_back_with_its_plate_as_it_was(
    cloud: Cloud, desk: Desk, how: str, *, cleared: bool
) -> None:
    printer = desk.enter(serial=LEFT)
    desk.report(LEFT, state="completed" if cleared else "printing")
    desk.report(LEFT, state="completed" if cleared else "idle")
    if cleared:
        desk.change(printer["id"], plate_cleared=True)
    desk.change(printer["id"], is_active=False)
    if how == "person":
        assert desk.enter(serial=LEFT)["id"] == printer["id"]
    else:
        body = {"recipientId": desk.site.agent_recipient, "printers": [{"printerSerial": LEFT}]}
        assert cloud.call("POST", "/api/agent/printers", key=desk.site.agent_key, json=body).status_code == 200
    shown = desk.show(printer["id"])
    assert (shown["is_active"], shown["plate_cleared"]) == (True, cleared)


def test_registering_again_does_not_clear_a_plate(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    desk.change(printer["id"], plate_cleared=False)
    body = {"recipientId": desk.site.agent_recipient, "printers": [{"printerSerial": LEFT, "name": "Other"}]}
    assert cloud.call("POST", "/api/agent/printers", key=desk.site.agent_key, json=body).status_code == 200
    shown = desk.show(printer["id"])
    assert (shown["name"], shown["plate_cleared"]) == ("Other", False)


def test_a_person_says_that_the_plate_is_clear(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    desk.report(LEFT, state="printing")
    desk.report(LEFT, state="completed")
    assert desk.show(printer["id"])["plate_cleared"] is False
    assert desk.change(printer["id"], name="Left one")["plate_cleared"] is False
    said_at = datetime.now(UTC) - timedelta(milliseconds=1)
    assert desk.change(printer["id"], plate_cleared=True)["plate_cleared"] is True
    assert cloud.document(f"printers/{printer['id']}").data["plateClearedAt"] >= said_at
    desk.report(LEFT, state="completed", bedTemp=30)
    assert desk.show(printer["id"])["plate_cleared"] is True
    desk.report(LEFT, state="printing")
    assert desk.show(printer["id"])["plate_cleared"] is False


@pytest.mark.parametrize(
    ("amiss", "amends"),
    [
        ({"plate_cleared": False}, {"plate_cleared": True}),
        ({"active": False}, {"is_active": True}),
        ({"model": "MK4S", "brand": "Prusa"}, {"model": "P1S", "brand": "Bambu Lab"}),
        ({"supported_materials": ["TPU"]}, {"supported_materials": None}),
    ],
)
def test_a_change_begins_the_job_that_waits_for_it(
    cloud: Cloud, site: Site, desk: Desk, amiss: Json, amends: Json
) -> None:
    orders = order_desk.Desk(cloud, site)
    printer = orders.printer()
    assert desk.change(printer["id"], **amiss)["current_job_ids"] == []
    job = cloud.upload(site.agent_recipient)["fileId"]
    assert orders.send(job)["status"] == "queued"
    assert desk.change(printer["id"], name="Left")["current_job_ids"] == []
    assert desk.change(printer["id"], **amends)["current_job_ids"] == [job]
    assert desk.show(printer["id"])["current_job_ids"] == [job]
    assert [each["metadata"]["fileId"] for each in orders.claim()] == [job]


def test_a_change_is_of_what_is_given(desk: Desk) -> None:
    before = desk.enter(**{**SEEDS_PRINTER, "serial": LEFT, "nozzle_diameter": 0.4})
    volume = {"x": 256.0, "y": 256.0, "z": 200.0}
    after = desk.change(before["id"], build_volume=volume, supported_materials=["PLA", "PLA", "TPU"])
    assert after["supported_materials"] == ["PLA", "TPU"]
    assert after["updated_at"] > before["updated_at"]
    same = {"build_volume", "supported_materials", "updated_at"}
    assert {name: value for name, value in after.items() if name not in same} == {
        name: value for name, value in before.items() if name not in same
    }
    said = {"location": "Hall 2, shelf 4", "notes": "Belt worn.\nOiled in May."}
    assert said.items() <= desk.change(before["id"], **said).items()
    assert said.items() <= desk.show(before["id"]).items()
    emptied = {"brand": None, "model": "", "num_ams_units": None, "nozzle_diameter": None, "build_volume": None}
    emptied |= {"location": "", "notes": None}
    cleared = desk.change(before["id"], supported_materials=None, name=None, serial=None, recipient_id="", **emptied)
    assert {name: cleared[name] for name in emptied} == dict.fromkeys(emptied)
    assert (cleared["supported_materials"], cleared["name"], cleared["serial"]) == ([], SEEDS_PRINTER["name"], LEFT)
    assert desk.change(before["id"], name=SEEDS_PRINTER["name"]) == cleared, "what stands already is not written"


def test_changes_and_reports_at_the_same_time_are_all_kept(desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)

    def work(number: int) -> None:
        if number % 2:
            desk.report(LEFT, state="idle", bedTemp=number)
        else:
            desk.change(printer["id"], **{("brand", "model", "ip_address")[number // 2 % 3]: f"n{number}"})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    shown = desk.show(printer["id"])
    assert shown["live"]["bed_temp_current"] % 2 == 1
    assert all(shown[name].startswith("n") for name in ("brand", "model", "ip_address"))


def test_a_serial_moves_with_its_printer(desk: Desk) -> None:
    printer, other = desk.enter(name="one"), desk.enter(name="other", serial=RIGHT)
    path = f"/{printer['id']}"
    assert "serial" in refused(desk.call("PUT", path, {"serial": RIGHT}), 409)
    assert desk.change(printer["id"], serial=LEFT)["serial"] == LEFT
    desk.report(LEFT, state="idle")
    assert desk.show(printer["id"])["status"] == "idle"
    desk.change(printer["id"], serial="01P00A000000000")
    assert desk.change(other["id"], serial_number=LEFT)["serial"] == LEFT
    desk.report(LEFT, state="paused")
    assert [desk.show(each["id"])["status"] for each in (printer, other)] == ["idle", "paused"]
    assert sorted(desk.names()) == ["one", "other"]


def test_a_printer_moves_to_another_site(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    assert desk.change(printer["id"], recipient_id=desk.site.lan_recipient)["recipient_id"] == desk.site.lan_recipient
    stranger = cloud.new_site().lan_recipient
    assert "recipient_id" in refused(desk.call("PUT", f"/{printer['id']}", {"recipient_id": stranger}), 404)


def _occupy(cloud: Cloud, printer_id: str, name: str = "job-1", command: str | None = None) -> None:
    given = {"at": datetime.now(UTC), "by": None, "commandId": command}
    cloud.backend.documents.commit(Update(f"printers/{printer_id}", {f"occupants.{name}": given}))


def test_a_printer_with_a_job_is_not_taken_away(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    path = f"/{printer['id']}"
    _occupy(cloud, printer["id"])
    assert desk.show(printer["id"])["current_job_ids"] == ["job-1"]
    for method, body in (
        ("DELETE", None),
        ("PUT", {"serial": RIGHT}),
        ("PUT", {"recipient_id": desk.site.lan_recipient}),
    ):
        assert "job-1" in refused(desk.call(method, path, body), 409)
    assert desk.change(printer["id"], is_active=False, name="Old")["is_active"] is False
    assert desk.show(printer["id"])["serial"] == LEFT


def test_a_start_of_no_job_occupies_a_printer_and_is_not_shown_as_a_job(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    path = f"/{printer['id']}"
    _occupy(cloud, printer["id"], "command-1", "command-1")
    assert desk.show(printer["id"])["current_job_ids"] == []
    assert refused(desk.call("DELETE", path), 409).endswith("has not ended: command command-1")
    _occupy(cloud, printer["id"])
    assert desk.show(printer["id"])["current_job_ids"] == ["job-1"]
    assert refused(desk.call("DELETE", path), 409).endswith("has not ended: command command-1, job job-1")


def test_a_deleted_printer_is_gone_and_its_serial_is_free(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT, access_code="12345678")
    desk.report(LEFT, state="idle")
    path = f"/{printer['id']}"
    answer = desk.call("DELETE", path)
    assert answer.status_code == 200
    for method, body in (("GET", None), ("PUT", {"name": "Back"}), ("DELETE", None)):
        refused(desk.call(method, path, body), 404)
    assert desk.names() == []
    stored = cloud.document(f"printers/{printer['id']}").data
    assert (stored["active"], stored["deletedAt"] is not None) == (False, True)
    again = Desk(cloud, desk.site, "admin").enter(serial=LEFT, name="Left again")
    assert again["id"] != printer["id"]
    assert (again["access_code"], again["live"]) == (None, None)
    desk.report(LEFT, state="printing")
    assert desk.show(again["id"])["status"] == "printing"
    assert desk.names() == ["Left again"]
    actions = [each.data["action"] for each in cloud.documents("audit_log", desk.site.agent_recipient)]
    assert sorted(actions) == ["printer.created", "printer.created", "printer.removed"]


def test_a_deleted_printer_that_reports_appears_anew(desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    assert desk.call("DELETE", f"/{printer['id']}").status_code == 200
    desk.report(LEFT, state="idle")
    (appeared,) = desk.call("GET").json()["printers"]
    assert (appeared["is_active"], appeared["serial"], appeared["id"] != printer["id"]) == (False, LEFT, True)


def test_what_a_key_created_may_be_deleted_but_not_created_again(cloud: Cloud, desk: Desk) -> None:
    body = {"name": "Left", "recipient_id": desk.site.agent_recipient}

    def enter() -> requests.Response:
        return cloud.call("POST", "/api/printers", token=desk.token, json=body, headers={"Idempotency-Key": "k-1"})

    printer = enter().json()
    assert enter().json() == printer
    assert desk.call("DELETE", f"/{printer['id']}").status_code == 200
    assert "Idempotency-Key" in refused(enter(), 409)


def test_of_those_who_enter_one_serial_at_once_one_does(desk: Desk) -> None:
    body = {"recipient_id": desk.site.agent_recipient, "name": "Left", "serial": LEFT, "access_code": "12345678"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: desk.call("POST", body=body).status_code, range(6)))
    assert sorted(answers) == [201] + [409] * 5
    assert desk.names() == ["Left"]


@pytest.fixture(scope="module")
def hall(cloud: Cloud) -> Desk:
    """Seven printers that differ."""
    desk = Desk(cloud, cloud.new_site())
    for number, (model, brand, state) in enumerate(
        [
            ("X1 Carbon", "Bambu Lab", "idle"),
            ("X1C", "Bambu Lab", "printing"),
            ("P1S", "Bambu Lab", "paused"),
            ("MK4S", "Prusa", "completed"),
            ("MK4S", "Prusa", "offline"),
            ("Homemade", None, "whatever"),
            ("Homemade", None, None),
        ]
    ):
        printer = desk.enter(name=f"{number}", serial=f"S{number}", model=model, brand=brand)
        if state:
            desk.report(f"S{number}", state=state)
        if number == 2:
            desk.change(printer["id"], active=False)
    return desk


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "6543210"),
        ({"status": "idle"}, "0"),
        ({"status": "printing"}, "1"),
        ({"status": "completed"}, "3"),
        ({"status": "offline"}, "654"),
        ({"status": "failed"}, ""),
        ({"status": "idle, paused ,error"}, "20"),
        ({"status": ""}, "6543210"),
        ({"status": "printing", "recipient_id": ""}, "1"),
        ({"is_active": "false"}, "2"),
        ({"is_active": "true", "active": "true", "status": "paused"}, ""),
        ({"active": "true"}, "654310"),
        ({"active": "false"}, "2"),
        ({"active": "true", "status": "paused"}, ""),
        ({"brand": "bambu lab"}, "210"),
        ({"model": "x1c"}, "10"),
        ({"model": "HOMEMADE"}, "65"),
        ({"model": "X1C", "status": "idle"}, "0"),
        ({"brand": ""}, "6543210"),
    ],
)
def test_filters(hall: Desk, query: Json, expected: str) -> None:
    assert "".join(hall.names(**query)) == expected


@pytest.mark.parametrize("query", [{}, {"status": "offline"}, {"model": "MK4S"}, {"active": "true"}])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_make_up_the_list(hall: Desk, query: Json, limit: int) -> None:
    whole, found, cursor = hall.names(**query), list[str](), None
    for _ in range(20):
        page = hall.call("GET", limit=limit, **query, **({"cursor": cursor} if cursor else {})).json()
        assert len(page["printers"]) <= limit
        found += [each["name"] for each in page["printers"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == whole


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"status": "resting"}, "status"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "none of ours"}, "cursor"),
        ({"active": "perhaps"}, "active"),
        ({"active": "true", "is_active": "false"}, "is_active"),
        ({"status": "idle,resting"}, "resting"),
        ({"recipient_id": "a/b"}, "recipient_id"),
        ({"model": "X1\u0000"}, "model"),
    ],
)
def test_questions_that_make_no_sense_are_refused(hall: Desk, query: Json, named: str) -> None:
    assert named in refused(hall.call("GET", **query), 400)


def test_the_printers_of_a_site(desk: Desk) -> None:
    desk.enter(name="here", serial=LEFT)
    desk.enter(name="there", recipient_id=desk.site.lan_recipient, serial=RIGHT)
    desk.report(LEFT, state="error")
    assert desk.names(recipient_id=desk.site.agent_recipient) == ["here"]
    assert desk.names(recipient_id=desk.site.lan_recipient, is_active=True) == ["there"]
    assert desk.names(recipient_id="no-such-site") == []
    assert desk.names(status="error") == desk.names(status="failed") == ["here"]


@pytest.mark.parametrize("address", ["192.168.1.9", "fe80::1ff:fe23:4567:890a", "p1s-left", "P1S.hall-2.example"])
def test_a_printers_address_may_be_a_name(desk: Desk, address: str) -> None:
    entered = desk.enter(ip_address=address)
    assert desk.show(entered["id"])["ip_address"] == address
    assert desk.change(entered["id"], ip_address="")["ip_address"] is None


def test_a_printer_that_is_silent_is_offline(cloud: Cloud, desk: Desk) -> None:
    printer = desk.enter(serial=LEFT)
    desk.report(LEFT, state="printing", progress=12)
    assert desk.show(printer["id"])["status"] == "printing"
    long_ago = datetime.now(UTC) - timedelta(minutes=12, seconds=1)
    cloud.backend.documents.commit(Update(f"printers/{printer['id']}", {"state.receivedAt": long_ago}))
    shown = desk.show(printer["id"])
    assert (shown["status"], shown["current_status"], shown["live"]["progress_percentage"]) == (
        "offline",
        "offline",
        12,
    )
    assert desk.names(status="printing") == []
    assert desk.names(status="offline") == ["Left"]


ODD: list[Any] = [None, "x" * 300, -1, 1e300, [], {"a": 1}]


@pytest.mark.parametrize("value", ODD, ids=["null", "text", "negative", "huge", "list", "object"])
def test_odd_readings_are_null(desk: Desk, value: Any) -> None:
    printer = desk.enter(serial=LEFT)
    readings = ("progress", "layer", "totalLayers", "remainingTime", "loadedFilaments", "printJobId", "fileName")
    desk.report(LEFT, state="printing", **dict.fromkeys(readings, value), nozzleTemp=value, bedTemp=True)
    live = desk.show(printer["id"])["live"]
    kept = {name for name, found in live.items() if found is not None} - {"reported_at"}
    texts = {"current_job_id", "file_name"} if isinstance(value, str) else set()
    assert kept == texts | ({"nozzle_temp_current"} if value == -1 else set()) | (
        {"loaded_filaments"} if value == [] else set()
    )


def test_a_token_without_an_organization_needs_a_membership(cloud: Cloud, desk: Desk) -> None:
    printer, member, stranger = desk.enter(), f"user-{secrets.token_hex(4)}", f"user-{secrets.token_hex(4)}"
    body = {"userId": member, "role": "viewer"}
    assert cloud.call("POST", "/api/v1/memberships", key=desk.site.organization_key, json=body).ok

    def call(method: str, user: str, query: Json, body: Json | None = None) -> int:
        token = cloud.token(None, None, user)
        path = f"/api/printers/{printer['id']}"
        return cloud.call(method, path, token=token, params=query, json=body).status_code

    named = {"organizationId": desk.site.organization}
    assert [call("GET", user, named) for user in (member, stranger)] == [200, 403]
    assert [call("GET", user, {}) for user in (member, stranger)] == [400, 400]
    assert call("PUT", member, {}, {**named, "name": "Mine"}) == 403, "a viewer"
