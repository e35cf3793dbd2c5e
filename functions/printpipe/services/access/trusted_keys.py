"""The keys of an issuer's key set that tokens may be signed with, remembered for a while."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.ports.platform import Platform

FRESH_SECONDS = 300.0
"""How long a key set is used without asking for it again, and so how long a key works that its issuer has removed."""

USABLE_SECONDS = 3600.0
"""How long it goes on being used while its issuer does not answer."""

STRANGER_SECONDS = 30.0
"""How long a fresh key set is not asked for again, whatever unknown keys tokens name."""

RETRY_SECONDS = 5.0
"""How long an issuer that did not answer is left alone, where its keys are needed."""

_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
_CURVE = "P-256"
_RSA_BITS = range(2048, 8192 + 1)
_MOST_KEYS = 100


@dataclass(frozen=True)
class _KeySet:
    keys: Mapping[str, PyJWK]
    read_at: float


class TrustedKeys:
    """The issuer's keys by their ids; `tick` is a monotonic clock in seconds.

    One thread at a time asks the issuer. The others wait for it only where no key set is usable: nobody who names keys
    that do not exist can hold them up.
    """

    def __init__(self, platform: Platform, algorithms: Collection[str], tick: Callable[[], float]) -> None:
        self._platform, self._algorithms, self._tick = platform, algorithms, tick
        self._known: _KeySet | None = None
        self._tried_at = float("-inf")
        self._asking = threading.Lock()

    def find(self, key_id: str) -> PyJWK | None:
        """The key of that id, bound to its algorithm. Raises `Unavailable` where no key set is known."""
        known = self._usable()
        if known is None:
            with self._asking:
                self._refresh()
        elif not (key_id in known.keys and self._is_fresh(known)) and self._asking.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._asking.release()
        known = self._usable()
        if known is None:
            raise Unavailable("The keys that tokens are signed with cannot be read")
        return known.keys.get(key_id)

    def _usable(self) -> _KeySet | None:
        known = self._known
        return known if known and self._tick() - known.read_at < USABLE_SECONDS else None

    def _is_fresh(self, known: _KeySet | None) -> bool:
        return known is not None and self._tick() - known.read_at < FRESH_SECONDS

    def _refresh(self) -> None:
        """Asks the issuer, unless that was done a moment ago; what is known stays where it does not answer."""
        began = self._tick()
        if began - self._tried_at < (STRANGER_SECONDS if self._is_fresh(self._known) else RETRY_SECONDS):
            return
        try:
            self._known = _KeySet(_read(self._platform.web_keys.fetch(), self._algorithms), began)
        except (Unavailable, ValueError, RecursionError):
            log_failure("web_keys_unreadable")
        finally:
            self._tried_at = self._tick()


def _read(document: bytes, algorithms: Collection[str]) -> dict[str, PyJWK]:
    """The usable keys of a key set by their ids, without those that share one. Raises `ValueError` where it is none."""
    loaded = json.loads(document)
    entries = loaded.get("keys") if isinstance(loaded, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no key set")
    read = (_key(entry, algorithms) for entry in entries[:_MOST_KEYS] if isinstance(entry, dict))
    found = [(key.key_id, key) for key in read if key is not None and key.key_id is not None]
    bearers = Counter(key_id for key_id, _ in found)
    return {key_id: key for key_id, key in found if bearers[key_id] == 1}


def _key(entry: dict[str, Any], algorithms: Collection[str]) -> PyJWK | None:
    """A public key for signatures of one of the algorithms; None for anything else, and for one that is too weak."""
    key_id, kind, uses = entry.get("kid"), entry.get("kty"), entry.get("key_ops")
    if not isinstance(key_id, str) or not isinstance(kind, str) or not isinstance(uses, list | None):
        return None
    algorithm = _ALGORITHMS.get(kind)
    if algorithm not in algorithms or entry.get("alg") not in (None, algorithm):
        return None
    if entry.get("use") not in (None, "sig") or (uses is not None and "verify" not in uses):
        return None
    if "d" in entry or (kind == "EC" and entry.get("crv") != _CURVE):  # a private key that was shown is nobody's
        return None
    try:
        key = PyJWK(entry, algorithm)
    except PyJWTError:
        return None
    return None if isinstance(key.key, RSAPublicKey) and key.key.key_size not in _RSA_BITS else key
