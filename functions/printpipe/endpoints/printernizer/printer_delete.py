"""DELETE /api/v1/printers/{printer_id}: takes a printer out of the organization."""

from printpipe.dialects import printernizer
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.printers import fleet


class Path(printernizer.Path):
    """The path's parameters."""

    printer_id: Id


class Arguments(printernizer.Model):
    """The query."""


class Deleted(printernizer.Reply):
    """The printer was deleted."""

    message: str = "Printer configuration removed successfully"
    deleted_at: printernizer.Time


def delete(call: Call, path: Path, query: Arguments) -> Deleted:
    """Deletes a printer at which no job is: its names may be given anew, and its access code is forgotten."""
    removed = fleet.remove_named(call.context, path.printer_id)
    assert removed.deleted_at is not None
    return Deleted(deleted_at=removed.deleted_at)
