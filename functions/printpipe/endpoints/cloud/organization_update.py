"""PUT /api/v1/organizations/{organizationId}: in which time zone an organization counts its days, and what it pays."""

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Currency, Id, TimeZone, Whole
from printpipe.endpoints import cloud_admin_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_admin_views import UNIT, OrganizationView
from printpipe.services.access import organizations

_MOST = 10_000


class Path(cloud.Model):
    """The path's parameters."""

    organization_id: Id


class Prices(cloud.Model):
    """Prices in the currency's unit, kept to 1/10,000 of it; what is left out stays as it is."""

    per_gram: float | None = Field(None, ge=0, le=_MOST, description="of material")
    per_kwh: float | None = Field(None, ge=0, le=_MOST, description="of power")
    watts: Whole | None = Field(None, ge=0, le=100_000, description="what a printer draws while it prints")

    def amounts(self) -> dict[str, int]:
        """What is given, as it is stored."""
        asked = {"per_gram": self.per_gram, "per_kwh": self.per_kwh}
        stored = {name: round(price * UNIT) for name, price in asked.items() if price is not None}
        return stored if self.watts is None else {**stored, "watts": self.watts}


class Request(cloud.Model):
    """The body: what is left out stays as it is."""

    time_zone: TimeZone | None = None
    currency: Currency | None = None
    prices: Prices | None = None


class Changed(cloud.Reply, OrganizationView):
    """The organization as it is now."""


def put(call: Call, path: Path, body: Request) -> Changed:
    """Changes what is given, for the jobs that end from now on; others keep their day and their costs."""
    fields = body.model_dump(include={"time_zone", "currency"}, exclude_none=True)
    prices = body.prices.amounts() if body.prices else {}
    changed = organizations.change(call.context, path.organization_id, fields, prices)
    return Changed.model_validate(cloud_admin_views.organization(changed).model_dump())
