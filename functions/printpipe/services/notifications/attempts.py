"""One attempt to hand a notice over to a channel's receiver, whatever becomes of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from printpipe.domain.errors import InvalidInput
from printpipe.domain.notifications import ChannelKind, Notice, NotificationChannel
from printpipe.domain.ports.files import FileMissing
from printpipe.domain.ports.outbound import NotDelivered
from printpipe.services.context import Context
from printpipe.services.notifications import addresses, channel_secrets
from printpipe.services.notifications.kinds import discord, email, ntfy, slack, webhook
from printpipe.services.notifications.kinds.posting import PICTURE_NAME, Posting, Request

IMAGE_LIMIT = 8 << 20
"""Bytes of a picture that is sent; a larger one is left out."""

LINK_LIFETIME = timedelta(hours=1)

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


def posting(context: Context, channel: NotificationChannel, notice: Notice, delivery_id: str) -> Posting:
    """With everything that other services of ours have to give."""
    address, secret = channel_secrets.address_of(context, channel), channel_secrets.secret_of(context, channel)
    posted = Posting(address, secret, delivery_id, notice, context.now())
    if notice.image_path is None or not channel.picture:
        return posted
    files = context.platform.files
    if channel.kind in _LINKED:
        return replace(posted, image_url=files.sign_get(notice.image_path, LINK_LIFETIME, PICTURE_NAME))
    try:
        with files.open(notice.image_path) as stream:
            image = stream.read(IMAGE_LIMIT + 1)
    except FileMissing:
        return posted
    return replace(posted, image=image) if len(image) <= IMAGE_LIMIT else posted


def put(context: Context, kind: ChannelKind, posting: Posting) -> Outcome:
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
