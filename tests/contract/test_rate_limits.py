"""How often a client may call, as it is told."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

PER_MINUTE, PER_HOUR = 120, 1000


def _looks(cloud: Cloud, key: str, calls: int) -> list[requests.Response]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: cloud.call("GET", "/api/v1/printers", key=key), range(calls)))


def test_a_client_that_looks_too_often_is_told_when_to_come_again(cloud: Cloud, site: Site) -> None:
    for _ in range(3):
        key, another = (cloud.new_key(site.organization, None, ["read"]) for _ in range(2))
        minute = time.time() // 60
        answers = _looks(cloud, key, PER_MINUTE + 10)
        if time.time() // 60 == minute:  # else a new minute began, with all of its calls
            break
    served = [each for each in answers if each.status_code == 200]
    refused = [each for each in answers if each.status_code == 429]
    assert (len(served), len(refused)) == (PER_MINUTE, 10)
    assert {each.headers["X-RateLimit-Limit"] for each in answers} == {str(PER_MINUTE)}
    assert {int(each.headers["X-RateLimit-Remaining"]) for each in served} == set(range(PER_MINUTE))
    now = time.time()
    for each in refused:
        error = each.json()["error"]
        assert (error["code"], each.headers["X-RateLimit-Remaining"]) == ("RATE_LIMIT_EXCEEDED", "0")
        assert 0 < int(each.headers["Retry-After"]) <= 60
        assert now - 1 < int(each.headers["X-RateLimit-Reset"]) <= now + 60
    assert cloud.call("GET", "/api/v1/printers", key=another).status_code == 200


def test_who_a_client_is_cannot_be_chosen(cloud: Cloud, site: Site) -> None:
    key = cloud.new_key(site.organization, None, ["read"])

    def remaining(**options: Any) -> int:
        answer = cloud.call("GET", "/api/v1/jobs", key=key, **options)
        return int(answer.headers["X-RateLimit-Remaining"])

    first = remaining()
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    assert (first, remaining(headers=forged), remaining()) == (PER_HOUR - 1, PER_HOUR - 2, PER_HOUR - 3)


def test_general_calls_count_by_the_hour_apart_from_looks(cloud: Cloud, site: Site) -> None:
    key = cloud.new_key(site.organization, None, ["read"])
    look = cloud.call("GET", "/api/v1/printers", key=key)
    general = cloud.call("GET", "/api/v1/jobs", key=key)
    assert (look.headers["X-RateLimit-Limit"], general.headers["X-RateLimit-Limit"]) == ("120", "1000")
    assert general.headers["X-RateLimit-Remaining"] == "999"


def test_users_and_wrong_calls_are_counted_too(cloud: Cloud, site: Site) -> None:
    token = cloud.token(site.organization, user=f"user-of-{site.organization}")
    first = cloud.call("GET", "/api/v1/jobs?limit=wrong", token=token)
    second = cloud.call("GET", "/api/v1/jobs", token=token)
    assert (first.status_code, second.status_code) == (422, 200)
    assert [each.headers["X-RateLimit-Remaining"] for each in (first, second)] == ["999", "998"]
    assert "X-RateLimit-Limit" not in cloud.call("GET", "/api/printers", token=token).headers
