"""Digest, as PrusaLink asks for it: MD5 without qop, by nonces that hold five minutes (protocol notes, section G)."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.request import parse_http_list, parse_keqv_list

REUSE_SECONDS = 60.0
"""A nonce older than this is renewed before a request that can be sent but once."""


@dataclass(frozen=True, slots=True)
class _Challenge:
    realm: str
    nonce: str
    at: float


class Digest:
    """One user at one printer. Thread-safe."""

    def __init__(self, username: str, password: str, monotonic: Callable[[], float]) -> None:
        self._username = username
        self._password = password
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._challenge: _Challenge | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether a request that goes out now will not be challenged, as far as that can be told."""
        with self._lock:
            challenge = self._challenge
        return challenge is not None and self._monotonic() - challenge.at < REUSE_SECONDS

    def authorization(self, method: str, uri: str) -> str | None:
        """The header for this request; None before the first challenge."""
        with self._lock:
            challenge = self._challenge
        if challenge is None:
            return None
        secret = _md5(f"{self._username}:{challenge.realm}:{self._password}")
        response = _md5(f"{secret}:{challenge.nonce}:{_md5(f'{method}:{uri}')}")
        fields = {
            "username": self._username,
            "realm": challenge.realm,
            "nonce": challenge.nonce,
            "uri": uri,
            "response": response,
        }
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())

    def forget(self) -> None:
        """The printer refused what was made of its challenge."""
        with self._lock:
            self._challenge = None

    def take(self, header: str) -> bool:
        """Note the challenge of a 401; False where it is none that can be answered."""
        scheme, _, rest = header.partition(" ")
        try:
            asked = parse_keqv_list(parse_http_list(rest)) if scheme.lower() == "digest" else {}
        except (ValueError, IndexError):
            return False
        realm, nonce = asked.get("realm"), asked.get("nonce")
        known = asked.get("algorithm", "MD5").upper() == "MD5" and "qop" not in asked
        if not known or not realm or not nonce or not (realm + nonce).isprintable() or '"' in realm + nonce:
            return False
        with self._lock:
            self._challenge = _Challenge(realm, nonce, self._monotonic())
        return True


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
