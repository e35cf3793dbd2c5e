"""Enrolment: an administrator makes a code, and the agent that it is told to trades it for a key of its own."""

from dataclasses import dataclass

from printpipe.domain.enrollment import LIFETIME, EnrollmentCode, digest_of, new_code
from printpipe.domain.errors import NotFound, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import Create, Delete, Document, PreconditionFailed
from printpipe.domain.pubsub import Subscriptions
from printpipe.services.access import api_keys
from printpipe.services.access.api_keys import Issued
from printpipe.services.context import Context
from printpipe.services.store import audit, receipts
from printpipe.services.store.commit import commit_new

_AGENT = "agent"
_ATTEMPTS = 8
"""How often an exchange is tried again that somebody else's change of the site crossed."""


@dataclass(frozen=True)
class Made:
    """A code as it is stored, and the code itself, which is told this once."""

    record: EnrollmentCode
    code: str


@dataclass(frozen=True)
class Enrolled:
    """What an agent works with from now on; it polls where there are no subscriptions."""

    issued: Issued
    recipient_id: str
    subscriptions: Subscriptions | None


def create(context: Context, recipient_id: str, name: str | None, once: Once) -> Made:
    """A code for the agent of a site. It does nothing to the site until it is used.

    Raises `NotFound` and `Forbidden` for a site that the caller may not act for, `Forbidden` where it may not itself
    what an agent may, `InvalidInput` for a name that no key may bear.
    """
    recipient = context.recipient(recipient_id)
    api_keys.check_client(context, name or _AGENT)
    tenant = recipient.organization_id
    if repeated := receipts.find(context, tenant, once):
        assert repeated.shown is not None
        return Made(EnrollmentCode.of(repeated.created), repeated.shown)
    code, now = new_code(), context.now()
    record = EnrollmentCode(
        organization_id=tenant,
        recipient_id=recipient.id,
        name=name,
        created_by=api_keys.author(context),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    path = _path(context, code)
    done = audit.entry(
        context, "enrollment_code.created", tenant, subject=recipient.id, recipient_id=recipient.id, detail=name
    )
    receipt = receipts.issue(context, tenant, once, path, code)
    try:
        commit_new(context.documents, Create(path, record.data()), done, *receipt)
    except PreconditionFailed:  # the same call at the same time
        if repeated := receipts.find(context, tenant, once):
            assert repeated.shown is not None
            return Made(EnrollmentCode.of(repeated.created), repeated.shown)
        raise Unavailable("Too many changes at once", retry_after=1) from None
    return Made(record, code)


def enroll(context: Context, code: str, hostname: str | None, version: str | None) -> Enrolled:
    """Trades a code for a key of its site's agent; the code is gone with that, also where the answer is lost.

    The key of the enrolment before goes on working, so that a lost answer leaves no site without its agent; the one
    before that ends. Raises `NotFound`, always the same, for a code that never was, was used or has expired,
    and `Conflict` where the site's client has two live keys that people made: the code is not used up then.
    """
    path = _path(context, code)
    for _ in range(_ATTEMPTS):
        document = context.documents.get(path)
        stored = _valid(context, document)
        assert document is not None
        site = context.documents.get(f"{context.collections.recipients}/{stored.recipient_id}")
        if site is None or site.data["organizationId"] != stored.organization_id:
            raise _refusal()
        name = stored.name or (f"{_AGENT} {hostname}" if hostname else _AGENT)
        issued, (key, *others) = api_keys.for_agent(context, site, name, stored.created_by)
        assert isinstance(key, Create)
        done = audit.entry(
            context,
            "agent.enrolled",
            stored.organization_id,
            subject=issued.record.key_id,
            recipient_id=stored.recipient_id,
            detail=f"{name}, version {version or 'unknown'}: with a code of {stored.created_by}",
        )
        try:
            commit_new(context.documents, key, Delete(document.path, document.version), *others, done)
        except PreconditionFailed:  # the code was used, or the site was changed
            continue
        pubsub = context.policy.pubsub
        subscriptions = Subscriptions.of(pubsub, stored.recipient_id) if pubsub else None
        return Enrolled(issued, stored.recipient_id, subscriptions)
    raise Unavailable("Too many changes at once", retry_after=1)


def _valid(context: Context, document: Document | None) -> EnrollmentCode:
    if document is None:
        raise _refusal()
    code = EnrollmentCode.of(document)
    if code.expires_at <= context.now() or context.directory.is_leaving(code.organization_id):
        raise _refusal()
    return code


def _refusal() -> NotFound:
    return NotFound("The code is not valid, or not any longer", field="code")


def _path(context: Context, code: str) -> str:
    return f"{context.collections.enrollment_codes}/{digest_of(code)}"
