"""How a printer's reports look in the dialect `printpro`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.fitting import activity_now
from printpipe.domain.ids import state_id
from printpipe.domain.printer_records import Printer, StatusUpdate
from printpipe.domain.printer_status import Activity
from printpipe.endpoints import printpro_status
from printpipe.endpoints.printpro_status import LiveStatus


class Sample(LiveStatus):
    """One report. `status` is a word of `GET /api/printers`, or one that only the reporter knows."""

    id: str
    printer_id: str
    organization_id: str = Field(serialization_alias="organizationId")
    status: str = Field(description="`error` is failed")
    timestamp: printpro.Time = Field(description="when the printer's client made the report")
    created_at: printpro.Time = Field(description="when the report was taken")


class Latest(LiveStatus, printpro.Reply):
    """What the printer reported last, however long ago; all is null where it has never reported.

    `status` is that of `GET /api/printers/{id}`: offline where nothing was heard of it for 12 minutes, or nothing that
    says what it does.
    """

    id: str | None
    printer_id: str
    organization_id: str = Field(serialization_alias="organizationId")
    status: Activity
    reported_status: str | None = Field(description="the word that was reported for what the printer does")
    timestamp: printpro.Time | None = Field(description="when the printer's client made the report")
    created_at: printpro.Time | None = Field(description="when the report was taken")


def latest(printer: Printer, now: datetime) -> Latest:
    """The printer's live state."""
    state = printer.state
    status: Mapping[str, Any] = state.status if state else {}
    return Latest(
        **dict(printpro_status.live(status)),
        id=state_id(printer.printer_id, state.version) if state else None,
        printer_id=printer.printer_id,
        organization_id=printer.organization_id,
        status=activity_now(state, now),
        reported_status=printpro_status.reported_word(status),
        timestamp=state.reported_at if state else None,
        created_at=state.received_at if state else None,
    )


def sample(update: StatusUpdate) -> Sample:
    """A report that was kept of a printer that is known."""
    assert update.printer_id is not None
    return Sample(
        **dict(printpro_status.live(update.status)),
        id=update.update_id,
        printer_id=update.printer_id,
        organization_id=update.organization_id,
        status=printpro_status.word(update.status),
        timestamp=update.timestamp,
        created_at=update.created_at,
    )
