"""The audit as an organization's administrators read it."""

from datetime import datetime

from printpipe.domain.records import AuditRecord
from printpipe.services.access import organizations
from printpipe.services.context import Context
from printpipe.services.store import paging, queries
from printpipe.services.store.paging import Page, Slice


def find(context: Context, organization_id: str, since: datetime | None, wanted: Slice) -> Page[AuditRecord]:
    """What was done in an organization, the newest first. Raises `NotFound`, `Forbidden`."""
    tenant = organizations.administered(context, organization_id)
    query = queries.audit_entries(context.collections, tenant, since, wanted.limit + 1, wanted.after)
    return paging.read(context.documents, query, wanted, AuditRecord.of)
