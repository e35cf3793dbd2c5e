"""How organizations and what belongs to them look in the dialect `cloud`."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.tenant_records import ApiKey, Membership, Organization, Site
from printpipe.domain.values import OptionalId
from printpipe.services.store import paging
from printpipe.services.store.paging import Slice

UNIT = 10_000
"""A currency's unit, as amounts are stored."""


class Paged(cloud.Model):
    """The query of a list: `cursor` is an earlier answer's `nextCursor`."""

    limit: int = Field(paging.DEFAULT_LIMIT, ge=1, le=paging.MAX_LIMIT)
    cursor: str | None = Field(None, max_length=512)

    @property
    def slice(self) -> Slice:
        """The part of the list that is asked for."""
        return Slice(self.limit, self.cursor or None)


class OfOrganization(Paged):
    """The query of an organization's list; a key of an organization need not name it."""

    organization_id: OptionalId = None


class PricesView(cloud.Part):
    """What an organization pays for material and power, in its currency, and what its printers draw in watts."""

    per_gram: float
    per_kwh: float
    watts: int


class OrganizationView(cloud.Part):
    """An organization; its days begin in `timeZone`."""

    organization_id: str
    name: str
    time_zone: str
    currency: str
    prices: PricesView
    created_at: cloud.Time


class RecipientView(cloud.Part):
    """A LAN site, with the kind of its one client, and what that said of itself at its latest sign of life."""

    recipient_id: str
    organization_id: str
    name: str
    client: str
    last_seen_at: cloud.Time | None
    online: bool | None = Field(description="whether our agent is there; null for a site of another client")
    since: cloud.Time | None = Field(
        description="since when it is online, or offline; null while it was never heard of"
    )
    client_version: str | None
    created_at: cloud.Time


class KeyView(cloud.Part):
    """A key without itself; without `recipientIds` it is for the whole organization."""

    key_id: str
    organization_id: str
    name: str
    recipient_ids: list[str] | None
    scopes: list[str]
    created_at: cloud.Time
    created_by: str | None
    revoked_at: cloud.Time | None


class MembershipView(cloud.Part):
    """What a user is in an organization."""

    membership_id: str
    organization_id: str
    user_id: str
    role: str
    email: str | None
    created_at: cloud.Time


def organization(record: Organization) -> OrganizationView:
    """An organization as it is shown."""
    prices = record.prices
    return OrganizationView(
        organization_id=record.organization_id,
        name=record.name,
        time_zone=record.time_zone,
        currency=record.currency,
        prices=PricesView(per_gram=prices.per_gram / UNIT, per_kwh=prices.per_kwh / UNIT, watts=prices.watts),
        created_at=record.created_at,
    )


def recipient(site: Site) -> RecipientView:
    """A site as it is shown: its keys' digests are not."""
    return RecipientView(
        recipient_id=site.recipient_id,
        organization_id=site.organization_id,
        name=site.name,
        client=site.client,
        last_seen_at=site.last_seen_at,
        online=site.presence.status == "online" if site.client == "agent" else None,
        since=site.presence.since,
        client_version=site.client_version,
        created_at=site.created_at,
    )


def key(record: ApiKey) -> KeyView:
    """A key as it is shown."""
    return KeyView(
        key_id=record.key_id,
        organization_id=record.organization_id,
        name=record.name,
        recipient_ids=None if record.recipient_ids is None else list(record.recipient_ids),
        scopes=list(record.scopes),
        created_at=record.created_at,
        created_by=record.created_by,
        revoked_at=record.revoked_at,
    )


def membership(record: Membership) -> MembershipView:
    """A membership as it is shown."""
    return MembershipView.model_validate(record.model_dump())
