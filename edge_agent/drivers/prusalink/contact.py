"""A printer with PrusaLink that answers."""

from edge_agent.drivers.polled.contact import Contact

__all__ = ["Contact"]
