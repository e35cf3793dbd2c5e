"""New names for things."""

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

_EVENTS = uuid.UUID("8f5b8d0e-5c1e-4c3a-9a0e-2f6d1c7b4a90")
_MEMBERSHIPS = uuid.UUID("0d6f1b5e-9a34-4c0c-8c61-7be2f0a5d3c8")
_REPORTS = uuid.UUID("c0b6a0a1-0f0e-4d8b-9d0f-6b7d2a4f8e35")
_REPEATABLE = uuid.UUID("5a1d4f0c-6f3b-4b58-8f5e-0a6f0d2c9e17")

_NUMBERS_BEGIN = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
_RANDOM_BITS = 12


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


NO_KEY = Once("", None, "")
"""Of what is stored on a call's behalf, beside what the call is about."""


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


def public_number(now: datetime) -> int:
    """A job's second, public number: below 2^53, so that JavaScript can hold it, and ordered by time.

    41 bits of milliseconds (enough until 2093), then 12 random ones: who stores it makes sure that it is the only one.
    """
    return (int(now.timestamp() * 1000) - _NUMBERS_BEGIN) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)


def transfer_id() -> str:
    """A random id of a file's way from or to a printer."""
    return f"dl_{uuid.uuid4().hex}"


def printer_file_id(printer_id: str, path: str) -> str:
    """What a file on a printer's storage is called: the same whenever it is listed."""
    return f"p{hashlib.sha256(json.dumps([printer_id, path]).encode()).hexdigest()[:32]}"


def event_id(organization_id: str, recipient_id: str, client_id: str) -> str:
    """The id under which a client's event is stored: the same for a repetition, another for every other site."""
    return str(uuid.uuid5(_EVENTS, f"{organization_id}/{recipient_id}/{client_id}"))


def membership_id(organization_id: str, user_id: str) -> str:
    """The id of a user's membership of an organization: there is one at the most."""
    return str(uuid.uuid5(_MEMBERSHIPS, json.dumps([organization_id, user_id])))


def report_id(organization_id: str, recipient_id: str, *told: str) -> str:
    """The id of what a report creates that carries no key: the same for whoever reports the same again."""
    return str(uuid.uuid5(_REPORTS, json.dumps([organization_id, recipient_id, *told])))


def state_id(printer_id: str, version: int) -> str:
    """What a version of a printer's state is called, and the sample of it that the history keeps."""
    return f"{printer_id}-{version}"


def sequence(now: datetime) -> int:
    """A command's number: ordered by time, in microseconds since 1970."""
    return int(now.timestamp() * 1_000_000)
