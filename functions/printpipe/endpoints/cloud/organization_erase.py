"""DELETE /api/v1/organizations/{organizationId}: erases an organization with all that is stored of it."""

from typing import ClassVar, Literal

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.retention import leaving


class Path(cloud.Model):
    """The path's parameters."""

    organization_id: Id


class Arguments(cloud.Model):
    """The query."""

    confirm: Id = Field(description="the organization's id once more")


class Erasing(cloud.Reply):
    """The erasure has begun: since when, and how many documents and stored objects are gone by now."""

    STATUS: ClassVar[int] = 202

    organization_id: str
    status: Literal["erasing"] = "erasing"
    since: cloud.Time
    documents: int
    objects: int


def delete(call: Call, path: Path, query: Arguments) -> Erasing:
    """Refuses the organization's credentials within a minute and removes everything in the minutes after that.

    Repeated, it tells how far that is; once it is done, there is no such organization. Nothing of it can be had back.
    """
    found = leaving.order(call.context, path.organization_id, query.confirm)
    assert found.leaving_since is not None
    assert found.leaving is not None
    return Erasing(
        organization_id=found.organization_id,
        since=found.leaving_since,
        documents=found.leaving.documents,
        objects=found.leaving.objects,
    )
