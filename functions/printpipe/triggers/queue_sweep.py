"""Every minute: what waits too long goes back to a person, and printers that became free unnoticed get their jobs."""

from printpipe.services.context import Context
from printpipe.services.jobs import queue


def handle(context: Context) -> None:
    """Looks after the queues."""
    queue.sweep(context)
