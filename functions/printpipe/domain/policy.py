"""What a deployment decides: lifetimes, secrets, names of collections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Collections:
    """The collections' names; three can be overridden."""

    files: str = "files"
    uploads: str = "uploads"
    printer_commands: str = "printer_commands"
    printer_status_updates: str = "printer_status_updates"
    print_jobs: str = "print_jobs"
    claims: str = "claims"
    organizations: str = "organizations"
    recipients: str = "recipients"
    printers: str = "printers"
    printer_aliases: str = "printer_aliases"
    printer_events: str = "printer_events"
    api_keys: str = "api_keys"
    memberships: str = "memberships"
    idempotency_keys: str = "idempotency_keys"
    audit_log: str = "audit_log"


@dataclass(frozen=True)
class Policy:
    """The settings that services go by. `fetch_token_secrets`: the first signs, all verify.

    `key_memory`: how long a revoked key may go on working. `api_keys_secret`: the secret with further operator's keys.
    """

    fetch_token_secrets: Sequence[bytes] = field(repr=False)
    operator_key_digests: frozenset[str] = field(default=frozenset(), repr=False)
    fetch_token_lifetime: timedelta = timedelta(minutes=15)
    upload_lifetime: timedelta = timedelta(hours=6)
    command_lease: timedelta = timedelta(seconds=60)
    queue_cap: int = 50
    extra_gcode: frozenset[str] = frozenset()
    key_memory: timedelta = timedelta(seconds=60)
    api_keys_secret: str | None = None
    allow_keyless_legacy_clients: bool = False
    public_base_url: str | None = None
    collections: Collections = field(default_factory=Collections)
