"""One-use tokens that fetch a file: they say which file, at which generation, until when, under an HMAC.

A token is used up by raising the file's generation, so making one writes nothing, and making it again within half
its lifetime gives the same one.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from printpipe.domain.errors import NotFound

_MAC_BYTES = 32
_TAKES_NO_JOB = "n"


@dataclass(frozen=True)
class FetchToken:
    """What a token says. `takes_job`: whether its use counts as taking a job of the file that nobody began."""

    file_id: str
    generation: int
    expires_at: datetime
    takes_job: bool = True


def expiry(now: datetime, lifetime: timedelta) -> datetime:
    """When a token made now ends: between half and the whole lifetime from now, in steps of half of it."""
    half = max(lifetime.total_seconds() / 2, 1)
    return datetime.fromtimestamp((now.timestamp() // half + 2) * half, UTC)


def mint(token: FetchToken, secret: bytes) -> str:
    """The token as text that fits into a URL's path."""
    kind = "" if token.takes_job else _TAKES_NO_JOB
    body = f"{token.generation}{kind}.{int(token.expires_at.timestamp())}.{token.file_id}".encode()
    return _encode(_mac(body, secret) + body)


def read(text: str, secrets: Sequence[bytes]) -> FetchToken:
    """What the token says, used up or expired as it may be. A forged one is `NotFound`."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise NotFound("No such fetch token") from None
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    genuine = [hmac.compare_digest(mac, _mac(body, secret)) for secret in secrets]
    if not any(genuine) or _encode(raw) != text:
        raise NotFound("No such fetch token")
    generation, expires, file_id = body.decode().split(".", 2)
    number = generation.removesuffix(_TAKES_NO_JOB)
    return FetchToken(file_id, int(number), datetime.fromtimestamp(int(expires), UTC), number == generation)


def digest(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(body: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"fetch-token\0" + body, "sha256")


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
