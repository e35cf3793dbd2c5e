"""POST /products/{productId}/status: what a client says of a product's print."""

from printpipe.dialects import cloud
from printpipe.domain.errors import InvalidInput
from printpipe.domain.lifecycles import file_status
from printpipe.domain.values import Moment, Name, OptionalId, Text
from printpipe.endpoints.call import Call
from printpipe.services.jobs import products
from printpipe.services.jobs.products import Progress


class Path(cloud.Model):
    """The path's parameters."""

    product_id: Name


class Arguments(cloud.Model):
    """The query; the deployed LAN client may name its recipient here."""

    recipient_id: OptionalId = None


class Request(cloud.Model):
    """The body; `requestedMode`, `fileName` and `lastRequestedAt` tell of the fetch and change nothing."""

    recipient_id: OptionalId = None
    print_job_id: OptionalId = None
    requested_mode: Text | None = None
    success: bool | None = None
    file_name: Text | None = None
    last_requested_at: Moment | None = None
    error_message: Text | None = None
    print_started: bool | None = None
    print_completed: bool | None = None


class Reply(cloud.Reply):
    """Where the print stands, in the words of files."""

    product_id: str
    status: str


def post(call: Call, path: Path, query: Arguments, body: Request) -> Reply:
    """Takes what a client says of the named job, else of the product's newest open one."""
    recipient_id = body.recipient_id or query.recipient_id
    if recipient_id is None:
        raise InvalidInput("recipientId: Field required", field="recipientId")
    told = Progress(
        success=body.success,
        started=bool(body.print_started),
        completed=bool(body.print_completed),
        error=body.error_message,
    )
    status = products.report(call.context, recipient_id, path.product_id, body.print_job_id, told)
    return Reply(product_id=path.product_id, status=file_status(status))
