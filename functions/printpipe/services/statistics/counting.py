"""Counts jobs that have ended into the daily documents: each once, however often and in whichever order it is told.

What was counted of a job stands in its entry. One batch changes the entry and adds what is new, less what is old, to
the documents of the statistics; it asks that the entry and the job be as they were read, so that of two counts at once
one begins again, and a stale one writes nothing. A job counts on the day of its end in its organization's time zone as
that is when it is first counted: where the organization moves it keeps that day, unless its end itself is corrected.
An organization that moves gets new documents for its days, as the same date is another day there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from printpipe.domain import statistics
from printpipe.domain.errors import Unavailable
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.job_records import Job
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Create, Document, Increment, PreconditionFailed, Update, Write
from printpipe.domain.statistics import Booking, Contribution, Counts, Entry, MaterialUse, Statistic
from printpipe.domain.tenant_records import Organization, Prices
from printpipe.services.context import Context
from printpipe.services.store.effects import Effect

_TRIES = 5


def count(context: Context, job_id: str, effect: Effect | None = None) -> None:
    """Makes the statistics say of a job what it says itself now; changes nothing where they do.

    With `effect`, what is changed is noted in the same write.

    A job that has ended is given what it used up and what that costs, as far as it is not set: later prices are for
    later jobs. Raises `Unavailable` where others change the same at the same time, again and again.
    """
    for _ in range(_TRIES):
        try:
            _count(context, job_id, effect)
        except PreconditionFailed:
            if effect is not None and effect.done(context):
                return
            continue
        return
    raise Unavailable("The job is being changed by others", retry_after=1)


def _count(context: Context, job_id: str, effect: Effect | None) -> None:
    job_path = f"{context.collections.print_jobs}/{job_id}"
    entry_path = f"{context.collections.statistics_entries}/{job_id}"
    found = context.documents.get_many([job_path, entry_path])
    document, stored = found.get(job_path), found.get(entry_path)
    job, entry = Job.of(document) if document else None, Entry.of(stored) if stored else None
    counted = entry.counted if entry else None
    settled, wanted = job, None
    if job is not None and statistics.counts_at_all(job):
        settled, wanted = _wanted(context, job, entry)
    owner = job or entry
    if owner is None or (wanted == counted and settled == job):
        return
    bookings, writes = _booked(context, entry, wanted, owner.organization_id)
    after = Entry(
        job_id=job_id,
        organization_id=owner.organization_id,
        ended_at=owner.ended_at,
        counted=wanted,
        bookings=bookings,
        updated_at=context.now(),
    )
    writes.append(Update(entry_path, after.data(), stored.version) if stored else Create(entry_path, after.data()))
    if document is not None and settled is not None:
        changed = settled.fields({"consumption", "costs"}) if settled != job else {"jobId": job_id}
        writes.append(Update(document.path, changed, document.version))
    if effect is not None:
        writes.append(effect.note(context))
    context.documents.commit(*writes)
    log("job_counted", printJobId=job_id, day=wanted.day if wanted else None, corrected=counted is not None)


def _wanted(context: Context, job: Job, entry: Entry | None) -> tuple[Job, Contribution]:
    """The job with what it used up and cost, and what it is to count for."""
    organization_path = f"{context.collections.organizations}/{job.organization_id}"
    asked = [organization_path]
    file_path = f"{context.collections.files}/{job.file_id}" if job.file_id and job.consumption is None else None
    found = context.documents.get_many([*asked, file_path] if file_path else asked)
    organization = Organization.of(found[organization_path]) if organization_path in found else None
    file = StoredPrintFile.of(found[file_path]) if file_path in found else None
    settled = statistics.settled(job, file, organization.prices if organization else Prices())
    assert job.ended_at is not None
    if entry and entry.counted and entry.ended_at == job.ended_at:
        return settled, statistics.contribution(settled, entry.counted.day, entry.counted.zone_number)
    zone = statistics.zone_of(organization.time_zone if organization else "UTC")
    number = statistics.zone_number(organization) if organization else 0
    return settled, statistics.contribution(settled, statistics.day_of(job.ended_at, zone), number)


def _booked(
    context: Context, entry: Entry | None, wanted: Contribution | None, organization_id: str
) -> tuple[tuple[Booking, ...], list[Write]]:
    """Where the contribution stands then, and the writes that put it there and take away what stood before."""
    old = entry.counted if entry else None
    before = {each.statistic_id: each.material for each in entry.bookings} if entry else {}
    places = dict(_places(organization_id, wanted)) if wanted else {}
    paths = {name: f"{context.collections.statistics}/{name}" for name in {**before, **places}}
    found = context.documents.get_many(paths.values())
    bookings, writes = list[Booking](), list[Write]()
    for name, path in paths.items():
        document = found.get(path)
        held = (old, before[name]) if old is not None and name in before else None
        due = None
        if wanted is not None and name in places:
            stays = held is not None and held[0].material == wanted.material
            due = (wanted, before[name] if stays else _material_key(document, wanted))
            bookings.append(Booking(statistic_id=name, material=due[1]))
        counts, materials = statistics.difference(held, due)
        if document is not None:
            writes += _increased(path, counts, materials)
        elif name in places:
            whole = places[name].model_copy(update={"counts": counts, "materials": materials})
            writes.append(Create(path, whole.data()))
    return tuple(bookings), writes


def _places(organization_id: str, wanted: Contribution) -> Iterator[tuple[str, Statistic]]:
    """The documents that hold a contribution, by their ids, with nothing in them."""
    day, number, printer = wanted.day, wanted.zone_number, wanted.printer_id
    of_day = Statistic(organization_id=organization_id, day=day)
    yield statistics.organization_day(organization_id, day, number), of_day
    if printer is not None:
        of_printer = of_day.model_copy(update={"printer_id": printer})
        yield statistics.printer_day(organization_id, printer, day, number), of_printer
        yield statistics.printer_total(organization_id, printer), of_printer.model_copy(update={"day": None})


def _material_key(document: Document | None, wanted: Contribution) -> str | None:
    if wanted.material is None:
        return None
    return statistics.material_key(wanted.material, document.data["materials"] if document else {})


def _increased(path: str, counts: Counts, materials: Mapping[str, MaterialUse]) -> list[Write]:
    """The write that adds to a document, whatever others add to it at the same time."""
    added: dict[str, Any] = {f"counts.{name}": Increment(each) for name, each in counts.data().items() if each}
    for key, use in materials.items():
        where = f"materials.{key}"
        added |= {
            f"{where}.name": use.name,
            f"{where}.milligrams": Increment(use.milligrams),
            f"{where}.jobs": Increment(use.jobs),
        }
    return [Update(path, added)] if added else []
