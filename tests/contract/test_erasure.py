"""An organization is erased over HTTP: its credentials end where nobody remembers them, and its commands."""

from typing import Any

import pytest

from printpipe.domain.ports.documents import Query, Where
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True


def erase(cloud: Cloud, site: Site, key: str) -> Any:
    path = f"/api/v1/organizations/{site.organization}?confirm={site.organization}"
    return cloud.call("DELETE", path, key=key)


def test_an_administrator_has_its_own_organization_erased(cloud: Cloud) -> None:
    site, other = cloud.new_site(), cloud.new_site()
    command = cloud.queue(site.agent_recipient, "light_on", printerSerial="01P00A000000001")
    begun = erase(cloud, site, site.organization_key)
    assert begun.status_code == 202, begun.text
    organization = cloud.backend.documents.get(f"organizations/{site.organization}")
    assert organization is not None
    assert organization.data["leavingSince"] is not None
    found = cloud.backend.documents.get(f"printer_commands/{command}")
    assert found is not None
    assert found.data["status"] == "cancelled"
    told = erase(cloud, site, cloud.operator_key)
    assert (told.status_code, told.json()["since"]) == (202, begun.json()["since"])
    assert cloud.call("GET", "/api/v1/organizations", key=other.organization_key).status_code == 200


def test_who_was_not_heard_of_before_is_refused_at_once(cloud: Cloud) -> None:
    site = cloud.new_site()
    assert erase(cloud, site, cloud.operator_key).status_code == 202
    for answer in (
        cloud.call("GET", "/api/v1/recipients", key=site.organization_key),
        cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=site.lan_key),
        cloud.call("GET", "/api/printers", token=cloud.token(site.organization, "admin")),
    ):
        assert answer.status_code == 401, answer.text
    body = {"recipientId": site.lan_recipient, "commandType": "pause", "printerSerial": "01P00A000000001"}
    assert cloud.call("POST", "/control", key=cloud.operator_key, json=body).status_code == 404
    where = [Where("organizationId", "==", site.organization)]
    assert cloud.backend.documents.query(Query("printer_commands", where)) == []


@pytest.mark.parametrize("scopes", [["app"], ["read"], ["client"], ["organizations.read", "settings.write"]])
def test_it_takes_a_scope_of_its_own(cloud: Cloud, scopes: list[str]) -> None:
    site = cloud.new_site()
    more = {"recipientIds": [site.lan_recipient]} if scopes == ["client"] else {}
    made = cloud.call("POST", "/api/v1/keys", key=site.organization_key, json={"name": "k", "scopes": scopes, **more})
    refused = erase(cloud, site, made.json()["key"])
    assert refused.status_code == 403, refused.text
