"""Every hour: keeps the history of printers' status within bounds."""

from printpipe.services.context import Context
from printpipe.services.printers import history


def handle(context: Context) -> None:
    """Prunes as much as one run may; the next goes on from there."""
    history.prune(context)
