"""Commands through the management API: who may order, list, carry out and delete them, and what becomes of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site
from tests.counts import count

ONE_BACKEND_AT_REDUCED_COUNTS = True

LEFT, RIGHT = "01P00A381200434", "01S00C123400001"
RACERS = 16

Json = dict[str, Any]

VOCABULARY: dict[str, tuple[Json, str, Json]] = {
    "start_print": ({"file_name": "a.3mf", "plate_index": 2}, "start_print", {"fileName": "a.3mf", "plateIndex": 2}),
    "pause_print": ({}, "pause", {}),
    "resume_print": ({}, "resume", {}),
    "stop_print": ({}, "stop", {}),
    "cancel_print": ({}, "stop", {}),
    "set_bed_temp": ({"target": 60}, "set_temperature", {"bedTemp": 60}),
    "set_nozzle_temp": ({"temperature": 215}, "set_temperature", {"nozzleTemp": 215}),
    "set_chamber_temp": ({"value": 45}, "set_temperature", {"chamberTemp": 45}),
    "home_all": ({}, "home", {}),
    "home_x": ({}, "home", {"axes": "x"}),
    "home_y": ({}, "home", {"axes": "y"}),
    "home_z": ({}, "home", {"axes": "z"}),
    "set_fan_speed": ({"value": 0}, "set_fan", {"percent": 0, "fan": "part"}),
    "set_print_speed": ({"speed": 120}, "set_speed", {"percent": 120}),
    "set_flow_rate": ({"percentage": 95}, "set_flow_rate", {"percent": 95}),
    "camera_on": ({}, "camera_on", {}),
    "camera_off": ({}, "camera_off", {}),
    "light_on": ({}, "light_on", {}),
    "light_off": ({}, "light_off", {}),
    "load_filament": ({"slot_number": 2}, "load_filament", {"slot": 2}),
    "unload_filament": ({}, "unload_filament", {}),
    "custom_gcode": ({"gcode": "G28"}, "send_gcode", {"gcode": "G28"}),
}
"""Every name of the printed description: what is sent with it, and what the agent gets."""


class Desk:
    """A member of an organization at work, with a printer."""

    def __init__(self, cloud: Cloud, site: Site, recipient: str, serial: str | None = LEFT) -> None:
        self.cloud, self.site, self.recipient = cloud, site, recipient
        self.token = cloud.token(site.organization)
        body = {"recipient_id": recipient, "name": "Left", "ip_address": "192.168.1.100"}
        entered = self._call("POST", "/api/printers", json={**body, **({"serial": serial} if serial else {})})
        assert entered.status_code == 201, entered.text
        self.printer = str(entered.json()["id"])

    def call(self, method: str, path: str = "", body: Json | None = None, **options: Any) -> requests.Response:
        return self._call(method, f"/api/printer-commands{path}", json=body, **options)

    def ask(self, command: str, metadata: Json | None = None, **more: Any) -> requests.Response:
        options = {"headers": more.pop("headers", None)}
        body = {"printer_id": self.printer, "command_type": command, "metadata": metadata, **more}
        return self.call("POST", body=body, **options)

    def order(self, command: str, metadata: Json | None = None, **more: Any) -> str:
        answer = self.ask(command, metadata, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def tell(self, command_id: str, status: str, token: str | None = None, **more: Any) -> requests.Response:
        return self.call("PUT", f"/{command_id}/status", {"status": status, **more}, token=token or self.token)

    def ids(self, path: str = "", **query: Any) -> list[str]:
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["commands"]]

    def stored(self, command_id: str) -> Json:
        return dict(self.cloud.document(f"printer_commands/{command_id}").data)

    def all_stored(self) -> list[str]:
        return [each.id for each in self.cloud.documents("printer_commands", self.recipient)]

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.cloud.call(method, path, **{"token": self.token, **options})


@pytest.fixture
def hall(cloud: Cloud, site: Site) -> Desk:
    """A printer at a site with our agent."""
    return Desk(cloud, site, site.agent_recipient)


@pytest.fixture
def cellar(cloud: Cloud, site: Site) -> Desk:
    """A printer at a site whose client polls."""
    return Desk(cloud, site, site.lan_recipient, RIGHT)


def _at_once(*acts: Callable[[], requests.Response]) -> list[requests.Response]:
    gate = Barrier(len(acts))

    def run(act: Callable[[], requests.Response]) -> requests.Response:
        gate.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def _claimed(desk: Desk) -> dict[str, Json]:
    """What our agent gets, by id."""
    path = f"/control?recipientId={desk.recipient}&claim=true&agentId=agent-1&limit=100"
    answer = desk.cloud.call("GET", path, key=desk.site.agent_key)
    assert answer.status_code == 200, answer.text
    return {each["commandId"]: each for each in answer.json()["commands"]}


def _told_by_agent(desk: Desk, command_id: str, status: str) -> None:
    body = {"recipientId": desk.recipient, "commandId": command_id, "agentId": "agent-1", "status": status}
    path = "/control/ack" if status == "processing" else "/control/result"
    answer = desk.cloud.call("POST", path, key=desk.site.agent_key, json=body)
    assert answer.status_code == 200, answer.text


def test_every_name_reaches_the_agent_as_its_canonical_command(hall: Desk) -> None:
    asked = {hall.order(name, metadata): name for name, (metadata, *_) in VOCABULARY.items()}
    got = _claimed(hall)
    found = {name: (got[id_]["commandType"], got[id_]["metadata"]) for id_, name in asked.items()}
    assert found == {name: (kind, carried) for name, (_, kind, carried) in VOCABULARY.items()}
    assert {(each["printerSerial"], each["printerId"]) for each in got.values()} == {(LEFT, hall.printer)}
    shown = {each["id"]: each for each in hall.call("GET").json()["commands"]}
    assert {id_: each["command_type"] for id_, each in shown.items()} == asked
    assert {each["status"] for each in shown.values()} == {"processing"}


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_a_role_may_do_what_it_is_for(cloud: Cloud, cellar: Desk, role: str) -> None:
    command, other = cellar.order("light_on"), cellar.order("light_off")
    token = cloud.token(cellar.site.organization, role)
    acting = 403 if role == "viewer" else 200
    assert cellar.call("GET", token=token).status_code == 200
    assert cellar.call("GET", "/pending", token=token).status_code == 200
    body = {"printer_id": cellar.printer, "command_type": "pause_print"}
    assert cellar.call("POST", body=body, token=token).status_code == (403 if role == "viewer" else 201)
    assert cellar.tell(command, "completed", token).status_code == acting
    assert cellar.call("DELETE", f"/{other}", token=token).status_code == acting
    assert cellar.stored(command)["status"] == ("pending" if role == "viewer" else "completed")


def test_another_organization_finds_nothing(cloud: Cloud, cellar: Desk) -> None:
    command = cellar.order("set_bed_temp", {"target": 60}, headers={"Idempotency-Key": "k"})
    stranger = cloud.token(cloud.new_site().organization, "admin")
    before = cloud.stored(cellar.site.organization)
    body = {"printer_id": cellar.printer, "command_type": "set_bed_temp", "metadata": {"target": 60}}
    denied = {
        "create": cellar.call("POST", body=body, token=stranger, headers={"Idempotency-Key": "k"}),
        "claim": cellar.tell(command, "processing", stranger),
        "report": cellar.tell(command, "completed", stranger),
        "delete": cellar.call("DELETE", f"/{command}", token=stranger),
        "pending": cellar.call("GET", f"/pending?printer_id={cellar.printer}", token=stranger),
    }
    assert {name: answer.status_code for name, answer in denied.items()} == dict.fromkeys(denied, 404)
    for query in ("", f"?printer_id={cellar.printer}", f"?organizationId={cellar.site.organization}"):
        answer = cellar.call("GET", query, token=stranger)
        assert answer.status_code == 403 if "organizationId" in query else answer.json()["commands"] == []
    assert cellar.call("GET", "/pending", token=stranger).json()["commands"] == []
    told = "".join(answer.text for answer in denied.values())
    assert [each for each in (command, RIGHT, cellar.recipient) if each in told] == []
    assert cloud.stored(cellar.site.organization) == before


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        ({"command_type": "explode"}, 400, "command_type: Unknown command type"),
        ({"command_type": None}, 400, "command_type: "),
        ({"command_type": "set_bed_temp", "metadata": {"target": 500}}, 400, "metadata.target: "),
        ({"command_type": "set_bed_temp"}, 400, "metadata.target: Field required"),
        ({"command_type": "set_fan_speed", "metadata": {"speed": 101}}, 400, "metadata.speed: "),
        ({"command_type": "custom_gcode", "metadata": {"gcode": "M112"}}, 400, "metadata.gcode: "),
        ({"command_type": "light_on", "expires_at": "2020-01-01T00:00:00Z"}, 400, "expires_at "),
        ({"command_type": "light_on", "expires_at": "2099-01-01T00:00:00Z"}, 400, "expires_at "),
        ({"command_type": "light_on", "printer_id": "no-such-printer"}, 404, "printer_id: "),
        (
            {"command_type": "start_print", "metadata": {"file_name": "a.3mf", "file_id": "none"}},
            404,
            "metadata.fileId: No such file",
        ),
    ],
)
def test_what_is_wrong_is_named_as_it_was_asked(hall: Desk, asked: Json, status: int, error: str) -> None:
    answer = hall.call("POST", body={"printer_id": hall.printer, **asked})
    assert (answer.status_code, answer.json()["error"].startswith(error)) == (status, True), answer.text
    assert hall.all_stored() == []


def test_a_repetition_is_one_command_though_it_be_deleted_and_its_printer_too(hall: Desk) -> None:
    once = {"Idempotency-Key": "light"}
    first = hall.order("light_on", headers=once)
    assert hall.order("light_on", headers=once) == first
    assert hall.ask("light_off", headers=once).status_code == 409
    assert hall.call("DELETE", f"/{first}").status_code == 200
    again = hall.ask("light_on", headers=once)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (201, first, "cancelled")
    deleted = hall.cloud.call("DELETE", f"/api/printers/{hall.printer}", token=hall.token)
    assert deleted.status_code == 200, deleted.text
    assert hall.order("light_on", headers=once) == first
    assert hall.ask("light_on").status_code == 404
    assert hall.all_stored() == [first]
    assert hall.ids() == []


def test_a_number_of_the_callers_own_makes_one_command(hall: Desk) -> None:
    first = hall.order("custom_gcode", {"gcode": "G28"}, command_id="mine-1")
    assert hall.order("custom_gcode", {"gcode": "G28"}, command_id="mine-1") == first
    assert hall.ask("custom_gcode", {"gcode": "G28 X"}, command_id="mine-1").status_code == 409
    assert hall.all_stored() == [first]


def test_a_printer_out_of_use_takes_only_what_protects_it(hall: Desk) -> None:
    away = hall.cloud.call("PUT", f"/api/printers/{hall.printer}", token=hall.token, json={"is_active": False})
    assert away.status_code == 200, away.text
    refused = hall.ask("set_bed_temp", {"target": 60})
    assert (refused.status_code, refused.json()["error"]) == (409, "printer_id: The printer is out of use")
    stop = hall.order("stop_print")
    assert list(_claimed(hall)) == [stop]


def test_one_of_many_users_gets_a_command(cloud: Cloud, cellar: Desk) -> None:
    command = cellar.order("light_on")
    tokens = [cloud.token(cellar.site.organization, user=f"user-{number}") for number in range(RACERS)]
    answers = _at_once(*(partial(cellar.tell, command, "processing", token) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (RACERS - 1)
    (winner,) = [number for number, answer in enumerate(answers) if answer.ok]
    assert cellar.stored(command)["lease"]["holder"] == f"user:user-{winner}"
    assert answers[winner].json()["fence"] == 1
    assert cellar.tell(command, "completed", tokens[winner]).json()["status"] == "completed"


def test_agents_of_one_user_tell_themselves_apart(cellar: Desk) -> None:
    command = cellar.order("light_on")
    acts = [partial(cellar.tell, command, "executing", agent_id=f"agent-{number}") for number in range(RACERS)]
    assert sorted(answer.status_code for answer in _at_once(*acts)) == [200] + [409] * (RACERS - 1)
    assert cellar.stored(command)["lease"]["fence"] == 1


@pytest.mark.parametrize("told", ["processing", "completed", "failed", "unknown"])
def test_what_our_agent_carries_out_it_alone_takes_and_ends(hall: Desk, told: str) -> None:
    stop = hall.order("stop_print")
    for _ in range(2):
        refused = hall.tell(stop, told, agent_id="agent-1", fence=1)
        assert (refused.status_code, refused.json()["error"]) == (
            409,
            "Our agent carries this out, and reports what becomes of it",
        )
    assert hall.stored(stop)["status"] == "pending"
    _told_by_agent(hall, stop, "processing")
    assert hall.tell(stop, told, agent_id="agent-1", fence=1).status_code == 409
    _told_by_agent(hall, stop, "completed")
    assert hall.tell(stop, told).status_code == (200 if told == "completed" else 409)
    assert (hall.stored(stop)["status"], hall.stored(stop).get("lateResult")) == ("completed", None)


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_person_ends_what_our_agent_cannot_tell_the_effect_of(hall: Desk, end: str) -> None:
    job = hall.cloud.upload(hall.recipient)["fileId"]
    start = hall.order("start_print", {"file_name": "model.3mf", "file_id": job})
    _told_by_agent(hall, start, "processing")
    _told_by_agent(hall, start, "unknown")
    assert hall.tell(start, "processing").status_code == 409
    for _ in range(2):
        ended = hall.tell(start, end, message="looked at it")
        assert (ended.status_code, ended.json()["status"], ended.json()["message"]) == (200, end, "looked at it")
    stored = hall.cloud.document(f"print_jobs/{job}").data["status"]
    assert stored == ("preparing" if end == "completed" else "failed")


@pytest.mark.parametrize("word", ["processing", "executing", "in_progress"])
@pytest.mark.parametrize(
    ("end", "status"),
    [("completed", "completed"), ("failed", "failed"), ("error", "failed"), ("unknown", "unknown")],
)
def test_the_first_result_stands(cellar: Desk, word: str, end: str, status: str) -> None:
    command = cellar.order("light_on")
    taken = cellar.tell(command, word)
    assert (taken.status_code, taken.json()["status"], taken.json()["payload"]) == (200, "processing", None)
    assert taken.json()["executed_at"] == taken.json()["acknowledged_at"] is not None
    for _ in range(2):
        done = cellar.tell(command, end, result={"degrees": 60, "password": "x"}, error_message="none")
        assert (done.status_code, done.json()["status"]) == (200, status), done.text
    assert (done.json()["message"], done.json()["error_message"]) == ('{"degrees": 60}', "none")
    if status != "unknown":  # which only somebody who looks can tell more of
        late = cellar.tell(command, "completed" if status == "failed" else "failed", message="after all")
        assert late.status_code == 409
        assert cellar.stored(command)["lateResult"]["message"] == "after all"
    assert cellar.stored(command)["status"] == status


@pytest.mark.parametrize("word", ["pending", "cancelled", "expired", "done", "", None, 1])
def test_a_word_that_is_no_result_is_refused(hall: Desk, word: Any) -> None:
    command = hall.order("light_on")
    answer = hall.tell(command, word)
    assert (answer.status_code, answer.json()["error"].startswith("status: ")) == (400, True)
    assert hall.stored(command)["status"] == "pending"


def test_what_has_expired_is_handed_to_nobody(cellar: Desk) -> None:
    command = cellar.order("light_on")
    past = {"expiresAt": datetime.now(UTC) - timedelta(seconds=1)}
    cellar.cloud.backend.documents.commit(Update(f"printer_commands/{command}", past))
    answer = cellar.tell(command, "processing")
    assert (answer.status_code, answer.json()["error"]) == (409, "The command has expired")
    assert cellar.ids(status="expired") == [command]


def test_pending_is_for_clients_that_poll(hall: Desk, cellar: Desk) -> None:
    light, start = cellar.order("light_on"), cellar.order("start_print", {"file_name": "a.3mf"})
    hall.order("light_on")
    assert cellar.ids("/pending", printer_id=cellar.printer) == [light, start]
    stop = cellar.order("stop_print")
    assert cellar.ids("/pending", printer_id=cellar.printer) == [stop, light]  # the start is overruled
    assert cellar.ids("/pending") == [stop, light]
    assert cellar.ids("/pending", limit=1) == [stop]
    assert hall.ids("/pending", printer_id=hall.printer) == []
    assert cellar.tell(stop, "processing").status_code == 200
    assert cellar.ids("/pending") == [light, start]
    assert cellar.tell(stop, "completed").status_code == 200
    assert cellar.ids("/pending") == [light]
    assert cellar.stored(start)["status"] == "cancelled"


def test_pending_at_a_printer_without_a_serial(cloud: Cloud, site: Site, cellar: Desk) -> None:
    bare = Desk(cloud, site, site.lan_recipient, serial=None)
    command, other = bare.order("light_on"), cellar.order("light_off")
    assert bare.ids("/pending", printer_id=bare.printer) == [command]
    assert bare.ids("/pending") == [command, other]
    assert bare.ids(printer_id=bare.printer) == [command]


def test_a_list_shows_what_was_asked_for_through_any_api(hall: Desk, cellar: Desk) -> None:
    heat, home = hall.order("set_bed_temp", {"target": 60}), hall.order("home_x")
    plain = hall.cloud.queue(hall.recipient, "heat", {"nozzleTemp": 200}, printerSerial=LEFT)
    light = cellar.order("light_on")
    _told_by_agent(hall, home, "failed")
    assert hall.ids() == [light, plain, home, heat]
    assert hall.ids(printer_id=hall.printer) == [plain, home, heat]
    assert hall.ids(printer_id=cellar.printer) == [light]
    assert hall.ids(printer_id="no-such-printer") == []
    assert hall.ids(status="pending") == [light, plain, heat]
    assert hall.ids(status="failed,completed", printer_id=hall.printer) == [home]
    assert hall.ids(command_type="setTemperature") == hall.ids(command_type="heat") == [plain, heat]
    assert hall.ids(command_type="set_bed_temp") == hall.ids(command_type="set-bed-temp") == [heat]
    assert hall.ids(command_type="home") == [home]
    assert hall.ids(command_type="home_y") == []
    assert hall.ids(command_type="camera") == []
    assert hall.ids(status="") == hall.ids(status=" ") == [light, plain, home, heat]
    assert hall.ids(status="failed , pending", printer_id=hall.printer) == [plain, home, heat]
    refused = hall.call("GET", "?status=failed,exploded")
    assert (refused.status_code, refused.json()["error"].startswith("status: exploded")) == (400, True)


def test_a_list_begins_and_ends_at_a_moment(hall: Desk) -> None:
    ordered = [hall.order("light_on") for _ in range(3)]
    moments = {each["id"]: each["created_at"] for each in hall.call("GET").json()["commands"]}
    first, second, third = (moments[each] for each in ordered)
    assert hall.ids(since=second) == [ordered[2], ordered[1]]
    assert hall.ids(until=second) == [ordered[1], ordered[0]]
    assert hall.ids(since=second, until=second, printer_id=hall.printer) == [ordered[1]]
    assert hall.ids(since=third, until=first) == []
    page = hall.call("GET", params={"since": second, "limit": 1}).json()
    assert hall.ids(since=second, cursor=page["next_cursor"]) == [ordered[1]]
    assert hall.call("GET", "?since=yesterday").json()["error"].startswith("since: ")


def test_whoever_errs_in_a_commands_name_is_told_all(hall: Desk) -> None:
    for answer in (hall.ask("explode"), hall.call("GET", "?command_type=explode")):
        assert answer.status_code == 400
        told = answer.json()["error"]
        assert told.startswith("command_type: ")
        _, _, names = told.partition("known are ")
        assert set(names.split(", ")) > set(VOCABULARY)
        assert names.split(", ") == sorted(names.split(", "))


@pytest.mark.parametrize("query", [{}, {"command_type": "light_on"}, {"printer": True}])
def test_a_list_is_read_page_by_page(hall: Desk, query: Json) -> None:
    wanted = {"printer_id": hall.printer} if query.get("printer") else query
    ordered = [hall.order(each) for each in ("light_on", "light_off") * 3]
    expected = ordered[::-1] if "command_type" not in query else ordered[::-1][1::2]
    found, cursor = list[str](), None
    for _ in range(len(ordered)):
        page = hall.call("GET", params={**wanted, "limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [each["id"] for each in page["commands"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (found, cursor) == (expected, None)
    assert hall.call("GET", "?cursor=mine").status_code == 400


def test_a_deleted_start_takes_its_job_with_it(hall: Desk) -> None:
    job = hall.cloud.upload(hall.recipient)["fileId"]
    start = hall.order("start_print", {"file_name": "model.3mf", "file_id": job})
    assert job in hall.cloud.document(f"printers/{hall.printer}").data["occupants"]
    gone = hall.call("DELETE", f"/{start}")
    assert gone.json() == {"message": "Command deleted", "id": start, "status": "cancelled"}
    stored = hall.cloud.document(f"print_jobs/{job}").data
    assert (stored["status"], stored["reason"]) == ("cancelled", "its start was deleted")
    assert hall.cloud.document(f"printers/{hall.printer}").data["occupants"] == {}
    assert _claimed(hall) == {}
    assert [hall.tell(start, "processing").status_code, hall.call("DELETE", f"/{start}").status_code] == [404, 404]
    ack = {"recipientId": hall.recipient, "commandId": start, "agentId": "agent-1", "status": "processing"}
    late = hall.cloud.call("POST", "/control/ack", key=hall.site.agent_key, json=ack)
    assert (late.status_code, late.json()["detail"]) == (409, "cancelled")
    actions = [each.data["action"] for each in hall.cloud.documents("audit_log", hall.recipient)]
    assert actions.count("command.deleted") == 1


def test_a_start_that_a_polling_client_may_have_begun_is_ended_by_its_job_alone(cellar: Desk) -> None:
    job = cellar.cloud.upload(cellar.recipient)["fileId"]
    start = cellar.order("start_print", {"file_name": "model.3mf", "file_id": job})
    refused = cellar.call("DELETE", f"/{start}")
    assert (refused.status_code, "cancel its job" in refused.json()["error"]) == (409, True)
    assert cellar.ids("/pending") == [start]
    assert cellar.tell(start, "failed").status_code == 200
    assert cellar.call("DELETE", f"/{start}").json()["status"] == "failed"


@pytest.mark.parametrize("end", ["completed", "failed", "unknown"])
def test_what_has_ended_is_hidden_and_what_is_carried_out_is_not(cellar: Desk, end: str) -> None:
    command = cellar.order("light_on")
    assert cellar.tell(command, "processing").status_code == 200
    refused = cellar.call("DELETE", f"/{command}")
    assert (refused.status_code, cellar.ids()) == (409, [command])
    assert cellar.tell(command, end).status_code == 200
    assert cellar.call("DELETE", f"/{command}").json()["status"] == end
    assert cellar.ids() == []
    assert cellar.tell(command, end).status_code == 404
    assert cellar.stored(command)["status"] == end


def test_a_command_is_either_deleted_or_carried_out(cellar: Desk) -> None:
    for _ in range(count(30, quick=5)):
        command = cellar.order("light_on")
        take, delete = partial(cellar.tell, command, "processing"), partial(cellar.call, "DELETE", f"/{command}")
        took, gone = _at_once(take, delete)
        assert (took.ok, gone.ok) in {(True, False), (False, True)}, f"{took.text} {gone.text}"
        assert cellar.stored(command)["status"] == ("processing" if took.ok else "cancelled")
