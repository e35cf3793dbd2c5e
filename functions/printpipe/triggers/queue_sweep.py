"""Every minute: what waits too long goes back to a person, and printers that became free unnoticed get their jobs.

Files on their way that nobody carries any more have failed.
"""

from printpipe.services.context import Context
from printpipe.services.files import transfers
from printpipe.services.jobs import queue


def handle(context: Context) -> None:
    """Looks after the queues, and after the transfers."""
    queue.sweep(context)
    transfers.sweep(context)
