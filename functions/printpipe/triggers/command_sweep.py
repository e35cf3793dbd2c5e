"""Every minute: commands that nobody took in time end, and those of which nobody was heard are published again."""

from printpipe.services.commands import sweeping
from printpipe.services.context import Context


def handle(context: Context) -> None:
    """Looks after the commands."""
    sweeping.sweep(context)
