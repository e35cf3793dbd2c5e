"""GET /api/print-jobs: an organization's print jobs."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.domain.lifecycles import Priority
from printpipe.domain.values import OptionalId, OptionalName
from printpipe.endpoints import printpro_job_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printpro_job_views import JobView, PriorityWord, Statuses
from printpipe.endpoints.printpro_lists import Paged
from printpipe.services.jobs import orders
from printpipe.services.jobs.orders import Shown, Wanted


class Arguments(Paged):
    """The query; `printer_id` finds what was given to a printer and what waits for that one alone."""

    status: Statuses = None
    printer_id: OptionalId = None
    product_id: OptionalName = None
    priority: PriorityWord | None = None
    created_by: OptionalId = None
    recipient_id: OptionalId = None


class Listing(printpro.Reply):
    """A page, the newest first. Why a job waits is told where it is asked for alone."""

    print_jobs: list[JobView]
    next_cursor: str | None = Field(description="with it the next page begins; a page may be short before the last")


def get(call: Call, query: Arguments) -> Listing:
    """The jobs that were not deleted, whoever ordered or uploaded them."""
    wanted = Wanted(
        statuses=query.status,
        printer_id=query.printer_id,
        product_id=query.product_id,
        priority=Priority(query.priority) if query.priority else None,
        created_by=query.created_by,
        recipient_id=query.recipient_id,
    )
    page = orders.listed(call.context, wanted, query.slice)
    return Listing(
        print_jobs=[printpro_job_views.job(Shown(each)) for each in page.items], next_cursor=page.next_cursor
    )
