"""The job desk of a printer with PrusaLink."""

from edge_agent.drivers.polled.desk import JobDesk

__all__ = ["JobDesk"]
