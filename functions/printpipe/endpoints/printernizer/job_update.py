"""PUT /api/v1/jobs/{job_id}: for whom a print job is, and what it costs."""

from typing import Annotated, Any

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain import costs
from printpipe.domain.values import Name, Text
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_job_views import Number, Path
from printpipe.services.jobs import ledger
from printpipe.services.jobs.ledger import Entries

Money = Annotated[float, Field(ge=0, le=1_000_000_000)]
"""In the currency's unit."""


class CustomerFields(printernizer.Model):
    """For whom it is printed: a field that is left out stays, null empties it."""

    order_id: Name | None = None
    customer_name: Name | None = None


class Request(printernizer.Model):
    """The body: a field that is left out stays as it is."""

    is_business: bool | None = Field(None, description="null leaves it as it is")
    customer_info: CustomerFields | None = Field(None, description="null: there is no customer")
    material_cost: Money | None = Field(None, description="null: computed again, as the two others")
    power_cost: Money | None = None
    labor_cost: Money | None = None
    notes: Text | None = None

    def entries(self) -> Entries:
        """What is to be written."""
        given = self.model_fields_set
        fields: dict[str, Any] = {}
        if self.is_business is not None:
            fields["is_business"] = self.is_business
        if "notes" in given:
            fields["notes"] = self.notes or None
        customer = self.customer_info.model_dump(exclude_unset=True) if self.customer_info else None
        return Entries(
            fields=fields,
            customer={name: value for name, value in customer.items() if name in _CUSTOMER} if customer else None,
            forget_customer="customer_info" in given and self.customer_info is None,
            costs={
                kind: None if (money := getattr(self, name)) is None else costs.amount(money)
                for name, kind in _COSTS.items()
                if name in given
            },
        )


_COSTS = {"material_cost": "material", "power_cost": "power", "labor_cost": "labor"}
_CUSTOMER = frozenset({"order_id", "customer_name"})


class Updated(printernizer.Reply):
    """The job has these data now."""

    id: Number
    message: str = "Job information updated successfully"
    updated_at: printernizer.Time


def put(call: Call, path: Path, body: Request) -> Updated:
    """Writes what is given into the job's book, also after its end; a cost that a person sets is never overwritten."""
    job = ledger.update(call.context, path.job_id, body.entries())
    return Updated(id=job.number, updated_at=job.updated_at)
