"""The agent's configuration file: read once, checked whole, refused with a message that names the field."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
)

DEFAULT_PATH = Path("~/.printmaster/config.json")

Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$"), AfterValidator(lambda url: url.rstrip("/"))]
ExpandedPath = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


class ConfigError(Exception):
    """The configuration cannot be used; the message is for the operator."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class PubSubConfig(_Section):
    """Where the two subscriptions are; without `endpoint` it is Google's, with default credentials."""

    project: Text
    subscription_normal: Text
    subscription_priority: Text
    endpoint: HttpUrl | None = None


TYPES = ("bambu", "prusalink")


class _AnyPrinter(_Section):
    serial: Text
    address: Text
    access_code: Annotated[str, StringConstraints(min_length=1), Field(repr=False)]
    name: str | None = None

    @field_validator("type", mode="before", check_fields=False)
    @classmethod
    def _known(cls, value: object) -> object:
        if value not in TYPES:
            raise ValueError(f"a printer is one of {', '.join(TYPES)}")
        return value


class PrinterConfig(_AnyPrinter):
    """One Bambu printer on the LAN. `ca_file` is the CA that its certificate is verified against."""

    type: Literal["bambu"] = "bambu"
    mqtt_port: Port = 8883
    ftps_port: Port = 990
    camera_port: Port = 6000
    ca_file: ExpandedPath


class PrusaLinkConfig(_AnyPrinter):
    """One printer with PrusaLink on the LAN. `access_code` is the password that its screen shows for PrusaLink."""

    type: Literal["prusalink"] = "prusalink"
    http_port: Port = 80


def _type_of(value: Any) -> str:
    """What a printer is read as; without a type it is a Bambu printer."""
    named = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return "prusalink" if named == "prusalink" else "bambu"


AnyPrinterConfig = Annotated[
    Annotated[PrinterConfig, Tag("bambu")] | Annotated[PrusaLinkConfig, Tag("prusalink")], Discriminator(_type_of)
]
"""A printer by its `type`."""


class Timing(_Section):
    """Every interval and limit, in seconds; the defaults are for production."""

    reconcile: Seconds = 60
    heartbeat: Seconds = 60
    pull_wait: Seconds = 20
    http_timeout: Seconds = 10
    retry_first: Seconds = 0.5
    retry_ceiling: Seconds = 60
    status_printing: Seconds = 15
    status_idle: Seconds = 300
    offline_after: Seconds = 15
    ack_timeout: Seconds = 10
    effect_timeout: Seconds = 30
    home_timeout: Seconds = 90
    home_settle: Seconds = 3
    start_timeout: Seconds = 90
    late_window: Seconds = 10
    stop_repeat: Seconds = 3
    printer_wait: Seconds = 60
    silence: Seconds = 60
    reconnect_silence: Seconds = 150
    connect_timeout: Seconds = 10
    refused_retry: Seconds = 300
    poll: Seconds = 3
    hms_clear: Seconds = 10
    ftps_reply: Seconds = 60


def _otlp_endpoint() -> str | None:
    return os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None


class AgentConfig(_Section):
    """The whole file. Without `pubsub` commands come by HTTPS long poll alone.

    `otlp_endpoint` is where spans go, by default what OpenTelemetry's own variable names; without it none are made.
    """

    backend_url: HttpUrl
    api_key: Annotated[str, StringConstraints(min_length=1), Field(repr=False)]
    recipient_id: Text
    organization_id: str | None = None
    pubsub: PubSubConfig | None = None
    printers: tuple[AnyPrinterConfig, ...] = ()
    state_dir: ExpandedPath = Field(default=Path("~/.printmaster"), validate_default=True)
    timing: Timing = Timing()
    otlp_endpoint: HttpUrl | None = Field(default_factory=_otlp_endpoint, validate_default=True)


def load(path: Path = DEFAULT_PATH) -> AgentConfig:
    """Read and check the file. Raises ConfigError: missing, readable by others, not JSON, or which field is wrong."""
    path = path.expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            _require_private(path, os.fstat(file.fileno()))
            text = file.read()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        config = AgentConfig.model_validate(json.loads(text))
    except ValueError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from None
    serials = [printer.serial for printer in config.printers]
    for serial in serials:
        if serials.count(serial) > 1:
            raise ConfigError(f"{path}: printers: serial {serial} is listed twice")
    return config


def _require_private(path: Path, about: os.stat_result) -> None:
    mode = stat.S_IMODE(about.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} holds secrets and is open to others (mode {mode:03o}); run: chmod 600 {path}")
    if about.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} holds secrets and belongs to another user; run: chown $(id -un) {path}")


def _explain(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{_where(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False, include_url=False)
        )
    return f"not valid JSON ({error})"


def _where(place: tuple[int | str, ...]) -> str:
    """The field's name; the type by which a printer was read is no part of the file."""
    named = [str(part) for index, part in enumerate(place) if not (place[0] == "printers" and index == 2)]
    return ".".join(named) or "the file"
