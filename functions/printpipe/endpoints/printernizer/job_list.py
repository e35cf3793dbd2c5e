"""GET /api/v1/jobs: an organization's print jobs, page by page."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import JOB_STATUSES, Word
from printpipe.domain.values import OptionalId, QueryDate, QueryMoment
from printpipe.endpoints import printernizer_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_job_views import JobView
from printpipe.endpoints.printernizer_pages import Pagination
from printpipe.services.jobs import ledger
from printpipe.services.jobs.ledger import MOST_LISTED, Direction, Sorting, Wanted

_DATE_LENGTH = len("2025-09-03")


def _bare(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _DATE_LENGTH:
        raise ValueError("must be a date, as 2025-09-03")
    return value


_Day = Annotated[QueryDate, BeforeValidator(_bare)]


class Arguments(printernizer.Model):
    """The query: conditions that all hold; a date is a day in the organization's time zone."""

    printer_id: OptionalId = Field(None, description="the jobs that were given to it, and those that wait for it alone")
    status: Word | None = None
    is_business: bool | None = None
    start_date: _Day | QueryMoment | None = Field(
        None, union_mode="left_to_right", description="jobs that were made then or later"
    )
    end_date: _Day | QueryMoment | None = Field(
        None, union_mode="left_to_right", description="jobs that were made then or before, a day's end included"
    )
    page: int = Field(1, ge=1, le=MOST_LISTED, description=f"a list ends after {MOST_LISTED} jobs")
    limit: int = Field(50, ge=1, le=100)
    order_by: Sorting = Field(
        "created_at",
        description=f"start_time and duration sort the newest {MOST_LISTED}; what has not begun comes last",
    )
    order_dir: Direction = "desc"

    @property
    def wanted(self) -> Wanted:
        """What is asked for."""
        return Wanted(
            printer=self.printer_id,
            statuses=JOB_STATUSES[self.status] if self.status else None,
            is_business=self.is_business,
            since=self.start_date,
            until=self.end_date,
            sorting=self.order_by,
            direction=self.order_dir,
            page=self.page,
            limit=self.limit,
        )


class SummaryView(printernizer.Part):
    """All the organization's jobs, whatever was asked for; its day begins in its own time zone."""

    active_jobs: int
    queued_jobs: int
    completed_today: int
    failed_today: int


class Listing(printernizer.Reply):
    """A page of jobs."""

    jobs: list[JobView]
    pagination: Pagination
    summary: SummaryView


def get(call: Call, query: Arguments) -> Listing:
    """The jobs that were not deleted, whichever dialect they came by."""
    found = ledger.listed(call.context, query.wanted)
    return Listing(
        jobs=[printernizer_job_views.job(each) for each in found.jobs],
        pagination=Pagination.of(query.page, query.limit, found.total),
        summary=SummaryView(
            active_jobs=found.summary.active,
            queued_jobs=found.summary.queued,
            completed_today=found.summary.completed_today,
            failed_today=found.summary.failed_today,
        ),
    )
