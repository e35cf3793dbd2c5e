"""Whether a job fits a printer, and if not, everything that is in the way; and whose turn it is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from printpipe.domain.filaments import (
    EXTERNAL_SPOOL,
    Feed,
    Loaded,
    Needed,
    loaded_of,
    needed_of,
    resolve,
    type_of,
)
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import Priority
from printpipe.domain.printer_models import Model, model_of, model_of_file, same_machine
from printpipe.domain.printer_records import BuildVolume, Printer, PrinterState
from printpipe.domain.printer_status import Activity, activity
from printpipe.domain.reasons import Reason, ReasonCode, in_order

SILENCE = timedelta(minutes=12)
"""How long a printer counts as online after its last report: idle ones report every 5 minutes, and two of these
reports may be lost."""

USUAL_NOZZLE = 0.4
"""The nozzle, in mm, with which printers are delivered: taken for that of a printer that does not say."""

_SAME_NOZZLE = 0.01
_ROUNDING = 0.05
_BUSY = frozenset({"preparing", "printing", "paused"})


@dataclass(frozen=True)
class Fit:
    """A job fits: what its start command says of the filaments (see `filaments.Feed`)."""

    ams_mapping: tuple[int, ...]
    use_ams: bool


@dataclass(frozen=True)
class Size:
    """How large a print is, in mm; None where the file does not say."""

    x: float | None = None
    y: float | None = None
    z: float | None = None

    @property
    def text(self) -> str:
        """Width, depth and height with `x` between, `?` for what is not known."""
        return "x".join("?" if each is None else f"{round(each, 1):g}" for each in (self.x, self.y, self.z))

    def exceeds(self, volume: BuildVolume) -> bool:
        """Whether it is larger in any direction, by more than a rounding."""
        pairs = ((self.x, volume.x), (self.y, volume.y), (self.z, volume.z))
        return any(each is not None and each > room + _ROUNDING for each, room in pairs)


@dataclass(frozen=True)
class Needs:
    """What a run of a job needs; `missing` says what the file lacks, None where it is there.

    `mappable` tells whether a start can say which tray a filament comes from: that of a plain G-code file cannot.
    """

    wanted_printer_id: str | None
    missing: Reason | None
    recipient_id: str
    model: Model | None
    nozzle: float | None
    size: Size
    needed: tuple[Needed, ...]
    use_ams: bool | None
    mappable: bool = True

    @classmethod
    def of(cls, job: Job, file: StoredPrintFile | None, plate_index: int) -> Self:
        """The needs of a run that prints this plate; `file` None where there is none (any more)."""
        plate = next((each for each in file.plates if each.index == plate_index), None) if file else None
        missing = None
        if plate is None:
            missing = Reason(ReasonCode.FILE_MISSING, f"plate {plate_index}" if file else None)
        return cls(
            wanted_printer_id=job.wanted_printer_id,
            missing=missing,
            recipient_id=file.recipient_id if file else job.recipient_id,
            model=model_of_file(plate.printer_model, plate.printer_model_id) if plate else None,
            nozzle=plate.nozzle_diameter if plate else None,
            size=Size(plate.width, plate.depth, plate.height) if plate else Size(),
            needed=needed_of(plate, job.wishes),
            use_ams=job.use_ams,
            mappable=file is not None and file.kind == "3mf",
        )


@dataclass(frozen=True)
class Candidate:
    """A printer as it is now. `loaded` is None where nobody knows; `supported` holds types in their one spelling.

    `nozzles` are the diameters in mm that are said of its nozzle, by whoever entered it and by its reports; they may
    contradict, and are none where nobody says.
    """

    printer_id: str
    recipient_id: str
    active: bool
    reachable: bool
    online: bool
    busy: bool
    plate_cleared: bool
    model: Model | None
    volume: BuildVolume | None
    nozzles: frozenset[float]
    supported: frozenset[str]
    loaded: tuple[Loaded, ...] | None
    has_agent: bool

    @classmethod
    def of(cls, printer: Printer, now: datetime, has_agent: bool) -> Self:
        """The printer at this time; `has_agent` tells whether our agent serves its site."""
        model = model_of(printer.model, printer.brand)
        status: Mapping[str, Any] = printer.state.status if printer.state else {}
        doing = activity_now(printer.state, now)
        online = doing != "offline"
        return cls(
            printer_id=printer.printer_id,
            recipient_id=printer.recipient_id,
            active=printer.active and printer.deleted_at is None,
            reachable=bool(printer.serial),
            online=online,
            busy=bool(printer.occupants) or doing in _BUSY,
            plate_cleared=printer.plate_cleared,
            model=model,
            volume=printer.build_volume or (model.volume if model else None),
            nozzles=frozenset(filter(None, map(_diameter, (printer.nozzle_diameter, status.get("nozzleDiameter"))))),
            supported=frozenset(filter(None, map(type_of, printer.supported_materials))),
            loaded=loaded_of(status),
            has_agent=has_agent,
        )


def fit(needs: Needs, candidate: Candidate) -> Fit | tuple[Reason, ...]:
    """How the job is started on the printer; else all reasons why it is not, at least one, in their codes' order."""
    reasons = [*_about_printer(needs, candidate), *_about_file(needs, candidate)]
    feed: Feed | tuple[Reason, ...] = () if needs.missing else _feed(needs, candidate)
    if isinstance(feed, Feed) and not reasons:
        return Fit(feed.ams_mapping, feed.use_ams)
    return in_order(reasons if isinstance(feed, Feed) else [*reasons, *feed])


def _about_printer(needs: Needs, candidate: Candidate) -> list[Reason]:
    elsewhere = needs.recipient_id != candidate.recipient_id and not candidate.has_agent
    found = {
        ReasonCode.NOT_WANTED: needs.wanted_printer_id not in (None, candidate.printer_id),
        ReasonCode.INACTIVE: not candidate.active,
        ReasonCode.UNREACHABLE: not candidate.reachable,
        ReasonCode.FILE_AT_OTHER_SITE: elsewhere and needs.missing is None,
        ReasonCode.OFFLINE: not candidate.online,
        ReasonCode.BUSY: candidate.busy,
        ReasonCode.PLATE_NOT_CLEARED: not candidate.plate_cleared,
    }
    return [Reason(code) for code, holds in found.items() if holds]


def _about_file(needs: Needs, candidate: Candidate) -> list[Reason]:
    if needs.missing:
        return [needs.missing]
    reasons = []
    same = same_machine(needs.model, candidate.model) if needs.model and candidate.model else None
    if same is False and needs.model:
        reasons.append(Reason(ReasonCode.MODEL_MISMATCH, needs.model.label))
    elif same is None and needs.wanted_printer_id != candidate.printer_id:
        reasons.append(Reason(ReasonCode.MODEL_UNKNOWN))
    if candidate.volume and needs.size.exceeds(candidate.volume):
        reasons.append(Reason(ReasonCode.TOO_LARGE, needs.size.text))
    if needs.nozzle is not None:
        off = any(abs(needs.nozzle - each) > _SAME_NOZZLE for each in candidate.nozzles or {USUAL_NOZZLE})
        if off and not candidate.nozzles:
            reasons.append(Reason(ReasonCode.NOZZLE_UNKNOWN))
        elif off:
            reasons.append(Reason(ReasonCode.NOZZLE_MISMATCH, f"{needs.nozzle:g}"))
    return reasons


def _feed(needs: Needs, candidate: Candidate) -> Feed | tuple[Reason, ...]:
    types = {each.type for each in needs.needed if each.type is not None}
    unsupported = [
        Reason(ReasonCode.MATERIAL_MISSING, type_)
        for type_ in types
        if candidate.supported and type_ not in candidate.supported
    ]
    feed = _unsaid(needs, candidate)
    if feed is None and candidate.loaded is None:
        feed = _unseen(needs, candidate)
    elif feed is None and needs.use_ams and not needs.mappable:
        feed = (Reason(ReasonCode.AMS_UNKNOWN),)
    elif feed is None:
        feed = resolve(needs.needed, candidate.loaded or (), needs.use_ams if needs.mappable else False)
    if isinstance(feed, Feed):
        return in_order(unsupported) if unsupported else feed
    return in_order([*unsupported, *feed])


def _unsaid(needs: Needs, candidate: Candidate) -> Feed | tuple[Reason, ...] | None:
    """For a file that says nothing of its one filament: its owner must name the printer, and nothing can be chosen."""
    if len(needs.needed) != 1 or not needs.needed[0].is_unknown:
        return None
    named = needs.wanted_printer_id == candidate.printer_id
    if named and needs.use_ams is not True:
        return EXTERNAL_SPOOL
    return (Reason(ReasonCode.MATERIAL_UNKNOWN),)


def _unseen(needs: Needs, candidate: Candidate) -> Feed | tuple[Reason, ...]:
    """For a printer of whose spools nothing is known: one filament that its owner says it prints.

    Of which colour is loaded nobody said a word: that is for the job's owner to know, who names the printer.
    """
    if needs.use_ams is True or len(needs.needed) != 1:
        return (Reason(ReasonCode.AMS_UNKNOWN),)
    (needed,) = needs.needed
    named = needs.wanted_printer_id == candidate.printer_id
    if needed.type is None:
        return EXTERNAL_SPOOL if named else (Reason(ReasonCode.MATERIAL_UNKNOWN),)
    if not candidate.supported:
        return (Reason(ReasonCode.MATERIAL_UNKNOWN, needed.type),)
    if needed.color is not None and not named:
        return (Reason(ReasonCode.AMS_UNKNOWN),)
    return EXTERNAL_SPOOL  # a type that is not among them is told already


def activity_now(state: PrinterState | None, now: datetime) -> Activity:
    """What a printer does at this time; "offline" where it has been silent for too long, or does not say."""
    if state is None or now - state.received_at > SILENCE:
        return "offline"
    doing = activity(state.status)
    return "offline" if doing == "unknown" else doing


def _diameter(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 10 else None


@dataclass(frozen=True)
class Waiting:
    """A job that waits; `user` None for one that nobody in particular ordered."""

    job_id: str
    priority: Priority
    user: str | None
    queued_at: datetime


def order(waiting: Sequence[Waiting], running: Mapping[str | None, int]) -> list[Waiting]:
    """Who is served first: the highest priority, then who has had the least, then the oldest.

    `running` is how many of a user's jobs are at printers now. Each waiting job counts these and the user's jobs that
    wait before it, so that users take turns however many jobs each of them has.
    """
    before: dict[str | None, int] = defaultdict(int)
    share: dict[str, int] = {}
    for job in sorted(waiting, key=_own_order):
        share[job.job_id] = running.get(job.user, 0) + before[job.user]
        before[job.user] += 1
    return sorted(waiting, key=lambda job: (-job.priority.rank, share[job.job_id], job.queued_at, job.job_id))


def _own_order(job: Waiting) -> tuple[int, datetime, str]:
    return -job.priority.rank, job.queued_at, job.job_id
