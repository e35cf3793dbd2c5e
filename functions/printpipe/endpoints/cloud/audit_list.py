"""GET /api/v1/organizations/{organizationId}/audit: who did what in an organization."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id, QueryMoment
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_admin_views import Paged
from printpipe.services.store import audit_trail


class Path(cloud.Model):
    """The organization."""

    organization_id: Id


class Arguments(Paged):
    """The query; `since` leaves out what is older."""

    since: QueryMoment | None = None


class Entry(cloud.Part):
    """One action: on what (`subject` is its id), by which caller's key, from which address, in which request."""

    audit_id: str
    action: str
    subject: str
    recipient_id: str | None
    printer: str | None
    detail: str | None
    caller: str
    key_id: str | None
    address: str | None
    request_id: str
    created_at: cloud.Time


class Listing(cloud.Reply):
    """A page, the newest first."""

    entries: list[Entry]
    next_cursor: str | None


def get(call: Call, path: Path, query: Arguments) -> Listing:
    """A page of the organization's audit."""
    page = audit_trail.find(call.context, path.organization_id, query.since, query.slice)
    entries = [Entry.model_validate(each.model_dump()) for each in page.items]
    return Listing(entries=entries, next_cursor=page.next_cursor)
