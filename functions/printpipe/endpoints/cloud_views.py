"""How the `cloud` dialect shows commands and files."""

from collections.abc import Sequence
from typing import Any

from printpipe.dialects import cloud
from printpipe.domain.commands import plain_name
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.records import Command
from printpipe.endpoints import print_views
from printpipe.services.commands.claims import Claimed
from printpipe.services.context import Context
from printpipe.services.files.files import FileTicket


class ListedCommand(cloud.Part):
    """A command as a polling LAN client reads it: by the name it was asked for."""

    command_id: str
    command_type: str
    status: str
    recipient_id: str
    printer_serial: str | None
    printer_ip_address: str | None
    printer_id: str | None
    metadata: dict[str, Any]
    created_at: cloud.Time
    expires_at: cloud.Time


class CommandFile(cloud.Part):
    """A command's file, with a token that fetches it once; size in bytes."""

    file_id: str
    file_name: str
    size: int
    sha256: str
    md5: str
    fetch_token: str


class ClaimedCommand(ListedCommand):
    """A command as its executor gets it: by its canonical name, with the lease, and with its file where it has one."""

    lane: str
    sequence: int
    request_id: str
    traceparent: str
    fence: int
    lease_until: cloud.Time
    file: CommandFile | None = None
    payload: print_views.Payload | None = None


class EndedCommand(cloud.Reply):
    """A command whose result is known."""

    command_id: str
    status: str
    completed_at: cloud.Time


class WaitingFile(cloud.Part):
    """A file that waits at a recipient, and its newest job: the one to claim."""

    file_id: str
    job_id: str
    product_id: str
    file_name: str
    fetch_token: str | None
    status: str
    created_at: cloud.Time


def command(shown: Command) -> ListedCommand:
    """A command for a polling client."""
    return ListedCommand(**_command(shown))


def claimed(taken: Claimed) -> ClaimedCommand:
    """A command for its executor."""
    return ClaimedCommand(
        **{**_command(taken.command), "command_type": taken.command.type},
        lane=taken.command.lane,
        sequence=taken.command.sequence,
        request_id=taken.command.request_id,
        traceparent=taken.command.traceparent,
        fence=taken.lease.fence,
        lease_until=taken.lease.until,
        file=_command_file(taken.file) if taken.file else None,
        payload=print_views.payload(taken.command, taken.begins) if taken.begins else None,
    )


def ended(shown: Command) -> EndedCommand:
    """A command's end."""
    assert shown.completed_at is not None
    status = cloud.command_status(shown.status)
    return EndedCommand(command_id=shown.command_id, status=status, completed_at=shown.completed_at)


def waiting(context: Context, found: Sequence[FileTicket]) -> tuple[list[WaitingFile], list[WaitingFile]]:
    """What waits at a recipient: files that a client may take, and files whose start is on its way already.

    Tokens are shown to a caller that may read files.
    """
    held, with_tokens = file_status(JobStatus.HELD), context.caller.may("files.read")
    pending = [_file(each, with_tokens) for each in found if each.file.status == held]
    skipped = [_file(each, with_tokens) for each in found if each.file.status != held]
    return pending, skipped


def _command_file(ticket: FileTicket) -> CommandFile:
    return CommandFile(
        file_id=ticket.file.file_id,
        file_name=ticket.file.file_name,
        size=ticket.file.size,
        sha256=ticket.file.sha256,
        md5=ticket.file.md5,
        fetch_token=ticket.token,
    )


def _command(shown: Command) -> dict[str, Any]:
    return {
        "command_id": shown.command_id,
        "command_type": plain_name(shown.command_type),
        "status": cloud.command_status(shown.status),
        "recipient_id": shown.recipient_id,
        "printer_serial": shown.printer_serial,
        "printer_ip_address": shown.printer_ip_address,
        "printer_id": shown.printer_id,
        "metadata": dict(shown.metadata),
        "created_at": shown.created_at,
        "expires_at": shown.expires_at,
    }


def _file(shown: FileTicket, with_token: bool) -> WaitingFile:
    file = shown.file
    return WaitingFile(
        file_id=file.file_id,
        job_id=file.newest_job_id or file.file_id,
        product_id=file.product_id,
        file_name=file.file_name,
        fetch_token=shown.token if with_token else None,
        status="pending" if file.status == file_status(JobStatus.HELD) else file.status,
        created_at=file.created_at,
    )
