"""What polled printers show after a power cut, and of other people's prints: each print of ours ends once."""

from datetime import UTC, datetime, timedelta

from edge_agent.drivers.polled.looks import Look
from edge_agent.drivers.polled.tracking import Tracker
from edge_agent.jobs import Job

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATE, START_WINDOW = timedelta(seconds=10), timedelta(seconds=90)


class Polled:
    """A polled printer's job, which is printing."""

    def __init__(self) -> None:
        self.second = 0.0
        self.tracker = Tracker("P", LATE, START_WINDOW, lambda: START + timedelta(seconds=self.second))
        self.see(0, "IDLE", first=True)
        now = START
        self.tracker.begin(Job(marker="x.gcode", printer="P", command_id="c-1", print_job_id="j", published_at=now))
        self.tracker.accept()
        self.see(3, "PRINTING", "x.gcode")

    def see(self, second: float, state: str, file: str = "", *, first: bool = False, running: bool = True) -> None:
        """What is shown; a file that is not `running` is that of the last print."""
        self.second = second
        shown = Look(state, job_id=file if file and running else None, file=file, percent=40.0)
        self.tracker.see(shown, first, START + timedelta(seconds=second))
        self.tracker.tick(START + timedelta(seconds=second))

    @property
    def kinds(self) -> list[str]:
        return [event.kind.removeprefix("job_") for event in self.tracker.events]


def test_a_polled_printer_that_comes_back_idle_from_a_power_cut_ends_the_print_once() -> None:
    walk = Polled()
    walk.see(120, "IDLE", first=True)
    assert walk.kinds[-1] == "started"
    for second in (125, 130, 135, 300):
        walk.see(second, "IDLE")
    assert walk.kinds == ["preparing", "started", "failed"]


def test_a_polled_printer_that_asks_for_recovery_after_a_power_cut_goes_on() -> None:
    walk = Polled()
    walk.see(120, "BUSY", first=True)
    walk.see(125, "ATTENTION", "x.gcode")
    walk.see(180, "PRINTING", "x.gcode")
    walk.see(900, "FINISHED")
    assert walk.kinds == ["preparing", "started", "paused", "resumed", "completed"]


def test_an_end_that_names_another_file_is_not_ours() -> None:
    walk = Polled()
    walk.see(4000, "FINISHED", "theirs.gcode", first=True, running=False)
    assert walk.kinds == ["preparing", "started", "failed"]


def test_an_end_that_names_our_file_is_ours_even_if_it_was_never_seen_to_run() -> None:
    walk = Polled()
    walk.see(60, "FINISHED", "x.gcode", running=False)
    job = Job(marker="y.gcode", printer="P", command_id="c-2", print_job_id="k", published_at=START)
    walk.tracker.begin(job)
    walk.see(61, "FINISHED", "x.gcode", running=False)
    assert walk.kinds == ["preparing", "started", "completed"]
    walk.see(62, "FINISHED", "y.gcode", running=False)
    assert walk.kinds[3:] == ["preparing", "started", "completed"]
