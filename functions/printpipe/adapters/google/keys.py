"""The key service on Cloud KMS, with checksums both ways."""

from typing import Any

import google_crc32c
import grpc
from google.api_core import exceptions
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

from printpipe.adapters.google.reach import ONCE, reach
from printpipe.domain.ports.keys import Undecipherable

MAX_PLAINTEXT = 64 << 10
"""Bytes that Encrypt takes under a software key."""

_SERVICE = "Cloud KMS"


class GoogleKeys:
    """One symmetric key: `projects/…/locations/…/keyRings/…/cryptoKeys/…`; its primary version wraps."""

    def __init__(self, key_path: str, *, emulator_host: str | None = None) -> None:
        """`emulator_host` (host:port) is a stand-in, spoken to without TLS or credentials."""
        self._key_path = key_path
        if emulator_host is None:
            self._client = KeyManagementServiceClient()
        else:
            channel = grpc.insecure_channel(emulator_host)
            self._client = KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypts at most 64 KiB, bound to the associated data; `ValueError` above."""
        if len(plaintext) > MAX_PLAINTEXT:
            raise ValueError(f"more than {MAX_PLAINTEXT} bytes")
        request = {
            "name": self._key_path,
            "plaintext": plaintext,
            "plaintext_crc32c": google_crc32c.value(plaintext),
            "additional_authenticated_data": associated,
            "additional_authenticated_data_crc32c": google_crc32c.value(associated),
        }

        def attempt(timeout: float) -> Any:
            answer = self._client.encrypt(request=request, retry=ONCE, timeout=timeout)
            verified = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
            _check(bool(verified) and answer.ciphertext_crc32c == google_crc32c.value(answer.ciphertext))
            return answer.ciphertext

        return bytes(reach(_SERVICE, attempt))

    def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
        """Decrypts what `wrap` gave, under whichever version. Raises `Undecipherable`."""
        request = {
            "name": self._key_path,
            "ciphertext": ciphertext,
            "ciphertext_crc32c": google_crc32c.value(ciphertext),
            "additional_authenticated_data": associated,
            "additional_authenticated_data_crc32c": google_crc32c.value(associated),
        }

        def attempt(timeout: float) -> Any:
            answer = self._client.decrypt(request=request, retry=ONCE, timeout=timeout)
            _check(answer.plaintext_crc32c == google_crc32c.value(answer.plaintext))
            return answer.plaintext

        try:
            return bytes(reach(_SERVICE, attempt))
        except exceptions.InvalidArgument as error:
            raise Undecipherable(error.message) from error


def _check(intact: bool) -> None:
    """Has a call made again whose bytes were damaged on the way."""
    if not intact:
        raise exceptions.ServiceUnavailable("a checksum does not fit")
