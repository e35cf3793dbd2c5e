"""GET /api/v1/statistics/overview: what an organization's printers and jobs come to."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints import printernizer_statistics_views as views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_statistics_views import Arguments
from printpipe.services.statistics import overview
from printpipe.services.statistics.overview import Outcome, Stock

_MEGABYTE = 1024 * 1024


class PrinterFigures(printernizer.Part):
    """The printers in use, as they are now."""

    total_active: int
    online_count: int = Field(description="of which a report came in during the last 12 minutes")
    utilization_rate: float | None = Field(description="time printed, of all their time in the period so far; 0 to 1")


class JobFigures(printernizer.Part):
    """The jobs that ended in the period."""

    total_jobs: int
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    success_rate: float | None = Field(description="completed, of completed and failed; null without any")
    total_print_time: int = Field(description="seconds")
    average_job_duration: int = Field(description="seconds")


class MaterialFigures(printernizer.Part):
    """How much of one material was used."""

    material: str
    used_kg: float
    jobs: int


class MaterialsFigures(printernizer.Part):
    """The materials that were used, the most used first."""

    total_used_kg: float
    most_used_material: str | None
    materials_breakdown: list[MaterialFigures]


class BusinessFigures(printernizer.Part):
    """For whom was printed."""

    business_jobs: int
    private_jobs: int
    business_percentage: float | None = Field(description="of all jobs; 0 to 1")
    revenue_estimate: float = Field(description="what the business jobs cost: material, power and labour")


class FileFigures(printernizer.Part):
    """The stored files, as they are now."""

    total_files: int
    downloaded_files: int = Field(description="copied from a printer")
    local_only_files: int = Field(description="all others")
    download_success_rate: float | None = Field(description="of all copies from printers ever begun that have ended")
    total_storage_used_mb: float


class Overview(printernizer.Reply):
    """Sums over the organization's days; a job counts on the day of its end."""

    period: str
    start_date: printernizer.Time
    end_date: printernizer.Time
    printers: PrinterFigures
    jobs: JobFigures
    materials: MaterialsFigures
    business: BusinessFigures
    files: FileFigures


def get(call: Call, query: Arguments) -> Overview:
    """Reads a document for each day, however many jobs there were."""
    outcome, stock = overview.of_organization(call.context, query.span)
    counts = outcome.counts
    return Overview(
        period=outcome.period.name,
        start_date=outcome.period.start,
        end_date=outcome.period.end,
        printers=PrinterFigures(
            total_active=stock.printers,
            online_count=stock.online,
            utilization_rate=views.rate(counts.seconds, stock.printers * outcome.elapsed),
        ),
        jobs=JobFigures(
            total_jobs=counts.jobs,
            completed_jobs=counts.completed,
            failed_jobs=counts.failed,
            cancelled_jobs=counts.cancelled,
            success_rate=views.success_rate(counts),
            total_print_time=counts.seconds,
            average_job_duration=views.average_seconds(counts),
        ),
        materials=_materials(outcome),
        business=BusinessFigures(
            business_jobs=counts.business,
            private_jobs=counts.private,
            business_percentage=views.rate(counts.business, counts.jobs),
            revenue_estimate=views.money(counts.revenue),
        ),
        files=_files(stock),
    )


def _materials(outcome: Outcome) -> MaterialsFigures:
    return MaterialsFigures(
        total_used_kg=views.kilogrammes(outcome.counts.milligrams),
        most_used_material=views.most_used(outcome),
        materials_breakdown=[
            MaterialFigures(material=each.name, used_kg=views.kilogrammes(each.milligrams), jobs=each.jobs)
            for each in outcome.materials
        ],
    )


def _files(stock: Stock) -> FileFigures:
    return FileFigures(
        total_files=stock.files,
        downloaded_files=stock.downloaded,
        local_only_files=stock.files - stock.downloaded,
        download_success_rate=views.rate(stock.completed_downloads, stock.completed_downloads + stock.failed_downloads),
        total_storage_used_mb=round(stock.size / _MEGABYTE, 3),
    )
