"""POST /api/v1/agents/enrollment-codes: a code that enrols a site's agent, shown in this answer and never again."""

from typing import ClassVar

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.ids import Once
from printpipe.domain.values import Id, OptionalName
from printpipe.endpoints.call import Call
from printpipe.services.access import enrollment

_ADDRESS = "<the address of this API>"


class Request(cloud.Model):
    """The body; `name` is what the agent's key will be called, by default after its machine."""

    recipient_id: Id
    name: OptionalName = None


class Created(cloud.Reply):
    """A code, good once and for ten minutes."""

    STATUS: ClassVar[int] = 201

    code: str
    expires_at: cloud.Time
    recipient_id: str
    command: str = Field(description="what is to be typed where the agent is installed")


def post(call: Call, body: Request, once: Once) -> Created:
    """403 where the caller may not do itself what an agent may."""
    made = enrollment.create(call.context, body.recipient_id, body.name, once)
    address = call.context.policy.public_base_url or _ADDRESS
    return Created(
        code=made.code,
        expires_at=made.record.expires_at,
        recipient_id=made.record.recipient_id,
        command=f"printpipe-agent enroll {made.code} --url {address}",
    )
