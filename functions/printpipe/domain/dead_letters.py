"""Messages that a function did not take: what is kept of them."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from printpipe.domain.errors import DomainError
from printpipe.domain.messages import EVENT_ID, Posted, Topic
from printpipe.domain.records import Stored

TOPICS: Mapping[str, Topic] = {
    "trigger-file-read": "file-events",
    "trigger-hms-followed": "hms-events",
    "trigger-job-announced": "job-events",
    "trigger-job-counted": "job-events",
    "trigger-notification-sent": "notifications",
    "trigger-printer-freed": "job-events",
}
"""By function, which topic's messages it takes, as the catalog says; no message names its topic."""

SOURCE = "CloudPubSubDeadLetterSourceSubscription"
"""The attribute by which Pub/Sub says whose the message was: https://cloud.google.com/pubsub/docs/handling-failures"""

COUNT = "CloudPubSubDeadLetterSourceDeliveryCount"
REPLAY = "replay"
"""The attribute that counts how often a message was delivered again because somebody asked for it."""

FAILING_FOR = timedelta(days=7)
"""How long a failure is remembered of which the message did not die: as long as the bus keeps messages."""

MAX_CONTENT = 512 * 1024
MAX_ERROR = 500
MAX_DEPTH = 20
"""Of what is shown: messages are never nested as deep."""

UNKNOWN = "unknown"

_OWN_ATTRIBUTE = re.compile(r"(?!goog|CloudPubSub)[A-Za-z][A-Za-z0-9_-]{0,63}")
_MAX_ATTRIBUTE = 1024

Status = Literal["failing", "dead", "replayed"]


class DeadLetter(Stored):
    """`dead_letters/{deadLetterId}`: a message that a function failed to take, and why it did.

    It was first heard of at `created_at`. One that is `failing` may yet be taken, and then goes away by itself at
    `expires_at`. `content` is its data, and None where that is too large to be kept. `attempts` are those of all its
    deliveries, `replays` how often it was delivered again on demand.
    """

    dead_letter_id: str
    function: str
    topic: Topic | None
    organization_id: str | None
    event_id: str | None
    kind: str | None
    content: bytes | None
    size: int
    attributes: Mapping[str, str]
    error: str
    attempts: int
    status: Status
    created_at: datetime
    last_failed_at: datetime
    died_at: datetime | None = None
    replayed_at: datetime | None = None
    replayed_by: str | None = None
    replays: int = 0
    request_id: str
    expires_at: datetime | None = None

    @property
    def message(self) -> dict[str, Any] | None:
        """What the message says; None where it is no JSON object, or was not kept."""
        try:
            found = json.loads(self.content or b"")
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and _is_shallow(found, MAX_DEPTH) else None


def noticed(function: str, posted: Posted, error: str, request_id: str, now: datetime) -> DeadLetter:
    """A message whose first failure this is, as far as is known."""
    attributes = own_attributes(posted)
    return DeadLetter(
        dead_letter_id=identity(function, posted),
        function=function,
        topic=TOPICS.get(function),
        organization_id=attributes.get("organization") or None,
        event_id=attributes.get(EVENT_ID) or None,
        kind=attributes.get("type") or None,
        content=posted.data if len(posted.data) <= MAX_CONTENT else None,
        size=len(posted.data),
        attributes=attributes,
        error=error,
        attempts=1,
        status="failing",
        created_at=now,
        last_failed_at=now,
        request_id=request_id,
        expires_at=now + FAILING_FOR,
    )


def identity(function: str, posted: Posted) -> str:
    """The same in every delivery of a message to a function, and in every publication of what it tells."""
    event_id = posted.attributes.get(EVENT_ID)
    known_by = f"event {event_id}".encode() if event_id else b"data " + posted.data
    return hashlib.sha256(f"{function} ".encode() + known_by).hexdigest()[:32]


def own_attributes(posted: Posted) -> dict[str, str]:
    """The attributes that its publisher gave it: Pub/Sub adds others, which nobody may publish."""
    return {name: value[:_MAX_ATTRIBUTE] for name, value in posted.attributes.items() if _OWN_ATTRIBUTE.fullmatch(name)}


def told(error: Exception) -> str:
    """What may be kept of an error: its type, and what we say of it ourselves; others may quote what is secret."""
    match error:
        case DomainError():
            said = error.message
        case ValidationError():
            found = error.errors(include_url=False, include_context=False, include_input=False)
            said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
        case _:
            said = ""
    return ": ".join(filter(None, [type(error).__name__, said]))[:MAX_ERROR]


def _is_shallow(value: Any, depth: int) -> bool:
    match value:
        case dict():
            return depth > 0 and all(_is_shallow(each, depth - 1) for each in value.values())
        case list():
            return depth > 0 and all(_is_shallow(each, depth - 1) for each in value)
        case _:
            return True
