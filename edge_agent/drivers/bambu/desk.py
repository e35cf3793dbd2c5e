"""The printer's job desk: the tracker's state on disk, its events in the outbox, both in one transaction."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.tracking import Tracker
from edge_agent.execution import Rooms, Run
from edge_agent.jobs import LIVE, Job, JobBook, Phase
from edge_agent.reporters.events import EventReporter


class JobDesk:
    """Everything about jobs passes here. `gate` makes a decision and its publish one step, seen from other lanes."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        self.gate = threading.RLock()
        self.ongoing: Run | None = None
        """The start_print that is under way and has sent nothing yet: a stop cancels it."""
        self._rooms = rooms
        self._events = events
        self._book = JobBook(rooms.store, rooms.clock)
        self._tracker = Tracker(serial, timedelta(seconds=rooms.timing.late_window), self._book.live(serial))

    @property
    def job(self) -> Job | None:
        """The job being followed, ended or not."""
        return self._tracker.job

    @property
    def live_job(self) -> Job | None:
        """The job being followed, while it has not ended."""
        job = self._tracker.job
        return job if job is not None and job.phase in LIVE else None

    def known(self, marker: str) -> Job | None:
        """The job with this marker, from memory or disk."""
        job = self._tracker.job
        return job if job is not None and job.marker == marker else self._book.job(marker)

    def starting(self) -> bool:
        """Whether a start was sent that the printer does not show yet, and still may."""
        return self._tracker.starting(self._rooms.clock.now(), timedelta(seconds=self._rooms.timing.start_timeout))

    def shows(self, picture: Picture, job: Job) -> bool:
        """Whether the picture is of this job."""
        return self._tracker.shows(picture, job)

    def begin(self, job: Job) -> None:
        """The agent is about to start this job: on disk before it is sent."""
        with self._changing():
            self._tracker.begin(job)

    def accept(self) -> None:
        """The printer acknowledged the start."""
        with self._changing():
            self._tracker.accept()

    def refuse(self) -> None:
        """The start provably had no effect."""
        with self._changing():
            self._tracker.refuse()

    def stop(self, command_id: str | None) -> None:
        """The agent stops the job; None: its stop had no effect."""
        with self._changing():
            self._tracker.stop(command_id)

    def give_up(self) -> None:
        """The stopped job never appeared."""
        with self._changing():
            self._tracker.give_up()

    def see(self, picture: Picture, first: bool) -> None:
        """A new picture."""
        with self._changing():
            self._tracker.see(picture, first, self._rooms.clock.now())

    def tick(self) -> None:
        """Time passes."""
        with self._changing():
            self._tracker.tick(self._rooms.clock.now())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.gate:
            before = self._tracker.job
            yield
            job, events = self._tracker.job, self._tracker.events
            if job is before and not events:
                return
            with self._rooms.store.transaction():
                if job is not None and job.is_ours:
                    self._book.save(job)
                for event in events:
                    self._events.report(
                        event.kind,
                        event.status,
                        event.message,
                        print_job_id=event.job.print_job_id,
                        error_data=event.error_data,
                        status_data={"fileName": event.job.file_name} if event.job.file_name else None,
                    )
            events.clear()


SENT_PHASES = frozenset({Phase.PUBLISHING, Phase.ACCEPTED})
"""Sent, and not shown by the printer yet."""
