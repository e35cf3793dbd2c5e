"""Whether printers can be reached: what is known of it, and the test by their site's agent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from printpipe.domain.commands import STORAGE_TYPES
from printpipe.domain.errors import DomainError
from printpipe.domain.fitting import SILENCE, activity_now
from printpipe.domain.log import log_failure
from printpipe.domain.ports.documents import Update
from printpipe.domain.printer_records import Contact, Printer
from printpipe.domain.printer_status import Activity, Gist
from printpipe.services.context import Context
from printpipe.services.files import storage
from printpipe.services.printers import printers

Connection = Literal["testing", "connected", "failed", "disconnected", "unknown"]
"""`testing`: the agent was asked and has not answered. `failed`: the last test did not reach it, nor was it heard of
since. `disconnected`: it was reached once and is silent. `unknown`: it was never heard of, nor tested."""

Condition = Literal["configuring", "offline", "idle", "online", "paused", "error"]
"""`online`: it works, or prepares to. `idle`: it could. `configuring`: it was entered just now and not heard of yet."""

TEST_LIFETIME = STORAGE_TYPES["test_connection"].lifetime
"""How long a test may take; one that has no answer by then has failed."""

UNANSWERED = "The site's agent did not answer in time"

_CONDITIONS: Mapping[Activity, Condition] = {
    "idle": "idle",
    "preparing": "online",
    "printing": "online",
    "paused": "paused",
    "completed": "idle",
}


def connection(printer: Printer, now: datetime) -> Connection:
    """What is known of the way to the printer at this time."""
    contact, state = printer.contact, printer.state
    heard = activity_now(state, now) != "offline"
    if contact is not None and contact.status != "connected":
        if contact.status == "testing" and now - contact.tested_at <= TEST_LIFETIME:
            return "testing"
        if not heard or state is None or state.received_at <= contact.tested_at:
            return "failed"
    if heard or (contact is not None and contact.status == "connected" and now - contact.tested_at <= SILENCE):
        return "connected"
    return "unknown" if contact is None and state is None else "disconnected"


def reason(printer: Printer, now: datetime) -> str | None:
    """Why the printer's test failed, where that is how it stands."""
    if connection(printer, now) != "failed" or printer.contact is None:
        return None
    return UNANSWERED if printer.contact.status == "testing" else printer.contact.reason


def condition(printer: Printer, now: datetime) -> Condition:
    """What the printer does at this time, in few words.

    One whose print failed is in error for as long as it reports a fault; else it is idle, as after any other print.
    """
    doing = activity_now(printer.state, now)
    if doing == "offline":
        new = printer.state is None and connection(printer, now) in ("testing", "connected")
        return "configuring" if new else "offline"
    if doing == "failed" and printer.state is not None:
        gist = Gist.of(printer.state.status)
        return "error" if gist.faults or "error" in map(str.lower, gist.states) else "idle"
    return _CONDITIONS[doing]


def begun(context: Context, printer: Printer) -> Contact | None:
    """What is stored with a new printer whose connection `test` tests next; None where nobody is there who could."""
    if not context.recipient(printer.recipient_id).has_agent:
        return None
    return Contact(status="testing", tested_at=context.now())


def test(context: Context, printer: Printer) -> Printer:
    """Has the site's agent test the connection to a printer that was stored, and notes that it does.

    Where the agent cannot be asked the test has failed: the printer is stored all the same.
    """
    try:
        command = storage.order_test(context, printer)
    except DomainError as error:
        log_failure("connection_test_not_ordered", printerId=printer.printer_id)
        return _failed(context, printer, error.message)
    contact = printer.contact
    if contact is None or contact.command_id != command.command_id:
        contact = Contact(status="testing", command_id=command.command_id, tested_at=command.created_at)
    return printer.model_copy(update={"contact": contact})


def _failed(context: Context, printer: Printer, why: str) -> Printer:
    after = printer.model_copy(update={"contact": Contact(status="failed", tested_at=context.now(), reason=why)})
    try:
        context.documents.commit(Update(printers.path(context, printer.printer_id), after.fields(["contact"])))
    except DomainError:
        log_failure("connection_test_not_noted", printerId=printer.printer_id)
    return after
