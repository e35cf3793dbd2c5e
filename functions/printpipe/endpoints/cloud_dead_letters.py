"""How dead letters look in the dialect `cloud`."""

from typing import Any

from printpipe.dialects import cloud
from printpipe.domain.dead_letters import DeadLetter, Status
from printpipe.domain.values import Id


class Path(cloud.Model):
    """The dead letter, by its id."""

    dead_letter_id: Id


class DeadLetterView(cloud.Part):
    """A message that `function` did not take, and why; null as `message` was no JSON object, or too large.

    `failing` ones are being tried yet, `dead` ones no more, and `replayed` ones were delivered again on demand,
    `replays` times; `size` is in bytes.
    """

    dead_letter_id: str
    organization_id: str | None
    function: str
    topic: str | None
    event_id: str | None
    kind: str | None
    message: dict[str, Any] | None
    size: int
    error: str
    attempts: int
    status: Status
    first_failed_at: cloud.Time
    last_failed_at: cloud.Time
    died_at: cloud.Time | None
    replayed_at: cloud.Time | None
    replayed_by: str | None
    replays: int
    request_id: str


def view(letter: DeadLetter) -> DeadLetterView:
    """A dead letter as it is shown."""
    return DeadLetterView(
        dead_letter_id=letter.dead_letter_id,
        organization_id=letter.organization_id,
        function=letter.function,
        topic=letter.topic,
        event_id=letter.event_id,
        kind=letter.kind,
        message=letter.message,
        size=letter.size,
        error=letter.error,
        attempts=letter.attempts,
        status=letter.status,
        first_failed_at=letter.created_at,
        last_failed_at=letter.last_failed_at,
        died_at=letter.died_at,
        replayed_at=letter.replayed_at,
        replayed_by=letter.replayed_by,
        replays=letter.replays,
        request_id=letter.request_id,
    )
