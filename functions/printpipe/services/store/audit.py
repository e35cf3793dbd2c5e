"""Who did what: a record beside every command, upload, cancellation and change of a key, never changed afterwards.

A record is removed when it is old enough, or with its organization.
"""

from printpipe.domain.ids import new_id
from printpipe.domain.ports.documents import Create
from printpipe.domain.records import AuditRecord
from printpipe.services.access.directory import tombstone_path
from printpipe.services.context import Context


def entry(
    context: Context,
    action: str,
    organization_id: str | None,
    *,
    subject: str,
    recipient_id: str | None = None,
    printer: str | None = None,
    detail: str | None = None,
) -> Create:
    """The write that records an action (`command.queued`) on a subject (its id), for the batch that does it.

    `printer` is whichever name the caller gave; `detail` is for people and holds no secret.
    """
    record = AuditRecord(
        audit_id=new_id(),
        organization_id=organization_id,
        recipient_id=recipient_id,
        action=action,
        subject=subject,
        printer=printer,
        detail=detail,
        caller=context.caller.name,
        key_id=context.caller.key_id,
        address=context.address,
        request_id=context.request_id,
        created_at=context.now(),
    )
    return Create(f"{context.collections.audit_log}/{record.audit_id}", record.data())


def tombstone(context: Context, organization_id: str, detail: str) -> Create:
    """The write that records that an organization was erased, and nothing of what it was."""
    path = tombstone_path(context.collections, organization_id)
    record = AuditRecord(
        audit_id=path.rsplit("/", 1)[-1],
        organization_id=organization_id,
        action="organization.erased",
        subject=organization_id,
        detail=detail,
        caller=context.caller.name,
        key_id=None,
        address=None,
        request_id=context.request_id,
        created_at=context.now(),
    )
    return Create(path, record.data())
