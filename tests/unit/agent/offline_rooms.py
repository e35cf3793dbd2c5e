"""The agent's rooms without its threads: store, journal, outbox, files and cloud, with a clock that a test moves."""

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, CacheConfig, OutboxConfig, Timing
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from tests.unit.agent.stand_in_cloud import SITE

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
QUICK = Timing(http_timeout=5, retry_first=0.005, retry_ceiling=0.05)


class Hand:
    """A clock moved by hand: time passes with `seconds`, and is set with `moment`."""

    def __init__(self) -> None:
        self.moment, self.seconds = START, 1000.0
        self.clock = Clock(lambda: self.moment + timedelta(seconds=self.seconds - 1000), lambda: self.seconds)


@contextmanager
def rooms(
    url: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    timing: Timing = QUICK,
    outbox: OutboxConfig | None = None,
    cache: CacheConfig | None = None,
) -> Iterator[Rooms]:
    """The rooms of an agent whose state is in the folder and whose cloud is at the address."""
    clock = clock or Clock()
    store = Store(folder / "agent.db", clock.monotonic)
    journal = Journal(store, clock)
    config = AgentConfig(backend_url=url, api_key="k", recipient_id=SITE, timing=timing)
    made = Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, clock, outbox),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(folder / "files", cache),
        timing=timing,
        clock=clock,
        server_time=ServerTime(clock, timing),
        observe=silent,
        stopping=threading.Event(),
        reports_waiting=threading.Event(),
    )
    try:
        yield made
    finally:
        made.cloud.close()
        store.close()


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What this process writes beyond that fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def running(rooms: Rooms, *loops: Callable[[], None]) -> Iterator[None]:
    """These loops, each in a thread, for as long as the block lasts."""
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        rooms.stopping.set()
        rooms.reports_waiting.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
