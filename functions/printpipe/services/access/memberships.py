"""Memberships: which users may act in an organization, and as what."""

from typing import Literal

from printpipe.domain.errors import Conflict, Forbidden, NotFound
from printpipe.domain.ids import Once, membership_id
from printpipe.domain.ports.documents import Delete, DocumentChanged
from printpipe.domain.scopes import ROLES
from printpipe.domain.tenant_records import Membership
from printpipe.services.access import organizations
from printpipe.services.context import Context
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.paging import Page, Slice


def create(
    context: Context,
    organization_id: str | None,
    user_id: str,
    role: Literal["viewer", "operator", "admin"],
    email: str | None,
    once: Once,
) -> Membership:
    """Makes a user a member.

    Raises `Forbidden` for a role that may do more than the caller, `Conflict` for one who is a member already.
    """
    tenant = organizations.administered(context, organization_id)
    if not context.caller.may_grant(ROLES[role]):
        raise Forbidden("This role may do more than your key", field="role")
    membership = Membership(
        membership_id=membership_id(tenant, user_id),
        organization_id=tenant,
        user_id=user_id,
        role=role,
        email=email,
        created_at=context.now(),
    )
    path, said = _path(context, membership.membership_id), f"{user_id} as {role}"
    done = audit.entry(context, "member.added", tenant, subject=membership.membership_id, detail=said)
    taken = Conflict("This user is a member already", field="userId")
    return receipts.create_once(context, tenant, once, path, membership, done, taken=taken)


def find(context: Context, organization_id: str | None, wanted: Slice) -> Page[Membership]:
    """An organization's members."""
    tenant = organizations.administered(context, organization_id)
    query = queries.members_of_organization(context.collections, tenant, wanted.limit + 1, wanted.after)
    return paging.read(context.documents, query, wanted, Membership.of)


def remove(context: Context, membership: str) -> Membership:
    """Ends a membership.

    Raises `NotFound` where there is none in an organization of the caller's, `Forbidden` for a role that may do more
    than the caller.
    """
    path = _path(context, membership)
    document = context.documents.get(path)
    if document is None:
        raise NotFound("No such membership", field="membershipId")
    found = Membership.of(document)
    if context.caller.organization_id not in (None, found.organization_id):
        raise NotFound("No such membership", field="membershipId")
    organizations.administered(context, found.organization_id, check=False)
    if not context.caller.may_grant(ROLES[found.role]):
        raise Forbidden("This member may do more than your key", field="membershipId")
    done = audit.entry(
        context, "member.removed", found.organization_id, subject=membership, detail=f"{found.user_id} as {found.role}"
    )
    try:
        context.documents.commit(Delete(path, if_version=document.version), done)
    except DocumentChanged:
        raise NotFound("No such membership", field="membershipId") from None
    return found


def _path(context: Context, membership: str) -> str:
    return f"{context.collections.memberships}/{membership}"
