"""Commands over Pub/Sub: a unary long-poll pull with a deadline over REST, which no dead connection can outlast."""

import base64
import json
import threading
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from edge_agent import backoff
from edge_agent.config import PubSubConfig
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.intake import credentials
from edge_agent.intake.credentials import Credentials
from edge_agent.intake.health import Health
from edge_agent.logs import log, log_exception
from edge_agent.steps import Step
from edge_agent.supervision import supervised

GOOGLE = "https://pubsub.googleapis.com"
MAX_MESSAGES = 10
EMPTY_PAUSE_SECONDS = 0.2
"""After an empty answer that was not held open."""

REFUSALS = frozenset({401, 403})


class Shared:
    """What both subscriptions of a configuration have in common: the credentials, and whether they come through."""

    def __init__(self, config: PubSubConfig, rooms: Rooms) -> None:
        self.health = Health(rooms.clock, rooms.timing.reconcile)
        self._config, self._rooms = config, rooms
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None

    def credentials(self) -> Credentials:
        """Made when they are first needed, and again where that failed. Raises what making them raises."""
        with self._lock:
            if self._credentials is None:
                self._credentials = credentials.source(self._config, self._rooms)
            return self._credentials


class PubSubIntake:
    """Pulls one subscription. A message is acknowledged when the journal has it, or when it is not for us."""

    def __init__(self, config: PubSubConfig, subscription: str, rooms: Rooms, inbox: Inbox, shared: Shared) -> None:
        self._url = f"{config.endpoint or GOOGLE}/v1/projects/{config.project}/subscriptions/{subscription}"
        self._subscription = subscription
        self._shared = shared
        self._rooms = rooms
        self._inbox = inbox
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)
        self._failures = 0

    def loop(self) -> None:
        """Pull until the agent stops."""
        supervised(self._subscription, self._rooms.stopping, self._step)

    def _step(self) -> None:
        timing, stopping = self._rooms.timing, self._rooms.stopping
        began = self._rooms.clock.monotonic()
        try:
            messages = self._pull()
            self._take(messages)
        except Exception as error:
            if isinstance(error, ReadTimeoutError) and self._rooms.clock.monotonic() - began >= timing.pull_wait:
                self._worked()  # held open until we hung up; what times out sooner is not even connected
            else:
                self._failed(error)
        else:
            self._worked()
            if not messages and self._rooms.clock.monotonic() - began < EMPTY_PAUSE_SECONDS:
                stopping.wait(EMPTY_PAUSE_SECONDS)

    def _worked(self) -> None:
        self._failures = 0
        self._shared.health.works(self._subscription)

    def _failed(self, error: Exception) -> None:
        """Tell it, and rest before the next attempt."""
        timing = self._rooms.timing
        self._failures += 1
        self._shared.health.fails(self._subscription)
        if self._failures == 1:
            reason = f"{type(error).__name__}: {error}"
            log("pubsub_unreachable", "WARNING", subscription=self._subscription, reason=reason)
        pause = backoff.delay(self._failures, first=timing.retry_first, ceiling=timing.retry_ceiling)
        self._rooms.stopping.wait(pause)

    def _pull(self) -> list[dict[str, Any]]:
        answer = self._post("pull", {"maxMessages": MAX_MESSAGES}, self._rooms.timing.pull_wait)
        received = answer.get("receivedMessages")
        return [item for item in received if isinstance(item, dict)] if isinstance(received, list) else []

    def _take(self, messages: list[dict[str, Any]]) -> None:
        """Hand in all messages, then acknowledge those that the journal has: the others come again."""
        taken = [received for received in messages if self._hand_in(received.get("message") or {})]
        if not taken:
            return
        ack_ids = [received.get("ackId") for received in taken]
        self._post("acknowledge", {"ackIds": ack_ids}, self._rooms.timing.http_timeout)
        for received in taken:
            attributes = (received.get("message") or {}).get("attributes") or {}
            self._rooms.observe(Step.CONFIRMED, str(attributes.get("commandId") or ""))

    def _hand_in(self, message: dict[str, Any]) -> bool:
        """Whether the message needs not come again."""
        if self._rooms.stopping.is_set():
            return False
        try:
            data = json.loads(base64.b64decode(message.get("data") or ""))
        except (ValueError, RecursionError):
            log("message_unreadable", "ERROR", subscription=self._subscription, messageId=message.get("messageId"))
            return True
        try:
            self._inbox.receive(data)
        except Exception as error:
            log_exception("command_not_taken", error, messageId=message.get("messageId"))
            return False
        return True

    def _post(self, verb: str, body: dict[str, object], read: float) -> dict[str, Any]:
        response, headers = self._request(verb, body, read)
        if response.status in REFUSALS and self._shared.credentials().refused(headers):
            response, _ = self._request(verb, body, read)
        if response.status != 200:
            raise HTTPError(f"{verb} answered {response.status}: {response.data[:200]!r}")
        answer = json.loads(response.data or b"{}")
        return answer if isinstance(answer, dict) else {}

    def _request(
        self, verb: str, body: dict[str, object], read: float
    ) -> tuple[urllib3.BaseHTTPResponse, Mapping[str, str]]:
        """The answer, and the credentials with which it was asked for."""
        headers = self._shared.credentials().headers()
        response = self._pool.request(
            "POST",
            f"{self._url}:{verb}",
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            timeout=urllib3.Timeout(connect=min(5.0, read / 2), read=read),
        )
        return response, headers
