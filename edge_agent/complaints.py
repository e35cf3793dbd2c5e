"""What the log says in a sentence about the cloud and events: the words that the guide for operators explains."""

from collections.abc import Iterable
from http import HTTPStatus

from urllib3.exceptions import TimeoutError as TimedOut

from edge_agent.cloud import CloudRefused, CloudUnavailable

NEEDED = ("backend_url", "api_key", "recipient_id")
"""The fields without which nothing can be reported."""


def not_configured(missing: Iterable[str]) -> str:
    """Which of the `NEEDED` fields are missing."""
    return f"Event reporting not configured (missing from config: {', '.join(missing)})"


def not_sent(error: CloudUnavailable | CloudRefused, what: str = "report event") -> str:
    """Why an event has not arrived, or not yet."""
    return f"Failed to {what}: {_reason(error)}"


def _reason(error: CloudUnavailable | CloudRefused) -> str:
    if error.status is None:
        return "Connection timeout" if isinstance(error.__context__, TimedOut) else f"Connection failed ({error})"
    try:
        return f"{error.status} {HTTPStatus(error.status).phrase}"
    except ValueError:
        return str(error.status)
