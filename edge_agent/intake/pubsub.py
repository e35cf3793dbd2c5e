"""Commands over Pub/Sub: a unary long-poll pull with a deadline over REST, which no dead connection can outlast."""

import base64
import json
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from edge_agent import backoff
from edge_agent.config import PubSubConfig
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.logs import log
from edge_agent.steps import Step

GOOGLE = "https://pubsub.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/pubsub"
MAX_MESSAGES = 10
EMPTY_PAUSE_SECONDS = 0.2
"""After an empty answer that was not held open."""

Headers = Callable[[], dict[str, str]]


def google_headers() -> Headers:
    """The Authorization header from Google's default credentials, refreshed as needed."""
    import google.auth  # heavy, and unused with an emulator
    import google.auth.transport.urllib3

    credentials, _ = google.auth.default(scopes=[SCOPE])
    request = google.auth.transport.urllib3.Request(urllib3.PoolManager())

    def headers() -> dict[str, str]:
        if not credentials.valid:
            credentials.refresh(request)
        return {"Authorization": f"Bearer {credentials.token}"}

    return headers


class PubSubIntake:
    """Pulls one subscription. A message is acknowledged when the journal has it, or when it is not for us."""

    def __init__(self, config: PubSubConfig, subscription: str, rooms: Rooms, inbox: Inbox) -> None:
        self._url = f"{config.endpoint or GOOGLE}/v1/projects/{config.project}/subscriptions/{subscription}"
        self._subscription = subscription
        self._google = config.endpoint is None
        self._rooms = rooms
        self._inbox = inbox
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)
        self._headers: Headers | None = None

    def loop(self) -> None:
        """Pull until the agent stops."""
        failures = 0
        while not self._rooms.stopping.is_set():
            try:
                began = self._rooms.clock.monotonic()
                messages = self._pull()
                for message in messages:
                    if self._rooms.stopping.is_set():
                        return
                    self._take(message)
                failures = 0
                if not messages and self._rooms.clock.monotonic() - began < EMPTY_PAUSE_SECONDS:
                    self._rooms.stopping.wait(EMPTY_PAUSE_SECONDS)
            except ReadTimeoutError:
                failures = 0
            except Exception as error:
                failures += 1
                if failures == 1:
                    log("pubsub_unreachable", "WARNING", subscription=self._subscription, reason=repr(error))
                timing = self._rooms.timing
                self._rooms.stopping.wait(
                    backoff.delay(failures, first=timing.retry_first, ceiling=timing.retry_ceiling)
                )

    def _pull(self) -> list[dict[str, Any]]:
        answer = self._post("pull", {"maxMessages": MAX_MESSAGES}, self._rooms.timing.pull_wait)
        received = answer.get("receivedMessages")
        return [item for item in received if isinstance(item, dict)] if isinstance(received, list) else []

    def _take(self, received: dict[str, Any]) -> None:
        message = received.get("message") or {}
        command_id = str((message.get("attributes") or {}).get("commandId") or "")
        try:
            data = json.loads(base64.b64decode(message.get("data") or ""))
        except ValueError:
            log("message_unreadable", "ERROR", subscription=self._subscription, messageId=message.get("messageId"))
        else:
            self._inbox.receive(data)
        self._post("acknowledge", {"ackIds": [received.get("ackId")]}, self._rooms.timing.http_timeout)
        self._rooms.observe(Step.CONFIRMED, command_id)

    def _post(self, verb: str, body: dict[str, object], read: float) -> dict[str, Any]:
        if self._headers is None:
            self._headers = google_headers() if self._google else dict
        response = self._pool.request(
            "POST",
            f"{self._url}:{verb}",
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self._headers()},
            timeout=urllib3.Timeout(connect=5.0, read=read),
        )
        if response.status != 200:
            raise HTTPError(f"{verb} answered {response.status}: {response.data[:200]!r}")
        answer = json.loads(response.data or b"{}")
        return answer if isinstance(answer, dict) else {}
