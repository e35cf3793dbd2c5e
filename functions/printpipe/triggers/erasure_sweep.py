"""Every five minutes: goes on with the erasure of organizations."""

from printpipe.services.context import Context
from printpipe.services.retention import erasure


def handle(context: Context) -> None:
    """Erases as much as one run may; the next goes on from there."""
    erasure.sweep(context)
