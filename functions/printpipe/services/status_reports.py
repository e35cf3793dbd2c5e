"""What printers report of themselves: the live state, written when it changes, and a history sampled from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain.errors import Conflict, DomainError, Unavailable
from printpipe.domain.ids import new_id
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, PreconditionFailed, Put, Update, Version, Write
from printpipe.domain.printer_status import Gist, without_secrets
from printpipe.domain.records import Printer, PrinterState, StatusUpdate
from printpipe.domain.tenancy import Recipient
from printpipe.services import printers
from printpipe.services.context import Context
from printpipe.services.memory import KnownPrinter, LiveState, Stray

SAMPLE_EVERY = timedelta(minutes=5)
TRUST = timedelta(seconds=60)
"""How long the same picture may go unwritten where nobody says that no other report came between."""

_TRIES = 10
_MOST_FAULTS = 100


@dataclass(frozen=True)
class Report:
    """A printer's picture of itself at a moment (None: now); it is named by its serial, or by its address.

    `previous` is the time of the report that its reporter sent before, to this process or another one.
    """

    serial: str | None
    ip_address: str | None
    status: Mapping[str, Any]
    at: datetime | None = None
    app_id: str | None = None
    previous: datetime | None = None


@dataclass(frozen=True)
class Taken:
    """A report that was taken: the name of the state that stands now, and the printer where one is known."""

    status_update_id: str
    printer_id: str | None


@dataclass(frozen=True)
class _Picture:
    """A report that was read: without secrets, and no later than now."""

    serial: str | None
    ip_address: str | None
    status: Mapping[str, Any]
    gist: Gist
    at: datetime
    app_id: str | None
    previous: datetime | None


@dataclass(frozen=True)
class _Step:
    """What a report changes: the writes, the printer's own first, and what is known after them."""

    after: KnownPrinter
    writes: Sequence[Write] = ()
    appeared: bool = False


_Standing = KnownPrinter | printers.Found | Conflict
"""A printer; nothing yet, or an alias without one; or a printer of another site."""

_UNWRITTEN = Version("")


def report(context: Context, recipient_id: str, seen: Report) -> Taken:
    """Takes one report as `report_all` does, of a printer that is named by its serial or by its address alone.

    An address that matches no printer is kept in the history, sampled likewise, and creates nothing. Raises `Conflict`
    where the printer is registered at another site.
    """
    desk = _Desk(context, context.recipient(recipient_id))
    picture = desk.read(seen)
    if picture.serial is not None:
        (outcome,) = desk.take(desk.named([picture]))
    elif document := printers.at_address(context, desk.recipient, str(picture.ip_address)):
        (outcome,) = desk.take([(picture, desk.known(document))])
    else:
        return desk.keep_stray(picture)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def report_all(context: Context, recipient_id: str, seen: Sequence[Report]) -> list[Taken | DomainError]:
    """Takes reports of several printers, each named by its serial; of two about one printer the newer counts.

    A report that is older than one that was taken before changes nothing; nor does one that shows the same picture as
    the one before it, until a sample is due (`SAMPLE_EVERY`).
    An unknown serial becomes a printer, inactive. What cannot be taken is an error in its own place and keeps back none
    of the others.
    """
    desk = _Desk(context, context.recipient(recipient_id))
    newest: dict[str | None, _Picture] = {}
    for picture in sorted(map(desk.read, seen), key=lambda each: each.at):
        newest[picture.serial] = picture
    outcomes = dict(zip(newest, desk.take(desk.named(list(newest.values()))), strict=True))
    return [outcomes[each.serial] for each in seen]


class _Desk:
    """Takes a recipient's reports, within one call."""

    def __init__(self, context: Context, recipient: Recipient) -> None:
        self._context, self.recipient = context, recipient
        self._now = context.now()

    def read(self, seen: Report) -> _Picture:
        at = min(seen.at or self._now, self._now)  # a clock that is ahead must not shut out later reports
        status = without_secrets(seen.status)
        return _Picture(seen.serial, seen.ip_address, status, Gist.of(status), at, seen.app_id, seen.previous)

    def named(self, pictures: Sequence[_Picture]) -> list[tuple[_Picture, _Standing]]:
        """What stands under each picture's serial, from memory or else from the store."""
        remembered = {serial: self._remembered(serial) for each in pictures if (serial := each.serial)}
        unknown = [serial for serial, known in remembered.items() if known is None]
        found = printers.find(self._context, self.recipient.organization_id, unknown)
        standing: dict[str | None, _Standing] = {
            serial: known or self._identify(found[serial]) for serial, known in remembered.items()
        }
        return [(each, standing[each.serial]) for each in pictures]

    def take(self, pictures: Sequence[tuple[_Picture, _Standing]]) -> list[Taken | DomainError]:
        """All that changes is written in one batch, or where that fails, each printer by itself."""
        steps: list[_Step | DomainError] = [self._plan(*each) for each in pictures]
        try:
            self._commit([step for step in steps if isinstance(step, _Step)])
        except PreconditionFailed:
            steps = [self._alone(*each, step) for each, step in zip(pictures, steps, strict=True)]
        return [Taken(step.after.name, step.after.printer_id) if isinstance(step, _Step) else step for step in steps]

    def keep_stray(self, picture: _Picture) -> Taken:
        """A picture from an address that matches no printer."""
        name = f"{self.recipient.id}/{picture.ip_address}"
        last = self._context.memory.strays.get(name)
        recent = last is not None and self._now - last.at < SAMPLE_EVERY
        if last and recent and not picture.gist.turns(last.gist) and picture.gist.faults <= last.gist.faults:
            return Taken(last.update_id, None)
        stray = Stray(new_id(), self._now, picture.gist)
        self._context.documents.commit(self._sample(stray.update_id, None, picture))
        self._context.memory.strays.change(name, lambda _: stray)
        return Taken(stray.update_id, None)

    def known(self, document: Document) -> KnownPrinter:
        """A printer's document that was read just now, with what is remembered of it."""
        printer, state = Printer.of(document), None
        if printer.state:
            state = LiveState(
                printer.state.version,
                printer.state.reported_at,
                printer.state.sampled_at,
                Gist.of(printer.state.status),
                frozenset(printer.state.faults),
            )
        known = KnownPrinter(
            printer.printer_id,
            printer.serial,
            document.version,
            printer.ip_address,
            state,
            state.reported_at if state else None,
            self._now,
        )
        before = self._context.memory.printers.get(self._key(known))
        return replace(known, heard_at=known.merged(before).heard_at)

    def _remembered(self, serial: str) -> KnownPrinter | None:
        return self._context.memory.printers.get(f"{self.recipient.id}/{serial}")

    def _key(self, known: KnownPrinter) -> str:
        return f"{self.recipient.id}/{known.serial or known.printer_id}"

    def _identify(self, found: printers.Found) -> _Standing:
        try:
            document = found.at(self.recipient)
        except Conflict as conflict:
            return conflict
        return self.known(document) if document else found

    def _plan(self, picture: _Picture, standing: _Standing) -> _Step | Conflict:
        if isinstance(standing, Conflict):
            return standing
        if isinstance(standing, printers.Found):
            return self._appearance(picture, standing.alias)
        state = standing.state
        if standing.heard_at and picture.at < standing.heard_at:
            return _Step(standing)
        address = picture.ip_address or standing.ip_address
        after, sampled = self._next(picture, state)
        heard = replace(standing, ip_address=address, heard_at=picture.at)
        written = replace(heard, checked_at=self._now)
        same = state and picture.gist.digest == state.gist.digest and address == standing.ip_address
        if same and not sampled and self._unbroken(picture, standing):
            return _Step(heard)
        fields = {"state": after.data(), "ipAddress": address}
        writes: list[Write] = [Update(printers.path(self._context, standing.printer_id), fields, standing.version)]
        return self._step(replace(written, state=_brief(after, picture.gist)), writes, picture, sampled)

    def _unbroken(self, picture: _Picture, standing: KnownPrinter) -> bool:
        """Whether no other process can have taken a report between what is remembered and this one."""
        if standing.heard_at is None:
            return False
        if picture.previous is None:
            return self._now - standing.checked_at < TRUST
        return picture.previous == standing.heard_at

    def _appearance(self, picture: _Picture, alias: Document | None) -> _Step:
        assert picture.serial is not None
        printer = printers.new(self._context, self.recipient, picture.serial, picture.ip_address, active=False)
        after, sampled = self._next(picture, None)
        writes = printers.creation(self._context, printer.model_copy(update={"state": after}), alias)
        known = KnownPrinter(
            printer.printer_id,
            printer.serial,
            _UNWRITTEN,
            printer.ip_address,
            _brief(after, picture.gist),
            picture.at,
            self._now,
        )
        return self._step(known, writes, picture, sampled, appeared=True)

    def _next(self, picture: _Picture, state: LiveState | None) -> tuple[PrinterState, bool]:
        """The state after a picture, and whether the history gets a sample of it."""
        due = state is None or self._now - state.sampled_at >= SAMPLE_EVERY
        fresh = state is None or due or picture.gist.turns(state.gist)
        noted = frozenset[str]() if state is None or fresh else state.faults
        sampled = fresh or not picture.gist.faults <= noted
        after = PrinterState(
            version=(state.number if state else 0) + 1,
            reported_at=picture.at,
            received_at=self._now,
            sampled_at=self._now if sampled or state is None else state.sampled_at,
            faults=tuple(sorted(noted | picture.gist.faults)[:_MOST_FAULTS]),
            status=picture.status,
        )
        return after, sampled

    def _step(
        self,
        after: KnownPrinter,
        writes: list[Write],
        picture: _Picture,
        sampled: bool,
        *,
        appeared: bool = False,
    ) -> _Step:
        sample = [self._sample(after.name, after, picture)] if sampled else []
        return _Step(after, [*writes, *sample], appeared)

    def _commit(self, steps: Sequence[_Step]) -> None:
        """Writes the steps together, and remembers what stands then."""
        writes = [write for step in steps for write in step.writes]
        versions = iter(self._context.documents.commit(*writes) if writes else [])
        for step in steps:
            written = [next(versions) for _ in step.writes]
            after = replace(step.after, version=written[0]) if written else step.after
            self._context.memory.printers.change(self._key(after), after.merged)
            if step.appeared:
                log(
                    "printer_appeared",
                    printerId=after.printer_id,
                    printerSerial=after.serial,
                    recipientId=self.recipient.id,
                )

    def _alone(self, picture: _Picture, standing: _Standing, step: _Step | DomainError) -> _Step | DomainError:
        """Takes one picture whatever becomes of the others, reading the printer anew for as long as it changes."""
        for _ in range(_TRIES):
            if not isinstance(step, _Step):
                return step
            try:
                self._commit([step])
                return step
            except PreconditionFailed:
                standing = self._again(picture, standing)
                step = self._plan(picture, standing)
        return Unavailable("The printer's state is being changed by others", retry_after=1)

    def _again(self, picture: _Picture, standing: _Standing) -> _Standing:
        """What stands now: one read where the printer is known and still there."""
        if isinstance(standing, KnownPrinter):
            document = self._context.documents.get(printers.path(self._context, standing.printer_id))
            now = self._identify(printers.Found(None, document))
            if isinstance(now, KnownPrinter):
                return now
            self._context.memory.printers.forget(self._key(standing))
            if isinstance(now, Conflict):
                return now
        if picture.serial is None:
            raise Unavailable("The printer is no more", retry_after=1)
        found = printers.find(self._context, self.recipient.organization_id, [picture.serial])
        return self._identify(found[picture.serial])

    def _sample(self, update_id: str, printer: KnownPrinter | None, picture: _Picture) -> Put:
        update = StatusUpdate(
            update_id=update_id,
            organization_id=self.recipient.organization_id,
            recipient_id=self.recipient.id,
            printer_id=printer.printer_id if printer else None,
            printer_serial=printer.serial if printer else picture.serial,
            printer_ip_address=printer.ip_address if printer else picture.ip_address,
            app_id=picture.app_id,
            status=picture.status,
            timestamp=picture.at,
            created_at=self._now,
        )
        return Put(f"{self._context.collections.printer_status_updates}/{update_id}", update.data())


def _brief(state: PrinterState, gist: Gist) -> LiveState:
    return LiveState(state.version, state.reported_at, state.sampled_at, gist, frozenset(state.faults))
