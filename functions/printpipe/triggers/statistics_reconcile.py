"""Every hour: the jobs that ended yesterday are counted again, in case that an event of theirs was lost."""

from printpipe.services.context import Context
from printpipe.services.statistics import reconciling


def handle(context: Context) -> None:
    """Counts as much as one run may; the next goes on from there."""
    reconciling.reconcile(context)
