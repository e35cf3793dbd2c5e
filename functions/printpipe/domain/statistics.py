"""What ended jobs add up to, day by day, in whole numbers that are added and taken off again.

Weights are in milligrams, times in seconds, money in 1/10,000 of the currency's unit.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from operator import add, sub
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field

from printpipe.domain import costs
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.records import Record, Stored
from printpipe.domain.tenant_records import Organization, Prices

MOST_MATERIALS = 200
"""Of one document; what comes beyond them is counted together."""

MOST_ZONES = 20
"""As many changes of an organization's time zone begin new days: each may be one more read of a day before it."""

OTHER = "other"
UNKNOWN = "unknown"
"""What materials are called that found no room, and those of which nobody says what they are."""

_LONGEST_NAME = 120


class Counts(Record):
    """What jobs come to. `timed` are those whose duration is known, `seconds` these durations together.

    `total_cost` is material, power and labor; `revenue` is the business jobs' part of it.
    """

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    business: int = 0
    private: int = 0
    timed: int = 0
    seconds: int = 0
    milligrams: int = 0
    material_cost: int = 0
    power_cost: int = 0
    labor_cost: int = 0
    total_cost: int = 0
    revenue: int = 0

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return self.model_copy(update={name: add(each, getattr(other, name)) for name, each in self})

    def __sub__(self, other: Self) -> Self:
        """What is left without the other's."""
        return self.model_copy(update={name: sub(each, getattr(other, name)) for name, each in self})

    @property
    def jobs(self) -> int:
        """All that have ended."""
        return self.completed + self.failed + self.cancelled


class MaterialUse(Record):
    """How much of one material was used up, by how many jobs."""

    name: str
    milligrams: int = 0
    jobs: int = 0

    def plus(self, other: Self) -> Self:
        """Both together."""
        changed = {"milligrams": self.milligrams + other.milligrams, "jobs": self.jobs + other.jobs}
        return self.model_copy(update=changed)


class Statistic(Stored):
    """`statistics/{statisticId}`: an organization's day, or a printer's day or whole life (`day` is None).

    `materials` by a digest of their names.
    """

    organization_id: str
    printer_id: str | None = None
    day: str | None = None
    counts: Counts = Counts()
    materials: Mapping[str, MaterialUse] = Field(default_factory=dict)


class Contribution(Record):
    """What one job adds, to which day (`2026-03-29`, in its organization's time zone) and printer.

    `zone_number` says in which of the organization's time zones, one after the other, the day is one.
    """

    day: str
    zone_number: int = 0
    printer_id: str | None = None
    material: str | None = None
    counts: Counts


class Booking(Record):
    """A document of the statistics that holds a job's contribution, and the key of its material there."""

    statistic_id: str
    material: str | None = None


class Entry(Stored):
    """`statistics_entries/{jobId}`: what was counted of a job that ended at that time, and where; None: nothing."""

    job_id: str
    organization_id: str
    ended_at: datetime | None = None
    counted: Contribution | None = None
    bookings: tuple[Booking, ...] = ()
    updated_at: datetime


def counts_at_all(job: Job) -> bool:
    """Whether a job belongs in the statistics: it has ended, and nobody deleted it."""
    return not JOBS[job.status] and job.ended_at is not None and job.deleted_at is None


def settled(job: Job, file: StoredPrintFile | None, prices: Prices) -> Job:
    """A job that has ended, with what it used up and what that costs, where nothing of it was said before."""
    return job.model_copy(
        update={"consumption": costs.consumption(job, file), "costs": costs.known(job, file, prices)},
    )


def contribution(job: Job, day: str, zone_number: int = 0) -> Contribution:
    """What a settled job adds to its day; all its runs count at the printer that it was at last."""
    spent, seconds = job.consumption, costs.printed_seconds(job)
    material, power, labor = (
        each.amount if each else 0 for each in (job.costs.material, job.costs.power, job.costs.labor)
    )
    milligrams = spent.milligrams or 0 if spent else 0
    name = spent.material if spent else None
    total = material + power + labor
    counts = Counts(
        completed=job.status == JobStatus.COMPLETED,
        failed=job.status == JobStatus.FAILED,
        cancelled=job.status == JobStatus.CANCELLED,
        business=job.is_business,
        private=not job.is_business,
        timed=seconds is not None,
        seconds=seconds or 0,
        milligrams=milligrams,
        material_cost=material,
        power_cost=power,
        labor_cost=labor,
        total_cost=total,
        revenue=total if job.is_business else 0,
    )
    known = name[:_LONGEST_NAME] if name else UNKNOWN if milligrams else None
    return Contribution(day=day, zone_number=zone_number, printer_id=job.printer_id, material=known, counts=counts)


def difference(
    old: tuple[Contribution, str | None] | None, new: tuple[Contribution, str | None] | None
) -> tuple[Counts, Mapping[str, MaterialUse]]:
    """What is to be added to a document that holds one contribution, under a material's key, to hold another."""
    counts, materials = Counts(), dict[str, MaterialUse]()
    for held, sign in ((old, -1), (new, 1)):
        if held is None:
            continue
        each, key = held
        counts = counts + each.counts if sign > 0 else counts - each.counts
        if key is not None and each.material is not None:
            name = OTHER if key == OTHER else each.material
            use = MaterialUse(name=name, milligrams=sign * each.counts.milligrams, jobs=sign)
            materials[key] = materials[key].plus(use) if key in materials else use
    return counts, {key: each for key, each in materials.items() if each.milligrams or each.jobs}


def day_of(moment: datetime, zone: tzinfo) -> str:
    """On which day it is there, as `2026-03-29`."""
    return moment.astimezone(zone).date().isoformat()


def zone_of(name: str) -> tzinfo:
    """The time zone of that name in the tz database; UTC for one that it does not have."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def material_key(name: str, held: Collection[str]) -> str:
    """Under which key a document counts the material of that name, where it holds these already."""
    key = f"m{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return key if key in held or len(held) < MOST_MATERIALS else OTHER


def organization_day(organization_id: str, day: date | str, zone_number: int = 0) -> str:
    """The id of an organization's day in one of its time zones; no organization's id holds a `_`."""
    return f"{organization_id}_{_numbered(day, zone_number)}"


def printer_day(organization_id: str, printer_id: str, day: date | str, zone_number: int = 0) -> str:
    """The id of a printer's day, likewise."""
    return f"{organization_id}_{printer_id}_{_numbered(day, zone_number)}"


def printer_total(organization_id: str, printer_id: str) -> str:
    """The id of what a printer's jobs come to since its beginning."""
    return f"{organization_id}_{printer_id}_total"


def zone_number(organization: Organization) -> int:
    """Which of its time zones an organization is in, counted from 0."""
    return len(organization.zone_changes)


def moved(organization: Organization, time_zone: str, now: datetime) -> Organization:
    """The organization in another time zone from now on.

    Of one that moves again and again (`MOST_ZONES`) the days of the last zones are kept together.
    """
    if time_zone == organization.time_zone:
        return organization
    changes = organization.zone_changes
    again = (*changes, now) if len(changes) < MOST_ZONES else changes
    return organization.model_copy(update={"time_zone": time_zone, "zone_changes": again})


def numbered_days(organization: Organization | None, days: Sequence[date]) -> list[tuple[date, int]]:
    """Each day with the number of every time zone in which something may have been counted for it.

    What is counted is booked in the zone that is current then. A job ends before that, so that a zone holds no day
    which began after the next had come.
    """
    changes = organization.zone_changes if organization else ()
    left = [moment.astimezone(UTC).date() + timedelta(days=1) for moment in changes]
    return [
        (day, number)
        for day in days
        for number in range(len(changes) + 1)
        if number == len(changes) or day <= left[number]
    ]


def _numbered(day: date | str, zone_number: int) -> str:
    return f"{day}_z{zone_number}" if zone_number else str(day)


def together(parts: Iterable[Statistic]) -> tuple[Counts, list[MaterialUse]]:
    """What several documents come to: their counts, and the materials by weight, the most used in front."""
    counts, materials = Counts(), dict[str, MaterialUse]()
    for part in parts:
        counts = counts + part.counts
        for key, use in part.materials.items():
            materials[key] = materials[key].plus(use) if key in materials else use
    used = [each for each in materials.values() if each.jobs]
    return counts, sorted(used, key=lambda each: (-each.milligrams, each.name))
