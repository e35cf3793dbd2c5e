"""What a replay of recorded payloads needs: everything that reads one printer, and payloads that are broken."""

import copy
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, Timing
from edge_agent.drivers.bambu.acks import ack
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.hms_watch import HmsWatch
from edge_agent.drivers.bambu.reports import Reports, sections
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.jobs import Job
from edge_agent.journal import Journal
from edge_agent.outbox import Kind, Outbox
from edge_agent.reporters.events import EventReporter
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from tests.unit.agent.bambu_fixtures import FOLDER, recorded

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
JOB_ENDS = frozenset({"job_completed", "job_failed", "job_cancelled"})


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(lambda: START + timedelta(seconds=self.seconds), lambda: self.seconds)


@dataclass(frozen=True)
class Happening:
    """An event, as it goes to the cloud."""

    kind: str
    body: Mapping[str, Any]


class Reader:
    """All that reads one Bambu printer's reports."""

    def __init__(self, rooms: Rooms, hand: Hand, serial: str) -> None:
        self._rooms, self._hand, self.serial = rooms, hand, serial
        events = EventReporter(serial, "127.0.0.1", rooms)
        self.reports = Reports(0.0)
        self.desk = JobDesk(serial, rooms, events)
        self.hms = HmsWatch(serial, rooms, events)

    def take(self, payload: bytes) -> bool:
        """What came over the line; whether it could be read. Raises whatever no payload may cause."""
        try:
            read = list(sections(payload))
        except (ValueError, RecursionError):
            return False
        for section, content in read:
            if section == "print" and content.get("command", "push_status") == "push_status":
                self.see(content)
            else:
                ack(content)
        return True

    def see(self, frame: Mapping[str, Any]) -> None:
        """A frame."""
        first = self.reports.take(frame, self._hand.seconds)
        if first is None:
            return
        picture = self.reports.picture
        json.dumps(asdict(picture), default=sorted, allow_nan=False).encode()
        self.desk.see(picture, first)
        self.hms.see(picture, self.desk.live_job)

    def start(self, marker: str, layer_before: int = 0) -> None:
        """A start of ours goes out."""
        self.desk.begin(
            Job(
                marker=marker,
                printer=self.serial,
                command_id="c-1",
                print_job_id="job-1",
                published_at=self.desk.now(),
                layer_before=layer_before,
            )
        )

    def wait(self, seconds: float) -> None:
        """Time passes in silence."""
        for _ in range(round(seconds)):
            self._hand.seconds += 1
            self.desk.tick()

    def told(self) -> list[Happening]:
        """The events, in order; each is told once."""
        found: list[Happening] = []
        while waiting := self._rooms.outbox.waiting(Kind.EVENT, 100):
            for report in waiting:
                json.dumps(report.body, allow_nan=False).encode()
                found.append(Happening(report.body["eventType"], report.body))
                self._rooms.outbox.remove(report)
        return found

    def kinds(self, part: str = "job") -> list[str]:
        """The types of the events of jobs, or of others."""
        return [each.kind for each in self.told() if each.kind.startswith(part)]


@contextmanager
def agent_rooms(folder: Path, hand: Hand) -> Iterator[Rooms]:
    """An agent's rooms with a disk, whose cloud cannot be reached."""
    store = Store(folder / "agent.db")
    journal = Journal(store, hand.clock)
    config = AgentConfig(backend_url="http://127.0.0.1:9", api_key="k", recipient_id="site-1")
    yield Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, hand.clock),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(folder / "files"),
        timing=Timing(),
        clock=hand.clock,
        server_time=ServerTime(hand.clock),
        observe=silent,
        stopping=threading.Event(),
        reports_waiting=threading.Event(),
    )
    store.close()


def pushed(name: str) -> dict[str, Any]:
    """The full frame of a recording."""
    whole = recorded(name)
    answer = whole.get("pushall") or whole.get("push_all") or whole
    return dict(answer.get("print") or answer)


def wire(frame: Mapping[str, Any], section: str = "print") -> bytes:
    return json.dumps({section: frame}).encode()


def prusalink(name: str) -> dict[str, Any]:
    path = FOLDER.parent / "prusalink" / name
    if not path.exists():
        pytest.skip(f"the recorded payloads are not here: {path}")
    return dict(json.loads(path.read_text()))


Place = tuple[str | int, ...]

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, -1, 1.5, 3.7e38, -(10**30), 10**400, float("inf"), float("nan"), "", "12", "-3.5",
        "1e999", "\ud800", "x" * 200, [], [None], ["1", 2], [{}], [{"id": None}], {}, {"id": "0"}, {"temp": 1e30},
    ]
)  # fmt: skip


JUNK = (b"", b"\xff\xfe", b"\x80", b"\xed\xa0\x80", b"\x00", b"1" * 5000, b"[" * 9000)


def places(value: Any, here: Place = ()) -> list[Place]:
    """Where there is something in it, at any depth."""
    found: list[Place] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += [(*here, name), *places(inner, (*here, name))]
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += [(*here, number), *places(inner, (*here, number))]
    return found


def altered(frame: dict[str, Any], place: Place, value: Any, *, removed: bool) -> None:
    """Put something else there, or nothing, where the place still is."""
    inner: Any = frame
    for step in place[:-1]:
        try:
            inner = inner[step]
        except (KeyError, IndexError, TypeError):
            return
    last = place[-1]
    if isinstance(inner, dict):
        if removed:
            inner.pop(last, None)
        else:
            inner[last] = copy.deepcopy(value)
    elif isinstance(inner, list) and isinstance(last, int) and last < len(inner):
        if removed:
            del inner[last]
        else:
            inner[last] = copy.deepcopy(value)


def changes(size: int) -> st.SearchStrategy[list[tuple[int, int, Any, bool]]]:
    """Which frame, which place in it (both modulo what there is), what is there instead, or whether nothing is."""
    return st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 10**6), ODD, st.booleans()), max_size=12)


def assert_told_right(told: Sequence[Happening]) -> None:
    """Whatever was shown: each print begins once, ends once, and is told of in order; what others print has no id."""
    for job in {each.body.get("printJobId") for each in told}:
        _assert_one_after_the_other([each for each in told if each.body.get("printJobId") == job], ours=job is not None)


def _assert_one_after_the_other(told: Sequence[Happening], *, ours: bool) -> None:
    kinds = [each.kind for each in told]
    runs: list[list[Happening]] = []
    for each in told:
        if each.kind.startswith("job") or each.kind == "first_layer":
            if not runs or runs[-1][-1].kind in JOB_ENDS:
                runs.append([])
            runs[-1].append(each)
    assert len(runs) <= 1 or not ours, kinds
    for run in runs:
        steps = [each.kind for each in run]
        assert steps[0] == "job_preparing" or (ours and steps in (["job_failed"], ["job_cancelled"])), kinds
        for once in ("job_preparing", "job_started", "first_layer"):
            assert steps.count(once) <= 1, kinds
        moments = [str(each.body["occurredAt"]) for each in run]
        assert moments == sorted(moments)
