"""Keys and recipients, remembered for a while so that a warm call reads neither."""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from printpipe.domain.errors import Forbidden, Unauthenticated, Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.policy import Collections, Policy
from printpipe.domain.ports.platform import Platform
from printpipe.domain.ports.secrets import SecretMissing
from printpipe.domain.records import UnknownSchema
from printpipe.domain.scopes import expand
from printpipe.domain.tenancy import OPERATOR_NAME, Caller, Recipient
from printpipe.domain.tenant_records import ApiKey
from printpipe.services.access.lookups import Found, Lookups

_LEAST_SECRET_MEMORY = 1.0
"""Seconds between two readings of the secret with keys, however short the memory of keys is."""

_AFTER_FAILURE = 5.0
"""Seconds until a secret that could not be read is read again."""

_SEPARATORS = re.compile(r"[,\r\n]+")


def digest_of(key: str) -> str:
    """What is stored and compared of a key: its SHA-256 in lower hex."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def tombstone_path(collections: Collections, organization_id: str) -> str:
    """Where it is noted that an organization was erased."""
    return f"{collections.audit_log}/erased_{organization_id}"


class Directory:
    """Looks up who a key belongs to and whose a recipient is; `tick` is a monotonic clock in seconds."""

    def __init__(self, platform: Platform, policy: Policy, tick: Callable[[], float]) -> None:
        self._platform, self._policy, self._tick = platform, policy, tick
        lifetime = policy.key_memory.total_seconds()
        self._callers: Lookups[Caller] = Lookups(tick, lifetime)
        self._recipients: Lookups[Recipient] = Lookups(tick, lifetime)
        self._standings: Lookups[bool] = Lookups(tick, lifetime)
        self._secret = _KeySecret(platform, policy, tick)

    def authenticate(self, key: str | None, scope: str | None) -> Caller:
        """The holder of an API key.

        Raises `Unauthenticated`, `Forbidden` where the key lacks the scope, and `Unavailable` where it cannot be told.
        """
        if not key:
            raise Unauthenticated("An API key is needed, in X-API-Key")
        digest = digest_of(key)
        caller = self._configured(digest) or self._callers.get(digest, lambda: self._look_up(digest))
        if caller is None:
            raise Unauthenticated("The API key is not valid")
        if scope is not None and not caller.may(scope):
            raise Forbidden(f"This key lacks the scope {scope}")
        return caller

    def recipient(self, recipient_id: str) -> Recipient | None:
        """The recipient of that id; None for one of an organization that is being erased."""
        found = self._recipients.get(recipient_id, lambda: Found(self._read_recipient(recipient_id)))
        return None if found is None or self.is_leaving(found.organization_id) else found

    def forget(self, recipient_id: str) -> None:
        """Have a recipient read again when it is asked for next."""
        self._recipients.forget(recipient_id)

    def is_leaving(self, organization_id: str) -> bool:
        """Whether an organization is being erased, or was: then nobody acts for it any more."""
        found = self._standings.get(organization_id, lambda: Found(self._read_leaving(organization_id)))
        return found is True

    def admit(self, caller: Caller) -> None:
        """Raises `Unauthenticated` for whoever acts for an organization that is being erased, or was."""
        if caller.organization_id and self.is_leaving(caller.organization_id):
            raise Unauthenticated("The organization is no more")

    def _configured(self, digest: str) -> Caller | None:
        return _operator(digest) if _is_among(digest, self._policy.operator_key_digests) else None

    def _look_up(self, digest: str) -> Found[Caller]:
        document = self._platform.documents.get(f"{self._policy.collections.api_keys}/{digest}")
        if document is None:
            return self._secret.look_up(digest)
        try:
            key = ApiKey.of(document)
        except (ValidationError, UnknownSchema):
            log_failure("api_key_unreadable", keyId=ApiKey.id_of(digest))
            return Found(None)
        if key.revoked_at is not None:
            return Found(None)
        return Found(
            Caller(
                name=key.name or key.key_id,
                key_id=key.key_id,
                organization_id=key.organization_id,
                recipient_ids=None if key.recipient_ids is None else frozenset(key.recipient_ids),
                scopes=expand(key.scopes),
            )
        )

    def _read_leaving(self, organization_id: str) -> bool:
        collections = self._policy.collections
        document = self._platform.documents.get(f"{collections.organizations}/{organization_id}")
        if document is not None:
            return document.data.get("leavingSince") is not None
        return self._platform.documents.get(tombstone_path(collections, organization_id)) is not None

    def _read_recipient(self, recipient_id: str) -> Recipient | None:
        document = self._platform.documents.get(f"{self._policy.collections.recipients}/{recipient_id}")
        if document is None:
            return None
        return Recipient(recipient_id, document.data["organizationId"], document.data.get("client", "lan_client"))


class _KeySecret:
    """The operator's keys that the secret store holds: read at most once in a while, whatever is asked."""

    def __init__(self, platform: Platform, policy: Policy, tick: Callable[[], float]) -> None:
        self._platform, self._name, self._tick = platform, policy.api_keys_secret, tick
        self._lifetime = max(policy.key_memory.total_seconds(), _LEAST_SECRET_MEMORY)
        self._digests: frozenset[str] | None = frozenset()
        self._until = float("-inf")
        self._lock = threading.Lock()

    def look_up(self, digest: str) -> Found[Caller]:
        """The operator, if the key is one of these. Raises `Unavailable` while the secret cannot be read."""
        if self._name is None:
            return Found(None)
        with self._lock:  # one reading for all who wait
            if self._tick() >= self._until:
                self._read(self._name)
            digests, until = self._digests, self._until
        if digests is None:
            raise Unavailable("The keys cannot be read")
        return Found(_operator(digest) if _is_among(digest, digests) else None, until)

    def _read(self, name: str) -> None:
        began = self._tick()
        try:
            text = self._platform.secrets.read(name).decode()
        except (Unavailable, SecretMissing, UnicodeDecodeError):
            log_failure("api_keys_unreadable", secret=name)
            self._digests, self._until = None, self._tick() + _AFTER_FAILURE
            return
        keys = (part.strip() for part in _SEPARATORS.split(text))
        self._digests, self._until = frozenset(digest_of(key) for key in keys if key), began + self._lifetime


def _operator(digest: str) -> Caller:
    return Caller(OPERATOR_NAME, ApiKey.id_of(digest))


def _is_among(digest: str, known: Iterable[str]) -> bool:
    matches = [hmac.compare_digest(digest, each) for each in known]
    return any(matches)
