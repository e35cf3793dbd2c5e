"""What an organization's jobs, printers and files come to, read from the daily documents: never from the jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from printpipe.domain import periods, statistics
from printpipe.domain.errors import Forbidden, InvalidInput
from printpipe.domain.fitting import SILENCE
from printpipe.domain.periods import Named, Period
from printpipe.domain.printer_records import Printer
from printpipe.domain.statistics import Counts, MaterialUse, Statistic
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import abreast
from printpipe.services.store import statistics_queries as queries

_DEFAULT: Named = "month"


@dataclass(frozen=True)
class Span:
    """Which days are asked for: a period of the calendar, the present one, or all from one date to another.

    A moment stands for the date that it is in the organization's time zone.
    """

    period: Named | None = None
    first: date | datetime | None = None
    last: date | datetime | None = None


@dataclass(frozen=True)
class Totals:
    """What a printer's jobs that have ended come to since its beginning."""

    total_jobs: int = 0
    successful_jobs: int = 0
    failed_jobs: int = 0
    total_print_seconds: int = 0
    milligrams: int = 0


@dataclass(frozen=True)
class Outcome:
    """What the jobs that ended in a period come to, and how many of its seconds are over."""

    period: Period
    elapsed: float
    counts: Counts
    materials: list[MaterialUse]


@dataclass(frozen=True)
class Stock:
    """An organization's printers in use, those that report, and its files as they are now; `size` in bytes.

    `downloaded` were copied from a printer, by downloads of which that many ended well and badly so far.
    """

    printers: int
    online: int
    files: int
    downloaded: int
    size: int
    completed_downloads: int
    failed_downloads: int


def of_organization(context: Context, span: Span) -> tuple[Outcome, Stock]:
    """What the caller's whole organization comes to: a read for each day, and what is counted.

    Of a day before the organization moved to another time zone there may be two documents, or more.

    Raises `InvalidInput` for a span that is none, `Forbidden` for a key that is narrowed to single sites.
    """
    tenant = context.tenant
    if context.caller.recipient_ids is not None:
        raise Forbidden("This key is for single recipients, not for the organization")
    organization = _organization(context, tenant)
    period = _period(context, organization, span)
    days = statistics.numbered_days(organization, period.days(context.now()))
    names = [statistics.organization_day(tenant, *each) for each in days]
    return _outcome(context, period, names), _stock(context, tenant)


def of_printer(context: Context, name: str, span: Span) -> tuple[Printer, Outcome]:
    """What the caller's printer of that name comes to. Raises `NotFound`, `Forbidden`, `InvalidInput`."""
    printer = Printer.of(printers.named(context, name))
    organization = _organization(context, printer.organization_id)
    period = _period(context, organization, span)
    identity = (printer.organization_id, printer.printer_id)
    days = statistics.numbered_days(organization, period.days(context.now()))
    return printer, _outcome(context, period, [statistics.printer_day(*identity, *each) for each in days])


def printer_totals(context: Context, printer: Printer) -> Totals:
    """A printer's running totals: one read."""
    name = statistics.printer_total(printer.organization_id, printer.printer_id)
    document = context.documents.get(_path(context, name))
    if document is None:
        return Totals()
    counts = Statistic.of(document).counts
    return Totals(counts.jobs, counts.completed, counts.failed, counts.seconds, counts.milligrams)


def _organization(context: Context, organization_id: str) -> Organization | None:
    document = context.documents.get(f"{context.collections.organizations}/{organization_id}")
    return Organization.of(document) if document else None


def _period(context: Context, organization: Organization | None, span: Span) -> Period:
    zone = statistics.zone_of(organization.time_zone if organization else "UTC")
    if span.first is None and span.last is None:
        return periods.current(span.period or _DEFAULT, context.now(), zone)
    if span.period is not None:
        raise InvalidInput("Give either a period, or a start and an end", field="period")
    if span.first is None or span.last is None:
        missing = "start_date" if span.first is None else "end_date"
        raise InvalidInput("Give both a start and an end", field=missing)
    first = periods.local_date(span.first, zone, "start_date")
    return periods.between(first, periods.local_date(span.last, zone, "end_date"), zone)


def _outcome(context: Context, period: Period, statistic_ids: list[str]) -> Outcome:
    found = context.documents.get_many(_path(context, each) for each in statistic_ids)
    counts, materials = statistics.together(map(Statistic.of, found.values()))
    return Outcome(period, period.elapsed(context.now()), counts, materials)


def _stock(context: Context, organization_id: str) -> Stock:
    collections, documents, files = (
        context.collections,
        context.documents,
        queries.stored_files(context.collections, organization_id),
    )
    heard_since = context.now() - SILENCE
    questions: list[Callable[[], int]] = [
        lambda: documents.count(queries.printers_in_use(collections, organization_id, None)),
        lambda: documents.count(queries.printers_in_use(collections, organization_id, heard_since)),
        lambda: documents.count(files),
        lambda: documents.count(queries.files_from_printers(collections, organization_id)),
        lambda: int(documents.total(files, "size")),
        lambda: documents.count(queries.ended_downloads(collections, organization_id, "completed")),
        lambda: documents.count(queries.ended_downloads(collections, organization_id, "failed")),
    ]
    return Stock(*abreast.each(lambda question: question(), questions))


def _path(context: Context, statistic_id: str) -> str:
    return f"{context.collections.statistics}/{statistic_id}"
