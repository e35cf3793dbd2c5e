"""Who is told that a printer or a site is offline: of what lasts, once, and of a site rather than of its printers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from printpipe.adapters.metered import billed
from printpipe.domain.fitting import SILENCE
from printpipe.domain.notifications import NotificationChannel
from printpipe.domain.ports.documents import Create, Query, Update
from printpipe.domain.printer_records import Presence, Printer
from printpipe.domain.tenant_records import Site
from printpipe.services.health import HEARD_OF
from printpipe.services.printers import heartbeats, presence
from printpipe.services.printers.presence import RETURNED, Swept
from tests.counts import count
from tests.farm import START, Farm, embedded_farm

KINDS = ("printer_offline", "printer_online", "site_offline", "site_online")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm whose people want to know."""
    farm = embedded_farm(tmp_path)
    channel = NotificationChannel(
        channel_id="channel",
        organization_id=farm.organization,
        name="the hall",
        kind="webhook",
        address="sealed",
        address_hint="example.org",
        event_types=KINDS,
        created_at=START,
        updated_at=START,
    )
    farm.documents.commit(
        Create("notification_channels/channel", channel.data()),
        Update(f"recipients/{farm.site}", {"presence": Presence().data()}),
    )
    return farm


def beat(farm: Farm) -> None:
    """The agent gives a sign of life."""
    heartbeats.beat(farm.context(), farm.site, None)


def told(farm: Farm) -> list[tuple[str, str | None]]:
    """Of what people were told, in that order, and of which printer."""
    found = [each.data["notice"] for each in farm.documents.query(Query("notification_deliveries"))]
    found.sort(key=lambda each: (each["occurredAt"], each["eventType"]))
    return [(each["eventType"], each["printerId"]) for each in found]


def site(farm: Farm) -> Site:
    document = farm.documents.get(f"recipients/{farm.site}")
    assert document is not None
    return Site.of(document)


def minutes(farm: Farm, number: int, *, beats: bool = True, reports: Sequence[str] = (), every: int = 5) -> None:
    """Time passes, with a sweep a minute; these printers report now and then, as idle ones do."""
    for minute in range(number):
        farm.now += MINUTE
        if beats and minute % 2 == 0:
            beat(farm)
        for printer in reports if minute % every == 0 else ():
            farm.reports(printer, "idle")
        presence.sweep(farm.context())


def active(farm: Farm) -> str:
    """A printer in use that is online; its id."""
    printer = farm.printer()
    beat(farm)
    presence.sweep(farm.context())
    assert farm.at(printer).presence == Presence(status="online", since=farm.now)
    return printer


def test_a_printer_that_falls_silent_is_told_of_once_and_again_when_it_is_back(farm: Farm) -> None:
    printer = active(farm)
    silent_since = farm.now
    minutes(farm, 11)
    assert told(farm) == []
    minutes(farm, 20)
    assert told(farm) == [("printer_offline", printer)]
    assert farm.at(printer).presence == Presence(since=silent_since, told=True)
    minutes(farm, 8, reports=[printer])
    assert told(farm) == [("printer_offline", printer), ("printer_online", printer)]
    assert farm.at(printer).presence.since == silent_since + 32 * MINUTE
    minutes(farm, 40, reports=[printer])
    assert len(told(farm)) == 2


def test_a_single_report_is_no_return(farm: Farm) -> None:
    printer = active(farm)
    minutes(farm, 20)
    for _ in range(4):
        farm.reports(printer, "idle")
        minutes(farm, 45)
        assert farm.at(printer).presence.status == "offline"
    assert told(farm) == [("printer_offline", printer)]


def test_a_printer_that_its_agent_cannot_reach_is_offline_after_a_while(farm: Farm) -> None:
    printer = active(farm)
    for _ in range(20):
        farm.reports(printer, "offline")
        minutes(farm, 1)
    assert told(farm) == [("printer_offline", printer)]


def test_a_short_break_is_nobody_s_business(farm: Farm) -> None:
    printer = active(farm)
    for _ in range(10):
        minutes(farm, 11)
        farm.reports(printer, "idle")
    assert (told(farm), farm.at(printer).presence.status) == ([], "online")


def test_a_site_that_falls_silent_is_told_of_and_not_each_of_its_printers(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    printers = [active(farm) for _ in range(5)]
    minutes(farm, 30, beats=False)
    assert [each.getMessage() for each in caplog.records].count("site_silent") == 1
    assert told(farm) == [("site_offline", None)]
    assert {farm.at(each).presence.status for each in printers} == {"offline"}
    minutes(farm, 20, reports=printers)
    assert told(farm) == [("site_offline", None), ("site_online", None)]
    assert {farm.at(each).presence.status for each in printers} == {"online"}


def test_a_printer_that_does_not_come_back_with_its_site_is_told_of_then(farm: Farm) -> None:
    back, lost = active(farm), active(farm)
    minutes(farm, 30, beats=False)
    minutes(farm, 20, reports=[back])
    assert sorted(told(farm)) == [("printer_offline", lost), ("site_offline", None), ("site_online", None)]
    minutes(farm, 20, reports=[back, lost])
    assert told(farm)[-1] == ("printer_online", lost)


def test_a_printer_that_was_offline_before_its_site_is_told_of_by_itself(farm: Farm) -> None:
    printer = active(farm)
    minutes(farm, 20)
    minutes(farm, 30, beats=False)
    minutes(farm, 20, reports=[printer])
    kinds = [kind for kind, _ in told(farm)]
    assert sorted(kinds) == ["printer_offline", "printer_online", "site_offline", "site_online"]


def test_nobody_is_told_of_a_printer_that_is_not_in_use(farm: Farm) -> None:
    printer = active(farm)
    farm.use(printer, active=False)
    minutes(farm, 20)
    assert (told(farm), farm.at(printer).presence.status) == ([], "offline")


def test_two_sweeps_at_once_tell_once(farm: Farm) -> None:
    printers = [active(farm) for _ in range(6)]
    minutes(farm, 1)
    farm.now += SILENCE
    beat(farm)
    contexts = [farm.context() for _ in range(4)]
    with ThreadPoolExecutor(len(contexts)) as pool:
        swept = list(pool.map(presence.sweep, contexts))
    assert sum(each.offline for each in swept) == len(printers)
    assert sorted(told(farm)) == sorted(("printer_offline", each) for each in printers)


def test_where_nothing_changes_nothing_is_read_or_written(farm: Farm) -> None:
    printers = [active(farm) for _ in range(20)]
    lost = printers.pop()
    minutes(farm, 20, reports=printers)
    with billed() as bill:
        assert presence.sweep(farm.metered()) == Swept()
    assert (bill.writes, bill.reads) == (0, 4)  # one for each question
    assert told(farm) == [("printer_offline", lost)]


def test_it_flaps_no_more_often_than_it_was_silent_for_long(farm: Farm) -> None:
    """Whatever a printer reports when: between two notices of its absence it was silent for the whole threshold."""
    chance = Random(11)
    printer = active(farm)
    reported, silences = [farm.now], 0
    for _ in range(count(3000, quick=300)):
        farm.now += MINUTE
        beat(farm)
        if chance.random() < chance.choice([0.02, 0.1, 0.6]):
            farm.reports(printer, "idle")
            silences += farm.now - reported[-1] > SILENCE
            reported.append(farm.now)
        presence.sweep(farm.context())
        state = farm.at(printer)
        silent = farm.now - reported[-1] >= SILENCE
        assert not (silent and state.presence.status == "online")
    kinds = [kind for kind, _ in told(farm)]
    assert kinds == ["printer_offline", "printer_online"] * (len(kinds) // 2) + ["printer_offline"] * (len(kinds) % 2)
    assert 0 < kinds.count("printer_offline") <= silences + 1


@pytest.mark.parametrize(
    ("began", "heard", "window", "status", "returning"),
    [
        (None, 0, SILENCE, "offline", 0),
        (0, 59, SILENCE, "offline", 0),
        (0, 60, SILENCE, "online", None),
        (0, 720, SILENCE, "online", None),
        (0, 721, SILENCE, "offline", 721),
        (0, 301, HEARD_OF, "offline", 301),
    ],
)
def test_what_counts_as_a_return(
    began: int | None, heard: int, window: timedelta, status: str, returning: int | None
) -> None:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else START + timedelta(seconds=seconds)

    before = Presence(since=START - timedelta(days=1), returning_since=at(began), told=True)
    after = presence.returns(before, START + timedelta(seconds=heard), window)
    assert (after.status, after.returning_since) == (status, at(returning))
    assert after.since == (at(began) if status == "online" else before.since)


def test_the_thresholds_leave_room_for_what_is_reported_seldom() -> None:
    assert RETURNED < timedelta(minutes=2) < HEARD_OF < SILENCE
    assert Printer.model_fields["presence"].default == Presence()
