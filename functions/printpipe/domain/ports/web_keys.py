"""The public keys that an issuer of bearer tokens shows to everybody."""

from typing import Protocol


class WebKeys(Protocol):
    """One issuer's JSON Web Key Set (RFC 7517), at a URL that the deployment names."""

    def fetch(self) -> bytes:
        """The document as it stands now, unchecked, at most 256 KiB.

        Raises `domain.errors.Unavailable` within 8 s where it cannot be had.
        """
