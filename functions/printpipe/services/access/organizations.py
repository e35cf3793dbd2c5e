"""Organizations, and who may administer one."""

from collections.abc import Mapping
from typing import Any

from printpipe.domain import statistics
from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import Once, new_id
from printpipe.domain.ports.documents import DocumentChanged, Update
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.paging import Page, Slice

_OPERATOR = ""
"""Under which tenant the operator's own calls are remembered."""


_TRIES = 5


def create(
    context: Context, name: str, organization_id: str | None, once: Once, *, time_zone: str | None = None
) -> Organization:
    """A new organization, under the id that was chosen or a random one. Raises `Conflict` where it is taken."""
    organization = Organization(organization_id=organization_id or new_id(), name=name, created_at=context.now())
    if time_zone is not None:
        organization = organization.model_copy(update={"time_zone": time_zone})
    identity = organization.organization_id
    done = audit.entry(context, "organization.created", identity, subject=identity, detail=name)
    taken = Conflict("This id is taken", field="organizationId")
    return receipts.create_once(context, _OPERATOR, once, _path(context, identity), organization, done, taken=taken)


def change(
    context: Context, organization_id: str, fields: Mapping[str, Any], prices: Mapping[str, int]
) -> Organization:
    """The organization with these of its fields, and of its prices, changed; whatever is not given stays.

    They are for what is counted from now on. Raises `NotFound`, `Forbidden`.
    """
    path = _path(context, administered(context, organization_id, check=False))
    for _ in range(_TRIES):
        document = context.documents.get(path)
        if document is None:
            raise NotFound("No such organization", field="organizationId")
        before = Organization.of(document)
        there = statistics.moved(before, fields.get("time_zone", before.time_zone), context.now())
        after = there.model_copy(update={**fields, "prices": before.prices.model_copy(update=prices)})
        changed = [name for name, value in after if value != getattr(before, name)]
        if not changed:
            return before
        done = audit.entry(
            context,
            "organization.changed",
            document.id,
            subject=document.id,
            detail=", ".join(sorted({*changed} - {"zone_changes"})),
        )
        try:
            context.documents.commit(Update(path, after.fields(changed), document.version), done)
        except DocumentChanged:
            continue
        return after
    raise Unavailable("The organization is being changed by others", retry_after=1)


def find(context: Context, organization_id: str | None, wanted: Slice) -> Page[Organization]:
    """The organizations that the caller administers, or the one of that id. Raises `NotFound`, `Forbidden`."""
    if organization_id is None and context.caller.organization_id is None:
        query = queries.newest_organizations(context.collections, wanted.limit + 1, wanted.after)
        return paging.read(context.documents, query, wanted, Organization.of)
    document = context.documents.get(_path(context, administered(context, organization_id, check=False)))
    if document is None:
        raise NotFound("No such organization", field="organizationId")
    return Page([Organization.of(document)], None)


def administered(context: Context, organization_id: str | None, *, check: bool = True) -> str:
    """The id of an organization that the caller administers as a whole: by default the one of its key.

    Raises `NotFound` for another's, `Forbidden` for a key that is narrowed to recipients, and `InvalidInput` where the
    operator names none. With `check` the operator's must be there.
    """
    if context.caller.recipient_ids is not None:
        raise Forbidden("This key is for single recipients, not for the organization")
    return own(context, organization_id, check=check)


def own(context: Context, organization_id: str | None, *, check: bool = True) -> str:
    """The id of an organization of the caller's, whole or in part: by default the one of its key. Raises likewise."""
    organization = context.caller.organization_id
    if organization is not None:
        if organization_id not in (None, organization):
            raise NotFound("No such organization", field="organizationId")
        return organization
    if organization_id is None:
        raise InvalidInput("Name the organization", field="organizationId")
    if check and context.documents.get(_path(context, organization_id)) is None:
        raise NotFound("No such organization", field="organizationId")
    return organization_id


def _path(context: Context, organization_id: str) -> str:
    return f"{context.collections.organizations}/{organization_id}"
