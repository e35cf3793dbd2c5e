"""The environment, read and validated once."""

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    model_validator,
)

from printpipe.domain import gcode
from printpipe.domain.errors import InvalidInput
from printpipe.domain.policy import NOTIFICATION_BACKOFF, BearerTokens, Collections, Policy, Retention
from printpipe.domain.ports.mail import MailServer, Security, mail_address
from printpipe.domain.pubsub import PubSub
from printpipe.domain.scopes import Role
from printpipe.domain.web_addresses import AllowList

_MIN_SECRET_BYTES = 32
_MOST_SECRETS = 2
_READS_FETCH_TOKENS = "printpipe.domain.fetch_tokens"
"""Only the bundle of a function that gives files out has this module, and is given the secret."""

_SECRET_NAME = re.compile(r"(?:projects/([^/]+)/secrets/)?([A-Za-z0-9_-]{1,255})(?:/versions/(latest|[0-9]+))?")
_KEY_SET_URL = re.compile(
    r"(?:https://[A-Za-z0-9.-]+|http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]))(?::[0-9]{1,5})?/[!-\"$-~]*"
)


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _check_secrets(value: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(secret.encode()) < _MIN_SECRET_BYTES for secret in value):
        raise ValueError(f"each must have at least {_MIN_SECRET_BYTES} bytes")
    if len(value) > _MOST_SECRETS:
        raise ValueError(f"at most {_MOST_SECRETS} may be live at a time")
    return value


def _check_key_set_url(value: str) -> str:
    if not _KEY_SET_URL.fullmatch(value):
        raise ValueError("must begin with https:// (http:// for this machine alone), without a user name or a fragment")
    urlsplit(value).port  # noqa: B018 – raises for a port out of range
    return value


def _check_shared(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("-----BEGIN" in secret for secret in value):
        raise ValueError("must be a secret, not a public key or certificate")
    return value


def _check_time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be a name of the tz database, as America/Sao_Paulo")
    return value


def _check_sender(value: str) -> str:
    try:
        return mail_address(value)
    except InvalidInput as error:
        raise ValueError(error.message) from None


def _check_webhook_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    AllowList.of(value, field="address", refusal="", may_be_open=True)
    return value


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(timedelta(seconds=float(part)) for part in value.split(","))
    except OverflowError:
        raise ValueError("must be numbers of seconds") from None


def _check_backoff(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if not 1 <= len(value) <= 10 or any(not timedelta() < each <= timedelta(days=1) for each in value):
        raise ValueError("must be one to ten numbers of seconds, each above 0 and at most 86400")
    return value


Listed = Annotated[tuple[str, ...], BeforeValidator(_split)]
Codes = Annotated[tuple[Annotated[str, AfterValidator(gcode.code)], ...], BeforeValidator(_split)]

Backoff = Annotated[tuple[timedelta, ...], AfterValidator(_check_backoff), BeforeValidator(_seconds)]

Days = Annotated[int, Field(ge=1, le=36_500)]

LiveSecrets = Annotated[Listed, AfterValidator(_check_secrets)]
"""The values of one secret of ours, separated by commas: the first signs, all verify, so that it can be changed."""


class Settings(BaseModel):
    """Every variable that the functions read. An empty one counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    backend: Literal["google", "embedded"] = Field("google", validation_alias="PRINTPIPE_BACKEND")
    data_dir: Path | None = Field(None, validation_alias="PRINTPIPE_DATA_DIR")
    project: str | None = Field(
        None, validation_alias=AliasChoices("FIRESTORE_PROJECT_ID", "GCP_PROJECT_ID", "GOOGLE_CLOUD_PROJECT")
    )
    bucket: str | None = Field(None, validation_alias="GCS_BUCKET_NAME")
    kms_key: str | None = Field(None, validation_alias="KMS_KEY_PATH")
    kms_emulator_host: str | None = Field(None, validation_alias="KMS_EMULATOR_HOST")
    api_keys: Listed = Field((), validation_alias="API_KEYS_PRINTER_STATUS", repr=False)
    api_key_cache_seconds: float = Field(60, ge=0, le=60, validation_alias="API_KEY_CACHE_SECONDS")
    api_keys_secret: str | None = Field(
        None, validation_alias=AliasChoices("SECRET_MANAGER_API_KEYS_PATH", "SECRET_MANAGER_API_KEYS")
    )
    secret_manager_emulator_host: str | None = Field(None, validation_alias="SECRET_MANAGER_EMULATOR_HOST")
    iam_emulator_host: str | None = Field(None, validation_alias="IAM_CREDENTIALS_EMULATOR_HOST")
    pubsub_emulator_host: str | None = Field(None, validation_alias="PUBSUB_EMULATOR_HOST")
    fetch_token_secrets: LiveSecrets = Field((), validation_alias="FETCH_TOKEN_SECRET", repr=False)
    fetch_token_minutes: float = Field(15, gt=0, le=1440, validation_alias="FETCH_TOKEN_TTL_MINUTES")
    upload_minutes: float = Field(360, gt=0, le=10_080, validation_alias="UPLOAD_TTL_MINUTES")
    command_lease_seconds: float = Field(60, ge=1, le=3600, validation_alias="COMMAND_LEASE_SECONDS")
    queue_cap: int = Field(50, ge=1, le=1000, validation_alias="COMMAND_QUEUE_CAP")
    gcode_allowed: Codes = Field((), validation_alias="GCODE_ALLOWED")
    jwt_secrets: Annotated[LiveSecrets, AfterValidator(_check_shared)] = Field(
        (), validation_alias="JWT_SECRET", repr=False
    )
    jwt_jwks_url: Annotated[str, AfterValidator(_check_key_set_url)] | None = Field(
        None, validation_alias="JWT_JWKS_URL"
    )
    jwt_algorithms: Annotated[tuple[Literal["RS256", "ES256"], ...], Field(min_length=1), BeforeValidator(_split)] = (
        Field(("RS256", "ES256"), validation_alias="JWT_ALGORITHMS")
    )
    jwt_audience: str | None = Field(None, validation_alias="JWT_AUDIENCE")
    jwt_issuer: str | None = Field(None, validation_alias="JWT_ISSUER")
    jwt_default_role: Role = Field("operator", validation_alias="JWT_DEFAULT_ROLE")
    files_collection: str = Field("files", validation_alias="FIRESTORE_COLLECTION_FILES")
    status_collection: str = Field("printer_status_updates", validation_alias="FIRESTORE_COLLECTION_PRINTER_STATUS")
    commands_collection: str = Field("printer_commands", validation_alias="FIRESTORE_COLLECTION_PRINTER_COMMANDS")
    firestore_indexes: FilePath | None = Field(None, validation_alias="FIRESTORE_INDEXES")
    gcode_url_hosts: Listed = Field((), validation_alias="GCODE_URL_ALLOWED_HOSTS")
    proxies: int = Field(1, ge=0, le=8, validation_alias="TRUSTED_PROXIES")
    debug_errors: bool = Field(False, validation_alias="DEBUG_ERRORS")
    public_base_url: str | None = Field(None, validation_alias="PUBLIC_BASE_URL")
    allow_keyless_legacy_clients: bool = Field(False, validation_alias="ALLOW_KEYLESS_LEGACY_CLIENTS")
    anonymous_organization: str | None = Field(None, validation_alias="ANONYMOUS_ORGANIZATION_ID")
    taverna_time_zone: Annotated[str, AfterValidator(_check_time_zone)] = Field(
        "America/Sao_Paulo", validation_alias="TAVERNA_TIME_ZONE"
    )

    webhook_hosts: Annotated[Listed, AfterValidator(_check_webhook_hosts)] = Field(
        (), validation_alias="WEBHOOK_ALLOWED_HOSTS"
    )
    smtp_host: str | None = Field(None, validation_alias="SMTP_HOST")
    smtp_port: int = Field(587, ge=1, le=65_535, validation_alias="SMTP_PORT")
    smtp_security: Security = Field("starttls", validation_alias="SMTP_SECURITY")
    smtp_user: str | None = Field(None, validation_alias="SMTP_USER")
    smtp_password: str | None = Field(None, validation_alias="SMTP_PASSWORD", repr=False)
    smtp_from: Annotated[str, AfterValidator(_check_sender)] | None = Field(None, validation_alias="SMTP_FROM")
    notification_backoff: Backoff = Field(NOTIFICATION_BACKOFF, validation_alias="NOTIFICATION_BACKOFF_SECONDS")

    retention_history_days: Days = Field(30, validation_alias="RETENTION_HISTORY_DAYS")
    retention_events_days: Days = Field(90, validation_alias="RETENTION_EVENTS_DAYS")
    retention_files_days: Days = Field(90, validation_alias="RETENTION_FILES_DAYS")
    retention_jobs_days: Days = Field(730, validation_alias="RETENTION_JOBS_DAYS")
    retention_audit_days: Days = Field(365, validation_alias="RETENTION_AUDIT_DAYS")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.project or self.data_dir) and not self.fetch_token_secrets and find_spec(_READS_FETCH_TOKENS):
            raise ValueError("FETCH_TOKEN_SECRET is not set")
        if self.backend == "embedded" and self.data_dir is None:
            raise ValueError("PRINTPIPE_DATA_DIR: the embedded backend needs a folder")
        if self.api_keys_secret is not None:
            self._secret_path(self.api_keys_secret)
        self._check_bearer_tokens()
        self.mail_server()
        return self

    def _check_bearer_tokens(self) -> None:
        if self.jwt_jwks_url is None:
            if "jwt_algorithms" in self.model_fields_set:
                raise ValueError("JWT_ALGORITHMS is for JWT_JWKS_URL; with JWT_SECRET it is HS256")
            return
        if self.jwt_secrets:
            raise ValueError("JWT_SECRET and JWT_JWKS_URL exclude each other")
        if self.jwt_audience is None or self.jwt_issuer is None:  # an issuer's keys sign for everybody's projects
            raise ValueError("JWT_JWKS_URL needs JWT_AUDIENCE and JWT_ISSUER")

    def mail_server(self) -> MailServer | None:
        """The mail server, if there is one. Raises `ValueError` where what is set of it does not go together."""
        if self.smtp_host is None:
            return None
        if self.smtp_from is None:
            raise ValueError("SMTP_HOST needs SMTP_FROM")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("SMTP_USER and SMTP_PASSWORD go together")
        login = (self.smtp_user, self.smtp_password) if self.smtp_user and self.smtp_password else None
        return MailServer(self.smtp_host, self.smtp_port, self.smtp_security, self.smtp_from, login)

    def policy(self) -> Policy:
        """What the services go by."""
        return Policy(
            fetch_token_secrets=[secret.encode() for secret in self.fetch_token_secrets],
            operator_key_digests=frozenset(hashlib.sha256(key.encode()).hexdigest() for key in self.api_keys),
            key_memory=timedelta(seconds=self.api_key_cache_seconds),
            api_keys_secret=self._secret_path(self.api_keys_secret) if self.api_keys_secret else None,
            fetch_token_lifetime=timedelta(minutes=self.fetch_token_minutes),
            upload_lifetime=timedelta(minutes=self.upload_minutes),
            command_lease=timedelta(seconds=self.command_lease_seconds),
            queue_cap=self.queue_cap,
            extra_gcode=frozenset(self.gcode_allowed),
            allow_keyless_legacy_clients=self.allow_keyless_legacy_clients,
            public_base_url=self.public_base_url,
            document_store="firestore" if self.backend == "google" else "sqlite",
            anonymous_organization=self.anonymous_organization,
            taverna_time_zone=self.taverna_time_zone,
            webhook_hosts=frozenset(self.webhook_hosts),
            mail=self.smtp_host is not None,
            pubsub=self._pubsub(),
            notification_backoff=self.notification_backoff,
            bearer_tokens=self._bearer_tokens(),
            collections=Collections(
                files=self.files_collection,
                printer_status_updates=self.status_collection,
                printer_commands=self.commands_collection,
            ),
            retention=Retention(
                history=timedelta(days=self.retention_history_days),
                events=timedelta(days=self.retention_events_days),
                files=timedelta(days=self.retention_files_days),
                jobs=timedelta(days=self.retention_jobs_days),
                audit=timedelta(days=self.retention_audit_days),
            ),
        )

    def _pubsub(self) -> PubSub | None:
        if self.backend != "google" or self.project is None:
            return None
        return PubSub(self.project, f"http://{self.pubsub_emulator_host}" if self.pubsub_emulator_host else None)

    def _bearer_tokens(self) -> BearerTokens:
        return BearerTokens(
            algorithms=("HS256",) if self.jwt_secrets else self.jwt_algorithms if self.jwt_jwks_url else (),
            secrets=[secret.encode() for secret in self.jwt_secrets],
            audience=self.jwt_audience,
            issuer=self.jwt_issuer,
            default_role=self.jwt_default_role,
        )

    def _secret_path(self, name: str) -> str:
        """A secret's full name, from that or from its name within this project; the newest version by default."""
        found = _SECRET_NAME.fullmatch(name)
        if found is None:
            raise ValueError("SECRET_MANAGER_API_KEYS: neither projects/…/secrets/…/versions/… nor a secret's name")
        project, secret, version = found.groups()
        return f"projects/{project or self.project or 'local'}/secrets/{secret}/versions/{version or 'latest'}"


def parse(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment holds."""
    return Settings.model_validate({name: value for name, value in environment.items() if value})


@cache
def settings() -> Settings:
    """This process's settings."""
    return parse(os.environ)


def traces_endpoint() -> str | None:
    """Where spans go, by OpenTelemetry's own variables, which its exporter reads; None where nothing is traced."""
    variables = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((value for name in variables if (value := os.environ.get(name))), None)
