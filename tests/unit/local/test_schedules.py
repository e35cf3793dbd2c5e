"""Ticks reach the functions that are due, one at a time, as Pub/Sub's events."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.schedules import Ticker, fire
from printpipe.runtime import catalog
from tests.unit.local.functions import SIZE, Functions, delivering, serving, until

NOON = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)


def row(name: str, schedule: str, **more: str) -> catalog.Row:
    trigger = {"schedule": schedule, **more}
    return catalog.Row.model_validate({"name": name, "trigger": trigger, "uses": [], **SIZE})


@pytest.fixture
def functions() -> Iterator[Functions]:
    """A server in place of the gateway."""
    with serving() as server:
        yield server


def test_a_tick_calls_who_is_due_in_its_own_zone(functions: Functions) -> None:
    rows = [
        row("trigger-every-minute", "* * * * *"),
        row("trigger-at-one", "0 13 * * *"),
        row("trigger-at-one-there", "0 13 * * *", time_zone="Europe/Berlin"),
    ]
    with delivering(functions) as deliveries:
        Ticker(rows, deliveries, "demo-p").tick(NOON)
        until(lambda: len(functions.taken) == 2)
    taken = dict(functions.taken)
    assert taken.keys() == {"/trigger-every-minute", "/trigger-at-one-there"}
    event = taken["/trigger-every-minute"]
    assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert event["source"] == "//pubsub.googleapis.com/projects/demo-p/topics/trigger-every-minute"
    assert event["time"] == "2025-11-03T12:00:00Z"
    data = event.get_data()
    assert data is not None
    assert data["message"]["messageId"] == event["id"]


def test_it_ticks_by_the_clock(functions: Functions) -> None:
    began = time.monotonic()

    def clock() -> datetime:
        """A little before noon when the test begins."""
        return NOON + timedelta(seconds=time.monotonic() - began - 0.3)

    rows = [row("trigger-every-minute", "* * * * *"), row("trigger-at-noon", "0 12 * * *")]
    with delivering(functions) as deliveries:
        ticker = Ticker(rows, deliveries, "demo-p", clock)
        ticker.start()
        until(lambda: len(functions.taken) == 2)
        ticker.close()
    assert {(path, event["time"]) for path, event in functions.taken} == {
        ("/trigger-every-minute", "2025-11-03T12:00:00Z"),
        ("/trigger-at-noon", "2025-11-03T12:00:00Z"),
    }


def test_a_tick_is_skipped_while_the_former_one_runs(functions: Functions) -> None:
    with delivering(functions) as deliveries:
        ticker = Ticker([row("trigger-every-minute", "* * * * *")], deliveries, "demo-p")
        functions.ready.clear()
        ticker.tick(NOON)
        until(lambda: len(functions.taken) == 1)
        ticker.tick(NOON)
        ticker.tick(NOON)
        functions.ready.set()
        until(lambda: not deliveries.busy("trigger-every-minute"))
        assert len(functions.taken) == 1
        ticker.tick(NOON)
        until(lambda: len(functions.taken) == 2)


def test_a_tick_that_failed_is_delivered_again(functions: Functions) -> None:
    with delivering(functions) as deliveries:
        functions.status = 500
        Ticker([row("trigger-every-minute", "* * * * *")], deliveries, "demo-p").tick(NOON)
        until(lambda: len(functions.taken) >= 2)
        functions.status = 204
        until(lambda: not deliveries.busy("trigger-every-minute"))
    assert len({event["id"] for _, event in functions.taken}) == 1


def test_firing_returns_when_the_function_has_answered_and_tells_a_failure(functions: Functions) -> None:
    fire(functions.url, "trigger-every-minute")
    assert [path for path, _ in functions.taken] == ["/trigger-every-minute"]
    functions.status = 500
    with pytest.raises(RuntimeError, match="trigger-every-minute answered 500"):
        fire(functions.url, "trigger-every-minute")
