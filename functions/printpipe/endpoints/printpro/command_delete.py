"""DELETE /api/printer-commands/{id}: takes a command out of all lists."""

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.commands import command_log


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


class Deleted(printpro.Reply):
    """The command that was deleted, as it stands."""

    message: str
    id: str
    status: str


def delete(call: Call, path: Path, query: Arguments) -> Deleted:
    """Deletes a command that has ended, or is pending and cancelled with it; not one that is being carried out."""
    gone = command_log.remove(call.context, path.id)
    return Deleted(message="Command deleted", id=gone.command_id, status=printpro.command_status(gone.status))
