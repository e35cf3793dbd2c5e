"""Jobs are followed through what PrusaLink shows, and hides: each starts once and ends once, for the right reason."""

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.tracking import Tracker
from edge_agent.jobs import Job, Phase

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
OURS = "cube_1a2b3c4d.gcode"


class Walk:
    """A tracker, a clock in seconds, and what was reported."""

    def __init__(self) -> None:
        self.second = 0.0
        self.tracker = Tracker("P", timedelta(seconds=10), timedelta(seconds=90), lambda: self.now)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def start(self, *, accepted: bool = True) -> None:
        self.tracker.begin(Job(marker=OURS, printer="P", command_id="c-1", print_job_id="job-1", published_at=self.now))
        if accepted:
            self.tracker.accept()

    def see(
        self, state: str, file: str = "", *, after: float = 3.0, first: bool = False, percent: float = 40.0
    ) -> None:
        """What is shown next; with a file there is a job."""
        self.second += after
        number = None if not file else 7 if file == OURS else 8
        self.tracker.see(Look(state=state, job_id=number, file=file, percent=percent), first, self.now)

    def printing(self) -> None:
        self.see("IDLE", first=True)
        self.start()
        self.see("IDLE")
        self.see("PRINTING", OURS)

    @property
    def kinds(self) -> list[str]:
        return [event.kind.removeprefix("job_") for event in self.tracker.events]

    @property
    def reason(self) -> object:
        return (self.tracker.events[-1].error_data or {}).get("reason")


def test_a_print_is_told_from_its_acceptance_to_its_end() -> None:
    walk = Walk()
    walk.printing()
    walk.see("PAUSED", OURS)
    walk.see("PAUSED", OURS)
    walk.see("PRINTING", OURS)
    walk.see("PRINTING", OURS, percent=100)
    walk.see("FINISHED")
    walk.see("IDLE")
    assert walk.kinds == ["preparing", "started", "paused", "resumed", "completed"]


@pytest.mark.parametrize(
    ("stopped", "told"), [(True, "stopped_by_command"), (False, "cancelled_at_printer")], ids=["by us", "by a person"]
)
def test_a_stopped_print_is_told_with_who_stopped_it(stopped: bool, told: str) -> None:
    walk = Walk()
    walk.printing()
    if stopped:
        walk.tracker.stop("c-2")
    walk.see("PRINTING", OURS)
    walk.see("STOPPED")
    assert (walk.kinds[-1], walk.reason) == ("cancelled", told)


def test_a_paused_print_that_is_stopped_does_not_seem_to_go_on() -> None:
    walk = Walk()
    walk.printing()
    walk.see("PAUSED", OURS)
    walk.tracker.stop("c-2")
    walk.see("PRINTING", OURS)
    walk.see("STOPPED")
    assert walk.kinds == ["preparing", "started", "paused", "cancelled"]


def test_a_busy_printer_has_not_ended_its_print() -> None:
    walk = Walk()
    walk.printing()
    walk.see("BUSY", after=60)
    walk.see("ATTENTION")
    walk.see("PRINTING", OURS)
    walk.see("FINISHED")
    assert walk.kinds == ["preparing", "started", "completed"]


def test_a_dialogue_pauses_the_print() -> None:
    walk = Walk()
    walk.printing()
    walk.see("ATTENTION", OURS)
    assert walk.kinds[-1] == "paused"
    assert "person" in walk.tracker.events[-1].message


def test_an_error_of_the_printer_fails_the_print() -> None:
    walk = Walk()
    walk.printing()
    walk.see("ERROR")
    assert (walk.kinds[-1], walk.reason) == ("failed", "printer_error")


def test_an_end_that_was_dismissed_unseen_is_told_by_how_far_the_print_was() -> None:
    walk = Walk()
    walk.printing()
    walk.see("PRINTING", OURS, percent=100)
    walk.see("IDLE")
    assert walk.kinds[-1] == "completed"
    other = Walk()
    other.printing()
    other.see("IDLE")
    assert other.kinds[-1] == "started"
    other.see("IDLE", after=11)
    assert (other.kinds[-1], other.reason) == ("failed", "lost_track")


def test_a_start_that_never_shows_is_failed_in_the_end() -> None:
    walk = Walk()
    walk.see("FINISHED", first=True)
    walk.start()
    for _ in range(20):
        walk.see("FINISHED")
    assert walk.kinds == ["preparing"]
    walk.second += 60
    walk.tracker.tick(walk.now)
    assert (walk.kinds[-1], walk.reason) == ("failed", "not_started")


def test_a_whole_print_in_an_outage_is_completed_only_if_the_printer_had_taken_it() -> None:
    for accepted, told in ((True, ["preparing", "started", "completed"]), (False, [])):
        walk = Walk()
        walk.see("FINISHED", first=True)
        walk.start(accepted=accepted)
        walk.see("FINISHED", after=3600, first=True)
        assert walk.kinds == told


def test_another_print_on_the_printer_is_not_ours() -> None:
    walk = Walk()
    walk.printing()
    walk.see("PRINTING", "other.gcode", after=600, first=True)
    assert (walk.kinds[-1], walk.reason) == ("failed", "lost_track")


def test_a_print_begun_at_the_screen_is_followed_without_a_command() -> None:
    walk = Walk()
    walk.see("IDLE", first=True)
    walk.see("PRINTING", "vase.gcode")
    walk.see("STOPPED")
    assert walk.kinds == ["preparing", "started", "cancelled"]
    assert all(event.job.print_job_id is None for event in walk.tracker.events)
    running = Walk()
    running.see("PRINTING", "vase.gcode", first=True)
    running.see("FINISHED")
    assert running.kinds == []


def test_a_stopped_start_that_begins_late_is_unwanted() -> None:
    walk = Walk()
    walk.see("IDLE", first=True)
    walk.start(accepted=False)
    walk.tracker.stop("c-2")
    walk.second += 11
    walk.tracker.give_up()
    assert (walk.kinds, walk.reason) == (["cancelled"], "stopped_by_command")
    late = Look(state="PRINTING", job_id=7, file=OURS)
    walk.tracker.see(late, False, walk.now)
    assert walk.tracker.unwanted(late, walk.now) is not None
    assert walk.tracker.unwanted(late, walk.now + timedelta(seconds=90)) is None
    assert walk.kinds == ["cancelled"]


def test_a_refused_start_is_not_told() -> None:
    walk = Walk()
    walk.see("IDLE", first=True)
    walk.start(accepted=False)
    walk.tracker.refuse()
    assert walk.tracker.job is not None
    assert (walk.kinds, walk.tracker.job.phase) == ([], Phase.REFUSED)
