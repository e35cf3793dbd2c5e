"""Every minute: notifications whose time has come, and those whose sender died, are announced again."""

from printpipe.services.context import Context
from printpipe.services.notifications import retrying


def handle(context: Context) -> None:
    """As many as one run takes; the next run takes the rest."""
    retrying.announce_due(context)
