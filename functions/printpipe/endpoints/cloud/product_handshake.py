"""POST /products/{productId}/handshake: a fresh token for a product's file."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.domain.values import Id, Name, OptionalId, Text
from printpipe.endpoints.call import Call
from printpipe.services.jobs import products


class Path(cloud.Model):
    """The path's parameters."""

    product_id: Name


class Request(cloud.Model):
    """The body; the deployed LAN client also says whether it holds the file already."""

    recipient_id: Id
    status: Literal["hasFile", "needsFile"] | None = None
    print_job_id: OptionalId = None
    handshake_message: Text | None = None


class Reply(cloud.Reply):
    """The token, and what the LAN client is to do with it: `decision` is its own word, or that there is no file."""

    product_id: str
    recipient_id: str
    fetch_token: str | None
    expires_at: cloud.Time | None
    has_files: bool
    decision: Literal["hasFile", "needsFile", "noFile"]
    fetch_mode: Literal["full", "metadata"]
    original_filename: str | None
    download_required: bool


def post(call: Call, path: Path, body: Request) -> Reply:
    """Gives a fresh token for the product's file; every earlier one is used up."""
    ticket = products.shake_hands(call.context, body.recipient_id, path.product_id, body.print_job_id)
    wish = body.status or "needsFile"
    return Reply(
        product_id=path.product_id,
        recipient_id=body.recipient_id,
        fetch_token=ticket.token if ticket else None,
        expires_at=ticket.expires_at if ticket else None,
        has_files=ticket is not None,
        decision=wish if ticket else "noFile",
        fetch_mode="metadata" if wish == "hasFile" else "full",
        original_filename=ticket.file.file_name if ticket else None,
        download_required=ticket is not None and wish == "needsFile",
    )
