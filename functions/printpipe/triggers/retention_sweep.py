"""Every hour: removes what has been kept for long enough."""

from printpipe.services.context import Context
from printpipe.services.retention import sweep


def handle(context: Context) -> None:
    """Removes as much as one run may; the next goes on from there."""
    sweep.sweep(context)
