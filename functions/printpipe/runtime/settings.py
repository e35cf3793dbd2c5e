"""The environment, read and validated once."""

import hashlib
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from printpipe.domain.policy import Collections, Policy

_MIN_SECRET_BYTES = 32


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_split)]


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
    fetch_token_secrets: Listed = Field((), validation_alias="FETCH_TOKEN_SECRET", repr=False)
    fetch_token_minutes: float = Field(15, gt=0, le=1440, validation_alias="FETCH_TOKEN_TTL_MINUTES")
    command_lease_seconds: float = Field(60, ge=1, le=3600, validation_alias="COMMAND_LEASE_SECONDS")
    files_collection: str = Field("files", validation_alias="FIRESTORE_COLLECTION_FILES")
    status_collection: str = Field("printer_status_updates", validation_alias="FIRESTORE_COLLECTION_PRINTER_STATUS")
    commands_collection: str = Field("printer_commands", validation_alias="FIRESTORE_COLLECTION_PRINTER_COMMANDS")
    gcode_url_hosts: Listed = Field((), validation_alias="GCODE_URL_ALLOWED_HOSTS")
    proxies: int = Field(1, ge=0, le=8, validation_alias="TRUSTED_PROXIES")
    debug_errors: bool = Field(False, validation_alias="DEBUG_ERRORS")
    public_base_url: str | None = Field(None, validation_alias="PUBLIC_BASE_URL")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(len(secret.encode()) < _MIN_SECRET_BYTES for secret in self.fetch_token_secrets):
            raise ValueError(f"FETCH_TOKEN_SECRET: each must have at least {_MIN_SECRET_BYTES} bytes")
        if (self.project or self.data_dir) and not self.fetch_token_secrets:
            raise ValueError("FETCH_TOKEN_SECRET is not set")
        if self.backend == "embedded" and self.data_dir is None:
            raise ValueError("PRINTPIPE_DATA_DIR: the embedded backend needs a folder")
        return self

    def policy(self) -> Policy:
        """What the services go by."""
        return Policy(
            fetch_token_secrets=[secret.encode() for secret in self.fetch_token_secrets],
            operator_key_digests=frozenset(hashlib.sha256(key.encode()).hexdigest() for key in self.api_keys),
            fetch_token_lifetime=timedelta(minutes=self.fetch_token_minutes),
            command_lease=timedelta(seconds=self.command_lease_seconds),
            collections=Collections(
                files=self.files_collection,
                printer_status_updates=self.status_collection,
                printer_commands=self.commands_collection,
            ),
        )


def parse(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment holds."""
    return Settings.model_validate({name: value for name, value in environment.items() if value})


@cache
def settings() -> Settings:
    """This process's settings."""
    return parse(os.environ)
