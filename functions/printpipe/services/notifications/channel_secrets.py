"""What nobody may see who may see a channel: where it sends to and what it signs with, sealed for that channel alone.

To open them raises `Undecipherable` for what the key service cannot open, and `Unavailable`.
"""

from typing import Literal

from printpipe.domain.notifications import NotificationChannel
from printpipe.services.access import sealing
from printpipe.services.context import Context

Field = Literal["address", "secret"]


def seal(context: Context, channel: NotificationChannel, field: Field, text: str) -> str:
    """As that field of the channel's record holds it."""
    return sealing.seal(context.platform.keys, text.encode(), _place(channel, field))


def address_of(context: Context, channel: NotificationChannel) -> str:
    """The URL or e-mail address, in clear."""
    return _opened(context, channel, "address", channel.address)


def secret_of(context: Context, channel: NotificationChannel) -> str | None:
    """What signs a webhook's requests, or a server's token, in clear; None where there is none."""
    return _opened(context, channel, "secret", channel.secret) if channel.secret is not None else None


def _opened(context: Context, channel: NotificationChannel, field: Field, sealed: str) -> str:
    return sealing.unseal(context.platform.keys, sealed, _place(channel, field)).decode()


def _place(channel: NotificationChannel, field: Field) -> str:
    """What it is sealed for."""
    return f"{channel.organization_id}/notification_channels/{channel.channel_id}/{field}"
