"""GET /: says that the backend is there."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.endpoints.call import Call


def handle(_: Call) -> Answer:
    """Answers without touching anything."""
    return cloud.success(message="Cloud printer backend is running")
