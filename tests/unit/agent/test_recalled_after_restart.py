"""A start that was stopped before the printer showed it stays unwanted when the agent has been started again."""

from pathlib import Path

from edge_agent.config import Timing
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.state import Picture
from edge_agent.jobs import Job
from edge_agent.reporters.events import EventReporter
from tests.unit.agent.agent_rooms import events, rooms_in

IDLE = Picture(gcode_state="IDLE")


def shown(name: str, number: str) -> Picture:
    return Picture(gcode_state="RUNNING", subtask_name=name, subtask_id=number)


def test_a_print_that_begins_after_its_stop_and_a_restart_is_not_taken_for_somebody_elses(tmp_path: Path) -> None:
    with rooms_in(tmp_path, Timing()) as rooms:
        reporter = EventReporter("P", "p.lan", rooms)
        before = JobDesk("P", rooms, reporter)
        for number in ("11", "12"):
            before.begin(
                Job(marker=f"x_{number}", subtask_id=number, printer="P", command_id=number, published_at=before.now())
            )
            before.stop(f"stop-{number}")
            before.give_up()
        after = JobDesk("P", rooms, reporter)
        after.see(IDLE, first=True)
        for number in ("12", "11"):
            after.see(shown(f"x_{number}", number), first=False)
            unwanted = after.unwanted(shown(f"x_{number}", number))
            assert unwanted is not None
            assert unwanted.command_id == number
            after.see(IDLE, first=False)
        after.see(shown("theirs", "0"), first=False)
        assert after.unwanted(shown("theirs", "0")) is None
        assert [each["commandId"] for each in events(rooms, "job_cancelled")][:2] == ["11", "12"]
