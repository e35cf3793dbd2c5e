"""With what the subscriptions are pulled: nothing, this machine's own credentials, or those that the cloud gives."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import urllib3

from edge_agent.cloud import Cloud, CloudError
from edge_agent.config import PubSubConfig
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.server_time import ServerTime
from edge_agent.timestamps import Clock

SCOPE = "https://www.googleapis.com/auth/pubsub"
RENEWED_AT = 0.8
"""The part of a token's life after which another one is asked for."""

LONGEST_LIFE = 3600.0
"""Seconds that a token is believed to last: all that the cloud gives, whatever this machine's clock says."""

LEAST_AGE = 60.0
"""Seconds between two tokens, and between two attempts to get one while the old one is still good."""


class Credentials(Protocol):
    """What goes into the requests' headers. Thread-safe."""

    def headers(self) -> Mapping[str, str]:
        """The headers as of now, renewed as needed. Raises where there are none to be had."""

    def refused(self, headers: Mapping[str, str]) -> bool:
        """These were answered 401 or 403: whether it is worth asking again at once, with others."""


class NoCredentials:
    """An emulator asks for none."""

    def headers(self) -> Mapping[str, str]:
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


class GoogleCredentials:
    """Google's default credentials of this machine."""

    def __init__(self) -> None:
        import google.auth  # heavy, and only needed here
        import google.auth.transport.urllib3

        self._credentials, _ = google.auth.default(scopes=[SCOPE])
        self._request = google.auth.transport.urllib3.Request(urllib3.PoolManager())
        self._lock = threading.Lock()

    def headers(self) -> Mapping[str, str]:
        with self._lock:
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
            return {"Authorization": f"Bearer {self._credentials.token}"}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


class CloudCredentials:
    """Tokens that the cloud gives for the API key: each lasts an hour at most and is kept in memory alone."""

    def __init__(self, cloud: Cloud, clock: Clock, server_time: ServerTime) -> None:
        self._cloud, self._clock, self._server_time = cloud, clock, server_time
        self._token: str | None = None
        self._given_at = self._renew_at = self._ends_at = float("-inf")
        self._lock = threading.Lock()

    def headers(self) -> Mapping[str, str]:
        """Raises CloudUnavailable and CloudRefused, once the old token is not good any more."""
        with self._lock:
            if self._token is None or self._clock.monotonic() >= self._renew_at:
                self._renew()
            return {"Authorization": f"Bearer {self._token}"}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """A token that was refused while it was new would be refused again: that one is given some time."""
        with self._lock:
            if headers.get("Authorization") == f"Bearer {self._token}":
                if self._clock.monotonic() - self._given_at < LEAST_AGE:
                    return False
                self._token = None
            return True

    def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            token, expires_at = self._cloud.pubsub_token()
        except CloudError as error:
            if self._token is None or asked_at >= self._ends_at:
                self._token = None
                raise
            self._renew_at = asked_at + LEAST_AGE
            log("pubsub_token_not_renewed", "WARNING", reason=str(error))
            return
        life = self._life(expires_at)
        self._token, self._given_at = token, asked_at
        self._renew_at, self._ends_at = asked_at + life * RENEWED_AT, asked_at + life

    def _life(self, expires_at: datetime) -> float:
        left = (expires_at - self._server_time.now()).total_seconds()
        return min(left, LONGEST_LIFE) if left > 0 else LONGEST_LIFE


def source(config: PubSubConfig, rooms: Rooms) -> Credentials:
    """The credentials that the configuration names. An endpoint of its own is an emulator, which needs none."""
    if config.credentials == "cloud":
        return CloudCredentials(rooms.cloud, rooms.clock, rooms.server_time)
    return GoogleCredentials() if config.endpoint is None else NoCredentials()
