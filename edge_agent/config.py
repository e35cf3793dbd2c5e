"""The agent's configuration file: checked whole, refused with a message that names the field."""

import functools
import json
import operator
import os
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializeAsAny,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
)

UNKNOWN_TYPE = "printer_type"
DEFAULT_PATH = Path("~/.printmaster/config.json")


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _confidential(url: str) -> str:
    """The API key goes along with every call: over HTTPS, or to this machine itself."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("begins with https://, unless it is this machine's own")
    return url


Fingerprint = Annotated[
    str,
    AfterValidator(lambda value: value.replace(":", "").lower()),
    StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"),
]
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HttpUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"), AfterValidator(lambda url: url.rstrip("/"))
]
ApiKey = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[!-~]+$")]
"""What can stand in an HTTP header: one that cannot would be shown by the error of whoever tries."""
AccessCode = Annotated[str, StringConstraints(pattern=r"^\P{C}+$")]
"""Without control characters, for the same reason."""
CloudUrl = Annotated[HttpUrl, AfterValidator(_confidential)]
ExpandedPath = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


class ConfigError(Exception):
    """The configuration cannot be used; the message is for the operator."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class PubSubConfig(_Section):
    """Where the two subscriptions are; without `endpoint` it is Google's.

    `credentials`: Google's default ones of this machine, or short-lived ones that the cloud gives for the API key.
    """

    project: Text
    subscription_normal: Text
    subscription_priority: Text
    endpoint: HttpUrl | None = None
    credentials: Literal["default", "cloud"] = "default"


class CacheConfig(_Section):
    """How many fetched files are kept, and how many bytes of them."""

    files: Annotated[int, Field(ge=1)] = 20
    size: Annotated[int, Field(ge=1)] = 2 * 1024**3


class OutboxConfig(_Section):
    """How long reports wait for the cloud, and how many bytes of them; events of jobs and HMS are never given up."""

    days: Annotated[float, Field(gt=0)] = 7
    size: Annotated[int, Field(ge=64 * 1024)] = 100 * 1000**2


class PicturesConfig(_Section):
    """When the camera's picture is taken: with events that call for one, and every so many seconds of a print."""

    on_events: bool = True
    every: Seconds | None = None


class PrinterSection(_Section):
    """What every brand's printer has; a brand adds its own fields, and its name as a literal `type`.

    `access_code` is what lets a client in: Bambu Lab's LAN access code, PrusaLink's password.
    """

    type: str
    serial: Text
    address: Text
    access_code: Annotated[AccessCode, Field(repr=False)]
    name: str | None = None
    model: str | None = None


class PrinterConfig(PrinterSection):
    """One Bambu printer on the LAN. `ca_file` is the CA that its certificate is verified against.

    `pinned_certificate` is the SHA-256 of a certificate that is believed instead, in hex: for a printer whose CA is not
    known yet. `camera`: how to get a picture, by the model where it says auto.
    """

    type: Literal["bambu"] = "bambu"
    mqtt_port: Port = 8883
    ftps_port: Port = 990
    camera_port: Port = 6000
    rtsps_port: Port = 322
    camera: Literal["auto", "jpeg", "rtsps", "off"] = "auto"
    ca_file: ExpandedPath
    pinned_certificate: Fingerprint | None = None


class PrusaLinkConfig(PrinterSection):
    """One printer with PrusaLink on the LAN. `access_code` is the password that its screen shows for PrusaLink.

    Without a `username` it goes along with every request; with one, `maker` on the printers themselves, a digest does.
    """

    type: Literal["prusalink"] = "prusalink"
    http_port: Port = 80
    username: Text | None = None


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
    filament_timeout: Seconds = 300
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
    clock_skew: Seconds = 30
    zombie_probe: Seconds = 120
    rediscover: Seconds = 30
    picture: Seconds = 10
    reload: Seconds = 2


BUILT_IN: Mapping[str, type[PrinterSection]] = {"bambu": PrinterConfig, "prusalink": PrusaLinkConfig}
"""The printers that the agent knows by itself, by their `type`."""


def _otlp_endpoint() -> str | None:
    return os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None


class AgentConfig(_Section):
    """The whole file. Without `pubsub` commands come by HTTPS long poll alone.

    `routing`: `backend_url` is the address of all functions (`paths`), or the prefix before each function's name,
    which then stands before the path (`functions`). `discovery`: whether a printer whose address does not answer is
    looked for on the LAN by its serial. `log_file`: besides standard output.
    `otlp_endpoint` is where spans go, by default what OpenTelemetry's own variable names; without it none are made.
    """

    backend_url: CloudUrl
    routing: Literal["paths", "functions"] = "paths"
    api_key: Annotated[ApiKey, Field(repr=False)]
    recipient_id: Text
    organization_id: str | None = None
    pubsub: PubSubConfig | None = None
    printers: tuple[SerializeAsAny[PrinterSection], ...] = ()
    state_dir: ExpandedPath = Field(default=Path("~/.printmaster"), validate_default=True)
    log_file: ExpandedPath | None = None
    discovery: bool = True
    cache: CacheConfig = CacheConfig()
    outbox: OutboxConfig = OutboxConfig()
    pictures: PicturesConfig = PicturesConfig()
    timing: Timing = Timing()
    otlp_endpoint: HttpUrl | None = Field(default_factory=_otlp_endpoint, validate_default=True)


def load(path: Path = DEFAULT_PATH, brands: Mapping[str, type[PrinterSection]] = BUILT_IN) -> AgentConfig:
    """Read and check the file; `brands` are the printers that it may list, by their type.

    Raises ConfigError: missing, readable by others, not JSON, or which field is wrong.
    """
    return check(read(path), path, brands)


def read(path: Path = DEFAULT_PATH) -> Any:
    """The file's content, unchecked. Raises ConfigError: missing, readable by others, not JSON."""
    path = path.expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            _require_private(path, os.fstat(file.fileno()))
            return json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON ({error})") from None


def check(content: Any, path: Path, brands: Mapping[str, type[PrinterSection]] = BUILT_IN) -> AgentConfig:
    """Check what `path` holds, or is to hold. Raises ConfigError: which field is wrong."""
    path = path.expanduser()
    try:
        config = _model(brands).model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from None
    serials = [printer.serial.casefold() for printer in config.printers]
    for printer in config.printers:
        if serials.count(printer.serial.casefold()) > 1:
            raise ConfigError(f"{path}: printers: serial {printer.serial} is listed twice")
    return config


def _model(brands: Mapping[str, type[PrinterSection]]) -> type[AgentConfig]:
    """The file's model with just these brands; a printer without a type is a Bambu printer."""

    def type_of(value: Any) -> str | None:
        named = value.get("type", "bambu") if isinstance(value, Mapping) else getattr(value, "type", None)
        return named if named in brands else None

    printer: Any = functools.reduce(operator.or_, (Annotated[model, Tag(name)] for name, model in brands.items()))
    known = Discriminator(
        type_of,
        custom_error_type=UNKNOWN_TYPE,
        custom_error_message=f"a printer is one of {', '.join(brands)}",
    )
    printers = tuple[Annotated[printer, known], ...]
    return create_model("AgentConfig", __base__=AgentConfig, printers=(printers, ()))


def _require_private(path: Path, about: os.stat_result) -> None:
    mode = stat.S_IMODE(about.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} holds secrets and is open to others (mode {mode:03o}); run: chmod 600 {path}")
    if about.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} holds secrets and belongs to another user; run: chown $(id -un) {path}")


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{_where(item['loc'], item['type'])}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )


def _where(place: tuple[int | str, ...], kind: str) -> str:
    """The field's name; the type by which a printer was read is no part of the file."""
    named = [str(part) for index, part in enumerate(place) if not (place[0] == "printers" and index == 2)]
    if kind == UNKNOWN_TYPE:
        named.append("type")
    return ".".join(named) or "the file"
