"""What printers report of themselves: the live state, written when it changes, and a history sampled from it.

With the state is written what it tells of the plate: that a print may lie there, never that none does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from printpipe.domain import plates
from printpipe.domain.errors import Conflict, DomainError, Unavailable
from printpipe.domain.ids import new_id
from printpipe.domain.log import log
from printpipe.domain.ports.documents import PreconditionFailed, Put, Update, Version, Write
from printpipe.domain.printer_records import Presence, PrinterState, Sight, StatusUpdate
from printpipe.domain.printer_status import Gist, without_secrets
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.printers.memory import KnownPrinter, LiveState, Stray
from printpipe.services.printers.standing import Newcomer, Standing, Standings, brief

SAMPLE_EVERY = timedelta(minutes=5)

TRUST = timedelta(seconds=60)
"""How long the same picture may go unwritten where nobody says that no other report came between."""

_TRIES = 10
_MOST_FAULTS = 100


@dataclass(frozen=True)
class Report:
    """A printer's picture of itself at a moment (None: now); it is named by its serial, or by its address.

    `previous` is the time of the report that its reporter sent before, to this process or another one; a reporter that
    gives it tells of a change as soon as it sees it. `keep` puts the report into the history whatever it shows.
    """

    serial: str | None
    ip_address: str | None
    status: Mapping[str, Any]
    at: datetime | None = None
    app_id: str | None = None
    previous: datetime | None = None
    keep: bool = False


@dataclass(frozen=True)
class Taken:
    """A report that was taken: the name of the state that stands now, and the printer where one is known.

    `at` is when it was made, as far as that is believed, `received_at` when it was taken.
    """

    status_update_id: str
    printer_id: str | None
    at: datetime
    received_at: datetime


@dataclass(frozen=True)
class _Picture:
    """A report that was read: without secrets, and no later than now.

    `printed` is a print that was shown by one which came with it and is older.
    """

    serial: str | None
    ip_address: str | None
    status: Mapping[str, Any]
    gist: Gist
    sight: Sight
    at: datetime
    app_id: str | None
    previous: datetime | None
    keep: bool
    printed: Sight | None = None

    @property
    def last_print(self) -> Sight | None:
        """The last sight of a print that it tells of."""
        return self.sight if plates.is_print(self.sight) else self.printed


@dataclass(frozen=True)
class _Step:
    """What a report changes: the writes, the printer's own first, its sample, and what is known after them."""

    after: KnownPrinter
    writes: Sequence[Write] = ()
    sample: StatusUpdate | None = None
    event: str | None = None

    @property
    def name(self) -> str:
        """What the state that stands now is called, or the report itself where it was too old to become that."""
        return self.sample.update_id if self.sample else self.after.name


_UNWRITTEN = Version("")


def report(context: Context, recipient_id: str, seen: Report) -> Taken:
    """Takes one report as `report_all` does, of a printer that is named by its serial or by its address alone.

    An address that matches no printer is kept in the history, sampled likewise, and creates nothing. Raises `Conflict`
    where the printer is registered at another site.
    """
    desk = _Desk(context, context.recipient(recipient_id))
    picture = desk.read(seen)
    if picture.serial is not None:
        return _certain(desk.take(desk.named([picture])))
    if document := printers.at_address(context, desk.recipient, str(picture.ip_address)):
        return _certain(desk.take([(picture, desk.standings.known(document))]))
    return desk.keep_stray(picture)


def report_of(context: Context, printer_id: str, seen: Report) -> Taken:
    """Takes one report likewise, of the caller's printer of that id.

    Raises `NotFound` for an id that is none of the caller's, `Forbidden` where its key is not for the printer's site.
    """
    document = printers.own(context, printer_id)
    desk = _Desk(context, context.recipient(document.data["recipientId"]))
    picture = desk.read(replace(seen, serial=None))
    return _certain(desk.take([(picture, desk.standings.known(document))]))


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
        older = newest.get(picture.serial)
        newest[picture.serial] = replace(picture, printed=older.last_print) if older else picture
    outcomes = dict(zip(newest, desk.take(desk.named(list(newest.values()))), strict=True))
    return [outcomes[each.serial] for each in seen]


def _certain(outcomes: Sequence[Taken | DomainError]) -> Taken:
    """The only outcome, raised if it is an error."""
    (outcome,) = outcomes
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


class _Desk:
    """Takes a recipient's reports, within one call."""

    def __init__(self, context: Context, recipient: Recipient) -> None:
        self._context, self.recipient = context, recipient
        self._now = context.now()
        self.standings = Standings(context, recipient, self._now)

    def read(self, seen: Report) -> _Picture:
        at = min(seen.at or self._now, self._now)  # a clock that is ahead must not shut out later reports
        status = without_secrets(seen.status)
        gist, shown = Gist.of(status), plates.sight(status, at)
        return _Picture(seen.serial, seen.ip_address, status, gist, shown, at, seen.app_id, seen.previous, seen.keep)

    def named(self, pictures: Sequence[_Picture]) -> list[tuple[_Picture, Standing]]:
        """What stands under each picture's serial."""
        standing = self.standings.under({serial: each.ip_address for each in pictures if (serial := each.serial)})
        return [(each, standing[each.serial]) for each in pictures if each.serial]

    def take(self, pictures: Sequence[tuple[_Picture, Standing]]) -> list[Taken | DomainError]:
        """All that changes is written in one batch, or where that fails, each printer by itself."""
        steps: list[_Step | DomainError] = [self._plan(*each) for each in pictures]
        try:
            self._commit([step for step in steps if isinstance(step, _Step)])
        except PreconditionFailed:
            steps = [self._alone(*each, step) for each, step in zip(pictures, steps, strict=True)]
        return [
            Taken(step.name, step.after.printer_id, picture.at, self._now) if isinstance(step, _Step) else step
            for (picture, _), step in zip(pictures, steps, strict=True)
        ]

    def keep_stray(self, picture: _Picture) -> Taken:
        """A picture from an address that matches no printer."""
        name = f"{self.recipient.id}/{picture.ip_address}"
        last = self._context.memory.strays.get(name)
        recent = last is not None and self._now - last.at < SAMPLE_EVERY
        if last and recent and not picture.gist.turns(last.gist) and picture.gist.faults <= last.gist.faults:
            return Taken(last.update_id, None, picture.at, self._now)
        stray = Stray(new_id(), self._now, picture.gist)
        self._context.documents.commit(self._put(self._sample(stray.update_id, None, picture)))
        self._context.memory.strays.change(name, lambda _: stray)
        return Taken(stray.update_id, None, picture.at, self._now)

    def _plan(self, picture: _Picture, standing: Standing) -> _Step | Conflict:
        if isinstance(standing, Conflict):
            return standing
        if isinstance(standing, KnownPrinter):
            return self._change(picture, standing)
        return self._appearance(picture, standing)

    def _change(self, picture: _Picture, standing: KnownPrinter, naming: Sequence[Write] = ()) -> _Step:
        """What the picture changes of a printer; with `naming` the printer gets the serial that the picture has."""
        state = standing.state
        if standing.heard_at and picture.at < standing.heard_at:
            return _Step(standing, sample=self._sample(new_id(), standing, picture) if picture.keep else None)
        address = picture.ip_address or standing.ip_address
        before = self._before(picture, standing)
        after, sampled = self._next(picture, state, before)
        heard = replace(standing, ip_address=address, heard_at=picture.at)
        same = state is not None and picture.gist.digest == state.gist.digest
        printed = picture.printed if picture.printed and not _is_heard(picture.printed, standing) else None
        settled = same and address == standing.ip_address and not (sampled or naming or printed)
        if settled and self._unbroken(picture, standing):
            return _Step(heard)
        fields: dict[str, Any] = {"state": after.data(), "ipAddress": address}
        if after.shown_at is not None and (state is None or state.shown_at is None):
            fields["presence"] = _there_since(after).data()
        if naming:
            fields["serial"] = picture.serial
        throughout = state is None or not plates.is_blind(state.sight)
        repeated = same and picture.at == standing.heard_at
        soils = not repeated and plates.soils(picture.sight, before, throughout=throughout)
        evidence = [each for each in (printed, picture.sight if soils else None) if each]
        if not all(plates.has_said_since(standing.cleared_at, each) for each in evidence):
            fields["plateCleared"] = False
        written = replace(
            heard,
            serial=standing.serial or picture.serial,
            checked_at=self._now,
            state=brief(after, picture.gist),
        )
        update = Update(printers.path(self._context, standing.printer_id), fields, standing.version)
        sample = self._sample(written.name, written, picture) if sampled else None
        return _Step(written, [update, *naming], sample, "printer_named" if naming else None)

    def _before(self, picture: _Picture, standing: KnownPrinter) -> Sight | None:
        """What the printer was seen to do last."""
        state = standing.state
        if state is None or plates.is_blind(state.sight):
            return state.former if state else None
        told_at_once = picture.previous is not None and picture.previous == standing.heard_at
        until = picture.at if told_at_once else standing.heard_at or state.reported_at
        return state.sight.model_copy(update={"until": until})

    def _unbroken(self, picture: _Picture, standing: KnownPrinter) -> bool:
        """Whether no other process can have taken a report between what is remembered and this one."""
        if standing.heard_at is None:
            return False
        if picture.previous is None:
            return self._now - standing.checked_at < TRUST
        return picture.previous == standing.heard_at

    def _appearance(self, picture: _Picture, newcomer: Newcomer) -> _Step:
        """A serial without a printer: it is that of the one which was registered without, or else becomes a new one."""
        assert picture.serial is not None
        context, organization = self._context, self.recipient.organization_id
        if awaited := newcomer.awaited:
            naming = printers.naming(context, organization, awaited.printer_id, picture.serial, newcomer.alias)
            return self._change(picture, awaited, [naming])
        blank = printers.new(context, self.recipient, picture.serial, picture.ip_address, active=False)
        after, _ = self._next(picture, None, None)
        empty = picture.printed is None and not plates.soils(picture.sight, None, throughout=True)
        seen = {"presence": _there_since(after)} if after.shown_at is not None else {}
        printer = blank.model_copy(update={"state": after, "plate_cleared": empty, **seen})
        known = KnownPrinter(
            printer.printer_id,
            printer.serial,
            _UNWRITTEN,
            printer.ip_address,
            brief(after, picture.gist),
            picture.at,
            self._now,
        )
        writes = printers.creation(context, printer, newcomer.alias)
        return _Step(known, writes, self._sample(known.name, known, picture), "printer_appeared")

    def _next(self, picture: _Picture, state: LiveState | None, before: Sight | None) -> tuple[PrinterState, bool]:
        """The state after a picture, and whether the history gets a sample of it."""
        due = state is None or self._now - state.sampled_at >= SAMPLE_EVERY
        fresh = state is None or due or picture.gist.turns(state.gist)
        noted = frozenset[str]() if state is None or fresh else state.faults
        sampled = fresh or picture.keep or not picture.gist.faults <= noted
        blind = plates.is_blind(picture.sight)
        after = PrinterState(
            version=(state.number if state else 0) + 1,
            reported_at=picture.at,
            received_at=self._now,
            shown_at=(state.shown_at if state else None) if blind else self._now,
            sampled_at=self._now if sampled or state is None else state.sampled_at,
            faults=tuple(sorted(noted | picture.gist.faults)[:_MOST_FAULTS]),
            former=before if blind else None,
            status=picture.status,
        )
        return after, sampled

    def _commit(self, steps: Sequence[_Step]) -> None:
        """Writes the steps together, and remembers what stands then."""
        writes = [write for step in steps for write in step.writes]
        samples = [self._put(step.sample) for step in steps if step.sample]
        versions = iter(self._context.documents.commit(*writes, *samples) if writes or samples else [])
        for step in steps:
            written = [next(versions) for _ in step.writes]
            after = replace(step.after, version=written[0]) if written else step.after
            self.standings.remember(after)
            if step.event:
                log(
                    step.event,
                    printerId=after.printer_id,
                    printerSerial=after.serial,
                    recipientId=self.recipient.id,
                )

    def _alone(self, picture: _Picture, standing: Standing, step: _Step | DomainError) -> _Step | DomainError:
        """Takes one picture whatever becomes of the others, reading the printer anew for as long as it changes."""
        for _ in range(_TRIES):
            if not isinstance(step, _Step):
                return step
            try:
                self._commit([step])
                return step
            except PreconditionFailed:
                standing = self.standings.again(standing, picture.serial, picture.ip_address)
                step = self._plan(picture, standing)
        return Unavailable("The printer's state is being changed by others", retry_after=1)

    def _sample(self, update_id: str, printer: KnownPrinter | None, picture: _Picture) -> StatusUpdate:
        return StatusUpdate(
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
            expires_at=self._now + self._context.policy.retention.history,
        )

    def _put(self, update: StatusUpdate) -> Put:
        return Put(f"{self._context.collections.printer_status_updates}/{update.update_id}", update.data())


def _there_since(state: PrinterState) -> Presence:
    """Of a printer that shows itself for the first time; what becomes of it then the presence sweep sees to."""
    return Presence(status="online", since=state.shown_at)


def _is_heard(seen: Sight, standing: KnownPrinter) -> bool:
    """Whether the printer was heard of since, or just then."""
    return standing.heard_at is not None and seen.until <= standing.heard_at
