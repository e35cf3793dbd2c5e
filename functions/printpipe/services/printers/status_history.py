"""What a printer showed last, and what it showed before."""

from datetime import datetime

from printpipe.domain.printer_records import Printer, StatusUpdate
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import paging, queries
from printpipe.services.store.paging import Page, Slice


def latest(context: Context, printer_id: str) -> Printer:
    """The caller's printer with its live state, if it has reported. Raises `NotFound`."""
    return Printer.of(printers.own(context, printer_id))


def history(
    context: Context, printer_id: str, since: datetime | None, until: datetime | None, wanted: Slice
) -> Page[StatusUpdate]:
    """What was kept of the printer's reports from `since` to `until`, both included, the newest first.

    The moments are those of taking the reports. Raises `NotFound` for a printer that is not the caller's.
    """
    printers.own(context, printer_id)
    query = queries.status_updates_of_printer(
        context.collections, printer_id, since, until, wanted.limit + 1, wanted.after
    )
    return paging.read(context.documents, query, wanted, StatusUpdate.of)
