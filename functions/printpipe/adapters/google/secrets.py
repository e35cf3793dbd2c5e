"""The secret store on Secret Manager, over its REST interface: one kind of call needs no client library."""

import base64
import functools
from typing import Any

import google.auth
import requests
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession

from printpipe.adapters.google.reach import reach
from printpipe.domain.ports.secrets import SecretMissing

_SERVICE = "Secret Manager"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_POLYNOMIAL = 0x82F63B78
"""CRC-32C's, reflected."""


class GoogleSecrets:
    """Every secret that the process's account may access."""

    def __init__(self, *, emulator_host: str | None = None) -> None:
        """`emulator_host` (host:port) is a stand-in, spoken to without TLS or credentials."""
        self._base = f"http://{emulator_host}/v1" if emulator_host else "https://secretmanager.googleapis.com/v1"
        self._emulated = emulator_host is not None

    def read(self, name: str) -> bytes:
        """A version's payload, checked against its checksum."""

        def attempt(timeout: float) -> bytes:
            answer = self._session.get(f"{self._base}/{name}:access", timeout=timeout)
            if answer.status_code != requests.codes.ok:
                raise exceptions.from_http_response(answer)
            return _payload(answer)

        try:
            return reach(_SERVICE, attempt)
        except exceptions.ClientError as error:
            raise SecretMissing(f"{name}: {error.message}") from error

    @functools.cached_property
    def _session(self) -> Any:
        if self._emulated:
            return _direct_session()
        credentials, _ = google.auth.default(scopes=_SCOPES)
        return AuthorizedSession(credentials)


def _direct_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _payload(answer: requests.Response) -> bytes:
    try:
        payload = answer.json()["payload"]
        data = base64.b64decode(payload.get("data", ""))
        stated = int(payload["dataCrc32c"]) if "dataCrc32c" in payload else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise exceptions.ServiceUnavailable("not an answer of the service") from None
    if stated not in (None, crc32c(data)):
        raise exceptions.ServiceUnavailable("a checksum does not fit")
    return data


def crc32c(data: bytes) -> int:
    """The checksum that Google's services use; bit by bit, which a few kilobytes allow."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value ^ 0xFFFFFFFF
