"""The key service as a key ring on disk: AES-256-GCM under numbered key versions."""

import base64
import json
import os
import secrets
import threading
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.keys import Undecipherable

MAX_PLAINTEXT = 64 << 10

_NONCE = 12
_HEADER = 4


class EmbeddedKeys:
    """The ring is created on first use with mode 600; `PermissionError` where others can read it."""

    def __init__(self, ring: Path) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._versions: dict[int, bytes] = {}

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypts at most 64 KiB under the newest version; `ValueError` above."""
        if len(plaintext) > MAX_PLAINTEXT:
            raise ValueError(f"more than {MAX_PLAINTEXT} bytes")
        versions = self._load()
        newest = max(versions)
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(versions[newest]).encrypt(nonce, plaintext, associated)
        return newest.to_bytes(_HEADER, "big") + nonce + sealed

    def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
        """Decrypts what `wrap` gave, under whichever version. Raises `Undecipherable`."""
        version = int.from_bytes(ciphertext[:_HEADER], "big")
        nonce, sealed = ciphertext[_HEADER : _HEADER + _NONCE], ciphertext[_HEADER + _NONCE :]
        # Another process may have rotated the ring since it was read.
        key = self._load().get(version) or self._load(again=True).get(version)
        if key is None or len(nonce) != _NONCE:
            raise Undecipherable("not a ciphertext of this ring")
        try:
            return AESGCM(key).decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise Undecipherable("changed, or of other associated data") from None

    def rotate(self) -> int:
        """Adds a version, under which everything is wrapped from now on; gives its number."""
        with self._lock:
            versions = self._read()
            newest = max(versions) + 1
            versions[newest] = secrets.token_bytes(32)
            draft = self._draft(versions)
            draft.replace(self._ring)
            self._versions = versions
        return newest

    def _load(self, *, again: bool = False) -> dict[int, bytes]:
        with self._lock:
            if again or not self._versions:
                self._versions = self._read()
            return self._versions

    def _read(self) -> dict[int, bytes]:
        try:
            if not self._ring.exists():
                self._create()
            if os.name == "posix" and self._ring.stat().st_mode & 0o077:
                raise PermissionError(f"others can read the key ring {self._ring}: make its mode 600")
            stored = json.loads(self._ring.read_bytes())
        except PermissionError:
            raise
        except OSError as error:
            raise Unavailable(f"the key ring cannot be read: {error.strerror}") from error
        return {int(number): base64.b64decode(key) for number, key in stored["versions"].items()}

    def _create(self) -> None:
        self._ring.parent.mkdir(parents=True, exist_ok=True)
        draft = self._draft({1: secrets.token_bytes(32)})
        try:
            # A link fails where the ring is there already: of several processes one makes it, all use it.
            os.link(draft, self._ring)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _draft(self, versions: dict[int, bytes]) -> Path:
        draft = self._ring.with_name(f"{self._ring.name}.{secrets.token_hex(8)}")
        stored = {str(number): base64.b64encode(key).decode("ascii") for number, key in versions.items()}
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump({"versions": stored}, file)
            file.flush()
            os.fsync(file.fileno())
        return draft
