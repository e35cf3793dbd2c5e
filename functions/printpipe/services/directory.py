"""Keys and recipients, remembered for a while so that a warm call reads neither."""

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from printpipe.domain.errors import Forbidden, Unauthenticated
from printpipe.domain.policy import Policy
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import Caller, Recipient

REMEMBER_SECONDS = 60.0
REMEMBER_ABSENCE_SECONDS = 5.0
_T = TypeVar("_T")


def key_id(digest: str) -> str:
    """What a key is called where people read it: the beginning of its digest."""
    return digest[:16]


class _Memory(Generic[_T]):
    """At most `size` answers, each kept for a while; safe between threads."""

    def __init__(self, tick: Callable[[], float], size: int = 2000) -> None:
        self._tick, self._size = tick, size
        self._entries: OrderedDict[str, tuple[float, _T | None]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, look_up: Callable[[], _T | None]) -> _T | None:
        with self._lock:
            entry = self._entries.get(name)
        if entry and entry[0] > self._tick():
            return entry[1]
        found = look_up()
        lifetime = REMEMBER_ABSENCE_SECONDS if found is None else REMEMBER_SECONDS
        with self._lock:
            self._entries[name] = (self._tick() + lifetime, found)
            self._entries.move_to_end(name)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        return found


class Directory:
    """Looks up who a key belongs to and whose a recipient is; `tick` is a monotonic clock in seconds."""

    def __init__(self, platform: Platform, policy: Policy, tick: Callable[[], float]) -> None:
        self._platform, self._policy = platform, policy
        self._callers: _Memory[Caller] = _Memory(tick)
        self._recipients: _Memory[Recipient] = _Memory(tick)

    def authenticate(self, key: str | None, scope: str | None) -> Caller:
        """The holder of an API key. Raises `Unauthenticated`, or `Forbidden` where the key lacks the scope."""
        if not key:
            raise Unauthenticated("An API key is needed, in X-API-Key")
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
        caller = self._operator(digest) or self._callers.get(digest, lambda: self._read_key(digest))
        if caller is None:
            raise Unauthenticated("The API key is not valid")
        if scope is not None and caller.scopes is not None and scope not in caller.scopes:
            raise Forbidden(f"This key lacks the scope {scope}")
        return caller

    def recipient(self, recipient_id: str) -> Recipient | None:
        """The recipient of that id."""
        return self._recipients.get(recipient_id, lambda: self._read_recipient(recipient_id))

    def _operator(self, digest: str) -> Caller | None:
        matches = [hmac.compare_digest(digest, known) for known in self._policy.operator_key_digests]
        return Caller("operator", key_id(digest)) if any(matches) else None

    def _read_key(self, digest: str) -> Caller | None:
        document = self._platform.documents.get(f"{self._policy.collections.api_keys}/{digest}")
        if document is None or document.data.get("revokedAt"):
            return None
        data = document.data
        recipients, scopes = data.get("recipientIds"), data["scopes"]
        return Caller(
            name=data.get("name") or key_id(digest),
            key_id=key_id(digest),
            organization_id=data["organizationId"],
            recipient_ids=None if recipients is None else frozenset(recipients),
            scopes=None if "*" in scopes else frozenset(scopes),
        )

    def _read_recipient(self, recipient_id: str) -> Recipient | None:
        document = self._platform.documents.get(f"{self._policy.collections.recipients}/{recipient_id}")
        if document is None:
            return None
        return Recipient(recipient_id, document.data["organizationId"], document.data.get("client", "lan_client"))
