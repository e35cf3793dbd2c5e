"""Which printer a site's report is about: one that is remembered, stored, registered without its serial, or new."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from printpipe.domain import plates
from printpipe.domain.errors import Conflict, Unavailable
from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_records import Printer, PrinterState
from printpipe.domain.printer_status import Gist
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.printers.memory import KnownPrinter, LiveState


@dataclass(frozen=True)
class Newcomer:
    """A serial under which no printer stands: a left-over alias, and the printer that was registered without it."""

    alias: Document | None
    awaited: KnownPrinter | None


Standing = KnownPrinter | Newcomer | Conflict
"""A printer; none yet; or one of another site."""


class Standings:
    """A site's printers, within one call."""

    def __init__(self, context: Context, recipient: Recipient, now: datetime) -> None:
        self._context, self._recipient, self._now = context, recipient, now
        self._memory = context.memory.printers

    def under(self, serials: Mapping[str, str | None]) -> Mapping[str, Standing]:
        """What stands under each serial, from memory or else from the store; with each, the address it reports from."""
        remembered = {serial: self._memory.get(f"{self._recipient.id}/{serial}") for serial in serials}
        strange = {serial: serials[serial] for serial, known in remembered.items() if known is None}
        read = self._read(strange)
        return {serial: known or read[serial] for serial, known in remembered.items()}

    def again(self, standing: Standing, serial: str | None, address: str | None) -> Standing:
        """What stands by now: one read where the printer is known, still there, and called so.

        Raises `Unavailable` where it is gone and was not named by a serial.
        """
        if isinstance(standing, KnownPrinter):
            document = self._context.documents.get(printers.path(self._context, standing.printer_id))
            now = self._identified(printers.Found.of(None, document), None)
            if isinstance(now, KnownPrinter) and serial in (None, now.serial):
                return now
            self._memory.forget(self._key(standing))
            if isinstance(now, Conflict):
                return now
        if serial is None:
            raise Unavailable("The printer is no more", retry_after=1)
        return self._read({serial: address})[serial]

    def known(self, document: Document) -> KnownPrinter:
        """A printer's document that was read just now, with what is remembered of it."""
        printer = Printer.of(document)
        known = KnownPrinter(
            printer.printer_id,
            printer.serial,
            document.version,
            printer.ip_address,
            brief(printer.state, Gist.of(printer.state.status)) if printer.state else None,
            printer.state.reported_at if printer.state else None,
            self._now,
            printer.plate_cleared_at,
        )
        return replace(known, heard_at=known.merged(self._memory.get(self._key(known))).heard_at)

    def remember(self, known: KnownPrinter) -> None:
        """Keeps in mind what stands now."""
        self._memory.change(self._key(known), known.merged)

    def _key(self, known: KnownPrinter) -> str:
        return f"{self._recipient.id}/{known.serial or known.printer_id}"

    def _read(self, serials: Mapping[str, str | None]) -> Mapping[str, Standing]:
        """What the store has under each serial; one query where one is new that reports from an address."""
        found = printers.find(self._context, self._recipient.organization_id, serials)
        addresses = Counter(serials[serial] for serial, each in found.items() if each.printer is None)
        wanted = {address for address, number in addresses.items() if address and number == 1}
        awaited: Mapping[str | None, Document] = {}
        if wanted:
            awaited = printers.awaited(self._context, self._recipient, wanted)
        return {serial: self._identified(each, awaited.get(serials[serial])) for serial, each in found.items()}

    def _identified(self, found: printers.Found, awaited: Document | None) -> Standing:
        try:
            document = found.at(self._recipient)
        except Conflict as conflict:
            return conflict
        if document is not None:
            return self.known(document)
        return Newcomer(found.alias, self.known(awaited) if awaited else None)


def brief(state: PrinterState, gist: Gist) -> LiveState:
    """The state as it is remembered."""
    return LiveState(
        state.version,
        state.reported_at,
        state.sampled_at,
        gist,
        frozenset(state.faults),
        plates.sight(state.status, state.reported_at),
        state.former,
        state.shown_at,
    )
