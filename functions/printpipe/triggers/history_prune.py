"""Every hour: keeps the history of printers' status within bounds."""

from printpipe.services import history
from printpipe.services.context import Context


def handle(context: Context) -> None:
    """Prunes as much as one run may; the next goes on from there."""
    history.prune(context)
