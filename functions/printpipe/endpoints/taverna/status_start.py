"""POST /api/status/start: a print begins at a printer."""

from typing import Literal

from pydantic import Field

from printpipe.dialects import taverna
from printpipe.domain.ids import Once
from printpipe.domain.job_records import Shop
from printpipe.domain.values import Id, OptionalName
from printpipe.endpoints.call import Call
from printpipe.endpoints.taverna_views import Number
from printpipe.services.jobs import tracking
from printpipe.services.jobs.tracking import Beginning


class Request(taverna.Model):
    """The body; beside the shop's number of the print, what the shop wants to see of it again."""

    api_key: str = Field(min_length=1, max_length=1024, repr=False, exclude=True)
    printer_id: Id
    print_queue_id: Number
    product_id: Number | None = None
    product_name: OptionalName = None
    model_file: OptionalName = None
    order_id: Number | None = None


class Started(taverna.Reply):
    """The print that is tracked now."""

    success: Literal[True] = True
    message: str = "Status de impressão criado com sucesso"
    print_status_id: int


def post(call: Call, body: Request, once: Once) -> Started:
    """409 where the shop's number has a status already."""
    shop = Shop(print_queue_id=body.print_queue_id, product_id=body.product_id, order_id=body.order_id)
    begun = Beginning(body.printer_id, shop, body.product_name, body.model_file)
    return Started(print_status_id=tracking.start(call.context, begun, once).number)
