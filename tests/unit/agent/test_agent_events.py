"""What the agent tells of a print: which start began it, and when by the cloud's clock, also after a restart."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, Timing
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.hms_watch import HmsWatch
from edge_agent.drivers.bambu.state import Picture
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.jobs import Job
from edge_agent.journal import Journal
from edge_agent.outbox import Kind, Outbox
from edge_agent.reporters.events import EventReporter
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock, parse

CLOUD_TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)
SLOW = timedelta(hours=3)
"""How far this machine's clock is behind the cloud's."""
SERIAL = "01P00A381200434"


class Machine:
    """A machine whose clock is slow, with the agent's state on its disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seconds = 0.0

    @property
    def cloud_time(self) -> datetime:
        """The present, truly."""
        return CLOUD_TIME + timedelta(seconds=self.seconds)

    @contextmanager
    def agent(self, *, hears_the_cloud: bool = True) -> Iterator["Agent"]:
        """The agent's life until its next restart."""
        clock = Clock(lambda: self.cloud_time - SLOW, lambda: self.seconds)
        store = Store(self._folder / "agent.db")
        journal = Journal(store, clock)
        config = AgentConfig(backend_url="http://127.0.0.1:9", api_key="k", recipient_id="site-1")
        rooms = Rooms(
            store=store,
            journal=journal,
            outbox=Outbox(store, clock),
            cloud=Cloud(config, journal.agent_id),
            files=FileCache(self._folder / "files"),
            timing=Timing(),
            clock=clock,
            server_time=ServerTime(clock),
            observe=silent,
            stopping=threading.Event(),
            reports_waiting=threading.Event(),
        )
        if hears_the_cloud:
            rooms.server_time.heard(self.cloud_time, self.seconds)
        try:
            yield Agent(self, rooms)
        finally:
            store.close()


class Agent:
    """What the agent has for one printer."""

    def __init__(self, machine: Machine, rooms: Rooms) -> None:
        self._machine, self._rooms = machine, rooms
        reporter = EventReporter(SERIAL, "127.0.0.1", rooms)
        self.desk = JobDesk(SERIAL, rooms, reporter)
        self._hms = HmsWatch(SERIAL, rooms, reporter)

    def start(self, command_id: str) -> None:
        """A start of the job is sent, and the printer takes it."""
        self.desk.begin(
            Job(
                marker=f"cube_{command_id}",
                printer=SERIAL,
                command_id=command_id,
                print_job_id="job-1",
                file_name="cube.gcode.3mf",
                published_at=self.desk.now(),
            )
        )
        self.desk.accept()

    def see(self, state: str, name: str, *, first: bool = False, **more: Any) -> None:
        """A second later the printer shows this."""
        self._machine.seconds += 1
        picture = Picture(gcode_state=state, subtask_name=name, **more)
        self.desk.see(picture, first)
        self._hms.see(picture, self.desk.live_job)

    @property
    def told(self) -> list[tuple[str, str | None]]:
        """The events, in order, and the start that each names."""
        return [(event["eventType"], event.get("commandId")) for event in self._events]

    @property
    def moments(self) -> list[datetime]:
        """When they happened."""
        return [parse(event["occurredAt"]) for event in self._events]

    @property
    def _events(self) -> list[Any]:
        return [report.body for report in self._rooms.outbox.waiting(Kind.EVENT, 100)]


def test_each_event_of_a_print_names_its_start_also_after_a_restart(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.agent() as agent:
        agent.start("c-1")
        agent.see("RUNNING", "cube_c-1", total_layers=3)
        agent.see("PAUSE", "cube_c-1", total_layers=3)
    with machine.agent() as agent:
        agent.see("PAUSE", "cube_c-1", first=True, total_layers=3)
        agent.see("RUNNING", "cube_c-1", layer=1, total_layers=3, hms=((0x0300_0300, 0x0002_0003),))
        agent.see("FINISH", "cube_c-1", layer=3, total_layers=3)
        agent.start("c-2")
        agent.see("RUNNING", "cube_c-2", total_layers=3)
        kinds = ["preparing", "started", "paused", "resumed"]
        first = [*(f"job_{kind}" for kind in kinds), "first_layer", "hms_error", "job_completed"]
        assert agent.told == [
            *((kind, "c-1") for kind in first),
            ("job_preparing", "c-2"),
            ("job_started", "c-2"),
        ]


def test_a_print_that_others_began_names_no_start(tmp_path: Path) -> None:
    with Machine(tmp_path).agent() as agent:
        agent.see("IDLE", "", first=True)
        agent.see("RUNNING", "benchy")
        assert agent.told == [("job_preparing", None), ("job_started", None)]


def test_events_are_told_by_the_clouds_clock(tmp_path: Path) -> None:
    with Machine(tmp_path).agent() as agent:
        agent.start("c-1")
        agent.see("RUNNING", "cube_c-1")
        assert agent.moments == [CLOUD_TIME, CLOUD_TIME + timedelta(seconds=1)]


def test_an_agent_that_has_not_heard_the_cloud_since_its_restart_does_not_go_back_in_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.agent() as agent:
        agent.start("c-1")
        agent.see("RUNNING", "cube_c-1")
    with machine.agent(hears_the_cloud=False) as agent:
        agent.see("PAUSE", "cube_c-1", first=True)
        agent.see("FINISH", "cube_c-1")
        assert [kind for kind, _ in agent.told] == ["job_preparing", "job_started", "job_paused", "job_completed"]
        assert agent.moments == sorted(set(agent.moments))
