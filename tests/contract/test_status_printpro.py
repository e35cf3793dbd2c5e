"""A printer's status through the management API: reported, asked for, and the same whichever client tells it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"
JOB = "3c1b7d52-9a60-4a5e-8f0e-2b8f0a4c7d11"
WHOLE = {
    "status": "printing",
    "current_job_id": JOB,
    "progress_percentage": 45.5,
    "current_layer": 120,
    "total_layers": 250,
    "nozzle_temp_current": 218.5,
    "nozzle_temp_target": 220,
    "bed_temp_current": 59.8,
    "bed_temp_target": 60,
    "chamber_temp_current": 34,
    "chamber_temp_target": 35,
    "time_remaining_seconds": 4200,
    "print_speed_percentage": 124,
    "fan_speed_percentage": 40,
    "file_name": "cube.3mf",
    "error_message": "The door is open",
}
STORED = {
    "state": "printing",
    "printJobId": JOB,
    "progress": 45.5,
    "layer": 120,
    "totalLayers": 250,
    "nozzleTemp": 218.5,
    "nozzleTargetTemp": 220,
    "bedTemp": 59.8,
    "bedTargetTemp": 60,
    "chamberTemp": 34,
    "chamberTargetTemp": 35,
    "remainingTime": 4200,
    "speedPercent": 124,
    "fanPercent": 40,
    "fileName": "cube.3mf",
    "errorMessage": "The door is open",
}

Json = dict[str, Any]


class Watch:
    """A member of an organization that looks after one printer."""

    def __init__(self, cloud: Cloud, site: Site, recipient: str) -> None:
        self.cloud, self.site, self.recipient = cloud, site, recipient
        self.token = cloud.token(site.organization)
        body = {"recipient_id": recipient, "name": "Left", "serial": SERIAL}
        entered = cloud.call("POST", "/api/printers", token=self.token, json=body)
        assert entered.status_code == 201, entered.text
        self.printer: str = entered.json()["id"]

    def post(self, token: str | None = None, **fields: Any) -> requests.Response:
        body = {"printer_id": self.printer, **fields}
        return self.cloud.call("POST", "/api/printer-status", token=token or self.token, json=body)

    def report(self, **fields: Any) -> Json:
        answer = self.post(**fields)
        assert answer.status_code == 201, answer.text
        created: Json = answer.json()
        return created

    def latest(self) -> Json:
        return self._get(f"/api/printer-status/latest/{self.printer}")

    def history(self, **query: Any) -> Json:
        return self._get(f"/api/printer-status/history/{self.printer}", **query)

    def shown(self) -> Json:
        """The printer itself."""
        return self._get(f"/api/printers/{self.printer}")

    def stored(self) -> Json:
        """The live state as it is stored."""
        state: Json = self.cloud.document(f"printers/{self.printer}").data["state"]
        return state

    def clear(self) -> None:
        body = {"plate_cleared": True}
        answer = self.cloud.call("PUT", f"/api/printers/{self.printer}", token=self.token, json=body)
        assert answer.json()["plate_cleared"] is True

    def _get(self, path: str, **query: Any) -> Json:
        answer = self.cloud.call("GET", path, token=self.token, params=query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture
def watch(cloud: Cloud, site: Site) -> Watch:
    """At an agent's site."""
    return Watch(cloud, site, site.agent_recipient)


def ago(**by: float) -> str:
    return (datetime.now(UTC) - timedelta(**by)).isoformat()


def test_a_report_is_the_printers_state_in_every_dialect(watch: Watch) -> None:
    created = watch.report(organizationId=watch.site.organization, **WHOLE)
    assert {name: created[name] for name in WHOLE} == WHOLE
    assert watch.stored()["status"] == STORED
    (kept,) = watch.history()["history"]
    assert kept == created
    latest = watch.latest()
    assert latest == {**created, "reported_status": "printing"}
    shown = watch.shown()
    assert (shown["status"], shown["live"]["reported_at"]) == ("printing", latest["timestamp"])
    assert {name: latest[name] for name in shown["live"] if name != "reported_at"}.items() <= shown["live"].items()


def test_an_agents_reports_and_a_persons_are_one_history(watch: Watch) -> None:
    spool = {"slot": 3, "type": "PETG", "color": "#00FF00", "remain": 12}
    statuses = [
        {"state": "idle", "bedTemp": 20},
        {**STORED, "gcodeState": "RUNNING", "loadedFilaments": [spool], "hms": [{"code": "0300_0300_0002_0003"}]},
    ]
    for status in statuses:
        entry = {"printerSerial": SERIAL, "status": status}
        body = {"recipientId": watch.recipient, "printers": [entry]}
        answer = watch.cloud.call("POST", "/api/printer-status/batch", key=watch.site.agent_key, json=body)
        assert answer.json()["results"][0]["error"] is None, answer.text
    watch.report(status="paused", progress_percentage=46)
    third, second, first = watch.history()["history"]
    assert [each["id"] for each in (first, second, third)] == [f"{watch.printer}-{number}" for number in (1, 2, 3)]
    assert [each["status"] for each in (first, second, third)] == ["idle", "printing", "paused"]
    assert {name: second[name] for name in WHOLE} == WHOLE
    filament = {"slot": 3, "type": "PETG", "color": "#00FF00", "remaining_percentage": 12.0}
    assert second["loaded_filaments"] == [filament]
    latest = watch.latest()
    assert (latest["id"], latest["progress_percentage"]) == (third["id"], 46)
    assert (latest["loaded_filaments"], latest["current_job_id"]) == (None, None)


def test_a_lan_clients_reading_that_makes_no_sense_is_null(cloud: Cloud, site: Site) -> None:
    watch = Watch(cloud, site, site.lan_recipient)
    status = {"state": 7, "progress": "half", "layer": -1, "bedTemp": 1e9, "nozzleTemp": 205, "remainingTime": 61.9}
    body = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "status": status}
    assert cloud.call("POST", "/printer-status", key=site.lan_key, json=body).status_code == 200
    (kept,), latest = watch.history()["history"], watch.latest()
    known = {"nozzle_temp_current": 205, "time_remaining_seconds": 61}
    for each, word in ((kept, "unknown"), (latest, "offline")):
        readings = {name: each[name] for name in WHOLE if name != "status"}
        assert {name: value for name, value in readings.items() if value is not None} == known
        assert each["status"] == word
    assert latest["reported_status"] is None


WORDS = {
    "idle": ("idle", "idle", "idle"),
    "preparing": ("preparing", "preparing", "preparing"),
    "PRINTING": ("printing", "printing", "printing"),
    "RUNNING": ("printing", "printing", "printing"),
    "paused": ("paused", "paused", "paused"),
    "completed": ("completed", "completed", "completed"),
    "error": ("failed", "failed", "failed"),
    "canceled": ("failed", "failed", "failed"),
    "offline": ("offline", "offline", "offline"),
    "Warming the glue": ("Warming the glue", "Warming the glue", "offline"),
    "unknown": ("unknown", "unknown", "offline"),
    "": (None, "unknown", "offline"),
}
"""What is reported; the state that is stored, what the report shows, and what the printer does."""


def test_every_word_is_the_same_wherever_it_is_shown(watch: Watch) -> None:
    for word, (state, reported, doing) in WORDS.items():
        created = watch.report(status=word, bed_temp_current=20)
        assert (created["status"], watch.stored()["status"].get("state")) == (reported, state), word
        latest, shown = watch.latest(), watch.shown()
        assert (latest["status"], shown["status"], shown["current_status"]) == (doing, doing, doing), word
        assert latest["reported_status"] == state, word
    kept = [each["status"] for each in watch.history()["history"]]
    assert kept == [reported for _, reported, _ in reversed(WORDS.values())]


def test_a_silent_printer_is_offline_with_what_it_said_last(watch: Watch) -> None:
    assert (watch.latest()["status"], watch.latest()["id"]) == ("offline", None)
    watch.report(**WHOLE)
    long_ago = datetime.now(UTC) - timedelta(minutes=13)
    state = watch.cloud.document(f"printers/{watch.printer}").data["state"]
    changed = {"state": {**state, "receivedAt": long_ago}}
    watch.cloud.backend.documents.commit(Update(f"printers/{watch.printer}", changed))
    latest = watch.latest()
    assert (latest["status"], latest["reported_status"], latest["current_layer"]) == ("offline", "printing", 120)
    assert watch.shown()["status"] == "offline"


def test_an_older_report_is_kept_and_changes_nothing(watch: Watch) -> None:
    newer = watch.report(status="idle", bed_temp_current=30)
    older = watch.report(status="printing", bed_temp_current=60, timestamp=ago(hours=1))
    assert older["timestamp"] < newer["timestamp"] <= older["created_at"]
    assert (watch.latest()["id"], watch.latest()["status"]) == (newer["id"], "idle")
    kept = watch.history()["history"]
    assert [(each["id"], each["bed_temp_current"]) for each in kept] == [(older["id"], 60), (newer["id"], 30)]


def test_a_clock_that_is_ahead_shuts_out_nothing(watch: Watch) -> None:
    ahead = watch.report(status="printing", timestamp=ago(days=-400))
    assert ahead["timestamp"] == ahead["created_at"]
    later = watch.report(status="paused")
    assert (watch.latest()["id"], watch.latest()["status"]) == (later["id"], "paused")


def test_a_print_is_on_the_plate_until_somebody_says_otherwise(watch: Watch) -> None:
    assert watch.shown()["plate_cleared"] is True
    for status in ("printing", "paused"):
        watch.report(status=status)
        assert watch.shown()["plate_cleared"] is False
        watch.report(status="idle")
        assert watch.shown()["plate_cleared"] is False
        watch.clear()
        watch.report(status="idle")
        assert watch.shown()["plate_cleared"] is True


def test_the_history_goes_on_where_a_page_ended(watch: Watch) -> None:
    for number in range(7):
        watch.report(status="idle", current_layer=number)
    pages, cursor = [], None
    while True:
        page = watch.history(limit=3, **({"cursor": cursor} if cursor else {}))
        pages.append([each["current_layer"] for each in page["history"]])
        if not pages[1:]:
            watch.report(status="idle", current_layer=99)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]
    assert [each["current_layer"] for each in watch.history(limit=2)["history"]] == [99, 6]


def test_the_history_between_two_moments(watch: Watch) -> None:
    moments = [watch.report(status="idle", current_layer=number)["created_at"] for number in range(4)]

    def layers(**query: str) -> list[int]:
        return [each["current_layer"] for each in watch.history(**query)["history"]]

    assert layers(since=moments[1]) == [3, 2, 1]
    assert layers(until=moments[1]) == [1, 0]
    assert layers(since=moments[1], until=moments[2]) == [2, 1]
    assert layers(since=moments[2], until=moments[1]) == []
    elsewhere = datetime.fromisoformat(moments[2]).astimezone(UTC) + timedelta(hours=2)
    assert layers(since=elsewhere.replace(tzinfo=None).isoformat() + "+02:00") == [3, 2]
    first = watch.history(since=moments[1], limit=2)
    assert [each["current_layer"] for each in first["history"]] == [3, 2]
    assert layers(since=moments[1], limit="2", cursor=first["next_cursor"]) == [1]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "since=soon", "until=soon", "cursor=x"])
def test_a_wrong_question_names_its_field(watch: Watch, query: str) -> None:
    path = f"/api/printer-status/history/{watch.printer}?{query}"
    answer = watch.cloud.call("GET", path, token=watch.token)
    assert answer.status_code == 400, answer.text
    assert query.partition("=")[0] in answer.json()["error"]


WRONG: dict[str, list[object]] = {
    "printer_id": ["", None, 7, "a/b", "x" * 129],
    "status": [7, "x" * 256, "two\nlines"],
    "current_job_id": [7, "x" * 256],
    "progress_percentage": [-1, 100.5, "half", True],
    "current_layer": [-1, 1.5, 10**9],
    "total_layers": ["many"],
    "nozzle_temp_current": ["hot", 1e6],
    "bed_temp_target": [-1e6, []],
    "chamber_temp_target": [{}],
    "time_remaining_seconds": [-1, 1.5, 10**12],
    "print_speed_percentage": [-1, 1001],
    "fan_speed_percentage": [101],
    "file_name": [7, "x" * 256],
    "error_message": [7, "x" * 5000],
    "timestamp": ["soon", []],
    "organizationId": [7],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_report_names_its_field_and_leaves_nothing(watch: Watch, field: str) -> None:
    for value in WRONG[field]:
        report: Json = {"status": "idle", field: value}
        answer = watch.post(**report)
        assert answer.status_code == 400, f"{value!r}: {answer.text}"
        assert set(answer.json()) == {"error"}
        assert field in answer.json()["error"], value
    assert watch.history()["history"] == []
    assert watch.latest()["id"] is None


def test_nulls_and_unknown_fields_are_left_out(watch: Watch) -> None:
    nothing = dict.fromkeys(WHOLE) | {"timestamp": None, "organizationId": None}
    secret = {"access_code": "S3cr3t-99", "metadata": {"password": "S3cr3t-99"}}
    watch.report(**nothing, **secret)
    assert watch.stored()["status"] == {}
    empty = {"current_job_id": "", "file_name": "", "error_message": "", "status": ""}
    watch.report(**empty, bed_temp_current=0)
    assert watch.stored()["status"] == {"bedTemp": 0}
    assert "S3cr3t-99" not in str(watch.cloud.stored(watch.site.organization))


def test_a_viewer_asks_and_does_not_report(watch: Watch) -> None:
    watch.report(status="idle")
    reads = [f"/api/printer-status/{what}/{watch.printer}" for what in ("latest", "history")]
    for role, status in (("viewer", 403), ("operator", 201), ("admin", 201)):
        token = watch.cloud.token(watch.site.organization, role)
        assert watch.post(token, status="idle").status_code == status, role
        assert [watch.cloud.call("GET", path, token=token).status_code for path in reads] == [200, 200], role
    assert len(watch.history()["history"]) == 3


def test_a_stranger_learns_and_changes_nothing(watch: Watch) -> None:
    watch.report(**WHOLE)
    stranger = watch.cloud.token(watch.cloud.new_site().organization, "admin")
    homeless = watch.cloud.token(None, None)
    mine = {"organizationId": watch.site.organization}
    before = watch.cloud.stored(watch.site.organization)
    for token, named, status in ((stranger, {}, 404), (stranger, mine, 403), (homeless, mine, 403)):
        answers = [watch.post(token, status="idle", **named)]
        for what in ("latest", "history"):
            path = f"/api/printer-status/{what}/{watch.printer}"
            answers.append(watch.cloud.call("GET", path, token=token, params=named))
        assert [answer.status_code for answer in answers] == [status] * 3, [answer.text for answer in answers]
        assert not [answer for answer in answers if set(answer.json()) != {"error"} or "cube" in answer.text]
    assert watch.cloud.stored(watch.site.organization) == before


def test_a_deleted_printer_has_no_status(watch: Watch) -> None:
    watch.report(status="idle")
    path = f"/api/printers/{watch.printer}"
    assert watch.cloud.call("DELETE", path, token=watch.token).status_code == 200
    assert watch.post(status="idle").status_code == 404
    for what in ("latest", "history"):
        path = f"/api/printer-status/{what}/{watch.printer}"
        assert watch.cloud.call("GET", path, token=watch.token).status_code == 404


@pytest.mark.parametrize("path", ["/api/printer-status", "/api/print-jobs"])
def test_on_a_shared_path_the_credential_picks_the_dialect(watch: Watch, path: str) -> None:
    watch.cloud.upload(watch.recipient, "PROD-55")
    in_cloud = {"recipientId": watch.recipient, "printerSerial": SERIAL, "productId": "PROD-55", "bedTemp": 60}
    body = {**in_cloud, "printer_id": watch.printer, "product_id": "PROD-55", "status": "idle"}
    key = watch.site.agent_key

    def call(where: str = path, **credentials: Any) -> requests.Response:
        return watch.cloud.call("POST", where, json=body, **credentials)

    refused = {
        "both": call(key=key, token=watch.token),
        "both, the key in the query": call(f"{path}?apiKey={key}", token=watch.token),
        "a token beside a key that is none": call(key="no-such-key", token=watch.token),
        "neither": call(),
        "a token that is none": call(token="a.b.c"),
        "a key that is none": call(key="no-such-key"),
        "a key as a token": call(token=key),
        "a token as a key": call(key=watch.token),
        "another scheme": call(headers={"Authorization": f"Basic {watch.token}"}),
    }
    assert {title: answer.status_code for title, answer in refused.items()} == dict.fromkeys(refused, 401)
    assert watch.latest()["id"] is None
    with_token = call(token=watch.token)
    assert (with_token.status_code, with_token.json()["organizationId"]) == (201, watch.site.organization)
    for answer in (call(key=key), call(f"{path}?apiKey={key}")):
        assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text
