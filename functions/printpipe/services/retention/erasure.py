"""An organization is erased: all that is stored of it goes, step by step."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args

from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Delete, Document, PreconditionFailed, Update
from printpipe.domain.tenant_records import Leaving, Organization
from printpipe.services.context import Context
from printpipe.services.retention.leaving import cancel
from printpipe.services.retention.rules import claims_of, objects_of
from printpipe.services.store import audit
from printpipe.services.store.abreast import each
from printpipe.services.store.retention_queries import (
    Owned,
    documents_of_organization,
    organizations_leaving,
)

SPARED: Mapping[str, str] = {
    "organizations": "goes last, and leaves a record in the audit that it was erased",
    "claims": "go with their jobs",
    "bookmarks": "are those of scheduled work for all",
    "rate_limits": "are numbers under digests, for minutes",
}
"""Collections that are not gone through by organization, and why."""

LONGEST = timedelta(seconds=240)
GRACE = timedelta(seconds=60)
"""How long after the last memory of a credential has ended a call may still be under way."""

_STEPS: Sequence[Owned] = sorted(get_args(Owned), key=lambda kind: kind == "audit_log")
"""The audit last: until then it tells who ordered this."""

_PAGE = 400
_BATCH = 400
_MOST_AT_ONCE = 20


def sweep(context: Context) -> None:
    """Goes on with every erasure, for as long as a run may take. Several runs at once do together what one would."""
    until = context.now() + LONGEST
    for document in context.documents.query(organizations_leaving(context.collections, context.now(), _MOST_AT_ONCE)):
        try:
            _Erasure(context, document, until).go()
        except Exception:
            log_failure("erasure_failed", organizationId=document.id)


class _Erasure:
    """One run of one organization's."""

    def __init__(self, context: Context, document: Document, until: datetime) -> None:
        self._context, self._document, self._until = context, document, until
        self._organization = Organization.of(document)
        before = self._organization.leaving or Leaving()
        self._documents, self._objects = before.documents, before.objects

    def go(self) -> None:
        """Removes what there is time for. That nothing is left is believed when a whole run has found nothing."""
        context, before = self._context, self._documents
        cancel(context, self._document.id)
        since = self._organization.leaving_since
        if since is None or context.now() < since + context.policy.key_memory + GRACE:
            return
        complete = all(self._emptied(kind) for kind in _STEPS)
        if self._documents > before:
            progress = Leaving(documents=self._documents, objects=self._objects)
            context.documents.commit(Update(self._document.path, {"leaving": progress.data()}))
            log("erasure_went_on", organizationId=self._document.id, documents=self._documents, objects=self._objects)
        elif complete:
            self._finish()

    def _emptied(self, kind: Owned) -> bool:
        """Whether there was time to remove all that a collection holds."""
        context = self._context
        query = documents_of_organization(context.collections, kind, self._document.id, _PAGE)
        while context.now() < self._until:
            found = context.documents.query(query)
            objects = [name for document in found for name in objects_of(kind, document.data)]
            each(context.platform.files.delete, objects)
            paths = [document.path for document in found]
            if kind == "print_jobs":  # their claims first: nothing else leads to these
                paths = [path for document in found for path in claims_of(context, document.data)] + paths
            for begin in range(0, len(paths), _BATCH):
                context.documents.commit(*map(Delete, paths[begin : begin + _BATCH]))
            self._documents += len(paths)
            self._objects += len(objects)
            if len(found) < _PAGE:
                return True
        return False

    def _finish(self) -> None:
        """Removes the organization itself; what is left says that it was there, and nothing of what it was."""
        context, identity = self._context, self._document.id
        told = audit.tombstone(context, identity, f"{self._documents} documents, {self._objects} objects")
        try:
            context.documents.commit(Delete(self._document.path, self._document.version), told)
        except PreconditionFailed:  # another run has done it
            return
        log("organization_erased", organizationId=identity, documents=self._documents, objects=self._objects)
