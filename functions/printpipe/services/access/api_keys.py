"""API keys of an organization: who may give which, how a client's is changed for another, how one ends."""

import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import (
    Create,
    Document,
    DocumentChanged,
    DocumentExists,
    PreconditionFailed,
    Update,
    Write,
)
from printpipe.domain.scopes import CLIENT, GRANTABLE, expand
from printpipe.domain.tenancy import RESERVED_NAMES, USER_PREFIX
from printpipe.domain.tenant_records import ApiKey
from printpipe.services.access import organizations
from printpipe.services.access.directory import digest_of
from printpipe.services.context import Context
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.commit import commit_new
from printpipe.services.store.paging import Page, Slice

PREFIX = "pp_"
"""By which people and scanners know a key of ours."""

KEY_BYTES = 32
LIVE_CLIENT_KEYS = 2
"""Of a recipient: the one in use, and the next one while its client is changed over."""

_ATTEMPTS = 8
"""How often a change is tried again that somebody else's crossed."""


@dataclass(frozen=True)
class Wish:
    """The key that is asked for: scopes and purposes, for some recipients or for the whole organization."""

    name: str
    scopes: Sequence[str]
    recipient_ids: Sequence[str] | None = None


@dataclass(frozen=True)
class Issued:
    """A key as it is stored, and the key itself, which is told this once."""

    record: ApiKey
    key: str


def create(context: Context, organization_id: str | None, wish: Wish, once: Once) -> Issued:
    """A new key of an organization.

    Raises `InvalidInput` for a name by which the audit knows somebody else, `Forbidden` for more than the caller may
    itself, `NotFound` for a recipient that is not the organization's, `Conflict` for a third live key of a recipient's
    client.
    """
    _check_name(wish.name)
    _check_scopes(context, wish)
    tenant = organizations.own(context, organization_id)
    _check_recipients(context, wish)
    for _ in range(_ATTEMPTS):
        sites = _sites(context, tenant, wish.recipient_ids or ())
        if repeated := receipts.find(context, tenant, once):
            assert repeated.shown is not None
            return Issued(ApiKey.of(repeated.created), repeated.shown)
        try:
            return _create(context, tenant, wish, once, sites)
        except (DocumentChanged, DocumentExists):  # the site's document, or the same call at the same time
            continue
    raise Unavailable("Too many changes at once", retry_after=1)


def for_agent(context: Context, site: Document, name: str, created_by: str) -> tuple[Issued, list[Write]]:
    """A key for a site's agent, and the writes that make it, the key's own first: the site has our agent from then on.

    Where the site's client has two live keys already, the older of those that were made so ends. Raises `Conflict`
    where neither was.
    """
    issued, digest = _new(context, site.data["organizationId"], Wish(name, [CLIENT], [site.id]), created_by, True)
    live = _live(context, site)
    writes: list[Write] = []
    if len(live) >= LIVE_CLIENT_KEYS:
        enrolled = [each for each in live if ApiKey.of(each).enrolled]
        if not enrolled:
            raise _too_many(live)
        oldest = min(enrolled, key=lambda each: ApiKey.of(each).created_at)
        live.remove(oldest)
        ended, end = _ended(context, oldest, issued.record.key_id)
        writes += [end, _audit(context, "key.revoked", ended)]
    change = {"clientKeys": [*(each.id for each in live), digest], "client": "agent"}
    made = Create(_path(context, digest), issued.record.data())
    return issued, [made, Update(site.path, change, if_version=site.version), *writes]


def check_client(context: Context, name: str) -> None:
    """Raises `InvalidInput` and `Forbidden` as `create` does where the caller could make no client's key so called."""
    _check_name(name)
    _check_granted(context, [CLIENT])


def find(context: Context, organization_id: str | None, recipient_id: str | None, wanted: Slice) -> Page[ApiKey]:
    """An organization's keys, or those for one of its recipients.

    A key for recipients sees those keys alone that are for no other; a page of them may be shorter than asked for.
    """
    tenant = organizations.own(context, organization_id)
    allowed = context.caller.recipient_ids
    if allowed is not None and recipient_id not in allowed:
        raise Forbidden("This key is for single recipients: name one of them", field="recipientId")
    query = queries.keys_of_organization(context.collections, tenant, recipient_id, wanted.limit + 1, wanted.after)
    page = paging.read(context.documents, query, wanted, ApiKey.of)
    return Page([key for key in page.items if _is_within(key, allowed)], page.next_cursor)


def revoke(context: Context, key_id: str) -> ApiKey:
    """Ends a key; one that has ended stays as it is.

    Raises `NotFound`, and `Forbidden` for one that may do more than the caller's own, or is for other recipients.
    """
    for _ in range(_ATTEMPTS):
        document = _find(context, key_id)
        key = ApiKey.of(document)
        if key.key_id != context.caller.key_id and not context.caller.may_grant(expand(key.scopes)):
            raise Forbidden("That key may do more than yours", field="keyId")
        if key.revoked_at is not None:
            return key
        ended, change = _ended(context, document, author(context))
        try:
            context.documents.commit(change, _audit(context, "key.revoked", ended))
        except PreconditionFailed:
            continue
        return ended
    raise Unavailable("Too many changes at once", retry_after=1)


def _create(context: Context, tenant: str, wish: Wish, once: Once, sites: Sequence[Document]) -> Issued:
    issued, digest = _new(context, tenant, wish, author(context))
    path = _path(context, digest)
    others: list[Write] = [_audit(context, "key.created", issued.record)]
    if CLIENT in wish.scopes:
        others.append(_taken_slot(context, sites[0], digest))
    others += receipts.issue(context, tenant, once, path, issued.key)
    commit_new(context.documents, Create(path, issued.record.data()), *others)
    return issued


def _new(context: Context, tenant: str, wish: Wish, by: str, enrolled: bool = False) -> tuple[Issued, str]:
    """A new key, and the digest under which it is to be stored."""
    text = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = digest_of(text)
    key = ApiKey(
        key_id=ApiKey.id_of(digest),
        organization_id=tenant,
        name=wish.name,
        recipient_ids=None if wish.recipient_ids is None else tuple(wish.recipient_ids),
        scopes=tuple(wish.scopes),
        enrolled=enrolled,
        created_at=context.now(),
        created_by=by,
    )
    return Issued(key, text), digest


def _ended(context: Context, document: Document, by: str) -> tuple[ApiKey, Update]:
    """A live key as it is once it has ended, and the write that ends it."""
    ended = ApiKey.of(document).model_copy(update={"revoked_at": context.now(), "revoked_by": by})
    change = {"revokedAt": ended.revoked_at, "revokedBy": ended.revoked_by}
    return ended, Update(document.path, change, if_version=document.version)


def _taken_slot(context: Context, site: Document, digest: str) -> Update:
    """The change of the site that counts one more key of its client. Raises `Conflict` where there are two."""
    live = _live(context, site)
    if len(live) >= LIVE_CLIENT_KEYS:
        raise _too_many(live)
    return Update(site.path, {"clientKeys": [*(each.id for each in live), digest]}, if_version=site.version)


def _live(context: Context, site: Document) -> list[Document]:
    """The keys of a site's client that have not ended."""
    known = context.documents.get_many(_path(context, each) for each in site.data.get("clientKeys", ()))
    return [document for document in known.values() if ApiKey.of(document).revoked_at is None]


def _too_many(live: Sequence[Document]) -> Conflict:
    message = f"The recipient's client has {LIVE_CLIENT_KEYS} live keys: revoke one of them first"
    names = ", ".join(ApiKey.id_of(each.id) for each in live)
    return Conflict(message, field="recipientIds", detail=f"recipientIds: {names}")


def _check_name(name: str) -> None:
    read = unicodedata.normalize("NFKC", name).strip().casefold()
    if read in RESERVED_NAMES or read.startswith(USER_PREFIX):
        raise InvalidInput(f"No key can be called {name[:64]!r}", field="name")


def _check_scopes(context: Context, wish: Wish) -> None:
    if unknown := [name for name in wish.scopes if name not in GRANTABLE]:
        raise InvalidInput(f"No key can have the scope or purpose {unknown[0][:64]!r}", field="scopes")
    _check_granted(context, wish.scopes)
    if CLIENT in wish.scopes and (wish.recipient_ids is None or len(wish.recipient_ids) != 1):
        raise InvalidInput("A client's key is for exactly one recipient", field="recipientIds")


def _check_granted(context: Context, scopes: Sequence[str]) -> None:
    if not context.caller.may_grant(expand(scopes)):
        raise Forbidden("A key cannot be given more than yours may do", field="scopes")


def _check_recipients(context: Context, wish: Wish) -> None:
    allowed = context.caller.recipient_ids
    if allowed is not None and (wish.recipient_ids is None or not allowed.issuperset(wish.recipient_ids)):
        raise Forbidden("A key cannot be given recipients that yours is not for", field="recipientIds")


def _sites(context: Context, tenant: str, recipient_ids: Sequence[str]) -> list[Document]:
    paths = [f"{context.collections.recipients}/{each}" for each in recipient_ids]
    found = context.documents.get_many(paths)
    if any(path not in found or found[path].data["organizationId"] != tenant for path in paths):
        raise NotFound("No such recipient", field="recipientIds")
    return [found[path] for path in paths]


def _find(context: Context, key_id: str) -> Document:
    found = context.documents.query(queries.key_by_id(context.collections, context.caller.organization_id, key_id))
    if not found:
        raise NotFound("No such key", field="keyId")
    if not _is_within(ApiKey.of(found[0]), context.caller.recipient_ids):
        raise Forbidden("That key is for recipients that yours is not for", field="keyId")
    return found[0]


def _is_within(key: ApiKey, recipients: frozenset[str] | None) -> bool:
    """Whether the key is for none but these recipients; None are all of its organization."""
    return recipients is None or (key.recipient_ids is not None and recipients.issuperset(key.recipient_ids))


def author(context: Context) -> str:
    """By which a key says who made it: the caller's key, or else its name."""
    return context.caller.key_id or context.caller.name


def _audit(context: Context, action: str, key: ApiKey) -> Create:
    recipients = "all recipients" if key.recipient_ids is None else ", ".join(key.recipient_ids)
    return audit.entry(
        context,
        action,
        key.organization_id,
        subject=key.key_id,
        recipient_id=key.recipient_ids[0] if key.recipient_ids and len(key.recipient_ids) == 1 else None,
        detail=f"{key.name}: {', '.join(key.scopes)} for {recipients}",
    )


def _path(context: Context, digest: str) -> str:
    return f"{context.collections.api_keys}/{digest}"
