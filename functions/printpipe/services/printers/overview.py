"""An organization's printers at a glance: what each does, which job it works on, and whether it can be reached."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from printpipe.domain.job_records import Job
from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_models import maker_of
from printpipe.domain.printer_records import Printer
from printpipe.services.access import access_codes
from printpipe.services.context import Context
from printpipe.services.jobs import jobs
from printpipe.services.printers import contacts, fleet, printers
from printpipe.services.printers.contacts import Condition, Connection
from printpipe.services.statistics import overview as statistics
from printpipe.services.statistics.overview import Totals
from printpipe.services.store import queries
from printpipe.services.store.paging import After

MOST_PRINTERS = 2000
"""In a list: of a key's sites, each as many."""

_AT_ONCE = 500


@dataclass(frozen=True)
class Glance:
    """A printer, what it does now, whether it can be reached and why not, and the job that it works on."""

    printer: Printer
    maker: str | None
    condition: Condition
    connection: Connection
    reason: str | None
    job: Job | None


@dataclass(frozen=True)
class Detail(Glance):
    """More of it: whether our agent serves its site, all that it has printed, and its code for who may see that."""

    has_agent: bool
    totals: Totals
    access_code: str | None = field(repr=False)


def listed(context: Context, active: bool | None, maker: str | None) -> list[Glance]:
    """The printers at the caller's sites, in use or not, of one maker or of all, the newest first."""
    narrowed = context.caller.recipient_ids
    sites: Iterable[str | None] = [None] if narrowed is None else narrowed
    found = [Printer.of(each) for site in sites for each in _stored(context, active, site)]
    found = [each for each in found if maker is None or maker_of(each.brand, each.model) == maker]
    found.sort(key=lambda each: (each.created_at, each.printer_id), reverse=True)
    return glances(context, found)


def glances(context: Context, found: Sequence[Printer]) -> list[Glance]:
    """These printers at a glance; one read for each that is occupied."""
    fronts = {each.printer_id: jobs.path(context, job) for each in found if (job := _front(each)) is not None}
    stored = context.documents.get_many(fronts.values()) if fronts else {}
    now = context.now()

    def job_of(printer: Printer) -> Job | None:
        document = stored.get(fronts.get(printer.printer_id, ""))
        return Job.of(document) if document is not None else None

    return [
        Glance(
            printer=each,
            maker=maker_of(each.brand, each.model),
            condition=contacts.condition(each, now),
            connection=contacts.connection(each, now),
            reason=contacts.reason(each, now),
            job=job_of(each),
        )
        for each in found
    ]


def show(context: Context, name: str) -> Detail:
    """A printer of the organization's, by any of its names. Raises `NotFound`, `Forbidden`."""
    printer = Printer.of(printers.named(context, name))
    (glance,) = glances(context, [printer])
    codes = access_codes.read_all(context, [printer] if context.caller.may(fleet.SHOWS_CODES) else [])
    return Detail(
        **vars(glance),
        has_agent=context.recipient(printer.recipient_id).has_agent,
        totals=statistics.printer_totals(context, printer),
        access_code=codes.get(printer.printer_id),
    )


def _stored(context: Context, active: bool | None, site: str | None) -> Iterator[Document]:
    after: After | None = None
    for _ in range(MOST_PRINTERS // _AT_ONCE):
        query = queries.printers_of_organization(context.collections, context.tenant, active, _AT_ONCE, after, site)
        found = context.documents.query(query)
        yield from found
        if len(found) < _AT_ONCE:
            return
        after = (found[-1].data["createdAt"], found[-1].id)


def _front(printer: Printer) -> str | None:
    """The job that was given to the printer first of those that have not ended; a start of no job is none."""
    given = [(each.at, job) for job, each in printer.occupants.items() if each.command_id is None]
    return min(given)[1] if given else None
