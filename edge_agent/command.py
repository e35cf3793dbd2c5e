"""What the cloud sends: the command's envelope, the answer to a claim, and what the agent answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from edge_agent.timestamps import parse

PRIORITY_TYPES = frozenset({"stop", "cancel", "pause", "cooldown"})
STORAGE_TYPES = frozenset({"test_connection", "list_files", "fetch_file", "send_file", "snapshot"})
"""What moves nothing on the printer, and is done again after a crash: its files, its connection, its camera."""
MOVES_OR_HEATS = frozenset(
    {
        "start_print",
        "resume",
        "home",
        "move",
        "load_filament",
        "unload_filament",
        "calibrate",
        "send_gcode",
    }
)
"""What a machine whose clock is wrong does not do where the command has a deadline (see `Command.moves_or_heats`)."""

Moment = Annotated[datetime, BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)]
OptionalText = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class Wire(BaseModel):
    """A frozen model with camelCase names on the wire; unknown fields are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Command(Wire):
    """One command as Pub/Sub and GET /control carry it. `sequence` orders the commands of one printer.

    `printer_id` is the cloud's own name for the printer. `fence` is of the lease with which GET /control hands it out.
    `traceparent` is the W3C trace context that it belongs to; in the journal, that of its receipt.
    """

    command_id: Annotated[str, Field(min_length=1)]
    recipient_id: OptionalText = ""
    printer_id: OptionalText = ""
    printer_serial: OptionalText = ""
    printer_ip_address: OptionalText = ""
    command_type: Annotated[str, Field(min_length=1)]
    lane: Literal["normal", "priority"] | None = None
    sequence: Annotated[int, Field(ge=0, lt=2**63)] = 0
    metadata: Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})] = Field(default_factory=dict)
    created_at: Moment = datetime.fromtimestamp(0, UTC)
    expires_at: Moment | None = None
    request_id: OptionalText = ""
    traceparent: OptionalText = ""
    fence: int | None = None

    @property
    def kind(self) -> str:
        """The canonical type; cancel is another word for stop."""
        return "stop" if self.command_type == "cancel" else self.command_type

    @property
    def order(self) -> int:
        """The place among the printer's commands: the sequence, or else the time of creation in µs."""
        return self.sequence or int(self.created_at.timestamp() * 1_000_000)

    @property
    def print_job_id(self) -> str | None:
        """The job the command is about, where it names one."""
        plain = self.metadata.get("unencryptedData")
        for source in (self.metadata, plain if isinstance(plain, Mapping) else {}):
            for name in ("printJobId", "jobId"):
                value = source.get(name)
                if isinstance(value, str) and value:
                    return value
        return None

    @property
    def is_priority(self) -> bool:
        """Whether it goes past the printer's other commands."""
        return self.lane == "priority" or self.command_type in PRIORITY_TYPES

    @property
    def moves_or_heats(self) -> bool:
        """Whether it sets something in motion or heats it. A stop, a pause and cooling down do not."""
        if self.kind == "set_temperature":
            targets = [value for name, value in self.metadata.items() if name.endswith("Temp")]
            return not targets or any(targets)
        return self.kind in MOVES_OR_HEATS

    @property
    def is_storage(self) -> bool:
        """Whether it is about the printer's files, connection or camera, and takes no part in what is printed."""
        return self.command_type in STORAGE_TYPES


class FileOffer(Wire):
    """The file of a start_print: digests are lower-case hex, the token is good for one fetch."""

    file_id: str = ""
    file_name: str
    size: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    md5: Annotated[str, BeforeValidator(lambda value: value or "")] = ""
    fetch_token: str = Field(repr=False)


class Claim(Wire):
    """The answer to a successful claim; `fence` goes with every later report about the command."""

    fence: int | None = None
    lease_until: Moment | None = None
    acknowledged_at: Moment | None = None
    file: FileOffer | None = None


class Beat(Wire):
    """The answer to a heartbeat."""

    server_time: Moment | None = None


class ListedPrinter(Wire):
    """A printer of the site as the cloud knows it."""

    printer_id: str
    printer_serial: OptionalText = ""
    printer_ip_address: OptionalText = ""
    access_code: OptionalText = Field(default="", repr=False)
    brand: OptionalText = ""
    model: OptionalText = ""


class TransferAnswer(Wire):
    """The answer to the progress of a transfer; `cancelled`: nobody wants it any more."""

    status: OptionalText = ""
    cancelled: bool = False


class UploadTarget(Wire):
    """Where a file's bytes are to be sent, for a while; the address is a secret."""

    upload_url: str = Field(repr=False)
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str] = Field(default_factory=dict)


class Status(StrEnum):
    """How a command can end."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Only where nobody can find out whether the effect happened."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A command's end, with a sentence for the operator; `result` is what was asked for, in the wire's names."""

    status: Status
    message: str
    result: Mapping[str, Any] | None = None


def completed(message: str, result: Mapping[str, Any] | None = None) -> Outcome:
    """The printer's own report shows the effect, or the result is here."""
    return Outcome(Status.COMPLETED, message, result)


def failed(message: str, result: Mapping[str, Any] | None = None) -> Outcome:
    """It did not happen, and will not."""
    return Outcome(Status.FAILED, message, result)


def unknown(message: str) -> Outcome:
    """It may have happened; a person has to look."""
    return Outcome(Status.UNKNOWN, message)
