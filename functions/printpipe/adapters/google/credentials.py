"""Tokens of other service accounts from IAM Credentials, over its REST interface: one kind of call needs no client.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

import functools
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import google.auth
import requests
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession

from printpipe.adapters.google.reach import reach
from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log
from printpipe.domain.ports.credentials import AccessToken
from printpipe.domain.pubsub import service_account

LIFETIME = timedelta(hours=1)
"""The most that IAM gives without a policy of the organization's."""

_SERVICE = "IAM Credentials"
_GOOGLE = "https://iamcredentials.googleapis.com"
_OWN_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SCOPES = ("https://www.googleapis.com/auth/pubsub",)


class GoogleCredentials:
    """Gives tokens of the recipients' accounts in one project, each of which the process's account may act for."""

    def __init__(self, project: str, *, emulator_host: str | None = None, pubsub_emulated: bool = False) -> None:
        """`emulator_host` (host:port) is a stand-in for IAM Credentials, spoken to without TLS or credentials.

        Pub/Sub's own emulator looks at no token: without a stand-in, where that is used, the tokens are made up.
        """
        self._project = project
        self._base = f"http://{emulator_host}" if emulator_host else _GOOGLE
        self._stand_in = emulator_host is not None
        self._made_up = pubsub_emulated and emulator_host is None

    def pubsub_token(self, recipient_id: str) -> AccessToken:
        """A token for Pub/Sub alone, as the recipient's account."""
        if self._made_up:
            return AccessToken(f"emulator-{secrets.token_urlsafe(16)}", datetime.now(UTC) + LIFETIME)
        account = f"{service_account(recipient_id)}@{self._project}.iam.gserviceaccount.com"
        url = f"{self._base}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        wanted = {"scope": list(_SCOPES), "lifetime": f"{LIFETIME.total_seconds():.0f}s"}

        def attempt(timeout: float) -> AccessToken:
            answer = self._session.post(url, json=wanted, timeout=timeout)
            if answer.status_code != requests.codes.ok:
                raise exceptions.from_http_response(answer)
            return _token(answer)

        try:
            return reach(_SERVICE, attempt)
        except exceptions.ClientError as error:  # the account is not there yet, or may not be acted for
            log("pubsub_token_refused", level=logging.ERROR, account=account, why=error.message)
            raise Unavailable("The site's account for Pub/Sub cannot be used", retry_after=60) from error

    @functools.cached_property
    def _session(self) -> Any:
        if self._stand_in:
            session = requests.Session()
            session.trust_env = False
            return session
        own, _ = google.auth.default(scopes=_OWN_SCOPES)
        return AuthorizedSession(own)


def _token(answer: requests.Response) -> AccessToken:
    try:
        told = answer.json()
        expires_at = datetime.fromisoformat(told["expireTime"])
        return AccessToken(str(told["accessToken"]), expires_at.astimezone(UTC))
    except (ValueError, KeyError, TypeError):
        raise exceptions.ServiceUnavailable("not an answer of the service") from None
