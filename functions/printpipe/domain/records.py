"""What is stored, collection by collection. Field names on disk are camelCase."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from printpipe.domain.commands import Lane
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.ports.documents import Document


class Record(BaseModel):
    """A stored document or a part of one; readers ignore fields that they do not know."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="ignore")

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document, read."""
        return cls.model_validate(document.data)

    def data(self) -> dict[str, Any]:
        """The document's fields, as the store takes them."""
        plain = _plain(self.model_dump(by_alias=True))
        assert isinstance(plain, dict)
        return plain


class Lease(Record):
    """Who executes a command, until when, under which fencing number."""

    holder: str
    until: datetime
    fence: int


class Command(Record):
    """`printer_commands/{commandId}`. `type` is canonical; `command_type` is the name it was asked by."""

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
    via_bus: bool
    lease: Lease | None = None
    message: str | None = None
    error_message: str | None = None
    created_at: datetime
    acknowledged_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime
    late_result: Mapping[str, Any] | None = None
    request_id: str
    request_digest: str | None = None


class Filament(Record):
    """One filament that a plate uses; grams and metres."""

    type: str | None = None
    color: str | None = None
    used_g: float | None = None
    used_m: float | None = None
    slot: int | None = None


class Plate(Record):
    """One printable plate of a file; time in seconds, weight in grams, nozzle diameter in mm."""

    index: int
    gcode_path: str | None = None
    name: str | None = None
    estimated_seconds: int | None = None
    layers: int | None = None
    weight_g: float | None = None
    filament: tuple[Filament, ...] = ()
    printer_model: str | None = None
    printer_model_id: str | None = None
    nozzle_diameter: float | None = None
    bed_type: str | None = None
    thumbnail_path: str | None = None


class StoredPrintFile(Record):
    """`files/{fileId}`. `status` is that of its newest job; `generation` is raised by every use of a fetch token."""

    file_id: str
    organization_id: str
    recipient_id: str
    product_id: str
    file_name: str
    status: str
    gcs_bucket: str
    gcs_path: str
    content_type: str
    size: int
    sha256: str
    md5: str
    generation: int = 1
    newest_job_id: str | None = None
    fetch_token: str
    fetch_token_expiry: datetime
    fetch_token_consumed: bool = False
    encrypted_data: str | None = None
    unencrypted_data: str | None = None
    kind: str
    slicer: str | None = None
    plates: tuple[Plate, ...] = ()
    created_at: datetime
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    request_digest: str | None = None


class Job(Record):
    """`print_jobs/{jobId}`."""

    job_id: str
    organization_id: str
    recipient_id: str
    product_id: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    status: JobStatus
    run: int = 0
    printer_serial: str | None = None
    command_id: str | None = None
    claimed_by: str | None = None
    app_id: str | None = None
    reason: str | None = None
    created_at: datetime
    queued_at: datetime | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime
    request_id: str


class Claim(Record):
    """`claims/{jobId}_{run}`: exists once a run of a job has been given to one printer or client."""

    job_id: str
    run: int
    claimed_by: str
    claimed_at: datetime


class Event(Record):
    """`printer_events/{eventId}`."""

    event_id: str
    organization_id: str
    recipient_id: str
    printer_serial: str
    printer_ip_address: str | None = None
    event_type: str
    event_status: str
    print_job_id: str | None = None
    error_data: Mapping[str, Any] | None = None
    status_data: Mapping[str, Any] | None = None
    message: str | None = None
    occurred_at: datetime
    created_at: datetime
    request_id: str


class PrinterState(Record):
    """The live picture inside `printers/{printerId}`, as reported, with its version."""

    version: int
    reported_at: datetime
    received_at: datetime
    sampled_at: datetime
    status: Mapping[str, Any]


class Printer(Record):
    """`printers/{printerId}`."""

    printer_id: str
    organization_id: str
    recipient_id: str
    serial: str | None = None
    ip_address: str | None = None
    active: bool
    state: PrinterState | None = None
    created_at: datetime


class StatusUpdate(Record):
    """`printer_status_updates/{updateId}`: one sample of a printer's history."""

    update_id: str
    organization_id: str
    recipient_id: str
    printer_id: str | None = None
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    status: Mapping[str, Any]
    timestamp: datetime
    created_at: datetime


class AuditRecord(Record):
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


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
