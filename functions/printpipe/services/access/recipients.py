"""Recipients: the LAN sites of an organization."""

from typing import Literal

from printpipe.domain.errors import Conflict, InvalidInput, NotFound
from printpipe.domain.ids import Once, new_id
from printpipe.domain.tenancy import Recipient
from printpipe.domain.tenant_records import Site
from printpipe.services.access import organizations
from printpipe.services.context import Context
from printpipe.services.store import audit, paging, queries, receipts
from printpipe.services.store.paging import Page, Slice

_MOST_NAMED = 10


def create(
    context: Context,
    organization_id: str | None,
    recipient_id: str | None,
    name: str,
    client: Literal["lan_client", "agent"],
    once: Once,
) -> Site:
    """A new site, under the id that was chosen or a random one.

    Raises `Conflict` where the id is taken, by whomever: all tenants share one space of ids.
    """
    tenant = organizations.administered(context, organization_id)
    site = Site(
        recipient_id=recipient_id or new_id(),
        organization_id=tenant,
        name=name,
        client=client,
        created_at=context.now(),
    )
    path = f"{context.collections.recipients}/{site.recipient_id}"
    done = audit.entry(
        context,
        "recipient.created",
        tenant,
        subject=site.recipient_id,
        recipient_id=site.recipient_id,
        detail=f"{client}: {name}",
    )
    taken = Conflict("This id is taken", field="recipientId")
    return receipts.create_once(context, tenant, once, path, site, done, taken=taken)


def find(context: Context, organization_id: str | None, wanted: Slice) -> Page[Site]:
    """An organization's sites."""
    tenant = organizations.administered(context, organization_id)
    query = queries.recipients_of_organization(context.collections, tenant, wanted.limit + 1, wanted.after)
    return paging.read(context.documents, query, wanted, Site.of)


def chosen(context: Context, recipient_id: str | None) -> Recipient:
    """The site that the caller names, or else the only one of its organization.

    Raises `NotFound`, or `InvalidInput` that lists the sites where there are several and none was named.
    """
    if recipient_id is not None:
        try:
            return context.recipient(recipient_id)
        except NotFound as error:
            raise NotFound(error.message, field="recipient_id") from None
    tenant = organizations.own(context, None)
    query = queries.recipients_of_organization(context.collections, tenant, _MOST_NAMED + 1, None)
    sites = [Site.of(each) for each in context.documents.query(query)]
    if len(sites) == 1:
        return context.recipient(sites[0].recipient_id)
    if not sites:
        raise InvalidInput("The organization has no site (recipient) yet", field="recipient_id")
    named = ", ".join(each.recipient_id for each in sites[:_MOST_NAMED])
    more = ", …" if len(sites) > _MOST_NAMED else ""
    raise InvalidInput(f"Name the site, one of: {named}{more}", field="recipient_id")
