"""GET /api/v1/statistics/printers/{printer_id}: what one printer's jobs come to."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_statistics_views as views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_statistics_views import Arguments
from printpipe.services.statistics import overview

_HOUR = 3600


class Path(printernizer.Path):
    """The path's parameters."""

    printer_id: Id


class Uptime(printernizer.Part):
    """How much of the period so far the printer has printed."""

    total_hours: float
    active_hours: float
    utilization_rate: float | None = Field(description="0 to 1")


class Jobs(printernizer.Part):
    """Its jobs that ended in the period."""

    total_jobs: int
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    success_rate: float | None = Field(description="completed, of completed and failed; null without any")
    average_duration: int = Field(description="seconds")


class Materials(printernizer.Part):
    """What they used up, and what the material cost."""

    total_used_kg: float
    cost_total: float
    most_used: str | None


class Maintenance(printernizer.Part):
    """What was done to the printer: nothing reports it yet."""

    last_maintenance: printernizer.Time | None = None
    nozzle_changes: int = 0
    bed_calibrations: int = 0


class Quality(printernizer.Part):
    """How good its prints are: nothing measures it yet."""

    first_layer_success_rate: float | None = None
    average_surface_quality: float | None = None
    dimensional_accuracy: float | None = None


class PrinterStatistics(printernizer.Reply):
    """Sums over the printer's days; a job counts on the day of its end, at the printer where it ended."""

    printer_id: str
    printer_name: str | None
    period: str
    start_date: printernizer.Time
    end_date: printernizer.Time
    uptime: Uptime
    jobs: Jobs
    materials: Materials
    maintenance: Maintenance
    quality_metrics: Quality


def get(call: Call, path: Path, query: Arguments) -> PrinterStatistics:
    """Reads a document for each day, however many jobs there were."""
    printer, outcome = overview.of_printer(call.context, path.printer_id, query.span)
    counts = outcome.counts
    return PrinterStatistics(
        printer_id=printer.chosen_id or printer.printer_id,
        printer_name=printer.name,
        period=outcome.period.name,
        start_date=outcome.period.start,
        end_date=outcome.period.end,
        uptime=Uptime(
            total_hours=round(outcome.elapsed / _HOUR, 2),
            active_hours=round(counts.seconds / _HOUR, 2),
            utilization_rate=views.rate(counts.seconds, outcome.elapsed),
        ),
        jobs=Jobs(
            total_jobs=counts.jobs,
            completed_jobs=counts.completed,
            failed_jobs=counts.failed,
            cancelled_jobs=counts.cancelled,
            success_rate=views.success_rate(counts),
            average_duration=views.average_seconds(counts),
        ),
        materials=Materials(
            total_used_kg=views.kilogrammes(counts.milligrams),
            cost_total=views.money(counts.material_cost),
            most_used=views.most_used(outcome),
        ),
        maintenance=Maintenance(),
        quality_metrics=Quality(),
    )
