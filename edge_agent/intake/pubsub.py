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
from edge_agent.logs import log, log_exception
from edge_agent.steps import Step
from edge_agent.supervision import supervised

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
            self._failures = 0
        except ReadTimeoutError:
            self._failures = 0
        except Exception as error:
            self._failures += 1
            if self._failures == 1:
                log("pubsub_unreachable", "WARNING", subscription=self._subscription, reason=repr(error))
            stopping.wait(backoff.delay(self._failures, first=timing.retry_first, ceiling=timing.retry_ceiling))
        else:
            if not messages and self._rooms.clock.monotonic() - began < EMPTY_PAUSE_SECONDS:
                stopping.wait(EMPTY_PAUSE_SECONDS)

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
