"""DELETE /api/printers/{id}: takes a printer out of the organization."""

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.printers import fleet


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


class Deleted(printpro.Reply):
    """The printer that was deleted."""

    id: str
    printer_id: str
    deleted_at: printpro.Time


def delete(call: Call, path: Path, query: Arguments) -> Deleted:
    """Deletes a printer at which no job is: its serial may be registered anew, and its access code is forgotten."""
    removed = fleet.remove(call.context, path.id)
    assert removed.deleted_at is not None
    return Deleted(id=removed.printer_id, printer_id=removed.printer_id, deleted_at=removed.deleted_at)
