"""Taverna's prints: tracked under two numbers, shown in little to strangers, and the same in every dialect."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
BASICS = {"id", "status", "progress_percentage", "started_at", "estimated_completion"}
WORDS = {
    "pending": "Pendente",
    "preparing": "Preparando",
    "printing": "Imprimindo",
    "paused": "Pausado",
    "completed": "Concluído",
    "failed": "Falhou",
    "canceled": "Cancelado",
}

Json = dict[str, Any]


class Shop:
    """The shop's client at one printer."""

    def __init__(self, cloud: Cloud, site: Site, serial: str = "01P00ASHOP") -> None:
        self.cloud, self.site, self.key = cloud, site, site.organization_key
        self.serial, self._number = serial, 0
        entry = {"recipient_id": site.lan_recipient, "serial": serial, "name": serial}
        token = cloud.token(site.organization)
        self.printer = done(cloud.call("POST", "/api/printers", token=token, json=entry), 201)

    def post(self, verb: str, *, key: str | None = None, once: str | None = None, **said: Any) -> requests.Response:
        body = {"api_key": key or self.key, "printer_id": self.serial, **said}
        headers = {"Idempotency-Key": once} if once else None
        return self.cloud.call("POST", f"/api/status/{verb}", json=body, headers=headers)

    def start(self, **said: Any) -> int:
        self._number += 1
        number: int = done(self.post("start", print_queue_id=self._number, **said))["print_status_id"]
        return number

    def update(self, number: int, **said: Any) -> Json:
        told: Json = done(self.post("update", print_status_id=number, **said))["current_status"]
        return told

    def show(self, number: int, **query: str) -> Json:
        return done(self.cloud.call("GET", f"/api/status/{number}", params=query))

    def active(self) -> list[Json]:
        path = f"/api/status/printer/{self.serial}"
        shown: list[Json] = done(self.cloud.call("GET", path, params={"api_key": self.key}))["jobs"]
        return shown


def done(answer: requests.Response, status: int = 200) -> Json:
    """The body of an answer that has to have this status."""
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


@pytest.fixture
def shop(cloud: Cloud, site: Site) -> Shop:
    return Shop(cloud, site)


def test_the_shops_number_is_good_for_one_print_of_its_organization(cloud: Cloud, shop: Shop) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.post("start", print_queue_id=99).status_code, range(8)))
    assert sorted(answers) == [200] + [409] * 7
    another = Shop(cloud, cloud.new_site())
    done(another.post("start", print_queue_id=99))


def test_a_start_that_is_told_twice_is_one_print(shop: Shop) -> None:
    numbers = {done(shop.post("start", once="key", print_queue_id=5))["print_status_id"] for _ in range(2)}
    (number,) = numbers
    assert 0 < number < 2**53
    assert [each["print_status_id"] for each in shop.active()] == [number]


def test_numbers_grow(shop: Shop) -> None:
    numbers = [shop.start() for _ in range(5)]
    assert numbers == sorted(set(numbers))


def test_every_word_of_the_shop_is_understood_and_shown(shop: Shop) -> None:
    path = ["pending", "preparing", "printing", "paused", "printing", "completed"]
    for ending in ("completed", "failed", "canceled"):
        number = shop.start()
        for word in (*path[:-1], ending):
            told = shop.update(number, status=word)
            assert (told["status"], told["formatted_status"]) == (word, WORDS[word])
        assert number not in [each["print_status_id"] for each in shop.active()]
        refusal = shop.post("update", print_status_id=number, status="printing")
        assert (refusal.status_code, refusal.json()["success"]) == (409, False)
        refusal = shop.post("update", print_status_id=number, status="failed" if ending == "completed" else "completed")
        assert refusal.status_code == 409
        assert refusal.json()["message"] == "O status atual da impressão não permite esta mudança"


def test_times_are_those_of_the_shop(shop: Shop) -> None:
    number = shop.start()
    told = shop.update(number, status="printing", metrics={"print_time_remaining_seconds": 3600})
    began, ends = (
        datetime.strptime(told[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=SAO_PAULO)
        for name in ("started_at", "estimated_completion")
    )
    assert abs(began - datetime.now(UTC)) < timedelta(minutes=1)
    assert timedelta(minutes=59) < ends - began < timedelta(minutes=61)


def test_strangers_see_the_basics_and_others_keys_no_more(cloud: Cloud, shop: Shop) -> None:
    number = shop.start(product_name="Dragão")
    mine = {"api_key": shop.key, "printer_id": shop.serial}
    assert shop.show(number, **mine)["product_name"] == "Dragão"
    another = Shop(cloud, cloud.new_site())
    reader = cloud.new_key(shop.site.organization, None, ["printers.read"])
    for query in (
        {},
        {"api_key": "nobody's", "printer_id": shop.serial},
        {"api_key": shop.key},
        {"printer_id": shop.serial},
        {"api_key": shop.key, "printer_id": "01P00AOTHER"},
        {"api_key": another.key, "printer_id": shop.serial},
        {"api_key": reader, "printer_id": shop.serial},
        {"api_key": shop.site.agent_key, "printer_id": shop.serial},
    ):
        assert shop.show(number, **query).keys() == BASICS, query


def test_a_key_is_good_for_its_own_organization_and_site_alone(cloud: Cloud, shop: Shop) -> None:
    number = shop.start()
    another = Shop(cloud, cloud.new_site())
    foreign = another.post("update", print_status_id=number, progress=50)
    assert foreign.status_code == 404
    assert shop.post("update", key=another.key, print_status_id=number, progress=50).status_code == 404
    elsewhere = shop.post("update", key=shop.site.agent_key, print_status_id=number, progress=50)
    assert elsewhere.status_code == 403
    assert shop.post("start", key=shop.site.agent_key, print_queue_id=1000).status_code == 403
    assert shop.post("update", key=shop.site.lan_key, print_status_id=number, progress=50).status_code == 200
    assert shop.show(number)["progress_percentage"] == 50.0


def test_a_key_in_the_url_of_a_post_is_refused(cloud: Cloud, shop: Shop) -> None:
    body = {"printer_id": shop.serial, "print_queue_id": 7}
    for query in ({"api_key": shop.key}, {"apiKey": shop.key}):
        answer = cloud.call("POST", "/api/status/start", params=query, json=body)
        assert answer.status_code == 401
        assert shop.key not in answer.text
    assert cloud.call("POST", "/api/status/start", key=shop.key, json=body).status_code == 401


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"status": "resting"}, "status"),
        ({"progress": 101}, "progress"),
        ({"progress": "50"}, "progress"),
        ({"metrics": {"hotend_temp": "hot"}}, "metrics.hotend_temp"),
        ({"metrics": {"current_layer": -1}}, "metrics.current_layer"),
        ({"print_status_id": "x", "progress": 1}, "print_status_id"),
        ({}, "status"),
        ({"status": None, "progress": None}, "status"),
    ],
)
def test_bad_input_names_its_field(shop: Shop, said: Json, field: str) -> None:
    number = shop.start()
    answer = shop.post("update", **{"print_status_id": number, **said})
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert field in answer.json()["message"]
    assert answer.json()["message"].startswith("Requisição inválida (")
    assert shop.show(number)["status"] == "pending"


@pytest.mark.parametrize("progress", [1e-12, 1e-300, 5e-324])
def test_what_has_hardly_begun_has_no_end_in_sight(shop: Shop, progress: float) -> None:
    number = shop.start()
    shop.update(number, status="printing")
    assert shop.update(number, progress=progress)["estimated_completion"] is None
    assert shop.show(number)["progress_percentage"] == progress


def test_what_is_measured_shows_at_the_printer(cloud: Cloud, shop: Shop) -> None:
    number, token = shop.start(), cloud.token(shop.site.organization)
    shop.update(number, status="printing", progress=25.5, metrics={"hotend_temp": 210.5, "current_layer": 50})
    shop.update(number, progress=26)
    path = f"/api/printer-status/latest/{shop.printer['id']}"
    shown = done(cloud.call("GET", path, token=token))
    assert (shown["status"], shown["progress_percentage"], shown["current_layer"]) == ("printing", 26.0, 50)
    assert shown["nozzle_temp_current"] == 210.5
    shop.update(number, status="completed")
    assert done(cloud.call("GET", path, token=token))["status"] == "completed"


def test_the_print_is_a_job_like_any_other(cloud: Cloud, shop: Shop) -> None:
    number, token = shop.start(model_file="dragon.stl"), cloud.token(shop.site.organization)
    shop.update(number, status="printing", progress=25.5)
    (job,) = done(cloud.call("GET", "/api/print-jobs", token=token))["print_jobs"]
    assert (job["status"], job["external"], job["progress_percentage"]) == ("printing", True, 25.5)
    assert (job["printer_id"], job["file_name"]) == (shop.printer["id"], "dragon.stl")
    removal = cloud.call("DELETE", f"/api/printers/{shop.printer['id']}", token=token)
    assert removal.status_code == 409
    shop.update(number, status="completed")
    assert done(cloud.call("GET", f"/api/print-jobs/{job['id']}", token=token))["status"] == "completed"
    done(cloud.call("DELETE", f"/api/printers/{shop.printer['id']}", token=token))


def test_prints_that_never_end_do_not_pile_up(cloud: Cloud, shop: Shop) -> None:
    first = shop.start()
    open_ends = {f"job-{number}": {"at": datetime.now(UTC), "by": None, "commandId": None} for number in range(99)}
    path = f"printers/{shop.printer['id']}"
    occupants = {**cloud.document(path).data["occupants"], **open_ends}
    cloud.backend.documents.commit(Update(path, {"occupants": occupants}))
    refused = shop.post("start", print_queue_id=1000)
    assert (refused.status_code, refused.json()["success"]) == (409, False)
    assert "Impressora ocupada" in refused.json()["message"]
    shop.update(first, status="completed")
    assert shop.post("start", print_queue_id=1000).status_code == 200


@pytest.mark.parametrize("key", ['"\\ud800"', '"x\\udfff"', "7", "null", "{}", '""'])
def test_a_key_that_is_no_text_is_no_key(cloud: Cloud, key: str) -> None:
    headers = {"Content-Type": "application/json"}
    for verb in ("start", "update"):
        answer = cloud.call("POST", f"/api/status/{verb}", data=f'{{"api_key": {key}}}', headers=headers)
        assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_no_answer_holds_the_key(cloud: Cloud, shop: Shop) -> None:
    number = shop.start()
    answers = [
        shop.post("update", print_status_id=number, progress=1),
        shop.post("update", print_status_id=number, progress="1"),
        shop.post("start", print_queue_id="x"),
        cloud.call("GET", f"/api/status/{number}", params={"api_key": shop.key, "printer_id": shop.serial}),
    ]
    assert not [answer.text for answer in answers if shop.key in answer.text]
    assert not re.search(re.escape(shop.key), cloud.log.read_text())
