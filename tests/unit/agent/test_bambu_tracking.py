"""Jobs are followed through real frames and their oddities: each starts once and ends once, for the right reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.drivers.bambu.state import Picture, picture
from edge_agent.drivers.bambu.tracking import Tracker
from edge_agent.jobs import Job, Phase
from tests.unit.agent.bambu_fixtures import recorded

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
START_WINDOW = timedelta(seconds=90)


class Walk:
    """A tracker, a clock in seconds, and what was reported."""

    def __init__(self, job: Job | None = None) -> None:
        self.tracker = Tracker("P", WINDOW, START_WINDOW, lambda: self.now + self.cloud_ahead, job)
        self.second = 0.0
        self.cloud_ahead = timedelta(0)

    def start(self, layer_before: int = 0, marker: str = "cube_1") -> None:
        self.tracker.begin(
            Job(
                marker=marker,
                printer="P",
                command_id="c-1",
                print_job_id="job-1",
                published_at=self.now,
                layer_before=layer_before,
            )
        )

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def see(self, state: str, name: str = "cube_1", *, after: float = 1.0, first: bool = False, **more: Any) -> None:
        self.second += after
        self.tracker.see(Picture(gcode_state=state, subtask_name=name, **more), first, self.now)

    def tick(self, after: float) -> None:
        self.second += after
        self.tracker.tick(self.now)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.tracker.events]

    @property
    def last_reason(self) -> str:
        return str((self.tracker.events[-1].error_data or {}).get("reason"))


def test_the_recorded_start_pause_and_stop() -> None:
    events = recorded("p2s_start_pause_stop_events.json")
    walk = Walk()
    first = True
    for event in events:
        walk.second = event["ms"] / 1000
        if event["command"] == "push_status":
            walk.tracker.see(picture(event), first, walk.now)
            first = False
        elif event["command"] == "project_file":
            walk.start(layer_before=750, marker="ams")
            walk.tracker.accept()
        elif event["command"] == "stop":
            assert walk.kinds == ["job_preparing", "job_started", "job_paused"]
            walk.tracker.stop("c-stop")
    assert walk.kinds == ["job_preparing", "job_started", "job_paused", "job_cancelled"]
    assert walk.tracker.events[-1].error_data == {"reason": "stopped_by_command", "commandId": "c-stop"}


def test_the_same_recording_without_our_stop_is_a_cancel_at_the_printer() -> None:
    walk = Walk()
    first = True
    for event in recorded("p2s_start_pause_stop_events.json"):
        walk.second = event["ms"] / 1000
        if event["command"] == "push_status":
            walk.tracker.see(picture(event), first, walk.now)
            first = False
        elif event["command"] == "project_file":
            walk.start(layer_before=750, marker="ams")
            walk.tracker.accept()
    assert walk.kinds[-1] == "job_cancelled"
    assert walk.last_reason == "cancelled_at_printer"


def test_a_whole_print() -> None:
    walk = Walk()
    walk.see("IDLE", "", first=True)
    walk.start()
    walk.tracker.accept()
    walk.see("IDLE", "")
    walk.see("PREPARE")
    walk.see("RUNNING", total_layers=3)
    walk.see("RUNNING", layer=1, total_layers=3)
    walk.see("RUNNING", layer=2, total_layers=3)
    walk.see("FINISH", layer=3, total_layers=3)
    walk.see("FINISH", layer=3, total_layers=3)
    walk.see("FINISH", first=True)
    walk.tick(60)
    assert walk.kinds == ["job_preparing", "job_started", "first_layer", "job_completed"]


def test_events_of_a_job_never_go_back_in_time_and_are_told_by_the_clouds_clock() -> None:
    walk = Walk()
    walk.cloud_ahead = timedelta(hours=1)
    walk.start()
    walk.tracker.accept()
    walk.see("RUNNING")
    walk.cloud_ahead = timedelta(minutes=59)
    walk.see("PAUSE")
    walk.see("FINISH")
    told = [event.job.told_at for event in walk.tracker.events]
    first, second = (START + timedelta(hours=1, seconds=each) for each in (0, 1))
    step = timedelta(milliseconds=1)
    assert told == [first, second, second + step, second + 2 * step]


def test_stale_frames_of_the_last_job_complete_nothing_and_show_no_layer() -> None:
    walk = Walk()
    walk.see("FINISH", "old", first=True, layer=750, total_layers=750)
    walk.start(layer_before=750)
    walk.tracker.accept()
    for _ in range(30):
        walk.see("FINISH", layer=750, total_layers=750)
    walk.see("RUNNING", layer=750, total_layers=800)
    assert walk.kinds == ["job_preparing", "job_started"]
    walk.see("RUNNING", layer=0, total_layers=800)
    walk.see("RUNNING", layer=1, total_layers=800)
    assert walk.kinds[-1] == "first_layer"


def test_a_finish_while_the_line_was_down_completes_once() -> None:
    walk = Walk()
    walk.see("IDLE", "", first=True)
    walk.start()
    walk.see("RUNNING")
    saved = walk.tracker.job
    after = Walk(saved)
    after.second = 4000
    after.see("FINISH", first=True)
    after.see("FINISH")
    assert after.kinds == ["job_completed"]


def test_a_whole_job_missed_by_a_restart_is_still_completed() -> None:
    walk = Walk()
    walk.start()
    after = Walk(walk.tracker.job)
    after.second = 5
    after.see("FINISH", first=True)
    assert after.kinds == []
    after.see("FINISH", after=6)
    assert after.kinds == ["job_preparing", "job_started", "job_completed"]


def test_the_first_frame_starts_and_completes_no_unknown_job() -> None:
    for state in ("RUNNING", "FINISH", "PAUSE", "FAILED"):
        walk = Walk()
        walk.see(state, "somebody's", first=True)
        walk.see(state, "somebody's")
        walk.see("FINISH", "somebody's")
        assert walk.kinds == []


def test_a_job_started_at_the_printer_is_reported_without_an_id_of_ours() -> None:
    walk = Walk()
    walk.see("IDLE", "", first=True)
    walk.see("PREPARE", "screen")
    walk.see("RUNNING", "screen")
    walk.see("FINISH", "screen")
    assert walk.kinds == ["job_preparing", "job_started", "job_completed"]
    assert all(event.job.print_job_id is None for event in walk.tracker.events)


def test_calibrations_are_nobodys_jobs() -> None:
    walk = Walk()
    walk.see("IDLE", "", first=True)
    walk.see("RUNNING", "auto_cali_for_user_param", print_type="system")
    walk.see("FINISH", "auto_cali_for_user_param", print_type="system")
    assert walk.kinds == []


def test_pause_and_resume_are_told_each_time() -> None:
    walk = Walk()
    walk.start()
    for state in ("RUNNING", "PAUSE", "PAUSE", "RUNNING", "PAUSE", "RUNNING", "FINISH"):
        walk.see(state)
    assert walk.kinds[1:] == ["job_started", "job_paused", "job_resumed", "job_paused", "job_resumed", "job_completed"]


def test_a_failure_with_a_code_is_told_at_once_and_one_without_after_the_late_window() -> None:
    walk = Walk()
    walk.start()
    walk.see("RUNNING")
    walk.see("FAILED", print_error=0x03008003)
    assert walk.kinds[-1] == "job_failed"
    assert walk.tracker.events[-1].error_data == {
        "reason": "print_error",
        "printError": 0x03008003,
        "code": "0300_8003",
    }
    walk = Walk()
    walk.start()
    walk.see("RUNNING")
    walk.see("FAILED")
    walk.tick(9)
    assert walk.kinds[-1] == "job_started"
    walk.tick(2)
    assert walk.kinds[-1] == "job_failed"
    walk.tick(60)
    assert walk.kinds.count("job_failed") == 1


def test_back_to_idle_is_an_abort() -> None:
    walk = Walk()
    walk.start()
    walk.see("RUNNING")
    walk.see("IDLE", "")
    walk.tick(11)
    assert (walk.kinds[-1], walk.last_reason) == ("job_cancelled", "aborted")


def test_another_job_after_a_break_ends_ours_as_lost() -> None:
    walk = Walk()
    walk.start()
    walk.see("RUNNING")
    walk.see("RUNNING", "another", first=True)
    assert (walk.kinds[-1], walk.last_reason) == ("job_failed", "lost_track")


def test_names_cut_or_rewritten_by_the_printer_are_known() -> None:
    tracker = Tracker("P", WINDOW, START_WINDOW, lambda: START)
    job = Job(marker="a_" * 60, printer="P", command_id="c", published_at=START, subtask_id="77")
    assert tracker.shows(Picture(subtask_name=("a_" * 60)[:100]), job)
    assert tracker.shows(Picture(gcode_file=f"/data/{'a_' * 60}.gcode.3mf"), job)
    assert tracker.shows(Picture(subtask_id="77"), job)
    assert not tracker.shows(Picture(subtask_name="a_"), job)
    assert not tracker.shows(Picture(), job.model_copy(update={"subtask_id": "0"}))


def test_a_stopped_start_that_never_appears_is_cancelled_once() -> None:
    walk = Walk()
    walk.start()
    walk.tracker.stop("c-2")
    walk.tracker.give_up()
    walk.tracker.give_up()
    assert walk.kinds == ["job_cancelled"]
    job = walk.tracker.job
    assert job is not None
    assert job.phase is Phase.ENDED


def test_an_accepted_job_that_never_begins_is_failed_once() -> None:
    walk = Walk()
    walk.start()
    walk.tracker.accept()
    walk.tracker.refuse()
    walk.tracker.refuse()
    assert walk.kinds == ["job_preparing", "job_failed"]
    refused = Walk()
    refused.start()
    refused.tracker.refuse()
    assert refused.kinds == []


def test_the_end_of_the_last_job_is_told_before_the_next_begins() -> None:
    walk = Walk()
    walk.start()
    walk.see("RUNNING")
    walk.see("FAILED")
    walk.start(marker="cube_2")
    assert (walk.kinds[-1], walk.last_reason) == ("job_failed", "lost_track")
    assert walk.tracker.job is not None
    assert walk.tracker.job.marker == "cube_2"


def test_a_start_that_never_shows_ends_its_job_once() -> None:
    walk = Walk()
    walk.see("IDLE", "", first=True)
    walk.start()
    walk.see("IDLE", "", after=89)
    walk.tick(0.5)
    assert walk.kinds == []
    walk.tick(1)
    walk.tick(1)
    assert (walk.kinds, walk.last_reason) == (["job_failed"], "not_started")


def test_a_stopped_start_that_shows_late_is_unwanted_but_the_same_file_started_by_a_person_is_not() -> None:
    walk = Walk()
    walk.start()
    walk.tracker.stop("c-2")
    walk.tracker.give_up()
    job = walk.tracker.job
    assert job is not None
    job = job.model_copy(update={"subtask_id": "77"})
    late = walk.now + timedelta(hours=2)
    ours = Picture(gcode_state="RUNNING", subtask_name="cube_1", subtask_id="77")
    theirs = Picture(gcode_state="RUNNING", subtask_name="cube_1", subtask_id="0")
    assert walk.tracker.is_unwanted(job, ours, late)
    assert walk.tracker.is_unwanted(job, theirs, walk.now)
    assert not walk.tracker.is_unwanted(job, theirs, late)
    assert not walk.tracker.is_unwanted(job, Picture(gcode_state="FAILED", subtask_name="cube_1"), walk.now)
