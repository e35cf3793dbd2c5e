"""The key service: wraps small secrets under a key that never leaves it."""

from typing import Protocol


class Undecipherable(Exception):
    """The ciphertext is not ours, was changed, or belongs to other associated data."""


class Keys(Protocol):
    """The key service. Every method raises `domain.errors.Unavailable` where the backend is out of reach."""

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypts at most 64 KiB (the limit of Cloud KMS's Encrypt), bound to the associated data."""

    def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
        """Decrypts what `wrap` gave. Raises `Undecipherable`."""
