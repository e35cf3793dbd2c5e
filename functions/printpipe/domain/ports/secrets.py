"""The secret store: small values that a deployment keeps outside of its settings."""

from typing import Protocol


class SecretMissing(Exception):
    """No secret, or no version of it, has that name, or this process may not read it."""


class Secrets(Protocol):
    """The secret store."""

    def read(self, name: str) -> bytes:
        """The value of `projects/…/secrets/…/versions/…`, where `latest` names the newest version.

        Raises `SecretMissing`, and `domain.errors.Unavailable` within 8 s where the backend is out of reach.
        """
