"""DELETE /api/print-jobs/{id}: takes a print job out of all lists."""

from printpipe.dialects import printpro
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.jobs import orders


class Path(printpro.Path):
    """The path's parameters."""

    id: Id


class Arguments(printpro.Model):
    """The query."""


class Deleted(printpro.Reply):
    """The job that was deleted."""

    message: str
    id: str


def delete(call: Call, path: Path, query: Arguments) -> Deleted:
    """Deletes a job that has ended, or waits and is cancelled with it; one that has begun is to be cancelled first."""
    orders.remove(call.context, path.id)
    return Deleted(message="Print job deleted", id=path.id)
