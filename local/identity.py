"""Who is on this stack: one organization, its two sites, their keys. Kept with the stack's data."""

import os
import secrets
import time
from pathlib import Path
from typing import Self

import jwt
from pydantic import BaseModel, ConfigDict, Field

KEY_BYTES = 32
MONTH = 30 * 24 * 3600


def _key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


class Client(BaseModel):
    """A LAN site and the key of its one client."""

    model_config = ConfigDict(frozen=True)

    recipient_id: str
    api_key: str = Field(default="", repr=False)
    """Empty until the functions have given one."""


class Identity(BaseModel):
    """Every name and secret of a stack."""

    model_config = ConfigDict(frozen=True)

    organization_id: str
    operator_key: str = Field(repr=False)
    fetch_token_secret: str = Field(repr=False)
    jwt_secret: str = Field(repr=False)
    agent: Client
    lan_client: Client

    def token(self, role: str) -> str:
        """A bearer token of somebody with that role in the organization, good for a month."""
        claims = {"userId": f"local-{role}", "organizationId": self.organization_id, "role": role}
        return jwt.encode({**claims, "exp": int(time.time()) + MONTH}, self.jwt_secret, algorithm="HS256")

    @classmethod
    def make(cls) -> Self:
        """New names and secrets; the clients' keys are the functions' to give."""
        return cls(
            organization_id=f"org-{secrets.token_hex(4)}",
            operator_key=_key(),
            fetch_token_secret=_key(),
            jwt_secret=_key(),
            agent=Client(recipient_id=f"site-{secrets.token_hex(4)}"),
            lan_client=Client(recipient_id=f"lan-{secrets.token_hex(4)}"),
        )

    @classmethod
    def kept(cls, path: Path) -> Self:
        """The identity in that file; it is made where there is none."""
        if path.exists():
            return cls.model_validate_json(path.read_bytes())
        identity = cls.make()
        identity.keep(path)
        return identity

    def keep(self, path: Path) -> None:
        """Writes it into that file, for its owner alone."""
        write_secret(path, self.model_dump_json())


def write_secret(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
