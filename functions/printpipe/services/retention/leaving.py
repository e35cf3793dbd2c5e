"""An organization is to be erased: nobody acts for it any more from then, and nothing more is begun for it."""

from printpipe.domain.errors import InvalidInput, NotFound, Unavailable
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import DocumentChanged, PreconditionFailed, Update
from printpipe.domain.tenant_records import Leaving, Organization
from printpipe.services.access import organizations
from printpipe.services.context import Context
from printpipe.services.store import audit
from printpipe.services.store.retention_queries import commands_not_begun

_PAGE = 200
_TRIES = 5


def order(context: Context, organization_id: str, confirm: str) -> Organization:
    """Has an organization erased: from now its credentials are refused, and its pending commands are cancelled.

    A stop that is pending is not, for as long as its client is still let in.
    `confirm` must be its id once more. A repetition tells how far it is. Raises `InvalidInput`, `NotFound`,
    `Forbidden`.
    """
    if confirm != organization_id:
        raise InvalidInput("confirm: must be the organization's id once more", field="confirm")
    path = f"{context.collections.organizations}/{organizations.administered(context, organization_id, check=False)}"
    for _ in range(_TRIES):
        document = context.documents.get(path)
        if document is None:
            raise NotFound("No such organization", field="organizationId")
        before = Organization.of(document)
        if before.leaving_since is not None:
            return before
        after = before.model_copy(update={"leaving_since": context.now(), "leaving": Leaving()})
        change = Update(path, after.fields(("leaving_since", "leaving")), document.version)
        done = audit.entry(context, "organization.erasure_ordered", document.id, subject=document.id)
        try:
            context.documents.commit(change, done)
        except DocumentChanged:
            continue
        log("erasure_ordered", organizationId=document.id)
        _cancel_soon(context, document.id)
        return after
    raise Unavailable("The organization is being changed by others", retry_after=1)


def _cancel_soon(context: Context, organization_id: str) -> None:
    """Cancels commands beside something that stands though this should fail: the schedule makes up for it."""
    try:
        cancel(context, organization_id)
    except Exception:
        log_failure("erasure_failed", organizationId=organization_id)


def cancel(context: Context, organization_id: str) -> int:
    """Cancels a page of commands that nobody has begun, but for those that quiet a printer; how many there were."""
    found = context.documents.query(commands_not_begun(context.collections, organization_id, _PAGE))
    for document in found:
        ended = {"status": CommandStatus.CANCELLED.value, "completedAt": context.now()}
        try:
            context.documents.commit(Update(document.path, ended, document.version))
        except PreconditionFailed:  # it was taken in this moment
            continue
    return len(found)
