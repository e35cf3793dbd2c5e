"""Numbers for operators are what the farm's clock says: in the log as things happen, and when they are asked for."""

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain.errors import Forbidden
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.ports.documents import Create, Update
from printpipe.domain.processing import ProcessedEvent
from printpipe.domain.tenancy import SYSTEM
from printpipe.services import metrics
from printpipe.services.commands import claiming
from printpipe.services.store import metrics_queries
from tests.farm import HOLDER, START, Farm, embedded_farm


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm of the test's own."""
    return embedded_farm(tmp_path)


def test_an_idle_farm_is_all_noughts(farm: Farm) -> None:
    taken = metrics.take(farm.context())
    assert {name: count for name, count in taken.printers.items() if count} == {}
    assert set(taken.jobs.values()) == {0}
    assert (taken.queue_oldest, taken.commands_pending, taken.commands_oldest, taken.dead_letters) == (0, 0, 0, 0)
    assert (taken.claimed_after, taken.completed_after, taken.dispatched_after, taken.consumer_lag) == ([], [], [], {})


def test_printers_count_by_what_they_do_and_the_silent_as_offline(farm: Farm) -> None:
    silent, _, printing, _ = (farm.printer() for _ in range(4))
    unused = farm.printer()
    farm.use(unused, active=False)
    farm.later(minutes=11)
    for printer in {*farm_printers(farm)} - {silent}:
        farm.reports(printer, "printing" if printer == printing else "idle")
    farm.later(minutes=2)
    found = {name: count for name, count in metrics.take(farm.context()).printers.items() if count}
    assert found == {"idle": 2, "printing": 1, "offline": 1}


def farm_printers(farm: Farm) -> list[str]:
    """The ids of the farm's printers in use."""
    found = farm.documents.query(metrics_queries.printers_heard_of(farm.context().collections, None, None, 99))
    return [each.id for each in found]


def test_more_printers_than_are_looked_at_are_counted_and_said_to_be_so(farm: Farm) -> None:
    first = farm.at(farm.printer())
    writes = [
        Create(f"printers/more-{n}", first.model_copy(update={"printer_id": f"more-{n}"}).data())
        for n in range(metrics.MOST_PRINTERS + 4)
    ]
    for begin in range(0, len(writes), 100):
        farm.documents.commit(*writes[begin : begin + 100])
    found = metrics.take(farm.context()).printers
    assert (found["idle"], found["uncounted"], found["offline"]) == (metrics.MOST_PRINTERS, 5, 0)


def test_a_job_is_followed_through_queue_and_command(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="printpipe")
    job = farm.order(farm.file(("PLA", "#FFFFFF")))
    farm.send(job)
    farm.later(seconds=40)
    farm.sweep()
    waiting = metrics.take(farm.context())
    assert (waiting.queue_oldest, waiting.jobs[JobStatus.QUEUED]) == (40.0, 1)

    farm.printer()
    farm.later(seconds=2)
    assert farm.serve() == 1
    (start,) = farm.starts()
    farm.later(seconds=3)
    given = metrics.take(farm.context())
    assert (given.queue_oldest, given.commands_pending, given.commands_oldest) == (0.0, 1, 3.0)

    claiming.claim(farm.context(), farm.site, start.command_id, HOLDER, None)
    farm.later(seconds=5)
    farm.ends(start.command_id, CommandStatus.COMPLETED)
    farm.happens(job, "job_started")
    done = metrics.take(farm.context())
    assert (done.claimed_after, done.completed_after, done.dispatched_after) == ([3.0], [8.0], [42.0])
    assert done.commands_pending == 0

    assert logged(caplog) == [
        {"name": "queue_age", "seconds": 40.0},
        {"name": "dispatch_wait", "seconds": 42.0, "priority": "normal"},
        {"name": "command_latency", "seconds": 3.0, "stage": "claimed", "type": "start_print", "lane": "normal"},
        {"name": "command_latency", "seconds": 8.0, "stage": "completed", "type": "start_print", "lane": "normal"},
    ]

    farm.later(minutes=16)
    later = metrics.take(farm.context())
    assert (later.claimed_after, later.completed_after) == ([], [])


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The measurements in the log."""
    found = [record for record in caplog.records if record.name == "printpipe" and record.message == "metric"]
    return [vars(record)["fields"] for record in found]


def test_a_consumers_lag_is_that_of_its_newest_message(farm: Farm) -> None:
    for at, (consumer, lag) in enumerate([("trigger-a", 9), ("trigger-a", 2), ("trigger-b", 4)]):
        processed = START + timedelta(minutes=at)
        note = ProcessedEvent(
            consumer=consumer,
            event_id=str(at),
            organization_id=farm.organization,
            published_at=processed - timedelta(seconds=lag),
            processed_at=processed,
            expires_at=processed,
        )
        farm.documents.commit(Create(f"processed_events/{at}", note.data()))
    assert metrics.take(farm.context()).consumer_lag == {"trigger-a": 2.0, "trigger-b": 4.0}


def test_each_organization_sees_its_own_and_the_operator_all(farm: Farm) -> None:
    for organization in (farm.organization, "another"):
        job = farm.order(farm.file(("PLA", "#FFFFFF")))
        farm.documents.commit(Update(f"print_jobs/{job}", {"organizationId": organization}))
    everybody = replace(farm.context(), caller=SYSTEM)
    assert metrics.take(farm.context()).jobs[JobStatus.HELD] == 1
    assert metrics.take(everybody).jobs[JobStatus.HELD] == 2


def test_a_key_of_single_sites_is_refused(farm: Farm) -> None:
    context = farm.context()
    narrowed = replace(context.caller, recipient_ids=frozenset({farm.site}))
    with pytest.raises(Forbidden, match="whole organization"):
        metrics.take(replace(context, caller=narrowed))
