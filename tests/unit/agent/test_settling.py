"""The settling times and oddities of real printers (protocol notes, section J), by the times that were recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge_agent.drivers.bambu.state import Picture
from edge_agent.drivers.bambu.tracking import Tracker
from edge_agent.drivers.following import JobEvent
from edge_agent.jobs import Job, Phase

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATE, START_WINDOW = timedelta(seconds=10), timedelta(seconds=90)
OURS = "cube_1a2b3c4d"
USER_CANCEL = 0x0300400C


def kinds(events: list[JobEvent]) -> list[str]:
    return [event.kind.removeprefix("job_") for event in events]


class Bambu:
    """A Bambu printer's jobs; frames come at seconds that are counted from the start."""

    def __init__(self, saved: Job | None = None) -> None:
        self.second = 0.0
        self.tracker = Tracker("P", LATE, START_WINDOW, lambda: self.now, saved)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    @property
    def job(self) -> Job:
        assert self.tracker.job is not None
        return self.tracker.job

    @property
    def kinds(self) -> list[str]:
        return kinds(self.tracker.events)

    @property
    def data(self) -> dict[str, Any]:
        """The last event's errorData."""
        return self.tracker.events[-1].error_data or {}

    def start(self, *, layer_before: int = 0, accepted: bool = True) -> None:
        job = Job(marker=OURS, printer="P", command_id="c-1", print_job_id="job-1", published_at=self.now)
        self.tracker.begin(job.model_copy(update={"layer_before": layer_before}))
        if accepted:
            self.tracker.accept()

    def see(self, second: float, state: str, name: str = OURS, *, first: bool = False, **more: Any) -> None:
        self.second = second
        self.tracker.see(Picture(gcode_state=state, subtask_name=name, **more), first, self.now)

    def tick(self, second: float) -> None:
        self.second = second
        self.tracker.tick(self.now)

    def printing(self) -> None:
        self.see(0, "IDLE", "", first=True)
        self.start()
        self.see(3, "RUNNING", total_layers=9)

    def restarted(self) -> "Bambu":
        """The agent after a restart: it has what is on disk."""
        after = Bambu(self.job)
        after.second = self.second
        return after


# J.3: what is stale after a start


def test_after_the_acknowledgement_a_p2s_shows_the_new_name_with_the_old_jobs_end() -> None:
    walk = Bambu()
    walk.see(-3.4, "FINISH", "old", first=True, percent=100, layer=750, total_layers=750)
    walk.start(layer_before=750)
    walk.see(0.29, "FINISH", percent=100, layer=750, total_layers=750)
    assert walk.kinds == ["preparing"]
    walk.see(2.88, "RUNNING", percent=0, layer=750, total_layers=800)
    walk.see(4.06, "RUNNING", percent=0, layer=0, total_layers=800)
    assert walk.kinds == ["preparing", "started"]
    walk.see(60, "RUNNING", layer=1, total_layers=800)
    assert walk.kinds == ["preparing", "started", "first_layer"]


def test_after_the_acknowledgement_a_p1s_shows_a_full_idle_frame_first() -> None:
    walk = Bambu()
    walk.see(-1, "FINISH", "old", first=True, layer=61, total_layers=61)
    walk.start(layer_before=61)
    walk.see(0.1, "IDLE", "")
    walk.see(20, "IDLE", "")
    walk.see(21, "PREPARE")
    walk.see(40, "RUNNING", total_layers=61)
    assert walk.kinds == ["preparing", "started"]


# J.4: the code of a cancel comes late, and goes again


@pytest.mark.parametrize(
    ("stop", "reason"), [("c-2", "stopped_by_command"), (None, "cancelled_at_printer")], ids=["ours", "a person's"]
)
def test_the_code_of_a_cancel_comes_seconds_after_failed_and_makes_no_failure(stop: str | None, reason: str) -> None:
    walk = Bambu()
    walk.printing()
    if stop:
        walk.tracker.stop(stop)
    walk.see(24.887, "FAILED")
    walk.see(26.0, "FAILED")
    walk.see(29.537, "FAILED", print_error=USER_CANCEL)
    walk.see(31, "FAILED")
    walk.tick(60)
    assert walk.kinds == ["preparing", "started", "cancelled"]
    assert walk.data["reason"] == reason


def test_a_failure_is_told_when_no_code_has_come_and_what_comes_then_changes_nothing() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(20, "FAILED")
    walk.tick(29.9)
    assert walk.kinds[-1] == "started"
    walk.tick(30)
    assert walk.kinds[-1] == "failed"
    walk.see(31, "FAILED", print_error=USER_CANCEL)
    walk.see(32, "FAILED", print_error=0x03008003)
    assert walk.kinds == ["preparing", "started", "failed"]


# J.5: FINISH and FAILED stay


@pytest.mark.parametrize("state", ["FINISH", "FAILED"])
def test_an_end_that_stays_is_told_once_across_reconnects_and_restarts(state: str) -> None:
    walk = Bambu()
    walk.printing()
    for second in (10, 11, 30):
        walk.see(second, state)
    walk.see(40, state, first=True)
    after = walk.restarted()
    for second in (50, 51, 70):
        after.see(second, state, first=second == 50)
    after.tick(300)
    assert len(walk.kinds) == 3
    assert walk.kinds[-1] in ("completed", "failed")
    assert after.kinds == []


def test_a_print_that_ends_while_nobody_looks_is_completed_once() -> None:
    walk = Bambu()
    walk.printing()
    after = walk.restarted()
    after.see(4000, "FINISH", first=True)
    after.see(4001, "FINISH")
    assert after.kinds == ["completed"]


def test_a_restart_in_mid_print_repeats_nothing_and_misses_nothing() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(50, "RUNNING", layer=1, total_layers=9)
    after = walk.restarted()
    after.see(60, "RUNNING", first=True, layer=1, total_layers=9)
    after.see(61, "PAUSE", layer=1, total_layers=9)
    again = after.restarted()
    again.see(70, "PAUSE", first=True, layer=1, total_layers=9)
    again.see(71, "RUNNING", layer=2, total_layers=9)
    again.see(72, "FINISH", layer=9, total_layers=9)
    assert (after.kinds, again.kinds) == (["paused"], ["resumed", "completed"])


# J.7: ends without an end


def test_running_to_idle_is_an_abort() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(20, "IDLE", "")
    walk.tick(29)
    assert walk.kinds[-1] == "started"
    walk.tick(30)
    assert (walk.kinds[-1], walk.data["reason"]) == ("cancelled", "aborted")


def test_a_preparation_that_fails_with_a_code_was_never_started() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.start()
    walk.see(2, "PREPARE")
    walk.see(5, "FAILED", print_error=0x05008003)
    assert walk.kinds == ["preparing", "failed"]
    assert walk.data["code"] == "0500_8003"


def test_a_preparation_that_drops_back_to_idle_is_an_abort() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.start()
    walk.see(2, "PREPARE")
    walk.see(5, "IDLE", "")
    walk.tick(15)
    assert walk.kinds == ["preparing", "cancelled"]


def test_a_p2s_that_pauses_itself_for_the_nozzle_has_not_failed() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(4.1, "PAUSE", print_error=0x0500803C)
    walk.tick(60)
    assert walk.kinds == ["preparing", "started", "paused"]
    walk.see(80, "RUNNING", total_layers=9)
    walk.see(90, "FINISH")
    assert walk.kinds[3:] == ["resumed", "completed"]


# J.8: a start that meets a busy printer


def test_a_start_that_another_print_was_faster_than_is_not_told_and_the_other_is_left_alone() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.start(accepted=False)
    for second in range(1, 12):
        walk.see(second, "RUNNING", "theirs", print_error=0x05004004)
    assert (walk.kinds, walk.job.phase) == ([], Phase.REFUSED)


def test_an_acknowledged_start_that_another_print_was_faster_than_is_failed_once() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.start()
    for second in range(1, 12):
        walk.see(second, "RUNNING", "theirs")
    assert walk.kinds == ["preparing", "failed"]
    assert walk.data == {"reason": "not_started"}


def test_after_a_reconnect_a_start_is_waited_for_and_the_queue_is_never_told_twice() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.start()
    walk.see(5, "IDLE", "", first=True)
    walk.see(20, "PREPARE")
    walk.see(40, "RUNNING", first=True)
    walk.see(50, "FINISH", first=True)
    assert walk.kinds == ["preparing", "started", "completed"]


# J.9: the printer's own jobs


@pytest.mark.parametrize(
    "more",
    [
        {"name": "auto_cali_for_user_param"},
        {"name": "auto_pa_line_calib_mode"},
        {"name": "anything", "print_type": "system"},
    ],
    ids=["calibration", "flow", "system"],
)
def test_the_printers_own_jobs_are_nobodys_whenever_they_run(more: dict[str, Any]) -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    for second, state in enumerate(("PREPARE", "RUNNING", "PAUSE", "FAILED", "FINISH"), 1):
        walk.see(second, state, **more)
    assert walk.kinds == []
    walk.second = 10
    walk.start()
    walk.see(12, "RUNNING", **more)
    walk.see(30, "RUNNING", **more)
    assert walk.kinds == ["preparing"]
    walk.see(31, "PREPARE")
    walk.see(40, "RUNNING")
    assert walk.kinds == ["preparing", "started"]


# After a power cut


def test_a_printer_that_comes_back_idle_from_a_power_cut_ends_the_print_once() -> None:
    walk = Bambu()
    walk.printing()
    for second in (120, 121, 130, 131, 200):
        walk.see(second, "IDLE", "", first=second == 120)
        walk.tick(second)
    assert walk.kinds == ["preparing", "started", "cancelled"]
    assert walk.data == {"reason": "aborted"}


def test_a_print_that_is_recovered_after_a_power_cut_goes_on() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(120, "IDLE", "", first=True)
    walk.see(125, "PAUSE")
    walk.tick(180)
    walk.see(200, "RUNNING", layer=5, total_layers=9)
    walk.see(900, "FINISH", layer=9, total_layers=9)
    assert walk.kinds == ["preparing", "started", "paused", "resumed", "first_layer", "completed"]


def test_a_print_whose_recovery_is_declined_after_a_power_cut_ends_once() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(120, "PAUSE", first=True)
    walk.see(150, "FAILED")
    walk.see(154, "FAILED", print_error=USER_CANCEL)
    walk.see(160, "IDLE", "")
    walk.tick(300)
    assert walk.kinds == ["preparing", "started", "paused", "cancelled"]


def test_a_print_that_is_recovered_long_after_it_was_given_up_is_told_of_as_the_printers_own() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(120, "IDLE", "", first=True)
    walk.tick(131)
    walk.see(600, "RUNNING", layer=5, total_layers=9)
    assert walk.kinds[:4] == ["preparing", "started", "cancelled", "preparing"]
    assert not walk.job.is_ours


# What is started at the screen


def test_a_print_begun_at_the_screen_is_told_as_such_from_its_beginning_to_its_end() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.see(5, "PREPARE", "benchy")
    walk.see(20, "RUNNING", "benchy")
    walk.see(600, "FINISH", "benchy")
    assert walk.kinds == ["preparing", "started", "completed"]
    for event in walk.tracker.events:
        assert (event.job.print_job_id, event.job.is_ours) == (None, False)
        assert "started at the printer" in event.message


def test_a_print_begun_at_the_screen_is_followed_through_a_restart() -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.see(5, "PREPARE", "the last name")
    walk.see(6, "RUNNING", "benchy")
    after = walk.restarted()
    after.see(60, "RUNNING", "benchy", first=True)
    after.see(600, "FINISH", "benchy")
    assert (walk.kinds, after.kinds) == (["preparing", "started"], ["completed"])
    assert after.job.file_name == "benchy"


@pytest.mark.parametrize("state", ["RUNNING", "FINISH"])
def test_another_print_begun_at_the_screen_while_nobody_looked_is_another(state: str) -> None:
    walk = Bambu()
    walk.see(0, "IDLE", "", first=True)
    walk.see(5, "RUNNING", "benchy")
    after = walk.restarted()
    after.see(6000, state, "vase", first=True)
    after.see(9000, "FINISH", "vase")
    assert (after.kinds, after.data) == (["failed"], {"reason": "lost_track"})


def test_our_file_printed_again_at_the_screen_is_no_job_of_ours() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(1000, "FINISH")
    walk.see(1001, "RUNNING")
    assert walk.kinds == ["preparing", "started", "completed"]  # what comes so soon is a stale frame
    walk.see(1002, "FINISH")
    walk.see(3600, "PREPARE")
    walk.see(3700, "RUNNING")
    walk.see(7200, "FINISH")
    told = [(event.kind.removeprefix("job_"), event.job.print_job_id) for event in walk.tracker.events]
    assert told == [
        *((kind, "job-1") for kind in ("preparing", "started", "completed")),
        *((kind, None) for kind in ("preparing", "started", "completed")),
    ]


def test_a_print_begun_at_the_screen_in_an_outage_ends_ours_and_is_left_alone() -> None:
    walk = Bambu()
    walk.printing()
    walk.see(4000, "RUNNING", "benchy", first=True)
    walk.see(8000, "FINISH", "benchy")
    assert walk.kinds == ["preparing", "started", "failed"]
    assert walk.data == {"reason": "lost_track"}
