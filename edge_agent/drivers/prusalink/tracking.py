"""Follows the jobs of a printer with PrusaLink, which shows what `polled.tracking` expects of a polled printer."""

from edge_agent.drivers.polled.tracking import Tracker, shows

__all__ = ["Tracker", "shows"]
