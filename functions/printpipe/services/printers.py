"""What printers report of themselves: the live state, and a history sampled from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.ids import new_id
from printpipe.domain.log import log
from printpipe.domain.ports.documents import (
    Create,
    Document,
    DocumentChanged,
    DocumentExists,
    Put,
    Update,
    Write,
)
from printpipe.domain.records import Printer, PrinterState, StatusUpdate
from printpipe.domain.tenancy import Recipient
from printpipe.services import queries
from printpipe.services.context import Context

SAMPLE_EVERY = timedelta(minutes=5)
_TRIES = 5


@dataclass(frozen=True)
class Report:
    """A printer's picture of itself at a moment; it is named by its serial, or by its address at the site."""

    recipient_id: str
    serial: str | None
    ip_address: str | None
    status: Mapping[str, Any]
    at: datetime


def report(context: Context, seen: Report) -> str:
    """Stores the report unless a newer one is there. The answer names the state's version.

    An unknown serial becomes a printer, inactive; an unknown address alone is kept in the history and creates nothing.
    """
    recipient = context.recipient(seen.recipient_id)
    seen = replace(seen, at=min(seen.at, context.now()))  # a clock that is ahead must not shut out later reports
    for _ in range(_TRIES):
        document = _by_serial(context, recipient, seen.serial) if seen.serial else _by_address(context, recipient, seen)
        if document is None and seen.serial is None:
            update = _sample(context, recipient, None, seen)
            context.documents.commit(Create(_sample_path(context, update), update.data()))
            return update.update_id
        try:
            return _write(context, recipient, document, seen)
        except (DocumentChanged, DocumentExists):
            continue
    raise Unavailable("The printer's state is being changed by others", retry_after=1)


def _by_serial(context: Context, recipient: Recipient, serial: str) -> Document | None:
    """The printer; None where it is new. Raises `Conflict` where it is known at another site."""
    alias = context.documents.get(_alias_path(context, recipient, serial))
    printer = context.documents.get(_path(context, alias.data["printerId"])) if alias else None
    if printer and printer.data["recipientId"] != recipient.id:
        raise Conflict("The printer is registered at another site", field="printerSerial")
    return printer


def _by_address(context: Context, recipient: Recipient, seen: Report) -> Document | None:
    """A printer of the site that was last seen there; several may have had the address."""
    assert seen.ip_address is not None
    query = queries.printers_at_address(context.collections, recipient.id, seen.ip_address)
    return next(iter(context.documents.query(query)), None)


def _write(context: Context, recipient: Recipient, document: Document | None, seen: Report) -> str:
    now = context.now()
    before = Printer.of(document) if document else None
    state = before.state if before else None
    if state and seen.at < state.reported_at:
        return _name(before, state.version)
    changed = state is None or state.status.get("state") != seen.status.get("state")
    sample = changed or state is None or now - state.sampled_at >= SAMPLE_EVERY
    after = PrinterState(
        version=(state.version if state else 0) + 1,
        reported_at=seen.at,
        received_at=now,
        sampled_at=now if sample or state is None else state.sampled_at,
        status=seen.status,
    )
    writes: list[Write] = []
    if document is None or before is None:
        before = Printer(
            printer_id=new_id(),
            organization_id=recipient.organization_id,
            recipient_id=recipient.id,
            serial=seen.serial,
            ip_address=seen.ip_address,
            active=False,
            created_at=now,
        )
        new = before.model_copy(update={"state": after})
        alias = {"printerId": before.printer_id, "organizationId": recipient.organization_id}
        writes += [
            Create(_path(context, before.printer_id), new.data()),
            Put(_alias_path(context, recipient, str(seen.serial)), alias),
        ]
        log("printer_appeared", printerId=before.printer_id, printerSerial=seen.serial, recipientId=recipient.id)
    else:
        writes.append(
            Update(
                document.path,
                {"state": after.data(), "ipAddress": seen.ip_address or before.ip_address},
                document.version,
            )
        )
    if sample:
        update = _sample(context, recipient, before.printer_id, seen)
        writes.append(Create(_sample_path(context, update), update.data()))
    context.documents.commit(*writes)
    return _name(before, after.version)


def _sample(context: Context, recipient: Recipient, printer_id: str | None, seen: Report) -> StatusUpdate:
    return StatusUpdate(
        update_id=new_id(),
        organization_id=recipient.organization_id,
        recipient_id=recipient.id,
        printer_id=printer_id,
        printer_serial=seen.serial,
        printer_ip_address=seen.ip_address,
        status=seen.status,
        timestamp=seen.at,
        created_at=context.now(),
    )


def _name(printer: Printer | None, version: int) -> str:
    return f"{printer.printer_id if printer else ''}-{version}"


def _path(context: Context, printer_id: str) -> str:
    return f"{context.collections.printers}/{printer_id}"


def _sample_path(context: Context, update: StatusUpdate) -> str:
    return f"{context.collections.printer_status_updates}/{update.update_id}"


def _alias_path(context: Context, recipient: Recipient, serial: str) -> str:
    return f"{context.collections.printer_aliases}/{recipient.organization_id}_serial_{serial}"
