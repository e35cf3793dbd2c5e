"""Notifications: over which channels an organization is told of what, and what is to be sent over them."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from printpipe.domain.records import Record, Stored

Severity = Literal["info", "warning", "error", "critical"]
ChannelKind = Literal["webhook", "ntfy", "discord", "slack", "email"]

EVENT_TYPES: Mapping[str, str] = {
    "job_started": "A print has begun",
    "job_completed": "A print is done",
    "job_failed": "A print has failed",
    "job_cancelled": "A print was cancelled",
    "job_paused": "A print is paused",
    "job_resumed": "A paused print goes on",
    "job_held": "A job is back with a person: it waited for too long, or it was not started",
    "job_needs_attention": "Nobody knows how a print stands: somebody has to look",
    "hms_error": "A printer reports an error",
    "hms_cleared": "A printer's error is over",
    "printer_offline": "A printer was not heard of for too long",
    "printer_online": "A printer is back",
    "site_offline": "A site's agent was not heard of for too long",
    "site_online": "A site's agent is back",
    "command_failed": "A start, pause or stop was not carried out, or nobody knows whether it was",
    "channel_disabled": "A notification channel was switched off because nothing could be sent over it",
}
"""What an organization can be told of."""

CHATTY = frozenset({"job_started", "job_resumed", "hms_cleared", "printer_online", "site_online"})
"""What a channel is told of only where it was chosen by name."""

MOST_CHANNELS = 50
"""Of one organization."""

PICTURE_PATIENCE = timedelta(seconds=60)
"""How long a notification waits for the picture that the printer is expected to send."""

SENDING_LEASE = timedelta(seconds=60)
"""How long one attempt has a delivery for itself; a sender that is not done by then has died."""

LONGEST_WAIT = timedelta(hours=4)
"""The most that a receiver may ask for with `Retry-After`."""

KEPT = timedelta(days=30)
"""How long a delivery is kept."""


class DeliveryStatus(StrEnum):
    """Where a delivery stands; the last three are final."""

    PLANNED = "planned"
    SENDING = "sending"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


OPEN_DELIVERIES = (DeliveryStatus.PLANNED, DeliveryStatus.SENDING, DeliveryStatus.WAITING)
"""What is to be attempted when its time has come."""


class QuietHours(Record):
    """From when until when nothing is sent, every day, `HH:MM`; the span may go over midnight, and is never empty."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")

    def until(self, now: datetime, zone: tzinfo) -> datetime | None:
        """When they end (UTC), where they are now in that time zone; None where it is not quiet.

        Where the clocks are put back, a time that comes twice is meant as it comes the second time.
        """
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            begins = _last(day, start, zone)
            ends = _last(day if start < end else day + timedelta(days=1), end, zone)
            if begins <= now < ends:
                return ends
        return None


class Notice(Record):
    """What there is to tell. `event_id` is of its own: no two notices have one, and a repeated notice has the same.

    `severity` critical is of errors that endanger a machine. `image_path` is its picture in the bucket; one that
    `awaits_picture` has none yet, and its channels wait for it a while. `subject` is what a picture that comes later
    names to find it, as `job:{id}:{run}` or `printer:{id}`.
    """

    event_type: str
    event_id: str
    organization_id: str
    occurred_at: datetime
    title: str
    text: str
    printer_id: str | None = None
    printer_name: str | None = None
    recipient_id: str | None = None
    job_id: str | None = None
    job_name: str | None = None
    severity: Severity = "info"
    image_path: str | None = None
    awaits_picture: bool = False
    subject: str | None = None
    details: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def urgent(self) -> bool:
        """Whether it may be sent in quiet hours."""
        return self.event_type == "hms_error" and self.severity == "critical"


class NotificationChannel(Stored):
    """`notification_channels/{channelId}`. `address` (a URL, or an e-mail address) and `secret` are sealed.

    `secret` signs what a webhook is sent, and is the token for an ntfy server that wants one. `address_hint` is what
    people are shown of the address. No `event_types`: all that are not chatty; no `printer_ids`: all printers.
    `urgent_anyway`: what is urgent is sent in quiet hours too. `failures` are those since something was sent last.
    """

    channel_id: str
    organization_id: str
    name: str
    kind: ChannelKind
    address: str
    secret: str | None = None
    address_hint: str
    event_types: tuple[str, ...] = ()
    printer_ids: tuple[str, ...] = ()
    quiet_hours: QuietHours | None = None
    urgent_anyway: bool = True
    picture: bool = True
    active: bool = True
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    failures: int = 0
    last_sent_at: datetime | None = None
    last_error: str | None = None
    created_at: datetime
    created_by: str | None = None
    updated_at: datetime

    def wants(self, notice: Notice) -> bool:
        """Whether it is to be told; the choice of printers does not hold for what concerns no single printer."""
        chosen = notice.event_type in self.event_types if self.event_types else notice.event_type not in CHATTY
        return chosen and (not self.printer_ids or notice.printer_id in (None, *self.printer_ids))


class Delivery(Stored):
    """`notification_deliveries/{channelId}_{digest}`: one notice on its way over one channel.

    `next_attempt_at`: when it is to be attempted, or its lease lapses while it is being sent; None once it is over.
    `awaits_picture`: it goes as soon as its picture is there, but not before `quiet_until` where that is set.
    The store removes it about when it has expired.
    """

    delivery_id: str
    organization_id: str
    channel_id: str
    event_id: str
    event_type: str
    subject: str | None = None
    notice: Notice
    status: DeliveryStatus = DeliveryStatus.PLANNED
    attempts: int = 0
    awaits_picture: bool = False
    quiet_until: datetime | None = None
    next_attempt_at: datetime | None
    last_error: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    expires_at: datetime
    request_id: str
    traceparent: str = ""


def delivery_id(channel_id: str, event_id: str) -> str:
    """The id of the delivery of a notice over a channel: there is one."""
    return f"{channel_id}_{hashlib.sha256(event_id.encode()).hexdigest()[:32]}"


def _last(day: date, moment: time, zone: tzinfo) -> datetime:
    """The last time that clocks show it on that day; where they leave it out, as long after midnight as it says."""
    return max(datetime.combine(day, moment.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
