"""The printer's job desk: the tracker's state on disk, its events in the outbox, both in one transaction."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from edge_agent.drivers.prusalink.state import Snapshot
from edge_agent.drivers.prusalink.tracking import Tracker
from edge_agent.execution import Rooms, Run
from edge_agent.jobs import LIVE, Job, JobBook, Phase
from edge_agent.reporters.events import EventReporter


class JobDesk:
    """Everything about jobs passes here. `gate` makes a decision and its mark one step, seen from other lanes."""

    def __init__(self, serial: str, rooms: Rooms, events: EventReporter) -> None:
        self.gate = threading.RLock()
        self.ongoing: Run | None = None
        """The start_print that is under way and has sent nothing yet: a stop cancels it."""
        self.in_flight = False
        """Whether a start is on its way to the printer: the request has not been answered."""
        self._rooms = rooms
        self._events = events
        self._book = JobBook(rooms.store, rooms.clock)
        self._began, self._began_monotonic = rooms.clock.now(), rooms.clock.monotonic()
        self._late = timedelta(seconds=rooms.timing.late_window)
        job = self._book.live(serial)
        if job is not None and job.published_at > self._began:
            job = job.model_copy(update={"published_at": self._began})
        window = timedelta(seconds=rooms.timing.start_timeout)
        self._tracker = Tracker(serial, self._late, window, rooms.server_time.now, job)
        self._saved = job

    def now(self) -> datetime:
        """The time by which jobs are judged: it passes evenly, whatever is done to the machine's clock."""
        return self._began + timedelta(seconds=self._rooms.clock.monotonic() - self._began_monotonic)

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
        """Whether a start was sent, or is being sent, that the printer does not show yet, and still may."""
        return self.in_flight or self._tracker.starting(self.now())

    def occupied(self, seen: Snapshot) -> bool:
        """Whether there is something to stop: a print that is shown, hidden behind BUSY, or about to begin.

        A printer that says that it prints does, even where it does not say what.
        """
        job = self._tracker.job
        hidden = seen.state in ("BUSY", "ATTENTION") and job is not None and job.phase is Phase.ACTIVE
        return seen.has_job or seen.state in ("PRINTING", "PAUSED") or hidden or self.starting()

    def ending(self, seen: Snapshot) -> bool:
        """Whether a job is no longer printed, and it is not known yet how it ended."""
        job = self._tracker.job
        return job is not None and job.phase is Phase.ACTIVE and not seen.has_job

    def is_late(self, job: Job) -> bool:
        """Whether a start that was sent would have shown itself by now."""
        return self.now() - job.published_at >= self._late

    def unwanted(self, seen: Snapshot) -> Job | None:
        """The job that is shown, if a stop has ended it and the printer prints it all the same."""
        return self._tracker.unwanted(seen, self.now())

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
            self._tracker.begin(job)

    def accept(self) -> None:
        """The printer took the start."""
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

    def see(self, seen: Snapshot, first: bool) -> None:
        """A new snapshot."""
        with self._changing():
            self._tracker.see(seen, first, self.now())

    def tick(self) -> None:
        """Time passes."""
        with self._changing():
            self._tracker.tick(self.now())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.gate:
            yield
            job, events = self._tracker.job, self._tracker.events
            if job is self._saved and not events:
                return
            with self._rooms.store.transaction():
                for changed in {event.job.marker: event.job for event in events if event.job.is_ours}.values():
                    self._book.save(changed)
                if job is not None and job.is_ours:
                    self._book.save(job)
                for event in events:
                    self._events.report(
                        event.kind,
                        event.status,
                        event.message,
                        job=event.job,
                        occurred_at=event.job.told_at,
                        error_data=event.error_data,
                        status_data={"fileName": event.job.file_name} if event.job.file_name else None,
                    )
            self._saved = job
            events.clear()
