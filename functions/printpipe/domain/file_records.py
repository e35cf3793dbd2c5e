"""Print files as they are stored, and what is known of them."""

from datetime import datetime

from printpipe.domain.lifecycles import UploadStatus
from printpipe.domain.records import Record, Stored


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
    traceparent: str = ""


class Upload(Intake, Stored):
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


class StoredPrintFile(Intake, Stored):
    """`files/{fileId}`. `status` is that of its newest job; `generation` is raised by every use of a fetch token.

    `read_at` is when its pictures were put where its plates' `thumbnail_path` says, None before.
    """

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
    read_at: datetime | None = None
    deleted_at: datetime | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None
