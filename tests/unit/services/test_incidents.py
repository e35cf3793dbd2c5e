"""Incidents say what a printer's reports of an error come to, and a print is paused once, where that was chosen."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from printpipe.domain.errors import Unavailable
from printpipe.domain.ids import NO_KEY, new_id
from printpipe.domain.messages import HmsEvent
from printpipe.domain.notifications import NotificationChannel
from printpipe.domain.ports.documents import Create, Delete, Query, Update, Where
from printpipe.domain.records import Command, Event
from printpipe.domain.tenancy import SYSTEM, Caller
from printpipe.services import events
from printpipe.services.context import Context
from printpipe.services.events import Happening
from printpipe.services.incidents import listing
from printpipe.services.incidents.listing import Wanted
from printpipe.services.store.effects import Effect
from printpipe.triggers import hms_followed
from tests.counts import count
from tests.farm import START, Farm, embedded_farm

HOTBED = "0300_0300_0002_0003"
FATAL = "0300_0A00_0001_0001"
SERIOUS = "0500_0200_0002_0001"
PRINT_ERROR = "0300_8003"
CANCELLED = "0300_400C"
MEMORY = Path("/dev/shm")
SKEW = 30.0
BACKLOG = 1e6
"""Seconds: what a site reports when its line is back."""

CHANNEL = "channel-1"


class Hall:
    """A farm whose printers report errors; their events are told of when the test likes."""

    def __init__(self, folder: Path) -> None:
        self.farm: Farm = embedded_farm(folder)

    def system(self) -> Context:
        """An event function's call."""
        return replace(self.farm.context(), caller=SYSTEM)

    def store(self, code: str, serial: str | None, kind: str = "error", **more: Any) -> Event:
        """A report as it is stored."""
        told: dict[str, Any] = {
            "recipient_id": self.farm.site,
            "client_id": new_id(),
            "printer_serial": serial,
            "printer_ip_address": None,
            "event_type": f"hms_{kind}",
            "event_status": "warning",
            "print_job_id": None,
            "error_data": {"hmsCode": code},
            "status_data": None,
            "message": None,
            "occurred_at": self.farm.now,
        }
        return events.report(self.farm.context(), Happening(**{**told, **more}), NO_KEY)[0]

    def deliver(self, event: Event, delivery: str = "stored") -> None:
        """The function is told of a report; what it has dealt with it is not told again, as in its runtime."""
        message = HmsEvent(
            event_id=f"{event.event_id}/{delivery}",
            kind=event.event_type,
            organization_id=event.organization_id,
            recipient_id=event.recipient_id,
            occurred_at=event.occurred_at,
            request_id="test",
            printer_event_id=event.event_id,
        )
        effect = Effect("trigger-hms-followed", message.event_id, event.organization_id, self.farm.now)
        if not effect.done(self.system()):
            hms_followed.handle(message, effect, self.system())

    def reports(self, code: str, serial: str | None, kind: str = "error", **more: Any) -> Event:
        """A report that is stored and followed."""
        event = self.store(code, serial, kind, **more)
        self.deliver(event)
        return event

    def found(self, collection: str) -> list[Mapping[str, Any]]:
        """Its documents of the organization."""
        where = [Where("organizationId", "==", self.farm.organization)]
        return [each.data for each in self.farm.documents.query(Query(collection, where))]

    def incidents(self, status: str | None = None) -> list[Mapping[str, Any]]:
        """In the order of their first reports."""
        listed = [each for each in self.found("incidents") if status in (None, each["status"])]
        return sorted(listed, key=lambda each: (each["firstSeenAt"] or START, each["code"]))

    def told(self) -> list[str]:
        """Of what the channel is told."""
        return sorted(each["eventType"] for each in self.found("notification_deliveries"))

    def pauses(self) -> list[Command]:
        """The pauses that were ordered."""
        return [Command.model_validate(each) for each in self.found("printer_commands") if each["type"] == "pause"]

    def channel(self) -> None:
        """Somebody wants to be told of everything."""
        record = NotificationChannel(
            channel_id=CHANNEL,
            organization_id=self.farm.organization,
            name="all",
            kind="ntfy",
            address="sealed",
            address_hint="ntfy.sh",
            event_types=("hms_error", "hms_cleared"),
            created_at=START,
            updated_at=START,
        )
        self.farm.documents.commit(Create(f"notification_channels/{CHANNEL}", record.data()))

    def guarded(self, state: str = "printing") -> str:
        """A printer whose owner wants it paused; its id."""
        printer = self.farm.printer()
        self.farm.documents.commit(Update(f"printers/{printer}", {"onFatal": "pause"}))
        self.farm.later(seconds=1)
        self.farm.reports(printer, state)
        return printer

    def forget(self) -> None:
        """Nothing was ever told."""
        for name in ("incidents", "processed_events", "notification_deliveries"):
            where = [Where("organizationId", "==", self.farm.organization)]
            for document in self.farm.documents.query(Query(name, where)):
                self.farm.documents.commit(Delete(document.path))


@pytest.fixture
def hall() -> Iterator[Hall]:
    folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
    yield Hall(Path(folder))
    shutil.rmtree(folder)


Told = tuple[str, str, float]
_TOLD = st.lists(
    st.tuples(
        st.sampled_from([HOTBED, FATAL, PRINT_ERROR]),
        st.sampled_from(["error", "error", "cleared"]),
        st.sampled_from([0.0, 1.0, 5.0, 29.0, 59.0, 61.0, 300.0, 595.0, 600.0, 605.0, 1000.0, 21_605.0]),
    ),
    min_size=1,
    max_size=14,
)


def lasting(hall: Hall) -> Mapping[str, Any]:
    """The incidents as they are stored, but for when that was."""
    fleeting = {"createdAt", "updatedAt"}
    return {
        each["incidentId"]: {name: value for name, value in each.items() if name not in fleeting}
        for each in hall.found("incidents")
    }


def stored_after(hall: Hall, deliveries: Sequence[tuple[float, Event]]) -> tuple[Mapping[str, Any], set[str]]:
    """What is stored once these were delivered, at these seconds: incidents, and of what people are told."""
    hall.forget()
    for at, event in deliveries:
        hall.farm.now = START + timedelta(seconds=at)
        hall.deliver(event)
    return lasting(hall), {each["eventId"] for each in hall.found("notification_deliveries")}


@settings(
    max_examples=count(300, quick=12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=_TOLD, chance=st.randoms(use_true_random=False), skew=st.sampled_from([SKEW, BACKLOG]))
def test_repeated_and_shuffled_reports_come_to_the_same(
    hall: Hall, told: Sequence[Told], chance: Random, skew: float
) -> None:
    if hall.farm.documents.get(f"notification_channels/{CHANNEL}") is None:
        hall.channel()
    now, serial, stored = 0.0, new_id(), list[tuple[float, Event]]()
    for code, kind, pause in told:
        now += pause
        hall.farm.now = START + timedelta(seconds=now)
        stored.append((now, hall.store(code, serial, kind, status_data={"state": "printing"})))
    in_order = sorted(stored, key=lambda each: (each[0], each[1].event_type == "hms_cleared", each[1].event_id))
    shuffled = [(at + chance.uniform(0, skew), event) for at, event in stored for _ in range(3)]
    incidents, told_of = stored_after(hall, in_order)
    again, told_then = stored_after(hall, sorted(shuffled, key=lambda each: each[0]))
    assert again == incidents
    if skew == SKEW and all(
        code != PRINT_ERROR for code, _, _ in told
    ):  # of two that turn out to be one, the first is told of
        assert {each for each in told_then if each.split(":")[1] in incidents} == told_of


def test_reports_that_are_followed_at_once_come_to_the_same(hall: Hall) -> None:
    stored = list[tuple[float, Event]]()
    for at in range(8):
        hall.farm.now = START + timedelta(seconds=at)
        for code in (FATAL, PRINT_ERROR):
            kind = "cleared" if at % 3 == 2 else "error"
            stored.append((float(at), hall.store(code, "S1", kind, status_data={"state": "printing"})))
    expected, _ = stored_after(hall, stored)
    hall.forget()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda each: _until_taken(hall, each[1]), stored):
            pass
    assert len(hall.incidents("joined")) == 1
    assert lasting(hall) == expected


def _until_taken(hall: Hall, event: Event) -> None:
    """Delivers as a subscription does: again, where it was not taken."""
    for _ in range(5):
        try:
            return hall.deliver(event)
        except Unavailable:
            continue
    raise AssertionError("not taken in five attempts")


def test_what_flaps_is_one_incident_and_told_of_once(hall: Hall) -> None:
    hall.channel()
    printer = hall.farm.printer()
    for _ in range(5):
        hall.reports(HOTBED, hall.farm.at(printer).serial)
        hall.farm.later(seconds=60)
        hall.reports(HOTBED, hall.farm.at(printer).serial, "cleared")
        hall.farm.later(minutes=2)
    (incident,) = hall.incidents()
    assert (incident["status"], incident["count"], incident["reopened"]) == ("resolved", 5, 4)
    assert (incident["firstSeenAt"], incident["lastSeenAt"]) == (START, START + timedelta(minutes=12))
    assert incident["resolvedAt"] == START + timedelta(minutes=13)
    assert (incident["severity"], incident["module"]) == ("critical", "hotbed")
    assert "heater" in incident["advice"]
    assert hall.told() == ["hms_cleared", "hms_error"]


@pytest.mark.parametrize(("away", "episodes"), [(timedelta(minutes=10), 1), (timedelta(minutes=10, milliseconds=1), 2)])
def test_it_is_the_same_incident_within_ten_minutes(hall: Hall, away: timedelta, episodes: int) -> None:
    hall.channel()
    hall.reports(HOTBED, "S1")
    hall.reports(HOTBED, "S1", "cleared")
    hall.farm.now += away
    hall.reports(HOTBED, "S1")
    assert [each["number"] for each in hall.incidents()] == list(range(1, episodes + 1))
    assert hall.incidents()[-1]["status"] == "open"
    assert hall.told().count("hms_error") == episodes


def test_who_never_tells_of_an_end_begins_another_episode_after_hours(hall: Hall) -> None:
    for hours in (1, 5, 7):
        hall.reports(HOTBED, "S1")
        hall.farm.later(hours=hours)
    first = hall.incidents()
    hall.reports(HOTBED, "S1")
    assert [(each["count"], each["status"]) for each in first] == [(3, "open")]
    assert [(each["count"], each["status"]) for each in hall.incidents()] == [(3, "resolved"), (1, "open")]


def test_a_late_report_does_not_reopen_what_is_over(hall: Hall) -> None:
    late = hall.store(HOTBED, "S1")
    hall.farm.later(seconds=10)
    hall.reports(HOTBED, "S1")
    hall.farm.later(seconds=10)
    hall.reports(HOTBED, "S1", "cleared")
    hall.farm.later(hours=2)
    hall.deliver(late)
    (incident,) = hall.incidents()
    assert (incident["status"], incident["count"], incident["firstSeenAt"]) == ("resolved", 2, START)


def test_an_end_that_is_told_first_leaves_nothing_open(hall: Hall) -> None:
    error = hall.store(HOTBED, "S1")
    hall.farm.later(seconds=5)
    hall.reports(HOTBED, "S1", "cleared")
    assert listing.listed(hall.farm.context(), Wanted()).total == 0
    hall.deliver(error)
    assert [(each["status"], each["count"]) for each in hall.incidents()] == [("resolved", 1)]


def test_many_reports_are_counted_though_few_are_kept(hall: Hall) -> None:
    sent = []
    for _ in range(60):
        sent.append(hall.reports(HOTBED, "S1"))
        hall.farm.later(seconds=31)
    for event in (sent[0], sent[30], sent[-1]):
        hall.deliver(event, "again")
    (incident,) = hall.incidents()
    assert (incident["count"], len(incident["marks"]), incident["firstSeenAt"]) == (60, 50, START)


@pytest.mark.parametrize("first", [FATAL, PRINT_ERROR])
def test_a_print_error_and_its_hms_entry_are_one_incident(hall: Hall, first: str) -> None:
    hall.channel()
    second = PRINT_ERROR if first == FATAL else FATAL
    hall.reports(first, "S1", print_job_id="job-1")
    hall.farm.later(seconds=60)
    hall.reports(second, "S1", print_job_id="job-1")
    (shown,) = listing.listed(hall.farm.context(), Wanted()).incidents
    assert (shown.incident.code, shown.incident.print_error, shown.incident.job_id) == (FATAL, PRINT_ERROR, "job-1")
    assert hall.told() == ["hms_error"]
    for code, status in ((FATAL, "open"), (PRINT_ERROR, "resolved")):
        hall.reports(code, "S1", "cleared")
        (shown,) = listing.listed(hall.farm.context(), Wanted()).incidents
        assert shown.incident.status == status


@pytest.mark.parametrize(("code", "seconds", "serial"), [(FATAL, 61, "S1"), (SERIOUS, 1, "S1"), (FATAL, 1, "S2")])
def test_what_has_another_origin_or_time_or_printer_stays_apart(
    hall: Hall, code: str, seconds: float, serial: str
) -> None:
    hall.reports(code, "S1")
    hall.farm.later(seconds=seconds)
    hall.reports(PRINT_ERROR, serial, print_job_id="job-1")
    assert listing.listed(hall.farm.context(), Wanted()).total == 2


@pytest.mark.parametrize("state", ["idle", "completed"])
def test_a_print_error_of_an_idle_printer_is_ignored(hall: Hall, state: str) -> None:
    printer = hall.farm.printer()
    hall.farm.later(seconds=1)
    hall.farm.reports(printer, state)
    serial = hall.farm.at(printer).serial
    hall.reports(PRINT_ERROR, serial)
    hall.reports("0500_4003", "unknown", status_data={"state": state})
    assert hall.incidents() == []
    hall.reports(FATAL, serial)
    assert [each["code"] for each in hall.incidents()] == [FATAL]


@pytest.mark.parametrize("more", [{"print_job_id": "job-1"}, {"status_data": {"state": "printing"}}])
def test_a_print_error_of_a_print_counts_though_that_is_over_by_now(hall: Hall, more: dict[str, Any]) -> None:
    hall.reports(PRINT_ERROR, hall.farm.at(hall.farm.printer()).serial, **more)
    assert [each["status"] for each in hall.incidents()] == ["open"]


@pytest.mark.parametrize("code", [CANCELLED, "0500_400E", "0300_8001", "0500_8090"])
def test_what_is_no_error_opens_nothing(hall: Hall, code: str) -> None:
    hall.reports(code if code != "0500_8090" else f"{83918896 >> 16:04X}_{83918896 & 0xFFFF:04X}", "S1")
    assert hall.incidents() == []


def test_a_report_without_a_code_opens_nothing(hall: Hall) -> None:
    hall.reports("nonsense", "S1")
    assert hall.incidents() == []


@pytest.mark.parametrize("code", [FATAL, HOTBED])
def test_a_fatal_error_pauses_the_print_once(hall: Hall, code: str) -> None:
    printer = hall.guarded()
    serial = hall.farm.at(printer).serial
    first = hall.reports(code, serial)
    for delivery in ("again", "pictured"):
        hall.deliver(first, delivery)
    hall.farm.later(seconds=20)
    hall.reports(code, serial, "cleared")
    hall.farm.later(seconds=20)
    hall.reports(code, serial)
    (pause,) = hall.pauses()
    assert (pause.printer_id, pause.lane, pause.via_bus) == (printer, "priority", True)
    assert pause.expires_at - pause.created_at == timedelta(seconds=60)
    assert [(each["action"], each["count"]) for each in hall.incidents()] == [("paused", 2)]
    hall.reports(code, serial, "cleared")
    hall.farm.later(minutes=11)
    hall.farm.reports(printer, "printing")
    hall.reports(code, serial)
    assert len(hall.pauses()) == 2


def test_it_is_paused_only_where_that_was_chosen(hall: Hall) -> None:
    printer = hall.farm.printer()
    hall.farm.later(seconds=1)
    hall.farm.reports(printer, "printing")
    hall.reports(FATAL, hall.farm.at(printer).serial)
    assert (hall.pauses(), [each["action"] for each in hall.incidents()]) == ([], [None])


@pytest.mark.parametrize("state", ["idle", "paused", "preparing", "completed", "failed", "offline", "nonsense"])
def test_nothing_is_paused_that_does_not_print(hall: Hall, state: str) -> None:
    hall.reports(FATAL, hall.farm.at(hall.guarded(state)).serial)
    assert (hall.pauses(), [each["status"] for each in hall.incidents()]) == ([], ["open"])


def test_a_serious_error_pauses_nothing(hall: Hall) -> None:
    hall.reports(SERIOUS, hall.farm.at(hall.guarded()).serial)
    assert hall.pauses() == []


def test_an_old_error_pauses_nothing(hall: Hall) -> None:
    printer = hall.guarded()
    event = hall.store(FATAL, hall.farm.at(printer).serial)
    hall.farm.later(minutes=2, seconds=1)
    shows(hall, printer, state="printing")
    hall.deliver(event)
    assert (hall.pauses(), len(hall.incidents("open"))) == ([], 1)


def test_an_error_of_just_now_pauses(hall: Hall) -> None:
    printer = hall.guarded()
    event = hall.store(FATAL, hall.farm.at(printer).serial)
    hall.farm.later(minutes=2)
    shows(hall, printer, state="printing")
    hall.deliver(event)
    assert len(hall.pauses()) == 1


def test_a_print_is_paused_though_its_error_was_known_before_it_began(hall: Hall) -> None:
    printer = hall.guarded("idle")
    serial = hall.farm.at(printer).serial
    hall.reports(FATAL, serial)
    hall.reports(FATAL, serial, "cleared")
    assert hall.pauses() == []
    hall.farm.later(seconds=30)
    shows(hall, printer, state="printing")
    for _ in range(2):  # somebody lets it go on
        hall.reports(FATAL, serial)
        hall.farm.later(seconds=30)
        hall.reports(FATAL, serial, "cleared")
        hall.farm.later(seconds=5)
        shows(hall, printer, state="printing")
    (incident,) = hall.incidents()
    assert (len(hall.pauses()), incident["reopened"], incident["action"]) == (1, 2, "paused")


def test_a_print_is_paused_as_soon_as_the_printer_is_seen_to_print(hall: Hall) -> None:
    printer = hall.guarded("preparing")
    event = hall.store(FATAL, hall.farm.at(printer).serial)
    hall.deliver(event)
    assert hall.pauses() == []
    hall.farm.later(seconds=20)
    shows(hall, printer, state="printing")
    for delivery in ("pictured", "again"):
        hall.deliver(event, delivery)
    assert len(hall.pauses()) == 1


def test_what_is_over_by_now_pauses_nothing(hall: Hall) -> None:
    serial = hall.farm.at(hall.guarded()).serial
    event = hall.store(FATAL, serial)
    hall.farm.later(seconds=10)
    hall.reports(FATAL, serial, "cleared")
    hall.deliver(event)
    assert hall.pauses() == []


def test_a_printer_that_was_not_heard_of_lately_is_not_paused(hall: Hall) -> None:
    printer = hall.guarded()
    hall.farm.later(minutes=2, seconds=1)
    hall.reports(FATAL, hall.farm.at(printer).serial)
    assert hall.pauses() == []


def shows(hall: Hall, printer: str, **status: Any) -> None:
    """The printer was heard of just now, and shows this."""
    state = {"state.status": status, "state.reportedAt": hall.farm.now, "state.receivedAt": hall.farm.now}
    hall.farm.documents.commit(Update(f"printers/{printer}", state))


@pytest.mark.parametrize(("shown", "pauses"), [("job-1", 1), ("job-2", 0)])
def test_a_print_that_shows_another_job_is_not_paused(hall: Hall, shown: str, pauses: int) -> None:
    printer = hall.guarded()
    shows(hall, printer, state="printing", printJobId=shown)
    hall.reports(FATAL, hall.farm.at(printer).serial, print_job_id="job-1")
    assert len(hall.pauses()) == pauses


def occupied(hall: Hall, printer: str, job: str, at: datetime) -> None:
    """The printer was given a job."""
    occupants = {job: {"at": at, "by": None, "commandId": None}}
    hall.farm.documents.commit(Update(f"printers/{printer}", {"occupants": occupants}))


@pytest.mark.parametrize(("job", "pauses"), [("job-1", 1), ("job-2", 0), (None, 1)])
def test_another_job_is_not_paused(hall: Hall, job: str | None, pauses: int) -> None:
    printer = hall.guarded()
    occupied(hall, printer, "job-1", START)
    hall.reports(FATAL, hall.farm.at(printer).serial, print_job_id=job)
    assert len(hall.pauses()) == pauses


def test_a_job_that_came_after_the_error_is_not_paused(hall: Hall) -> None:
    printer = hall.guarded()
    event = hall.store(FATAL, hall.farm.at(printer).serial)
    hall.farm.later(seconds=30)
    hall.farm.reports(printer, "printing")
    occupied(hall, printer, "job-2", hall.farm.now)
    hall.deliver(event)
    assert hall.pauses() == []


def test_people_are_not_told_of_what_was_over_long_ago(hall: Hall) -> None:
    hall.channel()
    error, end = hall.store(HOTBED, "S1"), hall.store(HOTBED, "S1", "cleared")
    hall.farm.later(hours=2)
    for event in (end, error):
        hall.deliver(event)
    assert (hall.told(), [each["status"] for each in hall.incidents()]) == ([], ["resolved"])


def test_the_list_shows_the_own_sites_incidents_page_by_page(hall: Hall) -> None:
    for number in range(5):
        hall.farm.later(seconds=1)
        hall.reports(HOTBED, f"S{number}")
    hall.reports(HOTBED, "S0", "cleared")
    context = hall.farm.context()
    page = listing.listed(context, Wanted(page=2, limit=2))
    assert (page.total, [each.incident.printer_serial for each in page.incidents]) == (5, ["S2", "S1"])
    over = listing.listed(context, Wanted(status="resolved", severity="critical"))
    assert [each.incident.printer_serial for each in over.incidents] == ["S0"]
    for caller in (
        Caller("other", organization_id="org-other"),
        Caller("narrow", organization_id=hall.farm.organization, recipient_ids=frozenset({"other-site"})),
    ):
        assert listing.listed(replace(context, caller=caller), Wanted()).total == 0
