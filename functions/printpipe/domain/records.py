"""What is stored, collection by collection. Field names on disk are camelCase."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from printpipe.domain.commands import Lane
from printpipe.domain.lifecycles import CommandStatus, JobStatus, Priority, UploadStatus
from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_status import Activity


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

    def fields(self, names: Iterable[str]) -> dict[str, Any]:
        """Some of its fields, likewise."""
        plain = _plain(self.model_dump(by_alias=True, include=set(names)))
        assert isinstance(plain, dict)
        return plain


class Lease(Record):
    """Who executes a command, until when, under which fencing number."""

    holder: str
    until: datetime
    fence: int


class Command(Record):
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


class Filament(Record):
    """One filament that a plate uses; grams and metres. `brand` is its vendor."""

    type: str | None = None
    brand: str | None = None
    color: str | None = None
    used_g: float | None = None
    used_m: float | None = None
    slot: int | None = None


class Plate(Record):
    """One printable plate of a file; time in seconds, weight in grams, nozzle diameter and size of the print in mm."""

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
    width: float | None = None
    depth: float | None = None
    height: float | None = None


class Intake(Record):
    """What is settled of a print file before its bytes are looked at; `encrypted_data` is sealed."""

    file_id: str
    organization_id: str
    recipient_id: str
    product_id: str
    file_name: str
    gcs_bucket: str
    gcs_path: str
    content_type: str
    encrypted_data: str | None = None
    unencrypted_data: str | None = None
    created_at: datetime


class Upload(Intake):
    """`uploads/{fileId}`: a file that its sender puts into the bucket itself; verified, it becomes `files/{fileId}`.

    `size`, `sha256` and `md5` are what the sender says. `upload_url` is sealed, and gone once the upload has ended.
    `failure` says why the upload failed.
    """

    status: UploadStatus
    size: int
    sha256: str | None = None
    md5: str | None = None
    upload_url: str | None
    expires_at: datetime
    failure: str | None = None


class PrintSettings(Record):
    """How a file was sliced: millimetres, percent, mm/s, °C."""

    layer_height: float | None = None
    infill: float | None = None
    print_speed: float | None = None
    nozzle_temperature: float | None = None
    bed_temperature: float | None = None
    supports: bool | None = None


class Origin(Record):
    """The printer's storage that a file was copied from."""

    printer_id: str
    path: str
    size: int
    modified_at: datetime | None = None


class StoredPrintFile(Intake):
    """`files/{fileId}`. `status` is that of its newest job; `generation` is raised by every use of a fetch token."""

    status: str
    size: int
    sha256: str
    md5: str
    generation: int = 1
    newest_job_id: str | None = None
    fetch_token: str
    fetch_token_expiry: datetime
    fetch_token_consumed: bool = False
    kind: str
    slicer: str | None = None
    plates: tuple[Plate, ...] = ()
    settings: PrintSettings | None = None
    origin: Origin | None = None
    accessed_at: datetime | None = None
    deleted_at: datetime | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None


class Wish(Record):
    """A filament that a job's owner asks for in place of one of the file's; `slot` is its number there, from 1."""

    slot: int
    type: str | None = None
    color: str | None = None


class Run(Record):
    """One print of a job: one plate at one printer, begun by one command."""

    number: int
    status: JobStatus
    plate_index: int | None = None
    printer_id: str | None = None
    printer_serial: str | None = None
    command_id: str | None = None
    reason: str | None = None
    ordered_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Progress(Record):
    """How far a run is: percent, layers, seconds."""

    percent: float | None = None
    layer: int | None = None
    total_layers: int | None = None
    remaining_seconds: int | None = None


class Customer(Record):
    """For whom a job is printed."""

    order_id: str | None = None
    customer_name: str | None = None


class Cost(Record):
    """Money in 1/10,000 of the currency's unit; `fixed`: a person set it, and nothing computes it anew."""

    amount: int
    fixed: bool = False


class Costs(Record):
    """What a print costs, as far as it is known."""

    material: Cost | None = None
    power: Cost | None = None
    labor: Cost | None = None


class Consumption(Record):
    """What a print has used up: milligrams of a material, called as people call it."""

    material: str | None = None
    milligrams: int | None = None


class Shop(Record):
    """What a shop says of a print that it tracks: its own numbers and names."""

    print_queue_id: int
    product_id: int | None = None
    order_id: int | None = None


class Job(Record):
    """`print_jobs/{jobId}`; `number` is its second, public id.

    One that is `external` was begun by others: it is tracked, never dispatched.

    A job of several plates has that many runs, one after the other; `run` is the number of the last that was begun.
    `turn` is its place in the queue, the first in front; None unless it waits for a printer to be chosen (`waits`), as
    is `deadline_at`, which is `wait_seconds` after `waits_since`; only a job that was sent to the queue has those.
    `wanted_printer_id` is the one printer that its owner wants; `printer_id` is where the last run was sent.
    `patience_seconds` is how long its owner lets it wait, where that was said when it was ordered.
    `use_ams` False means the external spool; `wishes` replace what the file says of its filaments. `costs` are what a
    person set, and once it has ended what was computed then; `consumption` likewise. `message` is what its client said
    last, `metrics` what that measured last.
    """

    job_id: str
    number: int
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
    seen_at: datetime | None = None
    external: bool = False
    late_result: Mapping[str, Any] | None = None
    product_name: str | None = None
    priority: Priority = Priority.NORMAL
    waits: bool = False
    waits_since: datetime | None = None
    turn: str | None = None
    wait_seconds: int | None = None
    patience_seconds: int | None = None
    deadline_at: datetime | None = None
    wanted_printer_id: str | None = None
    printer_id: str | None = None
    plate_index: int | None = None
    plates_requested: int = 1
    plates_completed: int = 0
    runs: tuple[Run, ...] = ()
    use_ams: bool | None = None
    wishes: tuple[Wish, ...] = ()
    progress: Progress | None = None
    ordered_at: datetime | None = None
    ordered_by: str | None = None
    cancel_requested_at: datetime | None = None
    deleted_at: datetime | None = None
    is_business: bool = False
    customer: Customer | None = None
    notes: str | None = None
    costs: Costs = Costs()
    consumption: Consumption | None = None
    shop: Shop | None = None
    message: str | None = None
    metrics: Mapping[str, Any] | None = None
    request_id: str


class Claim(Record):
    """`claims/{jobId}_{run}`: exists once a run of a job has been given to one printer or client."""

    job_id: str
    run: int
    claimed_by: str
    claimed_at: datetime


class StoredPicture(Record):
    """A camera's picture in the bucket, inside the document that it belongs to; size in bytes."""

    gcs_path: str
    sha256: str
    size: int
    type: str
    taken_at: datetime


class Event(Record):
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


class Sight(Record):
    """What a printer was seen to do, on which job and file, and until when it is known to have done so."""

    activity: Activity
    job: str | None = None
    file: str | None = None
    until: datetime


class PrinterState(Record):
    """The live picture inside `printers/{printerId}`, as reported, with its version.

    `faults` are those that the history has noted lately, so that one that comes and goes is noted once. `former` is
    what the printer did before, where the picture does not show what it does.
    """

    version: int
    reported_at: datetime
    received_at: datetime
    sampled_at: datetime
    faults: tuple[str, ...] = ()
    former: Sight | None = None
    status: Mapping[str, Any]


class BuildVolume(Record):
    """How large a print may be, in mm."""

    x: float
    y: float
    z: float


class Occupant(Record):
    """A job that was given to a printer: when, and whose it is. `command_id`: it is a start of no job of ours."""

    at: datetime
    by: str | None = None
    command_id: str | None = None


class Contact(Record):
    """How a printer answered when its connection was tested: by which command, and why not where it did not."""

    status: Literal["testing", "connected", "failed"]
    command_id: str | None = None
    tested_at: datetime
    reason: str | None = None


class Printer(Record):
    """`printers/{printerId}`. Its access code stands in `printer_secrets`; `chosen_id` is the id that people gave it.

    `occupants` are the jobs that were given to it and have not ended, by id; `plate_cleared`
    says that nothing lies on its plate, and `plate_cleared_at` when that was said last. `nozzle_diameter` in mm;
    `supported_materials` empty where nobody said.
    """

    printer_id: str
    organization_id: str
    recipient_id: str
    chosen_id: str | None = None
    serial: str | None = None
    ip_address: str | None = None
    name: str | None = None
    model: str | None = None
    brand: str | None = None
    firmware_version: str | None = None
    contact: Contact | None = None
    nozzle_diameter: float | None = None
    num_ams_units: int | None = None
    supported_materials: tuple[str, ...] = ()
    build_volume: BuildVolume | None = None
    location: str | None = None
    notes: str | None = None
    active: bool
    plate_cleared: bool = True
    plate_cleared_at: datetime | None = None
    occupants: Mapping[str, Occupant] = Field(default_factory=dict)
    state: PrinterState | None = None
    picture: StoredPicture | None = None
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


class PrinterSecret(Record):
    """`printer_secrets/{printerId}`: what nobody may see who may see the printer. The code is sealed."""

    printer_id: str
    organization_id: str
    access_code: str


class StatusUpdate(Record):
    """`printer_status_updates/{updateId}`: one sample of a printer's history, named after the state's version.

    The store removes it about when it has expired.
    """

    update_id: str
    organization_id: str
    recipient_id: str
    printer_id: str | None = None
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    app_id: str | None = None
    status: Mapping[str, Any]
    timestamp: datetime
    created_at: datetime
    expires_at: datetime


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


class Prices(Record):
    """What an organization pays, in 1/10,000 of its currency's unit, and what its printers draw while they print."""

    per_gram: int = 500
    per_kwh: int = 3000
    watts: int = 120


class Organization(Record):
    """`organizations/{organizationId}`. Its days begin in `time_zone`, a name of the tz database."""

    organization_id: str
    name: str
    time_zone: str = "UTC"
    currency: str = "EUR"
    prices: Prices = Prices()
    created_at: datetime


class Site(Record):
    """`recipients/{recipientId}`. `client_keys`: digests of the keys given to its client, revoked ones among them."""

    recipient_id: str
    organization_id: str
    name: str
    client: Literal["lan_client", "agent"] = "lan_client"
    client_keys: tuple[str, ...] = ()
    last_seen_at: datetime | None = None
    client_version: str | None = None
    created_at: datetime


class ApiKey(Record):
    """`api_keys/{digest}`: the key itself is stored nowhere, and its id is the beginning of its digest.

    `scopes` are scopes and purposes; `recipient_ids` narrow it to some of its organization's, None meaning all.
    """

    key_id: str
    organization_id: str = Field(min_length=1)
    name: str = ""
    recipient_ids: tuple[str, ...] | None = None
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document, read; one that was written by hand may leave out the id."""
        return cls.model_validate({"keyId": cls.id_of(document.id), **document.data})

    @staticmethod
    def id_of(digest: str) -> str:
        """What a key is called where people read it."""
        return digest[:16]


class Membership(Record):
    """`memberships/{membershipId}`: what a user may do in an organization; one for each of both."""

    membership_id: str
    organization_id: str
    user_id: str
    role: Literal["viewer", "operator", "admin"]
    email: str | None = None
    created_at: datetime


class Receipt(Record):
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


class Bookmark(Record):
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
