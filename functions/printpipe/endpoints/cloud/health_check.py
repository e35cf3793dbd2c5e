"""GET /: says that the backend is there."""

from printpipe.dialects import cloud
from printpipe.endpoints.call import Call


class Reply(cloud.Reply):
    """The answer."""

    message: str


def get(call: Call) -> Reply:
    """Answers without touching anything."""
    return Reply(message="Cloud printer backend is running")
