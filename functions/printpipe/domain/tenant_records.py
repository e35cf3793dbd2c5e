"""Organizations as they are stored: their sites, keys and members."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_records import Presence
from printpipe.domain.records import Record, Stored


class Prices(Record):
    """What an organization pays, in 1/10,000 of its currency's unit, and what its printers draw while they print."""

    per_gram: int = 500
    per_kwh: int = 3000
    watts: int = 120


class Leaving(Record):
    """How far an organization's erasure is: how many documents and objects are gone."""

    documents: int = 0
    objects: int = 0


class Organization(Stored):
    """`organizations/{organizationId}`. Its days begin in `time_zone`, a name of the tz database.

    `zone_changes` are when it moved from one time zone to another, each of which began new documents for its days.
    `reconciled_day`: the jobs that ended by the end of that day of its own were counted again. `leaving_since`: since
    when it is being erased; nobody acts for it from then. `newest_channel_id` is of the channel for notifications
    that was set up last.
    """

    organization_id: str
    name: str
    time_zone: str = "UTC"
    zone_changes: tuple[datetime, ...] = ()
    reconciled_day: str | None = None
    leaving_since: datetime | None = None
    leaving: Leaving | None = None
    currency: str = "EUR"
    prices: Prices = Prices()
    newest_channel_id: str | None = None
    created_at: datetime


class Site(Stored):
    """`recipients/{recipientId}`. `client_keys`: digests of the keys given to its client, revoked ones among them."""

    recipient_id: str
    organization_id: str
    name: str
    client: Literal["lan_client", "agent"] = "lan_client"
    client_keys: tuple[str, ...] = ()
    last_seen_at: datetime | None = None
    presence: Presence = Presence()
    client_version: str | None = None
    created_at: datetime


class ApiKey(Stored):
    """`api_keys/{digest}`: the key itself is stored nowhere, and its id is the beginning of its digest.

    `scopes` are scopes and purposes; `recipient_ids` narrow it to some of its organization's, None meaning all.
    `enrolled`: an agent got it for a code, and the next enrolments of its site end it.
    """

    key_id: str
    organization_id: str = Field(min_length=1)
    name: str = ""
    recipient_ids: tuple[str, ...] | None = None
    scopes: tuple[str, ...]
    enrolled: bool = False
    created_at: datetime
    created_by: str | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document, read; one that was written by hand may leave out the id."""
        return cls.model_validate({"keyId": cls.id_of(document.id), **cls.current(document)})

    @staticmethod
    def id_of(digest: str) -> str:
        """What a key is called where people read it."""
        return digest[:16]


class Membership(Stored):
    """`memberships/{membershipId}`: what a user may do in an organization; one for each of both."""

    membership_id: str
    organization_id: str
    user_id: str
    role: Literal["viewer", "operator", "admin"]
    email: str | None = None
    created_at: datetime
