"""Of what an organization is told: the steps of its jobs, commands that failed, prints from the screen; once each."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain.ids import new_id
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.notifications import CHATTY, EVENT_TYPES, PICTURE_PATIENCE, DeliveryStatus, Notice, QuietHours
from printpipe.domain.ports.documents import Create, Update
from printpipe.domain.records import Event, StoredPicture
from printpipe.services.jobs import jobs
from printpipe.services.notifications import planning
from tests.farm import Farm, embedded_farm
from tests.notified import Notified

ALL = list(EVENT_TYPES)


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return embedded_farm(tmp_path)


@pytest.fixture
def notified(farm: Farm, tmp_path: Path) -> Notified:
    return Notified(farm, tmp_path)


def picture(farm: Farm, name: str = "pictures/1") -> StoredPicture:
    return StoredPicture(gcs_path=name, sha256="0" * 64, size=1, type="image/jpeg", taken_at=farm.now)


def begun(notified: Notified, **more: Any) -> tuple[str, str]:
    """A job that prints, and its printer; its people have been told."""
    farm = notified.farm
    printer = farm.printer()
    job_id = farm.order(farm.file(("PLA", "#FFFFFF")), **more)
    notified.job(job_id, lambda: farm.send(job_id))
    [start] = farm.starts(printer)
    notified.job(job_id, lambda: farm.take(start.command_id))
    farm.later(seconds=1)
    notified.job(job_id, lambda: farm.happens(job_id, "job_started"))
    farm.later(seconds=1)
    return job_id, printer


def event(farm: Farm, event_type: str, serial: str, job_id: str | None = None, **more: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": new_id(),
        "organization_id": farm.organization,
        "recipient_id": farm.site,
        "printer_serial": serial,
        "event_type": event_type,
        "event_status": "info",
        "print_job_id": job_id,
        "occurred_at": farm.now,
        "created_at": farm.now,
        "request_id": "test",
    }
    return Event(**{**fields, **more})


def test_a_print_is_told_of_step_by_step(farm: Farm, notified: Notified) -> None:
    everything, usual = notified.channel(event_types=tuple(ALL)), notified.channel("slack")
    job_id, printer = begun(notified)
    for told in ("job_paused", "job_resumed", "job_completed"):
        farm.later(minutes=1)
        notified.job(job_id, partial(farm.happens, job_id, told))
    assert notified.types(everything) == ["job_started", "job_paused", "job_resumed", "job_completed"]
    assert notified.types(usual) == ["job_paused", "job_completed"]

    done = notified.deliveries(usual)[-1]
    serial = farm.at(printer).serial
    assert (done.notice.title, done.notice.text) == ("Print done: model.3mf", f"model.3mf is done on {serial}.")
    assert (done.notice.printer_id, done.notice.job_id, done.notice.severity) == (printer, job_id, "info")
    assert (done.status, done.attempts, done.next_attempt_at) == (DeliveryStatus.PLANNED, 0, farm.now)
    assert sorted(notified.announced()) == sorted(each.delivery_id for each in notified.deliveries())


def test_a_failure_is_told_with_its_reason_and_a_doubt_asks_somebody_to_look(farm: Farm, notified: Notified) -> None:
    notified.channel()
    job_id, _ = begun(notified)

    def change(status: str, reason: str) -> None:
        fields = {"status": status, "reason": reason, "updatedAt": farm.now}
        farm.documents.commit(Update(f"print_jobs/{job_id}", fields))

    notified.job(job_id, lambda: change("unknown", "The printer\nis silent"))
    farm.later(seconds=1)
    notified.job(job_id, lambda: change("printing", "It is back"))
    farm.later(seconds=1)
    notified.job(job_id, lambda: change("failed", "Nozzle clogged."))
    doubt, failure = notified.deliveries()
    assert doubt.event_type == "job_needs_attention"
    assert ": The printer is silent. Look" in doubt.notice.text
    assert failure.event_type == "job_failed"
    assert failure.notice.text.endswith(": Nozzle clogged.")
    assert failure.notice.severity == doubt.notice.severity == "error"


def test_a_job_that_waited_too_long_is_told_of_and_one_that_nobody_has_sent_is_not(
    farm: Farm, notified: Notified
) -> None:
    notified.channel()
    job_id = farm.order(farm.file(("PLA", "#FFFFFF")))
    notified.job(job_id, lambda: farm.send(job_id, patience=timedelta(minutes=5)))
    assert notified.types() == []
    farm.later(minutes=6)
    notified.job(job_id, farm.sweep)
    assert notified.types() == ["job_held"]
    assert jobs.TOO_LONG in notified.deliveries()[0].notice.text


def test_a_job_with_a_plate_left_is_not_back_with_anybody(farm: Farm, notified: Notified) -> None:
    notified.channel(event_types=("job_held", "job_completed"))
    printer = farm.printer()
    job_id = farm.order(farm.file(("PLA", "#FFFFFF"), plates=2), plates_requested=2)
    farm.send(job_id)
    [start] = farm.starts(printer)
    farm.take(start.command_id)
    farm.documents.commit(Update(f"print_jobs/{job_id}", {"waitSeconds": None}))
    notified.job(job_id, lambda: farm.happens(job_id, "job_completed"))
    assert farm.job(job_id).status == "held"
    assert notified.types() == []


@pytest.mark.parametrize("status", [CommandStatus.FAILED, CommandStatus.UNKNOWN, CommandStatus.EXPIRED])
@pytest.mark.parametrize("kind", ["start_print", "pause", "stop"])
def test_a_command_that_was_not_carried_out_is_told_of(
    farm: Farm, notified: Notified, kind: str, status: CommandStatus
) -> None:
    notified.channel()
    printer = farm.printer()
    command = f"printer_commands/{farm.start(printer)}"
    fields = {"type": kind, "status": status.value, "errorMessage": "It did not answer"}
    [message] = notified.tells(command, lambda: farm.documents.commit(Update(command, fields)))
    notified.deliver(message)
    [told] = notified.deliveries()
    assert told.event_type == "command_failed"
    assert told.notice.printer_id == printer
    assert "It did not answer." in told.notice.text


def test_other_commands_and_other_ends_are_not(farm: Farm, notified: Notified) -> None:
    notified.channel(event_types=tuple(ALL))
    command = f"printer_commands/{farm.start(farm.printer())}"
    for kind, status in (("light_on", "failed"), ("resume", "unknown"), ("stop", "completed"), ("stop", "cancelled")):
        fields = {"type": kind, "status": status}
        for message in notified.tells(command, partial(farm.documents.commit, Update(command, fields))):
            notified.deliver(message)
    assert notified.types() == []


def test_whatever_is_repeated_and_in_whichever_order_is_told_once(farm: Farm, notified: Notified) -> None:
    channel = notified.channel(event_types=tuple(ALL))
    printer = farm.printer()
    job_id = farm.order(farm.file(("PLA", "#FFFFFF")))
    path, messages = f"print_jobs/{job_id}", []
    messages += notified.tells(path, lambda: farm.send(job_id))
    messages += notified.tells(path, lambda: farm.take(farm.starts(printer)[0].command_id))
    for told in ("job_started", "job_paused", "job_resumed", "job_failed"):
        farm.later(seconds=1)
        messages += notified.tells(path, partial(farm.happens, job_id, told))
    for order in list(permutations(messages))[::97]:
        for message in (*order, *order):
            notified.deliver(message)
    assert notified.types(channel) == ["job_started", "job_paused", "job_resumed", "job_failed"]


def test_a_print_from_the_screen_is_told_of_and_one_of_our_jobs_only_by_the_job(farm: Farm, notified: Notified) -> None:
    notified.channel()
    job_id, printer = begun(notified)
    serial = str(farm.at(printer).serial)
    for seen in (event(farm, "job_failed", serial, "not-ours"), event(farm, "job_failed", serial, job_id)):
        path = f"printer_events/{seen.event_id}"
        for message in notified.tells(path, partial(farm.documents.commit, Create(path, seen.data()))):
            notified.deliver(message)
    [told] = notified.deliveries()
    assert told.notice.job_id is None
    assert told.notice.printer_id == printer
    assert told.notice.text == f"A print from the printer's screen has failed on {serial}."


@pytest.mark.parametrize("late", [False, True])
def test_a_picture_goes_along_whether_it_comes_before_the_news_or_after(
    farm: Farm, notified: Notified, late: bool
) -> None:
    pictured, plain = notified.channel(), notified.channel("slack", picture=False)
    job_id, printer = begun(notified)
    farm.documents.commit(Update(f"printers/{printer}", {"picture": picture(farm).data()}))
    seen = event(farm, "job_completed", str(farm.at(printer).serial), job_id, image=picture(farm, "pictures/2"))
    path = f"printer_events/{seen.event_id}"
    if late:
        notified.job(job_id, lambda: farm.happens(job_id, "job_completed"))
        [waiting], [at_once] = notified.deliveries(pictured), notified.deliveries(plain)
        assert (waiting.next_attempt_at, at_once.next_attempt_at) == (farm.now + PICTURE_PATIENCE, farm.now)
        assert notified.announced() == [at_once.delivery_id]
    [brought] = notified.tells(path, lambda: farm.documents.commit(Create(path, seen.data())))
    farm.later(seconds=5)
    notified.deliver(brought)
    if not late:
        notified.job(job_id, lambda: farm.happens(job_id, "job_completed"))
    [told] = notified.deliveries(pictured)
    assert told.notice.image_path == "pictures/2"
    assert told.next_attempt_at == farm.now
    assert told.delivery_id in notified.announced()
    if late:
        assert notified.deliveries(plain)[0].notice.image_path is None


def test_a_print_from_the_screen_is_told_once_though_its_picture_comes_later(farm: Farm, notified: Notified) -> None:
    notified.channel()
    printer = farm.printer()
    farm.documents.commit(Update(f"printers/{printer}", {"picture": picture(farm).data()}))
    seen = event(farm, "job_completed", str(farm.at(printer).serial))
    path = f"printer_events/{seen.event_id}"
    messages = notified.tells(path, lambda: farm.documents.commit(Create(path, seen.data())))
    notified.deliver(messages[0])
    assert notified.announced() == []
    fields = {"image": picture(farm, "pictures/2").data()}
    messages += notified.tells(path, lambda: farm.documents.commit(Update(path, fields)))
    for message in messages:
        notified.deliver(message)
    [told] = notified.deliveries()
    assert told.notice.image_path == "pictures/2"
    assert notified.announced() == [told.delivery_id]


def test_a_channel_is_told_of_its_printers_and_of_what_concerns_no_single_one(farm: Farm, notified: Notified) -> None:
    one, other = farm.printer(), farm.printer()
    mine = notified.channel(printers=[str(farm.at(one).serial)])
    for number, printer in enumerate((one, other, None)):
        say(farm, notified, event_type="hms_error", event_id=f"event-{number}", printer_id=printer)
    assert [each.notice.printer_id for each in notified.deliveries(mine)] == [one, None]


def test_what_is_chatty_is_told_where_it_is_asked_for_alone(farm: Farm, notified: Notified) -> None:
    usual, one = notified.channel(), notified.channel("ntfy", event_types=("printer_online",))
    for event_type in EVENT_TYPES:
        say(farm, notified, event_type=event_type, event_id=event_type)
    assert set(notified.types(usual)) == EVENT_TYPES.keys() - CHATTY
    assert notified.types(one) == ["printer_online"]


def test_in_quiet_hours_it_waits_until_they_are_over_unless_it_is_urgent(farm: Farm, notified: Notified) -> None:
    """They are the organization's hours: in Berlin it is half past eleven at night, and the clocks go forward."""
    notified.organization("Europe/Berlin")
    farm.now = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
    quiet = QuietHours.model_validate({"from": "22:00", "to": "07:00"})
    anyway, never = notified.channel(quiet_hours=quiet), notified.channel(quiet_hours=quiet, urgent_anyway=False)
    awake = notified.channel("ntfy")
    morning = datetime(2026, 3, 29, 5, 0, tzinfo=UTC)
    say(farm, notified, event_type="job_failed", event_id="1", severity="error")
    say(farm, notified, event_type="hms_error", event_id="2", severity="critical")
    due = {
        channel: [each.next_attempt_at for each in notified.deliveries(channel)] for channel in (anyway, never, awake)
    }
    assert due[awake] == [farm.now, farm.now]
    assert set(due[anyway]) == {farm.now, morning}
    assert due[never] == [morning, morning]
    assert len(notified.announced()) == 3


def test_a_picture_ends_no_quiet_hours(farm: Farm, notified: Notified) -> None:
    notified.organization()
    quiet = QuietHours.model_validate({"from": "00:00", "to": "06:00"})
    notified.channel(quiet_hours=quiet)
    say(farm, notified, event_type="job_completed", event_id="1", subject="job:1:1", awaits_picture=True)
    planning.complete(notified.event(), farm.organization, "job:1:1", "job_completed", "pictures/1")
    [told] = notified.deliveries()
    assert told.notice.image_path == "pictures/1"
    assert told.next_attempt_at == farm.now + timedelta(hours=6)
    assert notified.announced() == []


def test_strangers_and_switched_off_channels_are_told_nothing(farm: Farm, notified: Notified) -> None:
    notified.channel(active=False)
    say(farm, notified, event_type="job_failed", event_id="1")
    say(farm, notified, event_type="job_failed", event_id="2", organization_id="another")
    notified.channel()
    job_id, _ = begun(notified)
    farm.documents.commit(Update(f"print_jobs/{job_id}", {"organizationId": "another"}))
    farm.later(seconds=1)
    messages = notified.tells(f"print_jobs/{job_id}", lambda: farm.happens(job_id, "job_failed"))
    for message in messages:
        notified.deliver(message.model_copy(update={"organization_id": farm.organization}))
    assert notified.types() == []


def test_a_notice_about_one_channel_goes_to_the_others(farm: Farm, notified: Notified) -> None:
    broken, other = notified.channel(), notified.channel("slack")
    notice = told(farm, event_type="channel_disabled", event_id="1")
    plan = planning.plan(notified.event(), notice, besides=broken)
    notified.documents.commit(*plan.writes)
    assert [each.channel_id for each in notified.deliveries()] == [other]
    assert planning.plan(notified.event(), notice, besides=broken).empty


def told(farm: Farm, **fields: Any) -> Notice:
    """Something to tell."""
    usual = {"organization_id": farm.organization, "occurred_at": farm.now, "title": "Title", "text": "Text."}
    return Notice(**{**usual, **fields})


def say(farm: Farm, notified: Notified, **fields: Any) -> None:
    """Tells it."""
    plan = planning.plan(notified.event(), told(farm, **fields))
    if not plan.empty:
        notified.documents.commit(*plan.writes)
        plan.announce(notified.event())
