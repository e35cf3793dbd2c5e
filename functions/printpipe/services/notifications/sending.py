"""From a planned delivery to one that has arrived, or is over.

At any time one attempt is under way: it is claimed, for as long as its lease lasts, in a write of its own before
anything is sent. A sender that dies leaves it claimed; after the lease it is attempted again, with the same event id.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log
from printpipe.domain.notifications import (
    LONGEST_WAIT,
    OPEN_DELIVERIES,
    SENDING_LEASE,
    Delivery,
    DeliveryStatus,
    Notice,
    NotificationChannel,
)
from printpipe.domain.ports.documents import Document, DocumentChanged, PreconditionFailed, Update, Version, Write
from printpipe.domain.statistics import zone_of
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.notifications import attempts, planning
from printpipe.services.notifications.attempts import Outcome
from printpipe.services.notifications.planning import Plan
from printpipe.services.store import audit
from printpipe.services.store.effects import Effect

_EARLY = timedelta(seconds=5)
"""By how much two instances' clocks may differ."""

_MARKED_EVERY = timedelta(minutes=1)
"""How often a channel that works is written to, to say when something was sent over it last."""

_TRIES = 4
"""At storing what came of an attempt; the store takes at most 8 s to say that it cannot."""


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
    posting = attempts.posting(context, channel, delivery.notice, delivery.delivery_id)
    claim = {
        "status": DeliveryStatus.SENDING,
        "attempts": delivery.attempts + 1,
        "next_attempt_at": context.now() + SENDING_LEASE,
    }
    try:
        delivery, version = _keep(context, delivery, version, claim)
    except DocumentChanged:
        return  # another sender was faster, or the picture has come
    outcome = attempts.put(context, channel.kind, posting)
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
