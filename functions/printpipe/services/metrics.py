"""How the farm is doing now, in numbers that somebody may ask for every few seconds.

Bounded: at most `MOST_PRINTERS` + 2 * `MOST_SAMPLES` + `MOST_PROCESSED` + 2 documents are read, and 14 counts of at
most `MOST_COUNTED` taken, of which Firestore bills one read for each thousand.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from printpipe.domain.errors import Forbidden
from printpipe.domain.fitting import SILENCE, activity_now
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.ports.documents import Document
from printpipe.domain.printer_records import Printer
from printpipe.domain.processing import ProcessedEvent
from printpipe.domain.records import Command
from printpipe.services.context import Context
from printpipe.services.store import metrics_queries

WINDOW = timedelta(minutes=15)
"""How far back durations are looked at."""

MOST_SAMPLES = 200
"""Of the newest commands and of the newest prints each."""

MOST_PRINTERS = 300
"""Whose activity is looked at: those that reported last."""

MOST_PROCESSED = 100
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Metrics:
    """Counts, and durations in seconds.

    `printers` by what they do, `uncounted` being those beyond `MOST_PRINTERS`; `consumer_lag` by function: from when
    its newest message was published until it had dealt with it. `dead_letters` counts what is kept of them.
    """

    printers: Mapping[str, int]
    jobs: Mapping[JobStatus, int]
    queue_oldest: float
    commands_pending: int
    commands_oldest: float
    claimed_after: Sequence[float]
    completed_after: Sequence[float]
    dispatched_after: Sequence[float]
    consumer_lag: Mapping[str, float]
    dead_letters: int


def take(context: Context) -> Metrics:
    """The caller's organization's, or the operator's: all. Raises `Forbidden` for a key of single sites."""
    if context.caller.recipient_ids is not None:
        raise Forbidden("Metrics are of a whole organization; this key is for some of its sites")
    here = (context.collections, context.caller.organization_id)
    documents, since = context.documents, context.now() - WINDOW
    commands = [
        Command.of(each) for each in documents.query(metrics_queries.completed_commands(*here, since, MOST_SAMPLES))
    ]
    pending = metrics_queries.pending_commands(*here, MOST_COUNTED)
    return Metrics(
        printers=_printers(context),
        jobs={
            status: documents.count(metrics_queries.jobs_of_status(*here, status, MOST_COUNTED)) for status in JobStatus
        },
        queue_oldest=_age(context, documents.query(metrics_queries.longest_waiting(*here)), "waitsSince"),
        commands_pending=documents.count(pending),
        commands_oldest=_age(context, documents.query(metrics_queries.pending_commands(*here, 1)), "createdAt"),
        claimed_after=[_seconds(each.created_at, each.acknowledged_at) for each in commands if each.acknowledged_at],
        completed_after=[_seconds(each.created_at, each.completed_at) for each in commands if each.completed_at],
        dispatched_after=list(_dispatched(documents.query(metrics_queries.started_jobs(*here, since, MOST_SAMPLES)))),
        consumer_lag=_lags(documents.query(metrics_queries.newest_processed(*here, MOST_PROCESSED))),
        dead_letters=documents.count(metrics_queries.dead_letters_kept(*here, MOST_COUNTED)),
    )


def _printers(context: Context) -> Mapping[str, int]:
    here, now = (context.collections, context.caller.organization_id), context.now()
    heard = metrics_queries.printers_heard_of(*here, now - SILENCE, MOST_COUNTED)
    newest = metrics_queries.printers_heard_of(*here, now - SILENCE, MOST_PRINTERS)
    found: Counter[str] = Counter(activity_now(Printer.of(each).state, now) for each in context.documents.query(newest))
    looked_at = found.total()
    in_use = context.documents.count(metrics_queries.printers_heard_of(*here, None, MOST_COUNTED))
    online = context.documents.count(heard) if looked_at == MOST_PRINTERS else looked_at
    found["offline"] += max(in_use - online, 0)
    found["uncounted"] = online - looked_at
    return found


def _dispatched(started: Sequence[Document]) -> Iterator[float]:
    """How long the jobs had waited that the queue gave to a printer."""
    for document in started:
        job = Job.of(document)
        if job.waits_since is not None and job.runs and job.runs[-1].ordered_at is not None:
            yield _seconds(job.waits_since, job.runs[-1].ordered_at)


def _lags(processed: Sequence[Document]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for document in processed:
        note = ProcessedEvent.of(document)
        found.setdefault(note.consumer, _seconds(note.published_at, note.processed_at))
    return found


def _age(context: Context, oldest: Sequence[Document], field: str) -> float:
    """How old the first one is; 0 where there is none."""
    return max((_seconds(each.data[field], context.now()) for each in oldest[:1]), default=0.0)


def _seconds(begin: datetime, end: datetime | None) -> float:
    return max((end - begin).total_seconds(), 0.0) if end is not None else 0.0
