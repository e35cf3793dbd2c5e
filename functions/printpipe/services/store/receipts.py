"""Calls that are made again, where what they create does not take its id from their key: a receipt lies beside it."""

from dataclasses import dataclass
from typing import TypeVar

from printpipe.domain.errors import Conflict
from printpipe.domain.ids import Once
from printpipe.domain.ports.documents import Create, Document, DocumentExists
from printpipe.domain.records import Receipt, Record
from printpipe.services.access import sealing
from printpipe.services.context import Context
from printpipe.services.store import repetition
from printpipe.services.store.commit import commit_new

_Record = TypeVar("_Record", bound=Record)


@dataclass(frozen=True)
class Repetition:
    """What the first call created, and what its answer showed once."""

    created: Document
    shown: str | None


def issue(context: Context, organization_id: str, once: Once, created: str, shown: str | None = None) -> list[Create]:
    """The write that goes into the batch which creates the document at that path; none for a call without a key.

    `shown` is what only the answer holds: it is kept sealed, so that a repetition is told the same.
    """
    if once.mark is None:
        return []
    path, now = _path(context, organization_id, once), context.now()
    sealed = None if shown is None else sealing.seal(context.platform.keys, shown.encode(), path)
    receipt = Receipt(
        organization_id=organization_id,
        request_digest=once.mark,
        created=created,
        sealed=sealed,
        created_at=now,
        expires_at=now + repetition.LIFETIME,
    )
    return [Create(path, receipt.data())]


def issue_once(context: Context, organization_id: str, once: Once, about: str) -> list[Create]:
    """The write likewise for a call whose repetition is harmless in itself; none where its key has a receipt already.

    Raises `Conflict` as `find` does.
    """
    return [] if find(context, organization_id, once) else issue(context, organization_id, once, about)


def create_once(
    context: Context, organization_id: str, once: Once, path: str, record: _Record, done: Create, *, taken: Conflict
) -> _Record:
    """Creates the record at that path together with `done`, or tells what an earlier call with this key created.

    Raises `Conflict` as `find` does, and `taken` where another call created something there.
    """
    kind = type(record)
    if repeated := find(context, organization_id, once):
        return kind.of(repeated.created)
    receipt = issue(context, organization_id, once, path)
    try:
        commit_new(context.documents, Create(path, record.data()), done, *receipt)
    except DocumentExists:
        if repeated := find(context, organization_id, once):
            return kind.of(repeated.created)
        raise taken from None
    return record


def find(context: Context, organization_id: str, once: Once) -> Repetition | None:
    """What an earlier call with this key did; None where this is the first, or has no key.

    Raises `Conflict` where the earlier one asked for something else, is more than a day old, or where what it created
    is there no longer.
    """
    path = _path(context, organization_id, once)
    document = context.documents.get(path) if once.key is not None else None
    if document is None:
        return None
    receipt = Receipt.of(document)
    repetition.check(context, once, receipt.request_digest, receipt.created_at)
    created = context.documents.get(receipt.created)
    if created is None:
        raise Conflict("What this idempotency key created is there no longer", field="Idempotency-Key")
    shown = None
    if receipt.sealed is not None:
        shown = sealing.unseal(context.platform.keys, receipt.sealed, path).decode()
    return Repetition(created, shown)


def _path(context: Context, organization_id: str, once: Once) -> str:
    return repetition.path(context, once.new_id(organization_id))
