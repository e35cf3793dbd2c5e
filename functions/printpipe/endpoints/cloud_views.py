"""How the `cloud` dialect shows commands and files."""

from collections.abc import Sequence
from typing import Any

from printpipe.dialects import cloud
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.records import Command
from printpipe.services.execution import Claimed
from printpipe.services.files import FileTicket


def command(shown: Command) -> dict[str, Any]:
    """A command as a polling LAN client reads it: by the name it was asked for."""
    return {
        "commandId": shown.command_id,
        "commandType": shown.command_type,
        "status": cloud.command_status(shown.status),
        "recipientId": shown.recipient_id,
        "printerSerial": shown.printer_serial,
        "printerIpAddress": shown.printer_ip_address,
        "printerId": shown.printer_id,
        "metadata": shown.metadata,
        "createdAt": cloud.timestamp(shown.created_at),
        "expiresAt": cloud.timestamp(shown.expires_at),
    }


def claimed(taken: Claimed) -> dict[str, Any]:
    """A command as its executor gets it: by its canonical name, with the lease, and with its file's token."""
    shown = {
        **command(taken.command),
        "commandType": taken.command.type,
        "lane": taken.command.lane,
        "sequence": taken.command.sequence,
        "requestId": taken.command.request_id,
        "fence": taken.lease.fence,
        "leaseUntil": cloud.timestamp(taken.lease.until),
    }
    if taken.file:
        shown["file"] = {
            "fileId": taken.file.file.file_id,
            "fileName": taken.file.file.file_name,
            "size": taken.file.file.size,
            "sha256": taken.file.file.sha256,
            "md5": taken.file.file.md5,
            "fetchToken": taken.file.token,
        }
    return shown


def waiting(found: Sequence[FileTicket], *, with_tokens: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What waits at a recipient: files that a client may take, and files whose start is on its way already."""
    held = file_status(JobStatus.HELD)
    pending = [_file(each, with_tokens) for each in found if each.file.status == held]
    skipped = [_file(each, with_tokens) for each in found if each.file.status != held]
    return pending, skipped


def _file(shown: FileTicket, with_token: bool) -> dict[str, Any]:
    file = shown.file
    return {
        "fileId": file.file_id,
        "productId": file.product_id,
        "fileName": file.file_name,
        "fetchToken": shown.token if with_token else None,
        "status": "pending" if file.status == file_status(JobStatus.HELD) else file.status,
        "createdAt": cloud.timestamp(file.created_at),
    }
