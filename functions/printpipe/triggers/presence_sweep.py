"""Every minute: notes which printers and sites are there and which are not, and tells of it."""

from printpipe.services.context import Context
from printpipe.services.printers import presence


def handle(context: Context) -> None:
    """Brings presence up to date."""
    presence.sweep(context)
