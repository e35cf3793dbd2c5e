"""How a notification channel looks in the dialect `printernizer`: its address never, its secret when it is new."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.notifications import ChannelKind, NotificationChannel
from printpipe.domain.printer_records import Printer
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_printer_views
from printpipe.endpoints.printernizer_notification_fields import EventType
from printpipe.services.context import Context
from printpipe.services.notifications import channels
from printpipe.services.notifications.channels import Told


class Path(printernizer.Path):
    """The path's parameters."""

    notification_id: Id


class QuietView(printernizer.Part):
    """From when until when nothing is sent, in the organization's time zone."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")


class ChannelView(printernizer.Part):
    """A channel, and how it has done."""

    id: str
    name: str
    kind: ChannelKind
    address_hint: str = Field(description="the host of its address")
    has_secret: bool
    event_types: list[EventType] = Field(description="empty: all but the chatty ones")
    printer_ids: list[str] = Field(description="empty: all")
    quiet_hours: QuietView | None
    urgent_anyway: bool
    picture: bool
    active: bool
    disabled_reason: str | None = Field(description="why it was switched off, where nobody did so by hand")
    disabled_at: printernizer.Time | None
    failures: int = Field(description="attempts that failed since something arrived last")
    last_sent_at: printernizer.Time | None
    last_error: str | None
    created_at: printernizer.Time
    updated_at: printernizer.Time


class ToldView(ChannelView):
    """With its secret where it has a new one."""

    secret: str | None = Field(description="shown this once: what a webhook's requests are signed with")


def views(context: Context, shown: Iterable[NotificationChannel]) -> list[ChannelView]:
    """The channels as they look."""
    listed = list(shown)
    known = channels.printers_of(context, listed)
    return [ChannelView(**_fields(each, known)) for each in listed]


def told(context: Context, channel: Told) -> ToldView:
    """A channel that was set up or changed."""
    known = channels.printers_of(context, [channel.channel])
    return ToldView(**_fields(channel.channel, known), secret=channel.secret)


def _fields(channel: NotificationChannel, known: Mapping[str, Printer]) -> dict[str, Any]:
    quiet = channel.quiet_hours
    return {
        "id": channel.channel_id,
        "name": channel.name,
        "kind": channel.kind,
        "address_hint": channel.address_hint,
        "has_secret": channel.secret is not None,
        "event_types": list(channel.event_types),
        "printer_ids": [
            printernizer_printer_views.name_of(known[each]) if each in known else each for each in channel.printer_ids
        ],
        "quiet_hours": QuietView.model_validate(quiet.model_dump()) if quiet is not None else None,
        "urgent_anyway": channel.urgent_anyway,
        "picture": channel.picture,
        "active": channel.active,
        "disabled_reason": channel.disabled_reason,
        "disabled_at": channel.disabled_at,
        "failures": channel.failures,
        "last_sent_at": channel.last_sent_at,
        "last_error": channel.last_error,
        "created_at": channel.created_at,
        "updated_at": channel.updated_at,
    }
