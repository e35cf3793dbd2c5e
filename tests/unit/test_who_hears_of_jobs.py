"""Which functions are called for which of the messages about jobs: the subscriptions' filters over their attributes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local.subscriptions import wanted_attributes
from printpipe.domain.messages import JobEvent
from printpipe.runtime import catalog

TOLD, COUNTED, FREED = "trigger-job-announced", "trigger-job-counted", "trigger-printer-freed"
LISTENING = {
    row.name: wanted_attributes(row.trigger.filter or "")
    for row in catalog.rows().values()
    if row.trigger and row.trigger.topic == "job-events"
}


def heard_by(**told: Any) -> set[str]:
    message = JobEvent(
        event_id="event-1",
        kind="something",
        organization_id="org-1",
        occurred_at=datetime(2026, 5, 1, tzinfo=UTC),
        request_id="request-1",
        **told,
    )
    has = message.attributes()
    return {name for name, wanted in LISTENING.items() if all(has.get(key) == value for key, value in wanted.items())}


@pytest.mark.parametrize(
    ("told", "who"),
    [
        ({"about": "job", "status": "queued", "former": None}, {TOLD}),
        ({"about": "job", "status": "printing", "former": "preparing"}, {TOLD}),
        ({"about": "job", "status": "completed", "former": "printing", "freed": True}, {TOLD, COUNTED, FREED}),
        ({"about": "job", "status": "failed", "former": "queued"}, {TOLD, COUNTED}),
        ({"about": "job", "status": "completed", "former": "completed"}, {TOLD, COUNTED}),
        ({"about": "job", "status": "queued", "former": "failed"}, {TOLD, COUNTED}),
        ({"about": "job", "status": "queued", "former": "claimed", "freed": True}, {TOLD, FREED}),
        ({"about": "command", "status": "completed", "former": None}, {TOLD}),
        ({"about": "print"}, {TOLD}),
    ],
)
def test_only_those_are_called_whom_it_concerns(told: dict[str, Any], who: set[str]) -> None:
    assert heard_by(**told) == who


def test_nobody_else_listens() -> None:
    assert LISTENING.keys() == {TOLD, COUNTED, FREED}
