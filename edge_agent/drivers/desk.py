"""A printer's job desk: the follower's state on disk, its events in the outbox, both in one transaction."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Generic

from edge_agent.drivers.following import Follower, Seen
from edge_agent.execution import Rooms, Run
from edge_agent.jobs import LIVE, Job, JobBook, Phase
from edge_agent.reporters.events import EventReporter

CloudTime = Callable[[], datetime]


class Desk(ABC, Generic[Seen]):
    """Everything about jobs passes here. `gate` makes a decision and its mark one step, seen from other lanes."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        self.gate = threading.RLock()
        self.ongoing: Run | None = None
        """The start_print that is under way and has sent nothing yet: a stop cancels it."""
        self._rooms = rooms
        self._events = events
        self._book = JobBook(rooms.store, rooms.clock)
        self._began, self._began_monotonic = rooms.clock.now(), rooms.clock.monotonic()
        self._late = timedelta(seconds=rooms.timing.late_window)
        job = self._book.live(serial) or self._book.stopped(serial)
        if job is not None and job.published_at > self._began:
            job = job.model_copy(update={"published_at": self._began})
        start = timedelta(seconds=rooms.timing.start_timeout)
        self._follower = self._followed(serial, self._late, start, rooms.server_time.now, job)
        self._saved = job

    @abstractmethod
    def _followed(
        self, serial: str, late: timedelta, start: timedelta, cloud_time: CloudTime, job: Job | None
    ) -> Follower[Seen]:
        """The brand's follower, with the job that was followed when the agent ended, or that was stopped before."""

    def now(self) -> datetime:
        """The time by which jobs are judged: it passes evenly, whatever is done to the machine's clock."""
        return self._began + timedelta(seconds=self._rooms.clock.monotonic() - self._began_monotonic)

    @property
    def job(self) -> Job | None:
        """The job being followed, ended or not."""
        return self._follower.job

    @property
    def live_job(self) -> Job | None:
        """The job being followed, while it has not ended."""
        job = self._follower.job
        return job if job is not None and job.phase in LIVE else None

    def known(self, marker: str) -> Job | None:
        """The job with this marker, from memory or disk."""
        job = self._follower.job
        return job if job is not None and job.marker == marker else self._book.job(marker)

    def starting(self) -> bool:
        """Whether a start was sent that the printer does not show yet, and still may."""
        return self._follower.starting(self.now())

    def ending(self, seen: Seen) -> bool:
        """Whether a job is no longer printed, and it is not known yet how it ended."""
        job = self._follower.job
        return job is not None and job.phase is Phase.ACTIVE and not self._follower.is_active(seen)

    def is_late(self, job: Job) -> bool:
        """Whether a start that was sent would have shown itself by now."""
        return self.now() - job.published_at >= self._late

    def shows(self, seen: Seen, job: Job) -> bool:
        """Whether this is of the job."""
        return self._follower.shows(seen, job)

    def unwanted(self, seen: Seen) -> Job | None:
        """The job that is shown, if a stop has ended it and the printer prints it all the same."""
        job = self._candidate(seen)
        return job if job is not None and self._follower.is_unwanted(job, seen, self.now()) else None

    @abstractmethod
    def _candidate(self, seen: Seen) -> Job | None:
        """The job that may be unwanted: the one followed, or an older one."""

    def _ours(self, marker: str) -> Job | None:
        """Our job with this marker, also where it is followed as if somebody else had begun it."""
        job = self.known(marker)
        return job if job is None or job.is_ours else self._book.job(marker)

    def report_unwanted(self, job: Job) -> None:
        """Tell the operator that a stopped job began late and is being stopped again."""
        self._events.report(
            "status_update",
            "warning",
            "the printer began a print that had been stopped; it is being stopped again",
            job=job,
            error_data={"reason": "began_after_stop", "commandId": job.stop_command_id},
        )

    def begin(self, job: Job) -> None:
        """The agent is about to start this job: on disk before it is sent."""
        with self._changing():
            self._follower.begin(job)

    def accept(self) -> None:
        """The printer took the start."""
        with self._changing():
            self._follower.accept()

    def refuse(self) -> None:
        """The start provably had no effect."""
        with self._changing():
            self._follower.refuse()

    def stop(self, command_id: str | None) -> None:
        """The agent stops the job; None: its stop had no effect."""
        with self._changing():
            self._follower.stop(command_id)

    def give_up(self) -> None:
        """The stopped job never appeared."""
        with self._changing():
            self._follower.give_up()

    def see(self, seen: Seen, first: bool) -> None:
        """What the printer shows now; `first` since it could not be seen."""
        with self._changing():
            self._follower.see(seen, first, self.now())

    def tick(self) -> None:
        """Time passes."""
        with self._changing():
            self._follower.tick(self.now())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.gate:
            yield
            job, events = self._follower.job, self._follower.events
            if job is self._saved and not events:
                return
            with self._rooms.store.transaction():
                for changed in {event.job.marker: event.job for event in events}.values():
                    self._book.save(changed)
                if job is not None:
                    self._book.save(job)
                for event in events:
                    self._events.report(
                        event.kind,
                        event.status,
                        event.message,
                        job=event.job,
                        occurred_at=event.job.told_at,
                        error_data=event.error_data,
                        status_data=_told_of(event.job),
                    )
            self._saved = job
            events.clear()


def _told_of(job: Job) -> dict[str, object] | None:
    """What each event says of its print; `external`: nobody sent it through the agent."""
    told: dict[str, object] = {"fileName": job.file_name} if job.file_name else {}
    if not job.is_ours:
        told["external"] = True
    return told or None
