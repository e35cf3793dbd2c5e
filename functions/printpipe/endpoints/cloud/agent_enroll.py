"""POST /api/v1/agents/enroll: an agent trades its code, which is the credential, for a key of its own."""

from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from printpipe.dialects import cloud
from printpipe.domain.values import OptionalName
from printpipe.endpoints import cloud_agent_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_agent_views import SubscriptionsView
from printpipe.services.access import enrollment


class Request(cloud.Model):
    """The body; small letters, missing hyphens and O for 0 do no harm to the code."""

    code: Annotated[SecretStr, Field(min_length=1, max_length=64)]
    agent_version: OptionalName = None
    hostname: OptionalName = None


class Enrolled(cloud.Reply):
    """What the agent is to be configured with; the key is shown this once."""

    STATUS: ClassVar[int] = 201

    api_key: str
    key_id: str
    recipient_id: str
    organization_id: str
    pubsub: SubscriptionsView | None = Field(description="null where commands come by GET /control alone")


def post(call: Call, body: Request) -> Enrolled:
    """404 for a code that is wrong, used or too old. Whose answer is lost needs another code."""
    done = enrollment.enroll(call.context, body.code.get_secret_value(), body.hostname, body.agent_version)
    key = done.issued.record
    return Enrolled(
        api_key=done.issued.key,
        key_id=key.key_id,
        recipient_id=done.recipient_id,
        organization_id=key.organization_id,
        pubsub=cloud_agent_views.subscriptions(done.subscriptions) if done.subscriptions else None,
    )
