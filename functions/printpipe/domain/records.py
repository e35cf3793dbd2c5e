"""What is stored, collection by collection. Field names on disk are camelCase."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from printpipe.domain.commands import Lane
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.ports.documents import Document


class Record(BaseModel):
    """A stored document or a part of one; readers ignore fields that they do not know."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="ignore")

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document, read."""
        return cls.model_validate(document.data)

    def data(self) -> dict[str, Any]:
        """Its fields, as the store takes them."""
        plain = _plain(self.model_dump(by_alias=True))
        assert isinstance(plain, dict)
        return plain

    def fields(self, names: Iterable[str]) -> dict[str, Any]:
        """Some of its fields, likewise."""
        plain = _plain(self.model_dump(by_alias=True, include=set(names)))
        assert isinstance(plain, dict)
        return plain


SCHEMA = "schemaVersion"
"""The field that says by which version of its record a document was written; 0 where it is missing."""


class UnknownSchema(Exception):
    """A document was written by a version of its record that this one does not read."""


class Stored(Record):
    """A whole document. This version of its record and the one before are read; this one is written.

    A record of which older documents cannot be read as they are raises `schema_version` by one and says in `upgraded`
    what becomes of them; `python -m tools.migrate` rewrites them so. Updates of single fields leave the version alone:
    `upgraded` must bear fields that are new already.
    """

    schema_version: ClassVar[int] = 1

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document, read. Raises `UnknownSchema` for one that is neither of this version nor of the one before."""
        return cls.model_validate(cls.current(document))

    @classmethod
    def current(cls, document: Document) -> Mapping[str, Any]:
        """The document's fields as this version has them. Raises likewise."""
        version = document.data.get(SCHEMA, 0)
        if version == cls.schema_version:
            return document.data
        if version != cls.schema_version - 1:
            read = f"{cls.schema_version - 1} and {cls.schema_version} are read"
            raise UnknownSchema(f"{document.path} is of version {version}: {read}")
        return {**cls.upgraded(document.data), SCHEMA: cls.schema_version}

    @classmethod
    def upgraded(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the fields of a document of the version before become; by default they stay as they are."""
        return data

    def data(self) -> dict[str, Any]:
        """Likewise, with the version."""
        return {**super().data(), SCHEMA: self.schema_version}


class Lease(Record):
    """Who executes a command, until when, under which fencing number."""

    holder: str
    until: datetime
    fence: int


class Command(Stored):
    """`printer_commands/{commandId}`. `type` is canonical; `command_type` is the name it was asked by.

    `awaits_plate`: the queue ordered this start, which must not begin unless the printer's plate is clear by then.
    """

    command_id: str
    organization_id: str
    recipient_id: str
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    printer_id: str | None = None
    command_type: str
    type: str
    lane: Lane
    sequence: int
    metadata: Mapping[str, Any]
    job_id: str | None = None
    file_id: str | None = None
    status: CommandStatus
    result: Mapping[str, Any] | None = None
    via_bus: bool
    awaits_plate: bool = False
    lease: Lease | None = None
    message: str | None = None
    error_message: str | None = None
    created_at: datetime
    acknowledged_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime
    late_result: Mapping[str, Any] | None = None
    deleted_at: datetime | None = None
    request_id: str
    traceparent: str = ""

    @classmethod
    def upgraded(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The digest of what was asked for went to `idempotency_keys`."""
        return without(data, "requestDigest")


class StoredPicture(Record):
    """A camera's picture in the bucket, inside the document that it belongs to; size in bytes."""

    gcs_path: str
    sha256: str
    size: int
    type: str
    taken_at: datetime


class Event(Stored):
    """`printer_events/{eventId}`. `hms` is our reading of what the client sent in `error_data`.

    `command_id` is the start command that began the print which the event is about: a job can have several runs.
    """

    event_id: str
    organization_id: str
    recipient_id: str
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    event_type: str
    event_status: str
    print_job_id: str | None = None
    command_id: str | None = None
    error_data: Mapping[str, Any] | None = None
    hms: Mapping[str, Any] | None = None
    status_data: Mapping[str, Any] | None = None
    message: str | None = None
    image: StoredPicture | None = None
    occurred_at: datetime
    created_at: datetime
    request_id: str
    traceparent: str = ""


class AuditRecord(Stored):
    """`audit_log/{auditId}`: who did what to which thing, from where."""

    audit_id: str
    organization_id: str | None
    recipient_id: str | None = None
    action: str
    subject: str
    printer: str | None = None
    detail: str | None = None
    caller: str
    key_id: str | None
    address: str | None
    request_id: str
    created_at: datetime


class Receipt(Stored):
    """`idempotency_keys/{id}`: which path a keyed call created, and a digest of what the call asked for.

    Its id follows from the key, or is the id of what was created. `sealed` is what the call's answer showed once. It
    ends at `expires_at`, whenever it is removed.
    """

    organization_id: str
    request_digest: str
    created: str
    sealed: str | None = None
    created_at: datetime
    expires_at: datetime


class Bookmark(Stored):
    """`bookmarks/{name}`: behind which document a scheduled function goes on; None where it begins anew."""

    after: str | None
    updated_at: datetime


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def without(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {each: value for each, value in data.items() if each != name}
