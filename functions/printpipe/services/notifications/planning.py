"""From something to tell to one delivery for each channel that wants it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.messages import NotificationEvent
from printpipe.domain.notifications import (
    KEPT,
    MOST_CHANNELS,
    PICTURE_PATIENCE,
    Delivery,
    DeliveryStatus,
    Notice,
    NotificationChannel,
    delivery_id,
)
from printpipe.domain.ports.documents import Create, DocumentChanged, Update, Write
from printpipe.domain.statistics import zone_of
from printpipe.domain.tenant_records import Organization
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.services.store import notification_queries


@dataclass(frozen=True)
class Plan:
    """What is to be sent: `writes` for the batch of what is told of, `due` for the bus when that is written."""

    writes: Sequence[Write] = ()
    due: Sequence[NotificationEvent] = ()

    @property
    def empty(self) -> bool:
        """Whether nobody wants to be told."""
        return not self.writes

    def announce(self, context: Context) -> None:
        """Has sent at once what need not wait; a bus that is out of reach only delays it until the next retry."""
        for message in self.due:
            try:
                announcements.announce(context, message)
            except Unavailable:
                log_failure("notification_delayed", deliveryId=message.delivery_id)


NOBODY = Plan()


def plan(context: Context, *notices: Notice, besides: str | None = None) -> Plan:
    """One delivery of each notice over each channel of its organization that wants it, but the one `besides`.

    What was planned before is not planned again. Two batches that plan the same at once do not both succeed.
    """
    planned = [
        delivery
        for organization_id in dict.fromkeys(notice.organization_id for notice in notices)
        for delivery in _deliveries(
            context, organization_id, [each for each in notices if each.organization_id == organization_id], besides
        )
    ]
    now, known = context.now(), _known(context, planned)
    planned = [each for each in planned if path(context, each.delivery_id) not in known]
    return Plan(
        [Create(path(context, each.delivery_id), each.data()) for each in planned],
        [due(each) for each in planned if each.next_attempt_at is not None and each.next_attempt_at <= now],
    )


def complete(context: Context, organization_id: str, subject: str, event_type: str, image_path: str) -> None:
    """Gives this picture to what waits for it, and has it sent, unless it is to wait until quiet hours are over."""
    query = notification_queries.deliveries_for_picture(
        context.collections, organization_id, subject, event_type, MOST_CHANNELS
    )
    now = context.now()
    for document in context.documents.query(query):
        delivery = Delivery.of(document)
        pictured = delivery.model_copy(
            update={
                "notice": delivery.notice.model_copy(update={"image_path": image_path}),
                "awaits_picture": False,
                "next_attempt_at": max(delivery.quiet_until or now, now),
            }
        )
        changed = pictured.fields(["notice", "awaits_picture", "next_attempt_at"])
        try:
            context.documents.commit(Update(document.path, changed, document.version))
        except DocumentChanged:  # it is being sent without
            continue
        if pictured.next_attempt_at == now:
            Plan(due=[due(pictured)]).announce(context)


def due(delivery: Delivery) -> NotificationEvent:
    """The message that has the delivery's next attempt made."""
    notice = delivery.notice
    return NotificationEvent(
        event_id=f"{delivery.delivery_id}:{delivery.attempts}",
        kind="notification_due",
        organization_id=delivery.organization_id,
        recipient_id=notice.recipient_id,
        printer_id=notice.printer_id,
        occurred_at=notice.occurred_at,
        request_id=delivery.request_id,
        traceparent=delivery.traceparent,
        delivery_id=delivery.delivery_id,
        channel_id=delivery.channel_id,
    )


def path(context: Context, delivery: str) -> str:
    """Where the delivery of that id is stored."""
    return f"{context.collections.notification_deliveries}/{delivery}"


def _known(context: Context, planned: Sequence[Delivery]) -> Collection[str]:
    """The paths of those that are stored already."""
    return context.documents.get_many(path(context, each.delivery_id) for each in planned) if planned else ()


def _deliveries(
    context: Context, organization_id: str, notices: Sequence[Notice], besides: str | None
) -> Iterable[Delivery]:
    query = notification_queries.active_channels(context.collections, organization_id, MOST_CHANNELS)
    channels = [NotificationChannel.of(document) for document in context.documents.query(query)]
    wanted = [
        (channel, notice)
        for notice in notices
        for channel in channels
        if channel.channel_id != besides and channel.wants(notice)
    ]
    if not wanted:
        return
    keeps_quiet = any(channel.quiet_hours is not None for channel, _ in wanted)
    zone = _zone(context, organization_id) if keeps_quiet else None
    for channel, notice in wanted:
        yield _delivery(context, channel, notice, zone)


def _delivery(context: Context, channel: NotificationChannel, notice: Notice, zone: tzinfo | None) -> Delivery:
    now, quiet_until = context.now(), None
    if channel.quiet_hours is not None and zone is not None and not (channel.urgent_anyway and notice.urgent):
        quiet_until = channel.quiet_hours.until(now, zone)
    awaits_picture = channel.picture and notice.awaits_picture and notice.image_path is None
    patient_until = now + PICTURE_PATIENCE if awaits_picture else now
    return Delivery(
        delivery_id=delivery_id(channel.channel_id, notice.event_id),
        organization_id=notice.organization_id,
        channel_id=channel.channel_id,
        event_id=notice.event_id,
        event_type=notice.event_type,
        subject=notice.subject,
        notice=notice,
        status=DeliveryStatus.PLANNED,
        awaits_picture=awaits_picture,
        quiet_until=quiet_until,
        next_attempt_at=max(quiet_until or now, patient_until),
        created_at=now,
        expires_at=now + KEPT,
        request_id=context.request_id,
        traceparent=context.traceparent,
    )


def _zone(context: Context, organization_id: str) -> tzinfo | None:
    """The organization's; None where it is gone, and nothing is quiet."""
    document = context.documents.get(f"{context.collections.organizations}/{organization_id}")
    return zone_of(Organization.of(document).time_zone) if document is not None else None
