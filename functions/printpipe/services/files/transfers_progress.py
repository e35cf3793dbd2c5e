"""What a transfer's agent tells of it: how far it is, and that the file has arrived."""

from dataclasses import dataclass
from typing import Any, Literal

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.log import log
from printpipe.domain.ports.documents import PreconditionFailed, Update
from printpipe.domain.transfers import Transfer, TransferStatus
from printpipe.services.context import Context
from printpipe.services.files import storage_results, transfers, transfers_arrival
from printpipe.services.files.transfers import Worker
from printpipe.services.files.transfers_arrival import Sums

State = Literal["copying", "uploading", "done", "failed"]
_TRIES = 5


@dataclass(frozen=True)
class Progress:
    """How far a transfer is: bytes of its attempt, which counts from 1; `sums` of a file that has arrived."""

    attempt: int
    bytes_done: int
    bytes_total: int | None
    state: State
    sums: Sums | None = None
    message: str | None = None


def take(context: Context, transfer_id: str, worker: Worker, told: Progress) -> Transfer:
    """Takes a report; the transfer as it then stands. What an earlier report has overtaken changes nothing.

    Raises as `transfers.held` does, `Conflict` too where the transfer has ended, unless it was cancelled: that the
    agent is told. For a file that has arrived raises what `transfers_arrival.finish` does.
    """
    for _ in range(_TRIES):
        document = transfers.held(context, transfer_id, worker)
        transfer = Transfer.of(document)
        if transfer.status.is_over:
            return _after_its_end(context, transfer, told)
        if told.state == "done":
            return transfers_arrival.finish(context, document, told.sums)
        changes = _changes(context, transfer, told)
        if not changes:
            return transfer
        try:
            context.documents.commit(Update(document.path, changes, document.version))
        except PreconditionFailed:
            continue
        if told.state == "failed":
            log("transfer_failed", transferId=transfer_id, why=told.message)
        return Transfer.model_validate({**document.data, **changes})
    raise Unavailable("The transfer is being changed by others", retry_after=1)


def _after_its_end(context: Context, transfer: Transfer, told: Progress) -> Transfer:
    transfers_arrival.discard_leftover(context, transfer)
    as_told = transfer.status == TransferStatus.COMPLETED and told.state == "done"
    if transfer.status != TransferStatus.CANCELLED and not as_told:
        raise Conflict(f"The transfer is {transfer.status} already", detail=transfer.status.value)
    return transfer


def _changes(context: Context, transfer: Transfer, told: Progress) -> dict[str, Any]:
    """The stored fields that change; none where the report says nothing new."""
    if told.state == "failed":
        error = told.message or "The agent gave up"
        return storage_results.end_of(context, transfer, TransferStatus.FAILED, error=error, error_code="interrupted")
    if told.attempt < transfer.attempt:
        return {}
    again = told.attempt > transfer.attempt
    total = told.bytes_total if told.bytes_total is not None else transfer.bytes_total
    done = told.bytes_done if again else max(told.bytes_done, transfer.bytes_done)
    status = TransferStatus.UPLOADING if told.state == "uploading" else TransferStatus.COPYING
    if not again and transfer.status == TransferStatus.UPLOADING:
        status = transfer.status
    wanted: dict[str, Any] = {
        "attempt": told.attempt,
        "bytes_done": done if total is None else min(done, total),
        "bytes_total": total,
        "status": status,
    }
    changes = {name: value for name, value in wanted.items() if value != getattr(transfer, name)}
    if not changes:
        return {}
    changes |= {"started_at": transfer.started_at or context.now(), "updated_at": context.now()}
    return transfer.model_copy(update=changes).fields(changes)
