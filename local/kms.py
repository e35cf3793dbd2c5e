"""A stand-in for Cloud KMS on loopback, for which no emulator exists: encryption and key versions over gRPC.

Speaks `google.cloud.kms.v1.KeyManagementService` with the library's own messages: AES-256-GCM, associated data,
CRC32C both ways, key versions, 64 KiB at most. A key is made when it is first used; all are forgotten at the end,
unless a file is given to keep them in.
"""

import argparse
import base64
import json
import os
import secrets
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud.kms_v1.types import (
    CreateCryptoKeyVersionRequest,
    CryptoKey,
    CryptoKeyVersion,
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    UpdateCryptoKeyPrimaryVersionRequest,
)

MAX_BYTES = 64 << 10
"""Cloud KMS's limit for plaintext and for associated data, of a software key."""

_SERVICE = "google.cloud.kms.v1.KeyManagementService"
_NONCE = 12


class _Refused(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class _Key:
    """A key's versions, numbered from 1, and the one that encrypts."""

    versions: list[bytes]
    primary: int = 1


class KmsServer:
    """The server; `host` is where it listens. A context manager."""

    def __init__(self, port: int = 0, *, keys_file: Path | None = None) -> None:
        """Port 0 takes a free one. `keys_file` (mode 600) keeps the keys from run to run."""
        self._lock = threading.Lock()
        self._file = keys_file
        self._keys: dict[str, _Key] = {}
        if keys_file and keys_file.exists():
            for name, stored in json.loads(keys_file.read_bytes()).items():
                self._keys[name] = _Key([base64.b64decode(key) for key in stored["versions"]], stored["primary"])
        self._server = grpc.server(ThreadPoolExecutor(8, "kms"))
        handlers = {
            "Encrypt": _handler(self._encrypt, EncryptRequest, EncryptResponse),
            "Decrypt": _handler(self._decrypt, DecryptRequest, DecryptResponse),
            "CreateCryptoKeyVersion": _handler(self._add_version, CreateCryptoKeyVersionRequest, CryptoKeyVersion),
            "UpdateCryptoKeyPrimaryVersion": _handler(
                self._set_primary, UpdateCryptoKeyPrimaryVersionRequest, CryptoKey
            ),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        self.host = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"

    def start(self) -> None:
        """Serves from now on."""
        self._server.start()

    def stop(self) -> None:
        """Ends; safe to call twice."""
        self._server.stop(grace=0.5).wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _key(self, name: str) -> _Key:
        _check_name(name)
        if name not in self._keys:
            self._keys[name] = _Key([secrets.token_bytes(32)])
            self._save()
        return self._keys[name]

    def _save(self) -> None:
        if self._file is None:
            return
        stored = {
            name: {"versions": [base64.b64encode(version).decode("ascii") for version in key.versions]}
            | {"primary": key.primary}
            for name, key in self._keys.items()
        }
        draft = self._file.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump(stored, file)
        draft.replace(self._file)

    def _add_version(self, request: Any) -> Any:
        with self._lock:
            key = self._key(request.parent)
            key.versions.append(secrets.token_bytes(32))
            self._save()
            number = len(key.versions)
        return CryptoKeyVersion(
            name=f"{request.parent}/cryptoKeyVersions/{number}", state=CryptoKeyVersion.CryptoKeyVersionState.ENABLED
        )

    def _set_primary(self, request: Any) -> Any:
        with self._lock:
            key = self._key(request.name)
            number = int(request.crypto_key_version_id)
            if not 1 <= number <= len(key.versions):
                raise _Refused(grpc.StatusCode.NOT_FOUND, f"no version {number} of {request.name}")
            key.primary = number
            self._save()
        return CryptoKey(name=request.name)

    def _encrypt(self, request: Any) -> Any:
        name = request.name.split("/cryptoKeyVersions/")[0]
        plain_checked = _check_crc(request, "plaintext")
        aad_checked = _check_crc(request, "additional_authenticated_data")
        with self._lock:
            key = self._key(name)
            version, secret = key.primary, key.versions[key.primary - 1]
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(secret).encrypt(nonce, request.plaintext, _bound(name, request))
        ciphertext = version.to_bytes(4, "big") + nonce + sealed
        return EncryptResponse(
            name=f"{name}/cryptoKeyVersions/{version}",
            ciphertext=ciphertext,
            ciphertext_crc32c=google_crc32c.value(ciphertext),
            verified_plaintext_crc32c=plain_checked,
            verified_additional_authenticated_data_crc32c=aad_checked,
            protection_level=1,
        )

    def _decrypt(self, request: Any) -> Any:
        _check_crc(request, "ciphertext", limit=MAX_BYTES + 1024)
        _check_crc(request, "additional_authenticated_data")
        with self._lock:
            key = self._key(request.name)
            versions, primary = list(key.versions), key.primary
        version = int.from_bytes(request.ciphertext[:4], "big")
        nonce, sealed = request.ciphertext[4 : 4 + _NONCE], request.ciphertext[4 + _NONCE :]
        if not 1 <= version <= len(versions) or len(nonce) != _NONCE:
            raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.")
        try:
            plaintext = AESGCM(versions[version - 1]).decrypt(nonce, sealed, _bound(request.name, request))
        except InvalidTag:
            raise _Refused(
                grpc.StatusCode.INVALID_ARGUMENT,
                "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
            ) from None
        return DecryptResponse(
            plaintext=plaintext,
            plaintext_crc32c=google_crc32c.value(plaintext),
            used_primary=version == primary,
            protection_level=1,
        )


def _bound(name: str, request: Any) -> bytes:
    return name.encode() + b"\0" + bytes(request.additional_authenticated_data)


def _check_name(name: str) -> None:
    parts = name.split("/")
    if parts[::2] != ["projects", "locations", "keyRings", "cryptoKeys"] or not all(parts) or len(parts) != 8:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"not a crypto key's name: {name!r}")


def _check_crc(request: Any, field: str, *, limit: int = MAX_BYTES) -> bool:
    """Whether a checksum came with the field; refuses one that does not fit, and a field that is too long."""
    value = getattr(request, field)
    if len(value) > limit:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{field} is longer than {limit} bytes")
    checksum = getattr(request, f"{field}_crc32c")
    if checksum is None:
        return False
    if int(checksum) != google_crc32c.value(bytes(value)):
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"the checksum of {field} does not fit")
    return True


def _handler(method: Callable[[Any], Any], request_type: Any, response_type: Any) -> Any:
    def answer(request: Any, context: Any) -> Any:
        try:
            return method(request)
        except _Refused as error:
            context.abort(error.code, str(error))

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=request_type.deserialize, response_serializer=response_type.serialize
    )


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="local.kms", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keys-file", type=Path)
    arguments = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # a handler could meet the lock of the event that it sets
    with KmsServer(arguments.port, keys_file=arguments.keys_file) as server:
        print(json.dumps({"event": "kms_ready", "host": server.host}), flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
