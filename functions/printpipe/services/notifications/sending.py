"""From a planned delivery to one that has arrived, or is over.

At any time one attempt is under way: it is claimed, for as long as its lease lasts, in a write of its own before
anything is sent. A sender that dies leaves it claimed; after the lease it is attempted again, with the same event id.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from printpipe.domain.errors import InvalidInput, RateLimited, Unavailable
from printpipe.domain.ids import new_id
from printpipe.domain.log import log
from printpipe.domain.notifications import (
    LONGEST_WAIT,
    OPEN_DELIVERIES,
    SENDING_LEASE,
    ChannelKind,
    Delivery,
    DeliveryStatus,
    Notice,
    NotificationChannel,
)
from printpipe.domain.ports.documents import Document, DocumentChanged, PreconditionFailed, Update, Version, Write
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.ports.outbound import NotDelivered
from printpipe.domain.statistics import zone_of
from printpipe.domain.tenant_records import Organization
from printpipe.services.access.rate_limits import Slots
from printpipe.services.context import Context
from printpipe.services.notifications import addresses, channel_secrets, planning
from printpipe.services.notifications.kinds import discord, email, ntfy, slack, webhook
from printpipe.services.notifications.kinds.posting import PICTURE_NAME, Posting, Request
from printpipe.services.notifications.planning import Plan
from printpipe.services.store import audit
from printpipe.services.store.effects import Effect

IMAGE_LIMIT = 8 << 20
"""Bytes of a picture that is sent; a larger one is left out."""

LINK_LIFETIME = timedelta(hours=1)

MOST_TESTS = 10
"""That an organization may have sent in five minutes, over all of its channels."""

_EARLY = timedelta(seconds=5)
"""By how much two instances' clocks may differ."""

_MARKED_EVERY = timedelta(minutes=1)
"""How often a channel that works is written to, to say when something was sent over it last."""

_TRIES = 4
"""At storing what came of an attempt; the store takes at most 8 s to say that it cannot."""

_NOT_WITH_PICTURE = frozenset({400, 413, 415})
_GONE = 410
_BUSY = frozenset({429, 503})

_REQUESTS: Mapping[ChannelKind, Callable[[Posting], Request]] = {
    "webhook": webhook.request,
    "ntfy": ntfy.request,
    "discord": discord.request,
    "slack": slack.request,
}
_LINKED: frozenset[ChannelKind] = frozenset({"webhook", "slack"})
"""Kinds that are given a link to the picture; the others are given its bytes."""


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the status that was answered, if any, and what went wrong, for the channel's owner."""

    ok: bool
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver says that it will never take anything again."""
        return self.status == _GONE


def send(context: Context, delivery_id: str, effect: Effect) -> None:
    """Makes the attempt that is due at a delivery; nothing where none is, or another sender is at it.

    Raises `Undecipherable`, and `Unavailable`: before anything is sent, unless it is the store that is long out of
    reach; and a `PreconditionFailed` where another attempt was begun because this one took longer than its lease.
    """
    document = context.documents.get(planning.path(context, delivery_id))
    if document is None:
        return
    delivery = Delivery.of(document)
    if not _due(delivery, context.now()):
        return
    channel = _channel(context, delivery.channel_id)
    if channel is None or not channel[1].active:
        ended = {"status": DeliveryStatus.DROPPED, "next_attempt_at": None}
        _keep(context, delivery, document.version, ended, effect.note(context))
        return
    _attempt(context, delivery, document.version, channel[1], effect)


def send_test(context: Context, channel: NotificationChannel) -> Outcome:
    """Sends something over the channel now, active or not, and tells what came of it; the channel stays as it is.

    Raises `RateLimited` where the organization has tried its channels too often: not every address is its own.
    """
    _count_test(context, channel.organization_id)
    notice = Notice(
        event_type="test",
        event_id=f"test:{new_id()}",
        organization_id=channel.organization_id,
        occurred_at=context.now(),
        title="Test",
        text=f"This is a test of the notification channel {channel.name}.",
    )
    return _put(context, channel.kind, _posting(context, channel, notice, notice.event_id))


def _count_test(context: Context, organization_id: str) -> None:
    slots = Slots(context.documents, context.collections, context.clock)
    try:
        slots.take(f"organization {organization_id}", "tests", MOST_TESTS, new_id())  # they are free in five minutes
    except RateLimited:
        raise RateLimited(f"At most {MOST_TESTS} tests of channels in five minutes", retry_after=60) from None


def _due(delivery: Delivery, now: datetime) -> bool:
    if delivery.status not in OPEN_DELIVERIES or delivery.next_attempt_at is None:
        return False
    early = timedelta() if delivery.status == DeliveryStatus.SENDING else _EARLY
    return delivery.next_attempt_at <= now + early


def _channel(context: Context, channel_id: str) -> tuple[Document, NotificationChannel] | None:
    document = context.documents.get(f"{context.collections.notification_channels}/{channel_id}")
    return (document, NotificationChannel.of(document)) if document is not None else None


def _attempt(
    context: Context, delivery: Delivery, version: Version, channel: NotificationChannel, effect: Effect
) -> None:
    posting = _posting(context, channel, delivery.notice, delivery.delivery_id)
    claim = {
        "status": DeliveryStatus.SENDING,
        "attempts": delivery.attempts + 1,
        "next_attempt_at": context.now() + SENDING_LEASE,
    }
    try:
        delivery, version = _keep(context, delivery, version, claim)
    except DocumentChanged:
        return  # another sender was faster, or the picture has come
    outcome = _put(context, channel.kind, posting)
    log(
        "notification_attempted",
        level=logging.INFO if outcome.ok else logging.WARNING,
        deliveryId=delivery.delivery_id,
        kind=channel.kind,
        attempt=delivery.attempts,
        status=outcome.status,
        error=outcome.error,
    )
    if outcome.ok:
        now = context.now()
        ended = {"status": DeliveryStatus.SENT, "next_attempt_at": None, "sent_at": now, "last_error": None}
        _settle(context, delivery, version, ended, effect)
        _mark_sent(context, channel, now)
    elif outcome.gone or delivery.attempts > len(context.policy.notification_backoff):
        _give_up(context, delivery, version, channel, outcome, effect)
    else:
        again = _again(context, channel, delivery.attempts, outcome.retry_after)
        waits = {"status": DeliveryStatus.WAITING, "next_attempt_at": again, "last_error": outcome.error}
        _settle(context, delivery, version, waits, effect)
        failures = {"failures": channel.failures + 1, "last_error": outcome.error}
        _mark(context, channel, failures)


def _keep(
    context: Context, delivery: Delivery, version: Version, changes: Mapping[str, object], *others: Write
) -> tuple[Delivery, Version]:
    changed = delivery.model_copy(update=dict(changes))
    path = planning.path(context, delivery.delivery_id)
    written = context.documents.commit(Update(path, changed.fields(list(changes)), version), *others)
    return changed, written[0]


def _settle(
    context: Context,
    delivery: Delivery,
    version: Version,
    changes: Mapping[str, object],
    effect: Effect,
    *others: Write,
) -> None:
    """Stores what came of an attempt, with the note. Tried again, for what is not stored is sent a second time."""
    for tries_left in reversed(range(_TRIES)):
        try:
            _keep(context, delivery, version, changes, effect.note(context), *others)
            return
        except Unavailable:
            if not tries_left:
                raise
        except PreconditionFailed:
            if effect.done(context):  # it was stored, though the store could not say so
                return
            raise


def _again(context: Context, channel: NotificationChannel, attempts: int, asked: timedelta | None) -> datetime:
    """When the next attempt is due: as the back-off says, not before the receiver wants it, and not in quiet hours."""
    wait = context.policy.notification_backoff[attempts - 1]
    if asked is not None:
        wait = max(wait, min(asked, LONGEST_WAIT))
    again = context.now() + wait
    if channel.quiet_hours is None:
        return again
    organization = context.documents.get(f"{context.collections.organizations}/{channel.organization_id}")
    zone = zone_of(Organization.of(organization).time_zone) if organization is not None else UTC
    return channel.quiet_hours.until(again, zone) or again


def _give_up(
    context: Context,
    delivery: Delivery,
    version: Version,
    channel: NotificationChannel,
    outcome: Outcome,
    effect: Effect,
) -> None:
    """The delivery has failed for good; the channel is switched off, and the organization's others tell of it.

    A channel that was given another address meanwhile, or is off already, stays as it is.
    """
    failed = {"status": DeliveryStatus.FAILED, "next_attempt_at": None, "last_error": outcome.error}
    for tries_left in reversed(range(_TRIES)):
        stored = _channel(context, channel.channel_id)
        plan, writes = planning.NOBODY, list[Write]()
        if stored is not None and stored[1].active and stored[1].address == channel.address:
            plan, writes = _switched_off(context, *stored, delivery, outcome)
        try:
            _settle(context, delivery, version, failed, effect, *writes)
        except PreconditionFailed:
            if not tries_left:
                raise
            continue  # something else was noted at the channel
        plan.announce(context)
        return


def _switched_off(
    context: Context, document: Document, channel: NotificationChannel, delivery: Delivery, outcome: Outcome
) -> tuple[Plan, list[Write]]:
    """Whom to tell of it, and all that is to be written."""
    reason = (
        "The receiver says that it is gone for good." if outcome.gone else f"Nothing could be sent: {outcome.error}"
    )
    off = {
        "active": False,
        "disabled_reason": reason,
        "disabled_at": context.now(),
        "failures": channel.failures + 1,
        "last_error": outcome.error,
    }
    plan = planning.plan(context, _disabled(context, channel, delivery, reason), besides=channel.channel_id)
    audited = audit.entry(
        context,
        "notification_channel.disabled",
        channel.organization_id,
        subject=channel.channel_id,
        detail=reason,
    )
    update = Update(document.path, channel.model_copy(update=off).fields(list(off)), document.version)
    return plan, [update, audited, *plan.writes]


def _disabled(context: Context, channel: NotificationChannel, delivery: Delivery, reason: str) -> Notice:
    return Notice(
        event_type="channel_disabled",
        event_id=f"channel_disabled:{delivery.delivery_id}",
        organization_id=channel.organization_id,
        occurred_at=context.now(),
        title=f"Notifications over {channel.name} are switched off",
        text=f"{reason} Switch the channel on again when its receiver works.",
        severity="warning",
        details={"channel_id": channel.channel_id, "kind": channel.kind, "reason": reason},
    )


def _mark_sent(context: Context, channel: NotificationChannel, now: datetime) -> None:
    recent = channel.last_sent_at is not None and now - channel.last_sent_at < _MARKED_EVERY
    if channel.failures or channel.last_error or not recent:
        _mark(context, channel, {"failures": 0, "last_error": None, "last_sent_at": now})


def _mark(context: Context, channel: NotificationChannel, changes: Mapping[str, object]) -> None:
    """Notes at the channel how it does; that is for people to see, and may be lost."""
    marked = channel.model_copy(update=dict(changes)).fields(list(changes))
    path = f"{context.collections.notification_channels}/{channel.channel_id}"
    try:
        context.documents.commit(Update(path, marked))
    except (PreconditionFailed, Unavailable):
        log("notification_channel_unmarked", channelId=channel.channel_id)


def _posting(context: Context, channel: NotificationChannel, notice: Notice, delivery_id: str) -> Posting:
    """With everything that other services of ours have to give."""
    address, secret = channel_secrets.address_of(context, channel), channel_secrets.secret_of(context, channel)
    posting = Posting(address, secret, delivery_id, notice, context.now())
    if notice.image_path is None or not channel.picture:
        return posting
    files = context.platform.files
    if channel.kind in _LINKED:
        return replace(posting, image_url=files.sign_get(notice.image_path, LINK_LIFETIME, PICTURE_NAME))
    try:
        with files.open(notice.image_path) as stream:
            image = stream.read(IMAGE_LIMIT + 1)
    except FileMissing:
        return posting
    return replace(posting, image=image) if len(image) <= IMAGE_LIMIT else posting


def _put(context: Context, kind: ChannelKind, posting: Posting) -> Outcome:
    """Sends it; without its picture where the receiver takes it only so."""
    try:
        if kind == "email":
            return _mailed(context, posting)
        outcome = _posted(context, kind, posting)
        if outcome.status in _NOT_WITH_PICTURE and (posting.image or posting.image_url):
            outcome = _posted(context, kind, replace(posting, image=None, image_url=None))
        return outcome
    except InvalidInput as error:
        return Outcome(False, error=error.message)
    except NotDelivered as error:
        return Outcome(False, error=str(error))


def _posted(context: Context, kind: ChannelKind, posting: Posting) -> Outcome:
    request = _REQUESTS[kind](posting)
    allowed = addresses.hosts(context.policy, kind)
    answer = context.platform.outbound.post(request.url, request.body, request.headers, allowed)
    if 200 <= answer.status < 300:
        return Outcome(True, answer.status)
    pause = _retry_after(answer.headers.get("retry-after"), context.now()) if answer.status in _BUSY else None
    return Outcome(False, answer.status, f"The receiver answers with status {answer.status}.", pause)


def _mailed(context: Context, posting: Posting) -> Outcome:
    if not context.policy.mail:
        return Outcome(False, error="This deployment sends no e-mail.")
    letter = email.letter(posting)
    message_id = re.sub(r"[^A-Za-z0-9._-]", ".", posting.delivery_id)
    context.platform.mail.send(posting.address, letter.subject, letter.text, posting.image, message_id)
    return Outcome(True)


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """How long the receiver wants to be left alone (RFC 9110, 10.2.3; some send fractions of seconds)."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
        return timedelta(seconds=float(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now, timedelta())
