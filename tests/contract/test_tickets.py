"""Tickets for the WebSocket and the stream: short-lived, good once, and as good as who made them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import requests
from websockets.exceptions import InvalidStatus

from printpipe.domain.ports.documents import Document, Query, Update, Where
from tests.cloud import Cloud, Site
from tests.contract.live import said, shows, socket, stream, up_to
from tests.counts import count

ONE_BACKEND_AT_REDUCED_COUNTS = True
EVENTS = "/api/v1/events"


def ticket_of(cloud: Cloud, **credential: str) -> str:
    answer = cloud.call("POST", "/api/v1/ws/ticket", **credential)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 30
    return str(answer.json()["ticket"])


def opens(cloud: Cloud, query: str, **headers: str) -> int:
    """The status with which the stream answers; it is hung up on."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with requests.get(f"{cloud.base_url}{EVENTS}{query}", headers=given, stream=True, timeout=30) as answer:
        return answer.status_code


def test_a_ticket_opens_one_connection(cloud: Cloud, site: Site) -> None:
    used = ticket_of(cloud, key=site.organization_key)
    with socket(cloud.base_url, query=f"?ticket={used}"):
        pass
    with pytest.raises(InvalidStatus) as refused, socket(cloud.base_url, query=f"?ticket={used}"):
        pass
    assert refused.value.response.status_code == 401
    assert opens(cloud, f"?ticket={used}") == 401
    assert opens(cloud, f"?ticket={ticket_of(cloud, token=cloud.token(site.organization, 'viewer'))}") == 200


def test_of_many_that_come_with_one_ticket_one_gets_in(cloud: Cloud, site: Site) -> None:
    for _ in range(count(10, quick=2)):
        ticket, racers = ticket_of(cloud, key=site.organization_key), 8
        together = Barrier(racers)

        def come(_: int, ticket: str = ticket, together: Barrier = together) -> int:
            together.wait()
            return opens(cloud, f"?ticket={ticket}")

        with ThreadPoolExecutor(racers) as pool:
            assert sorted(pool.map(come, range(racers))) == [200, *[401] * (racers - 1)]


def test_a_ticket_ends_by_itself(cloud: Cloud, site: Site) -> None:
    ticket = ticket_of(cloud, key=site.organization_key)
    (stored,) = _stored(cloud, site)
    assert stored.data["expiresAt"] - stored.data["createdAt"] == timedelta(seconds=30)
    cloud.backend.documents.commit(Update(stored.path, {"expiresAt": datetime.now(UTC) - timedelta(milliseconds=1)}))
    assert opens(cloud, f"?ticket={ticket}") == 401


def test_nothing_but_a_ticket_is_one(cloud: Cloud, site: Site) -> None:
    ticket = ticket_of(cloud, key=site.organization_key)
    path = _stored(cloud, site)[0].path
    for forged in ("", "x", ticket[:-1], ticket + "x", path, path.partition("/")[2], "a/b", "../x", "é", "x" * 1000):
        assert opens(cloud, f"?ticket={forged}") == 401, forged
    for query in (
        f"?apiKey={site.organization_key}",
        f"?ticket={site.organization_key}",
        f"?key={site.organization_key}",
    ):
        assert opens(cloud, query) == 401
    assert opens(cloud, f"?ticket={ticket}") == 200


def test_a_ticket_is_as_good_as_its_maker(cloud: Cloud, site: Site) -> None:
    assert cloud.call("POST", "/api/v1/ws/ticket").status_code == 401
    lacking = cloud.new_key(site.organization, None, ["printers.read"])
    assert cloud.call("POST", "/api/v1/ws/ticket", key=lacking).status_code == 403
    narrowed = cloud.new_key(site.organization, [site.lan_recipient], ["events.read"])
    reports = {site.agent_recipient: site.agent_key, site.lan_recipient: site.lan_key}
    with stream(cloud.base_url, query=f"?ticket={ticket_of(cloud, key=narrowed)}") as events:
        for recipient, key in reports.items():
            body = {
                "recipientId": recipient,
                "printerSerial": f"S-{recipient}",
                "status": {"state": "idle", "progress": 5},
            }
            assert cloud.call("POST", "/api/printer-status", key=key, json=body).status_code == 200
        (first,) = up_to(events, lambda _: True)
    stored = cloud.backend.documents.query(Query("printers", [Where("serial", "==", f"S-{site.lan_recipient}")]))
    assert first.message["data"]["printer_id"] == stored[0].id


def test_a_ticket_is_neither_stored_nor_logged(cloud: Cloud, site: Site) -> None:
    tickets = [ticket_of(cloud, key=site.organization_key) for _ in range(2)]
    assert opens(cloud, f"?ticket={tickets[0]}") == 200
    assert opens(cloud, f"?ticket={tickets[0]}") == 401
    with socket(cloud.base_url, query=f"?ticket={tickets[1]}"):
        pass
    log = cloud.log.read_text()
    assert [each for each in tickets if each in log] == []
    kept = ticket_of(cloud, key=site.organization_key)
    (stored,) = _stored(cloud, site)
    assert kept not in f"{stored.path} {stored.data}"
    assert site.organization_key not in f"{stored.path} {stored.data}"


def test_a_header_goes_before(cloud: Cloud, site: Site) -> None:
    ticket = ticket_of(cloud, key=site.organization_key)
    assert opens(cloud, f"?ticket={ticket}", X_API_Key="wrong") == 401
    assert opens(cloud, "?ticket=wrong", X_API_Key=site.organization_key) == 200
    with socket(
        cloud.base_url, query="?printer_id=none", headers={"Authorization": f"Bearer {_token(cloud, site)}"}
    ) as own:
        own.send('{"action": "unsubscribe"}')
        said(own, shows(printer_ids=None))
    assert opens(cloud, f"?ticket={ticket}") == 200


def _token(cloud: Cloud, site: Site) -> str:
    return cloud.token(site.organization, "viewer")


def _stored(cloud: Cloud, site: Site) -> list[Document]:
    return cloud.backend.documents.query(Query("socket_tickets", [Where("organizationId", "==", site.organization)]))
