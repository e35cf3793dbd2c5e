"""What is followed in either store: it is told in order, to its owner alone, and after a break from where it broke."""

import re

import pytest

from tests.cloud import Cloud, Site
from tests.contract.live import register, report, said, shows, socket, stream, up_to


@pytest.fixture
def reader(cloud: Cloud, site: Site) -> str:
    """A key that may look on, and nothing else."""
    return cloud.new_key(site.organization, None, ["events.read"])


def test_a_socket_and_a_stream_are_told_the_same_in_order(cloud: Cloud, site: Site, reader: str) -> None:
    register(cloud, site, "bambu_a1_001")
    with socket(cloud.base_url, reader) as opened, stream(cloud.base_url, reader) as events:
        for percent in range(5):
            report(
                cloud,
                site,
                "S-bambu_a1_001",
                state="printing",
                progress=percent,
                nozzleTemp=210.8,
                bedTemp=59.8,
                layer=3,
            )
        heard = said(opened, shows(progress=4))
        streamed = up_to(events, shows(progress=4))
    for each in (heard, [event.message for event in streamed]):
        shown = [message["data"]["progress"] for message in each if message["data"]["progress"] is not None]
        assert shown == sorted(shown)
        assert {message["type"] for message in each} == {"printer_status"}
    assert heard[-1]["data"] == streamed[-1].message["data"]
    assert heard[-1]["data"] | {"last_seen": None} == {
        "printer_id": "bambu_a1_001",
        "name": None,
        "status": "printing",
        "progress": 4.0,
        "layer_current": 3,
        "layer_total": None,
        "estimated_remaining": None,
        "temperatures": {"nozzle": 210.8, "nozzle_target": None, "bed": 59.8, "bed_target": None, "chamber": None},
        "is_active": True,
        "last_seen": None,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", heard[-1]["timestamp"])
    assert [event.type for event in streamed] == [event.message["type"] for event in streamed]
    assert len({event.id for event in streamed}) == len(streamed)


def test_an_organization_sees_its_own_alone(cloud: Cloud, site: Site, reader: str) -> None:
    other = cloud.new_site()
    with socket(cloud.base_url, other.organization_key) as theirs, socket(cloud.base_url, reader) as ours:
        report(cloud, site, "S1", state="printing", progress=1)
        theirs.send('{"action": "subscribe", "printer_ids": ["S1"]}')
        theirs.send('{"action": "unsubscribe"}')
        said(ours, shows(progress=1.0))
        report(cloud, other, "S1", state="printing", progress=2)
        assert [each["type"] for each in said(theirs, shows(progress=2.0))] == [
            "subscribed",
            "unsubscribed",
            "printer_status",
        ]
    with stream(cloud.base_url, other.organization_key, Last_Event_ID="0.0.0.0") as events:
        assert [each.message["data"]["progress"] for each in up_to(events, shows(progress=2.0))] == [2.0]


def test_a_stream_goes_on_where_it_was(cloud: Cloud, site: Site, reader: str) -> None:
    for name in ("one", "two", "three"):
        register(cloud, site, name)
        report(cloud, site, f"S-{name}", state="printing", progress=1)
    with stream(cloud.base_url, reader) as events:
        first = up_to(events, shows(printer_id="three"))
    assert [each.message["data"]["printer_id"] for each in first] == ["one", "two", "three"]
    for percent in (2, 3):
        report(cloud, site, "S-one", state="printing", progress=percent)
        report(cloud, site, "S-three", state="printing", progress=percent)
    for resumed in ({"Last_Event_ID": first[-1].id}, {}):
        query = "" if resumed else f"?last_event_id={first[-1].id}"
        with stream(cloud.base_url, reader, query, **resumed) as events:
            again = up_to(events, shows(printer_id="three", progress=3.0))
        for name in ("one", "three"):  # states in between may be told, or not
            shown = [each.message["data"]["progress"] for each in again if shows(printer_id=name)(each.message)]
            assert shown in ([3.0], [2.0, 3.0])
        assert not any(shows(printer_id="two")(each.message) for each in again)
    with stream(cloud.base_url, reader, Last_Event_ID=first[0].id) as events:
        cut = up_to(events, shows(printer_id="three"))
    assert [each.message["data"]["printer_id"] for each in cut] == ["two", "one", "three"]
    with stream(cloud.base_url, reader, Last_Event_ID=again[-1].id) as events:
        report(cloud, site, "S-two", state="printing", progress=4)
        assert [each.message["data"]["progress"] for each in up_to(events, lambda _: True)] == [4.0]
