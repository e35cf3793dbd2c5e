"""An organization's channels, as its people keep them: set up, listed, changed and removed."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import Once, new_id
from printpipe.domain.log import log
from printpipe.domain.notifications import MOST_CHANNELS, ChannelKind, NotificationChannel
from printpipe.domain.ports.documents import (
    Create,
    Delete,
    Document,
    DocumentChanged,
    PreconditionFailed,
    Update,
    Write,
)
from printpipe.domain.printer_records import Printer
from printpipe.services.context import Context
from printpipe.services.notifications import addresses, channel_secrets
from printpipe.services.printers import printers
from printpipe.services.store import abreast, audit, notification_queries, receipts
from printpipe.services.store.commit import commit_new

SECRET_BYTES = 32

_TRIES = 10
_FRESH = {"failures": 0, "disabled_reason": None, "disabled_at": None}
"""What a channel that is switched on again begins with."""


@dataclass(frozen=True)
class Wish:
    """What somebody says of a channel: `fields` are the record's, by name; what is None stays as it is.

    `printers` are those that it is to tell of, by any of their names. An empty `token` takes an ntfy server's away;
    `rotated` makes a webhook a new secret.
    """

    fields: Mapping[str, Any]
    printers: Sequence[str] | None = None
    address: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    rotated: bool = False


@dataclass(frozen=True)
class Told:
    """A channel, and its new secret, which is told this once; None where it has no new one."""

    channel: NotificationChannel
    secret: str | None = field(default=None, repr=False)


def create(context: Context, kind: ChannelKind, wish: Wish, once: Once) -> Told:
    """A new channel, active unless it is wished otherwise; its secret where it is a webhook.

    Raises `InvalidInput` for an address that nothing can be sent to, a printer that is not the organization's and a
    token where none is used; `Conflict` for one channel too many.
    """
    tenant = _tenant(context)
    if wish.address is None:
        raise InvalidInput("address: a channel needs one", field="address")
    told = None
    for _ in range(_TRIES):
        if repeated := receipts.find(context, tenant, once):
            return _repeated(context, repeated, wish.address)
        told = told or _drawn(context, tenant, kind, wish)
        try:
            _store(context, told, once)
        except PreconditionFailed:  # another one was set up in this moment, perhaps by the same call
            continue
        log("notification_channel_created", channelId=told.channel.channel_id, kind=kind)
        return told
    raise Unavailable("Too many changes at once", retry_after=1)


def listed(context: Context) -> Sequence[NotificationChannel]:
    """The organization's channels, the newest first."""
    query = notification_queries.channels_of_organization(context.collections, _tenant(context), MOST_CHANNELS)
    return [NotificationChannel.of(document) for document in context.documents.query(query)]


def get(context: Context, channel_id: str) -> NotificationChannel:
    """A channel of the organization. Raises `NotFound`."""
    return NotificationChannel.of(_own(context, channel_id))


def change(context: Context, channel_id: str, wish: Wish) -> Told:
    """Changes what is wished; a channel that is switched on again has its failures forgotten. Raises as `create`."""
    for _ in range(_TRIES):
        document = _own(context, channel_id)
        before = NotificationChannel.of(document)
        changes, secret = _changes(context, before, wish)
        after = before.model_copy(update=changes)
        changed = sorted(name for name in changes if getattr(after, name) != getattr(before, name))
        if not changed:
            return Told(before)
        after = after.model_copy(update={"updated_at": context.now()})
        write = Update(document.path, after.fields([*changed, "updated_at"]), document.version)
        try:
            context.documents.commit(write, _audit(context, "changed", after, ", ".join(changed)))
        except DocumentChanged:
            continue
        return Told(after, secret)
    raise Unavailable("The channel is being changed by others", retry_after=1)


def remove(context: Context, channel_id: str) -> None:
    """Takes a channel away; what is still to be sent over it is dropped. Raises `NotFound`."""
    document = _own(context, channel_id)
    removed = NotificationChannel.of(document)
    context.documents.commit(Delete(document.path), _audit(context, "removed", removed))
    log("notification_channel_removed", channelId=channel_id)


def printers_of(context: Context, channels: Iterable[NotificationChannel]) -> Mapping[str, Printer]:
    """By id, the printers that the channels were set up for, as far as they are there still."""
    paths = {printers.path(context, each) for channel in channels for each in channel.printer_ids}
    found = context.documents.get_many(paths) if paths else {}
    return {document.id: Printer.of(document) for document in found.values() if document.data.get("deletedAt") is None}


def _drawn(context: Context, tenant: str, kind: ChannelKind, wish: Wish) -> Told:
    """A channel as it is wished, not stored yet."""
    now = context.now()
    blank = NotificationChannel(
        channel_id=new_id(),
        organization_id=tenant,
        name=str(wish.fields["name"]),
        kind=kind,
        address="",
        address_hint="",
        created_at=now,
        created_by=context.caller.key_id or context.caller.name,
        updated_at=now,
    )
    changes, secret = _changes(context, blank, wish)
    return Told(blank.model_copy(update=changes), secret)


def _store(context: Context, told: Told, once: Once) -> None:
    """Writes a new channel. Raises `Conflict` for one too many, `PreconditionFailed` where others are set up now."""
    channel, where = told.channel, f"{context.collections.organizations}/{told.channel.organization_id}"
    organization = context.documents.get(where)
    others = notification_queries.channels_of_organization(context.collections, channel.organization_id, MOST_CHANNELS)
    if context.documents.count(others) >= MOST_CHANNELS:
        raise Conflict(f"An organization has at most {MOST_CHANNELS} channels: remove one of them first")
    path = _path(context, channel.channel_id)
    writes: list[Write] = [_audit(context, "created", channel)]
    if organization is not None:  # of two set up at once only one has counted all others
        writes.append(Update(where, {"newestChannelId": channel.channel_id}, organization.version))
    writes += receipts.issue(context, channel.organization_id, once, path, told.secret)
    commit_new(context.documents, Create(path, channel.data()), *writes)


def _repeated(context: Context, repeated: receipts.Repetition, address: str) -> Told:
    """What the same call has set up. An address is in no digest, for short ones could be guessed from it."""
    channel = NotificationChannel.of(repeated.created)
    if channel.updated_at == channel.created_at and channel_secrets.address_of(context, channel) != address:
        raise Conflict("This idempotency key was used for another request", field="Idempotency-Key")
    return Told(channel, repeated.shown)


def _changes(context: Context, before: NotificationChannel, wish: Wish) -> tuple[dict[str, Any], str | None]:
    """What changes of the record, and the new secret that is to be told."""
    changes, secret = dict(wish.fields), None
    is_signed, is_new = before.kind == "webhook", before.address == ""
    if wish.printers is not None:
        changes["printer_ids"] = _printer_ids(context, wish.printers)
    if wish.address is not None:
        addresses.check(context, before.kind, wish.address)
        changes["address"] = channel_secrets.seal(context, before, "address", wish.address)
        changes["address_hint"] = _hint(before.kind, wish.address)
    if wish.token is not None:
        if before.kind != "ntfy":
            raise InvalidInput("secret: only a server of ntfy may need one; a webhook's is made here", field="secret")
        changes["secret"] = channel_secrets.seal(context, before, "secret", wish.token) if wish.token else None
    if wish.rotated and not is_signed:
        raise InvalidInput("rotate_secret: only a webhook has a secret of ours", field="rotate_secret")
    if is_signed and (is_new or wish.rotated):
        secret = secrets.token_urlsafe(SECRET_BYTES)
        changes["secret"] = channel_secrets.seal(context, before, "secret", secret)
    if changes.get("active") and not before.active:
        changes |= _FRESH
    return changes, secret


def _printer_ids(context: Context, names: Sequence[str]) -> tuple[str, ...]:
    def found(name: str) -> str:
        try:
            return printers.named(context, name).id
        except NotFound:
            raise InvalidInput("printer_ids: names a printer that is not there", field="printer_ids") from None

    return tuple(dict.fromkeys(abreast.each(found, names))) if names else ()


def _hint(kind: ChannelKind, address: str) -> str:
    """What tells one address from another to those who know them, and tells nobody the address."""
    if kind == "email":
        name, _, host = address.rpartition("@")
        return f"{name[:1]}…@{host}"
    return urlsplit(address).netloc


def _tenant(context: Context) -> str:
    """Whose channels they are: what they tell of is at all of the organization's sites. Raises `Forbidden`."""
    if context.caller.recipient_ids is not None:
        raise Forbidden("This key is for single recipients, not for the organization")
    return context.tenant


def _own(context: Context, channel_id: str) -> Document:
    document = context.documents.get(_path(context, channel_id))
    if document is None or document.data["organizationId"] != _tenant(context):
        raise NotFound("No such notification channel", field="notification_id")
    return document


def _audit(context: Context, done: str, channel: NotificationChannel, changed: str | None = None) -> Create:
    return audit.entry(
        context,
        f"notification_channel.{done}",
        channel.organization_id,
        subject=channel.channel_id,
        detail=f"{channel.name} ({channel.kind})" + (f": {changed}" if changed else ""),
    )


def _path(context: Context, channel_id: str) -> str:
    return f"{context.collections.notification_channels}/{channel_id}"
