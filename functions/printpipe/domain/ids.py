"""New names for things."""

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

_EVENTS = uuid.UUID("8f5b8d0e-5c1e-4c3a-9a0e-2f6d1c7b4a90")
_REPEATABLE = uuid.UUID("5a1d4f0c-6f3b-4b58-8f5e-0a6f0d2c9e17")


@dataclass(frozen=True)
class Once:
    """What makes the repetition of a call recognisable: the key that its caller gave, and a digest of what it asks.

    What the call creates is stored under an id that follows from the key, with the digest beside it.
    """

    route: str
    key: str | None
    digest: str

    def new_id(self, organization_id: str) -> str:
        """The id of what the call creates for an organization: random where the caller gave no key."""
        if self.key is None:
            return new_id()
        return str(uuid.uuid5(_REPEATABLE, json.dumps([organization_id, self.route, self.key])))

    def also(self, asked: str) -> Self:
        """The same call, with something more that a repetition must have in common with it."""
        return replace(self, digest=hashlib.sha256(f"{self.digest} {asked}".encode()).hexdigest())

    @property
    def mark(self) -> str | None:
        """What is stored beside what the call creates; None where no repetition could be recognised."""
        return self.digest if self.key is not None else None


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


def event_id(organization_id: str, recipient_id: str, client_id: str) -> str:
    """The id under which a client's event is stored: the same for a repetition, another for every other site."""
    return str(uuid.uuid5(_EVENTS, f"{organization_id}/{recipient_id}/{client_id}"))


def sequence(now: datetime) -> int:
    """A command's number: ordered by time, in microseconds since 1970."""
    return int(now.timestamp() * 1_000_000)
