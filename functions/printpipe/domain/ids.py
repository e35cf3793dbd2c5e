"""New names for things."""

import uuid
from datetime import datetime

_EVENTS = uuid.UUID("8f5b8d0e-5c1e-4c3a-9a0e-2f6d1c7b4a90")


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


def event_id(organization_id: str, recipient_id: str, client_id: str) -> str:
    """The id under which a client's event is stored: the same for a repetition, another for every other site."""
    return str(uuid.uuid5(_EVENTS, f"{organization_id}/{recipient_id}/{client_id}"))


def sequence(now: datetime) -> int:
    """A command's number: ordered by time, in microseconds since 1970."""
    return int(now.timestamp() * 1_000_000)
