"""What a deployment decides: lifetimes, secrets, names of collections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from printpipe.domain.pubsub import PubSub
from printpipe.domain.scopes import Role

NOTIFICATION_BACKOFF = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
)


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
    printer_secrets: str = "printer_secrets"
    printer_events: str = "printer_events"
    api_keys: str = "api_keys"
    enrollment_codes: str = "enrollment_codes"
    memberships: str = "memberships"
    idempotency_keys: str = "idempotency_keys"
    audit_log: str = "audit_log"
    bookmarks: str = "bookmarks"
    job_aliases: str = "job_aliases"
    transfers: str = "transfers"
    printer_storages: str = "printer_storages"
    statistics: str = "statistics"
    statistics_entries: str = "statistics_entries"
    rate_limits: str = "rate_limits"
    socket_tickets: str = "socket_tickets"
    processed_events: str = "processed_events"
    dead_letters: str = "dead_letters"
    incidents: str = "incidents"
    notification_channels: str = "notification_channels"
    notification_deliveries: str = "notification_deliveries"


@dataclass(frozen=True)
class Retention:
    """How long things are kept: the printers' history, events with their pictures, what ended otherwise, the audit.

    `files` counts from a file's last use; `jobs` is for jobs that have ended, and what belongs to them.
    """

    history: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=90)
    files: timedelta = timedelta(days=90)
    jobs: timedelta = timedelta(days=730)
    audit: timedelta = timedelta(days=365)


@dataclass(frozen=True)
class BearerTokens:
    """Which bearer tokens are believed: those signed with a shared secret, or with a key of one issuer's key set.

    `algorithms`: HS256 with `secrets`, of which any verifies; without them RS256, ES256 or both, with the key set; none
    where no token is believed. `audience` and `issuer`, where given, must be the token's. `default_role`: what a token
    may do that names an organization but no role, where no membership tells one.
    """

    algorithms: Sequence[str] = ()
    secrets: Sequence[bytes] = field(default=(), repr=False)
    audience: str | None = None
    issuer: str | None = None
    default_role: Role = "operator"


@dataclass(frozen=True)
class Policy:
    """The settings that services go by. `fetch_token_secrets`: the first signs, all verify.

    `key_memory`: how long a revoked key may go on working. `api_keys_secret`: the secret with further operator's keys.
    `webhook_hosts`: where tenants may have notifications posted to; `mail`: whether there is a mail server for them;
    `notification_backoff`: after how long each repetition follows where one could not be delivered.
    `anonymous_organization`: for which organization calls without a credential act where a row takes either credential.
    `pubsub`: where agents find their commands; without it they poll.
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
    document_store: Literal["firestore", "sqlite"] = "firestore"
    anonymous_organization: str | None = None
    taverna_time_zone: str = "America/Sao_Paulo"
    webhook_hosts: frozenset[str] = frozenset()
    mail: bool = False
    pubsub: PubSub | None = None
    notification_backoff: Sequence[timedelta] = NOTIFICATION_BACKOFF
    bearer_tokens: BearerTokens = field(default_factory=BearerTokens)
    collections: Collections = field(default_factory=Collections)
    retention: Retention = Retention()
