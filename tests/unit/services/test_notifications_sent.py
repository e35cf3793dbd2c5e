"""Notifications on their way: once each, again and again where they do not arrive, and at last not at all."""

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from printpipe.domain.errors import RateLimited, Unavailable
from printpipe.domain.notifications import QuietHours
from printpipe.domain.ports.documents import Delete, Documents, Query, Update, Version, Write
from printpipe.domain.web_addresses import is_public_address
from printpipe.services.notifications import channels, planning, retrying, trials
from printpipe.services.notifications.attempts import Outcome
from printpipe.services.notifications.channels import Wish
from tests.farm import embedded_farm
from tests.receiver import HOST, Receiver, receiving
from tests.sent import AtPort, Killed, Sent

TOKEN = "path-that-nobody-may-know"
ADDRESS = f"https://{HOST}/{TOKEN}"
NIGHT = QuietHours.model_validate({"from": "23:00", "to": "07:00"})
BACKOFF = (30, 120, 600, 3_600, 14_400)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("tls")) as receiver:
        yield receiver


@pytest.fixture
def sent(running: Receiver, tmp_path: Path) -> Sent:
    running.reset()
    made = Sent(embedded_farm(tmp_path), tmp_path, running)
    made.organization()
    return made


def webhook(sent: Sent, **fields: object) -> tuple[str, str]:
    """A new one; its id and its secret."""
    told = sent.set_up("webhook", Wish({"name": "hall", **fields}, address=ADDRESS))
    assert told.secret is not None
    return told.channel.channel_id, told.secret


@dataclass
class Guard:
    """What a receiver does before it believes what it was sent, as the documentation has it."""

    secret: str
    seen: set[str] = field(default_factory=set)

    def accepts(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        seconds = headers.get("printpipe-timestamp", "")
        if not seconds.isdigit() or abs(now.timestamp() - int(seconds)) > 300:
            return False
        expected = hmac.new(self.secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("printpipe-signature", ""), f"v1={expected}"):
            return False
        event_id = str(json.loads(body)["id"])
        fresh = event_id not in self.seen
        self.seen.add(event_id)
        return fresh


# Once


def test_a_notice_is_posted_once_however_often_its_message_comes(sent: Sent) -> None:
    channel, _ = webhook(sent)
    notice = sent.tell()
    sent.run(times=3)
    [posted] = sent.receiver.posted
    assert (posted.method, posted.path) == ("POST", f"/{TOKEN}")
    assert posted.headers["printpipe-event-id"] == notice.event_id
    assert posted.headers["printpipe-delivery-id"] == sent.delivery(channel, notice).delivery_id
    assert json.loads(posted.body) == {
        "id": notice.event_id,
        "type": "job_completed",
        "created_at": "2026-01-01T00:00:00.000Z",
        "organization_id": sent.farm.organization,
        "data": {
            "title": "lid.3mf is printed",
            "text": "P1S has printed lid.3mf.",
            "severity": "info",
            "printer_id": "printer-1",
            "printer_name": "P1S",
            "recipient_id": None,
            "job_id": "job-1",
            "job_name": "lid.3mf",
            "details": {},
            "image_url": None,
        },
    }
    delivery = sent.delivery(channel, notice)
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("sent", 1, None)
    assert delivery.sent_at == sent.stored(channel).last_sent_at == sent.farm.now
    sent.minute(minutes=10)
    assert len(sent.receiver.posted) == 1


def test_every_channel_gets_it_once(sent: Sent) -> None:
    for _ in range(3):
        webhook(sent)
    sent.tell()
    sent.tell()
    sent.run(times=2)
    ids = [posted.headers["printpipe-delivery-id"] for posted in sent.receiver.posted]
    assert len(ids) == len(set(ids)) == 6


def test_only_one_of_two_senders_at_once_sends(sent: Sent) -> None:
    webhook(sent)
    sent.tell()
    [message] = sent.messages()
    sent.receiver.hold()
    first = threading.Thread(target=sent.take, args=[message])
    first.start()
    assert sent.receiver.came.wait(5)
    sent.take(message)
    sent.minute(seconds=59)
    sent.receiver.go_on.set()
    first.join(5)
    assert len(sent.receiver.posted) == 1


def test_an_announcement_that_was_lost_is_made_up_for(sent: Sent) -> None:
    webhook(sent)
    sent.tell()
    sent.messages()
    sent.minute(seconds=60)
    assert len(sent.receiver.posted) == 1


def test_what_is_not_due_waits(sent: Sent) -> None:
    channel, _ = webhook(sent, quiet_hours=NIGHT)
    delivery = sent.delivery(channel, sent.tell())
    sent.take(planning.due(delivery))
    sent.minute(hours=6, minutes=59)
    assert sent.receiver.posted == []
    sent.minute(minutes=1)
    assert len(sent.receiver.posted) == 1


# Signed


def test_a_receiver_can_tell_ours_from_others_and_old_ones(sent: Sent) -> None:
    _, secret = webhook(sent)
    sent.tell()
    sent.run()
    [posted] = sent.receiver.posted
    now = sent.farm.now
    assert Guard(secret).accepts(posted.headers, posted.body, now)
    assert Guard(secret).accepts(posted.headers, posted.body, now + timedelta(minutes=5))

    assert not Guard("another").accepts(posted.headers, posted.body, now)
    assert not Guard(secret).accepts(posted.headers, posted.body.replace(b"lid", b"LID"), now)
    later = now + timedelta(minutes=5, seconds=1)
    assert not Guard(secret).accepts(posted.headers, posted.body, later), "the replay window is over"
    moved = {**posted.headers, "printpipe-timestamp": str(int(later.timestamp()))}
    assert not Guard(secret).accepts(moved, posted.body, later), "the time is signed too"
    guard = Guard(secret)
    assert [guard.accepts(posted.headers, posted.body, now) for _ in range(2)] == [True, False]


def test_each_attempt_is_signed_anew(sent: Sent) -> None:
    _, secret = webhook(sent)
    sent.receiver.answer(500)
    sent.tell()
    sent.run()
    first_at = sent.farm.now
    sent.minute(minutes=6)
    first, second = sent.receiver.posted
    assert first.body == second.body
    assert first.headers["printpipe-signature"] != second.headers["printpipe-signature"]
    guard = Guard(secret)
    assert guard.accepts(first.headers, first.body, first_at)
    assert Guard(secret).accepts(second.headers, second.body, sent.farm.now)
    assert not Guard(secret).accepts(first.headers, first.body, sent.farm.now)
    assert not guard.accepts(second.headers, second.body, sent.farm.now), "the same event"


def test_a_new_secret_signs_from_then_on(sent: Sent) -> None:
    channel, old = webhook(sent)
    told = channels.change(sent.context(), channel, Wish({}, rotated=True))
    assert told.secret is not None
    sent.tell()
    sent.run()
    [posted] = sent.receiver.posted
    assert Guard(told.secret).accepts(posted.headers, posted.body, sent.farm.now)
    assert not Guard(old).accepts(posted.headers, posted.body, sent.farm.now)


# Again


def test_five_retries_by_the_clock_then_the_channel_is_off_and_the_others_are_told(sent: Sent) -> None:
    broken, _ = webhook(sent)
    sent.channel("discord")
    sent.channel("ntfy", event_types=("channel_disabled",))
    sent.receiver.answer(*[500] * 6)
    notice = sent.tell(event_type="job_started")
    assert sent.deliveries() == [], "that is chatty"
    channels.change(sent.context(), broken, Wish({"event_types": ("job_started",)}))
    notice = sent.tell(event_type="job_started")
    sent.run(times=2)
    for number, seconds in enumerate(BACKOFF, 1):
        assert len(sent.receiver.posted) == number
        assert sent.delivery(broken, notice).next_attempt_at == sent.farm.now + timedelta(seconds=seconds)
        sent.minute(seconds=seconds - 1)
        assert len(sent.receiver.posted) == number
        assert sent.stored(broken).active
        sent.minute(times=2, seconds=1)
    to_webhook = [posted for posted in sent.receiver.posted if posted.path == f"/{TOKEN}"]
    assert [posted.headers["printpipe-event-id"] for posted in to_webhook] == [notice.event_id] * 6

    delivery, channel = sent.delivery(broken, notice), sent.stored(broken)
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("failed", 6, None)
    assert delivery.last_error == channel.last_error == "The receiver answers with status 500."
    assert (channel.active, channel.failures, channel.disabled_at) == (False, 6, sent.farm.now)
    assert channel.disabled_reason == "Nothing could be sent: The receiver answers with status 500."
    audited = [each.data for each in sent.documents.query(Query("audit_log"))]
    assert [each["subject"] for each in audited if each["action"] == "notification_channel.disabled"] == [broken]
    told = [posted for posted in sent.receiver.posted if posted not in to_webhook]
    assert sorted(posted.host.partition(":")[0] for posted in told) == ["discord.com", "ntfy.sh"]
    assert all(b"Notifications over hall are switched off" in posted.body for posted in told)

    sent.tell(event_type="job_started")
    sent.minute(hours=10)
    assert len(sent.receiver.posted) == 8


def test_what_else_waits_for_a_channel_that_was_switched_off_is_dropped(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.receiver.answer(410)
    notices = [sent.tell(), sent.tell()]
    sent.run()
    assert sorted(sent.delivery(channel, notice).status for notice in notices) == ["dropped", "failed"]
    assert len(sent.receiver.posted) == 1


def test_a_success_forgets_the_failures(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.receiver.answer(500)
    notice = sent.tell()
    sent.run()
    waiting = sent.stored(channel)
    assert (waiting.failures, waiting.last_error) == (1, "The receiver answers with status 500.")
    assert (sent.delivery(channel, notice).status, sent.delivery(channel, notice).attempts) == ("waiting", 1)
    sent.minute(seconds=30)
    works = sent.stored(channel)
    assert (works.failures, works.last_error, works.active) == (0, None, True)
    assert sent.delivery(channel, notice).last_error is None


def test_every_2xx_is_a_success_and_everything_else_is_tried_again(sent: Sent) -> None:
    channel, _ = webhook(sent)
    for status in (201, 202, 204, 299):
        sent.receiver.answer(status)
        notice = sent.tell()
        sent.run()
        assert sent.delivery(channel, notice).status == "sent"
    for status in (301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 503):
        sent.receiver.posted.clear()
        sent.receiver.answer((status, {"Location": f"https://{HOST}/elsewhere"}))
        notice = sent.tell()
        sent.run()
        delivery = sent.delivery(channel, notice)
        assert (delivery.status, delivery.last_error) == ("waiting", f"The receiver answers with status {status}.")
        assert len(sent.receiver.posted) == 1


PAUSES = [
    (429, "90", 90),
    (503, "90.5", 90.5),
    (503, "0", 30),
    (429, format_datetime(datetime(2026, 1, 1, 0, 10, tzinfo=UTC), usegmt=True), 600),
    (429, format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 30),
    (503, "999999999", 14_400),
    (503, format_datetime(datetime(2036, 1, 1, tzinfo=UTC), usegmt=True), 14_400),
    (503, "soon", 30),
    (503, "-1", 30),
    (503, "9" * 400, 30),
    (500, "90", 30),
]


def test_a_receiver_may_ask_to_be_left_alone_for_a_while(sent: Sent) -> None:
    channel, _ = webhook(sent)
    for status, asked, waited in PAUSES:
        sent.receiver.answer((status, {"Retry-After": asked}))
        notice = sent.tell()
        sent.run()
        due = sent.delivery(channel, notice).next_attempt_at
        assert due == sent.farm.now + timedelta(seconds=waited), asked


NO_TIMES = (
    "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Mon, 01 Jan 2020 99999999999:00:00 GMT",
    "Mon, 01 Jan 2020 00:00:00 +99999999999999999999",
)


@pytest.mark.parametrize("asked", NO_TIMES)
def test_a_time_that_no_calendar_has_is_not_waited_for(sent: Sent, asked: str) -> None:
    """The receiver is somebody else's: what it answers must not keep an attempt from being counted."""
    channel, _ = webhook(sent)
    sent.receiver.answer((503, {"Retry-After": asked}))
    notice = sent.tell()
    sent.run()
    delivery = sent.delivery(channel, notice)
    assert (delivery.status, delivery.next_attempt_at) == ("waiting", sent.farm.now + timedelta(seconds=BACKOFF[0]))


def test_a_receiver_that_is_gone_ends_it_at_once(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.receiver.answer(410)
    notice = sent.tell()
    sent.run()
    assert (sent.delivery(channel, notice).status, sent.delivery(channel, notice).attempts) == ("failed", 1)
    assert (sent.stored(channel).active, sent.stored(channel).disabled_reason) == (
        False,
        "The receiver says that it is gone for good.",
    )


def test_a_channel_that_fails_twice_at_once_is_switched_off_once(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.channel("ntfy")
    notices = [sent.tell(event_type="job_failed") for _ in range(3)]
    messages = [message for message in sent.messages() if message.channel_id == channel]
    sent.receiver.answer(*[410] * 3)
    sent.receiver.hold()
    senders = [threading.Thread(target=sent.take, args=[message]) for message in messages]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + 5
    while len(sent.receiver.posted) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    sent.receiver.go_on.set()
    for sender in senders:
        sender.join(5)
    assert [sent.delivery(channel, notice).status for notice in notices] == ["failed"] * 3
    assert not sent.stored(channel).active
    assert len([each for each in sent.deliveries() if each.event_type == "channel_disabled"]) == 1
    audited = [each.data["action"] for each in sent.documents.query(Query("audit_log"))]
    assert audited.count("notification_channel.disabled") == 1


def test_a_channel_that_was_given_another_address_meanwhile_stays_on(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.receiver.answer(410)
    notice = sent.tell()
    [message] = sent.messages()
    sent.receiver.hold()
    sender = threading.Thread(target=sent.take, args=[message])
    sender.start()
    assert sent.receiver.came.wait(5)
    channels.change(sent.context(), channel, Wish({}, address=f"https://{HOST}/new"))
    sent.receiver.go_on.set()
    sender.join(5)
    assert sent.delivery(channel, notice).status == "failed"
    assert sent.stored(channel).active


def test_a_retry_does_not_fall_into_quiet_hours(sent: Sent) -> None:
    sent.farm.now = datetime(2026, 1, 1, 22, 59, 50, tzinfo=UTC)
    channel, _ = webhook(sent, quiet_hours=NIGHT)
    sent.receiver.answer(500)
    notice = sent.tell()
    sent.run()
    assert sent.delivery(channel, notice).next_attempt_at == datetime(2026, 1, 2, 7, tzinfo=UTC)


def test_a_killed_senders_notice_is_sent_again_after_its_lease_with_the_same_event_id(sent: Sent) -> None:
    channel, secret = webhook(sent)
    sent.out.killed_after = 0
    notice = sent.tell()
    [message] = sent.messages()
    with pytest.raises(Killed):
        sent.take(message)
    assert sent.delivery(channel, notice).status == "sending"
    sent.take(message)
    sent.minute(seconds=59)
    assert len(sent.receiver.posted) == 1
    sent.minute(times=2, seconds=1)
    first, second = sent.receiver.posted
    assert first.headers["printpipe-event-id"] == second.headers["printpipe-event-id"] == notice.event_id
    guard = Guard(secret)
    assert [guard.accepts(each.headers, each.body, sent.farm.now) for each in (first, second)] == [True, False]
    assert sent.delivery(channel, notice).status == "sent"


def test_senders_that_are_killed_every_time_come_to_an_end(sent: Sent) -> None:
    channel, _ = webhook(sent)
    notice = sent.tell()
    for _ in range(7):
        sent.out.killed_after = 0
        for message in sent.messages():
            with pytest.raises(Killed):
                sent.take(message)
        sent.farm.later(seconds=60)
        retrying.announce_due(sent.event())
    assert len(sent.receiver.posted) == 7
    sent.out.killed_after = None
    sent.receiver.answer(500)
    sent.run()
    assert sent.delivery(channel, notice).status == "failed"


# Not at all


def test_what_was_planned_for_a_channel_that_is_no_more_is_dropped(sent: Sent) -> None:
    removed, _ = webhook(sent)
    stopped, _ = webhook(sent)
    notice = sent.tell()
    channels.remove(sent.context(), removed)
    channels.change(sent.context(), stopped, Wish({"active": False}))
    sent.run(times=2)
    assert [sent.delivery(each, notice).status for each in (removed, stopped)] == ["dropped", "dropped"]
    assert sent.receiver.posted == []
    assert retrying.announce_due(sent.event()) == 0


def test_a_delivery_that_has_expired_is_passed_over(sent: Sent) -> None:
    channel, _ = webhook(sent)
    notice = sent.tell()
    sent.documents.commit(Delete(f"notification_deliveries/{sent.delivery(channel, notice).delivery_id}"))
    sent.run()
    assert sent.receiver.posted == []


def test_hosts_and_addresses_are_checked_at_every_send(sent: Sent) -> None:
    channel, _ = webhook(sent)
    sent.hosts = frozenset()
    first = sent.tell()
    sent.run()
    error = sent.delivery(channel, first).last_error
    assert error == "The URL's host is not one that notifications may be sent to."

    sent.hosts = frozenset({HOST})
    resolver = {HOST: [ip_address("8.8.8.8"), ip_address("10.0.0.1")]}.__getitem__
    private = sent.receiver.outbound(resolver=resolver, address_check=is_public_address)
    sent.outbound = AtPort(private, sent.receiver.port)
    second = sent.tell()
    sent.run()
    assert sent.delivery(channel, second).last_error == "The URL's host is unknown, or not a public one."
    assert sent.receiver.posted == []


def test_nothing_is_claimed_where_our_own_services_do_not_answer(sent: Sent) -> None:
    class Away:
        def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
            raise Unavailable("away")

        def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
            raise Unavailable("away")

    channel, _ = webhook(sent)
    notice = sent.tell()
    sent.keys = Away()
    [message] = sent.messages()
    with pytest.raises(Unavailable):
        sent.take(message)
    assert (sent.delivery(channel, notice).status, sent.delivery(channel, notice).attempts) == ("planned", 0)
    sent.keys = None
    sent.take(message)
    assert sent.delivery(channel, notice).status == "sent"


class Forgetful:
    """A store that twice cannot say what became of a write, done or not, once something was posted."""

    def __init__(self, documents: Documents, receiver: Receiver, *, writes: bool) -> None:
        self._documents, self._receiver, self._writes, self._left = documents, receiver, writes, 2

    def __getattr__(self, name: str) -> object:
        return getattr(self._documents, name)

    def commit(self, *writes: Write) -> list[Version]:
        if not self._receiver.posted or not self._left:
            return self._documents.commit(*writes)
        self._left -= 1
        if self._writes:
            self._documents.commit(*writes)
        raise Unavailable("away")


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(("status", "left"), [(200, "sent"), (500, "waiting"), (410, "failed")])
def test_what_came_of_an_attempt_is_stored_though_the_store_falters(
    sent: Sent, status: int, left: str, writes: bool
) -> None:
    channel, _ = webhook(sent)
    sent.receiver.answer(status)
    notice = sent.tell()
    sent.store = cast(Documents, Forgetful(sent.documents, sent.receiver, writes=writes))
    sent.run(times=2)
    sent.store = None
    assert (sent.delivery(channel, notice).status, len(sent.receiver.posted)) == (left, 1)
    assert sent.stored(channel).active == (status != 410)


# Beside it


def test_a_test_is_sent_over_any_channel_and_stores_nothing(sent: Sent) -> None:
    channel, secret = webhook(sent, active=False)
    before = sent.stored(channel)
    assert trials.send_test(sent.context(), before) == Outcome(True, 200)
    [posted] = sent.receiver.posted
    assert json.loads(posted.body)["type"] == "test"
    assert Guard(secret).accepts(posted.headers, posted.body, sent.farm.now)
    sent.receiver.answer((503, {"Retry-After": "9"}))
    outcome = trials.send_test(sent.context(), before)
    assert (outcome.ok, outcome.status, outcome.error) == (False, 503, "The receiver answers with status 503.")
    assert (sent.stored(channel), sent.deliveries(), sent.messages()) == (before, [], [])


def test_tests_are_not_for_writing_to_strangers(sent: Sent) -> None:
    """An address is believed to be the tenant's own: whoever sets up channels must not post with them."""
    told = [
        sent.set_up("email", Wish({"name": "hall"}, address=f"{name}@example.org")).channel for name in ("ada", "bob")
    ]
    for number in range(trials.MOST_TESTS):
        assert trials.send_test(sent.context(), told[number % 2]).ok
    with pytest.raises(RateLimited, match="five minutes"):
        trials.send_test(sent.context(), told[0])
    assert len(sent.letters.letters) == trials.MOST_TESTS
    sent.farm.later(minutes=5)
    assert trials.send_test(sent.context(), told[0]).ok


def test_one_run_announces_so_many_the_longest_overdue_first(sent: Sent) -> None:
    webhook(sent)
    notices = []
    for _ in range(3):
        notices.append(sent.tell())
        sent.farm.later(seconds=1)
    sent.messages()
    for number, delivery in enumerate(reversed(sent.deliveries())):
        fields = {"nextAttemptAt": sent.farm.now - timedelta(seconds=number + 1)}
        sent.documents.commit(Update(f"notification_deliveries/{delivery.delivery_id}", fields))
    assert retrying.announce_due(sent.event()) == 3
    announced = [message.delivery_id.rpartition("_")[2] for message in sent.messages()]
    assert announced == [each.delivery_id.rpartition("_")[2] for each in sent.deliveries()]


def test_neither_logs_nor_what_is_stored_tell_the_address_or_the_secret(
    sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel, secret = webhook(sent)
    for status in (500, 301, 410):
        sent.receiver.answer(status)
        sent.tell()
        sent.run()
    channels.change(sent.context(), channel, Wish({"active": True}))
    sent.outbound = AtPort(sent.receiver.outbound(trusted=False), sent.receiver.port)
    sent.tell()
    sent.run()
    trials.send_test(sent.context(), sent.stored(channel))
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "notification_attempted" in logged
    collections = ("notification_deliveries", "notification_channels", "audit_log", "processed_events")
    stored = [each.data for name in collections for each in sent.documents.query(Query(name))]
    for hidden in (TOKEN, secret):
        assert hidden not in logged
        assert hidden not in repr(stored)
