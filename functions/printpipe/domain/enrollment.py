"""Codes with which an agent is enrolled: read aloud or typed off a screen, good once, for ten minutes."""

import hashlib
import secrets
from datetime import datetime, timedelta

from printpipe.domain.records import Stored

LIFETIME = timedelta(minutes=10)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, which leaves out what is mistaken for something else: 5 bits a character."""

_LENGTH = 12
_GROUP = 4
_MEANT = str.maketrans("OIL", "011", "- \t")
"""What is read for another character, and what only parts the groups."""


class EnrollmentCode(Stored):
    """`enrollment_codes/{digest}`: for whose agent a code was made; the code itself is stored nowhere.

    It is removed when it is used, and good until `expires_at`. `name` is what the agent's key will be called.
    """

    organization_id: str
    recipient_id: str
    name: str | None = None
    created_by: str
    created_at: datetime
    expires_at: datetime


def new_code() -> str:
    """A random code of 60 bits, in groups as `7K2M-Q9XD-4HTR`."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def digest_of(code: str) -> str:
    """Under what a code is stored: the same for every way to write it."""
    meant = code.upper().translate(_MEANT)
    return hashlib.sha256(meant.encode(errors="surrogateescape")).hexdigest()
