"""Secrets at rest: small ones wrapped by the key service itself, larger ones in an envelope.

A sealed value is text: `k1.` and the ciphertext, or `e1.`, the wrapped data key, the nonce and the ciphertext.
"""

import secrets
from base64 import b64decode, b64encode

from printpipe.domain.ports.keys import Keys

DIRECT_LIMIT = 64 * 1024
"""Bytes; what Cloud KMS encrypts in one call."""

_NONCE_BYTES = 12


def seal(keys: Keys, plaintext: bytes, belongs_to: str) -> str:
    """Encrypts for one place; `belongs_to` names it (tenant, object, field) and must be given again to open it."""
    associated = belongs_to.encode()
    if len(plaintext) <= DIRECT_LIMIT:
        return f"k1.{_text(keys.wrap(plaintext, associated))}"
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # heavy, and rarely needed

    data_key, nonce = AESGCM.generate_key(bit_length=256), secrets.token_bytes(_NONCE_BYTES)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, associated)
    return ".".join(("e1", _text(keys.wrap(data_key, associated)), _text(nonce), _text(ciphertext)))


def unseal(keys: Keys, sealed: str, belongs_to: str) -> bytes:
    """What was sealed. Raises `Undecipherable` where it was sealed for another place."""
    associated = belongs_to.encode()
    kind, *parts = sealed.split(".")
    if kind == "k1":
        return keys.unwrap(b64decode(parts[0]), associated)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    wrapped, nonce, ciphertext = (b64decode(part) for part in parts)
    return AESGCM(keys.unwrap(wrapped, associated)).decrypt(nonce, ciphertext, associated)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
