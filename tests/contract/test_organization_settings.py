"""In which zone an organization counts its days and what it pays: whose word that is, and what stays of it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from printpipe.domain.ports.documents import Query, Where
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True


def put(cloud: Cloud, site: Site, key: str, **body: Any) -> Any:
    return cloud.call("PUT", f"/api/v1/organizations/{site.organization}", key=key, json=body)


def test_only_what_is_given_changes(cloud: Cloud, site: Site) -> None:
    for key in (site.organization_key, cloud.operator_key):
        assert put(cloud, site, key, timeZone="Pacific/Auckland").status_code == 200
        assert put(cloud, site, key, prices={"perGram": 0.0237}).status_code == 200
        changed = put(cloud, site, key, currency="NZD", prices={"watts": 95}).json()
        assert changed["timeZone"] == "Pacific/Auckland"
        assert changed["currency"] == "NZD"
        assert changed["prices"] == {"perGram": 0.0237, "perKwh": 0.3, "watts": 95}
        assert put(cloud, site, key).json() == changed
        listed = cloud.call("GET", "/api/v1/organizations", key=site.organization_key).json()["organizations"]
        assert {"ok": True, **listed[0]} == changed


def test_a_change_is_in_the_audit_and_none_is_not(cloud: Cloud, site: Site) -> None:
    for _ in range(2):
        put(cloud, site, site.organization_key, currency="USD", prices={"perKwh": 0.2})
    found = cloud.backend.documents.query(Query("audit_log", [Where("organizationId", "==", site.organization)]))
    (entry,) = [each.data for each in found if each.data["action"] == "organization.changed"]
    assert (entry["subject"], entry["detail"]) == (site.organization, "currency, prices")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone"),
        ({"timeZone": "Europe"}, "timeZone"),
        ({"timeZone": "right/Europe/Berlin"}, "timeZone"),
        ({"timeZone": "localtime"}, "timeZone"),
        ({"timeZone": 1}, "timeZone"),
        ({"currency": "euro"}, "currency"),
        ({"prices": {"perGram": -0.01}}, "prices.perGram"),
        ({"prices": {"perKwh": 1e9}}, "prices.perKwh"),
        ({"prices": {"watts": 1.5}}, "prices.watts"),
        ({"prices": 3}, "prices"),
    ],
)
def test_what_makes_no_sense_is_refused(cloud: Cloud, site: Site, body: dict[str, Any], field: str) -> None:
    answer = put(cloud, site, site.organization_key, **body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"] == field


def test_a_key_needs_the_scope(cloud: Cloud, site: Site) -> None:
    key = cloud.new_key(site.organization, None, ["read", "statistics.read"])
    assert put(cloud, site, key, currency="USD").status_code == 403
    assert put(cloud, site, cloud.new_key(site.organization, None, ["settings.write"]), currency="USD").ok


def test_changes_at_the_same_time_are_all_made(cloud: Cloud, site: Site) -> None:
    bodies: list[dict[str, Any]] = [
        {"timeZone": "Europe/Berlin"},
        {"currency": "CHF"},
        {"prices": {"perGram": 1}},
        {"prices": {"watts": 7}},
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: put(cloud, site, site.organization_key, **body), bodies))
    assert {each.status_code for each in answers} <= {200, 503}
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status_code == 503:
            assert put(cloud, site, site.organization_key, **body).ok
    changed = put(cloud, site, site.organization_key).json()
    assert (changed["timeZone"], changed["currency"]) == ("Europe/Berlin", "CHF")
    assert changed["prices"] == {"perGram": 1, "perKwh": 0.3, "watts": 7}
