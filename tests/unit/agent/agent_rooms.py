"""What a driver works with, without a cloud that answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, Timing
from edge_agent.discovery import Neighbours
from edge_agent.execution import Rooms
from edge_agent.files import FileCache
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.server_time import ServerTime
from edge_agent.steps import silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock


@contextmanager
def rooms_in(
    folder: Path, timing: Timing, *, clock: Clock | None = None, ssdp_ports: tuple[int, ...] = ()
) -> Iterator[Rooms]:
    """The rooms of an agent whose state lies in `folder`; printers are looked for on these ports of loopback."""
    clock, stopping = clock or Clock(), threading.Event()
    store = Store(folder / "agent.db")
    journal = Journal(store, clock)
    config = AgentConfig(backend_url="http://127.0.0.1:9", api_key="k", recipient_id="site-1", timing=timing)
    try:
        yield Rooms(
            store=store,
            journal=journal,
            outbox=Outbox(store, clock),
            cloud=Cloud(config, journal.agent_id),
            files=FileCache(folder / "files"),
            timing=timing,
            clock=clock,
            server_time=ServerTime(clock),
            observe=silent,
            stopping=stopping,
            reports_waiting=threading.Event(),
            neighbours=Neighbours(stopping, ports=ssdp_ports, address="127.0.0.1") if ssdp_ports else None,
        )
    finally:
        stopping.set()
        store.close()


def events(rooms: Rooms, kind: str) -> list[dict[str, Any]]:
    """The events of this type that wait for the cloud, in order."""
    rows = rooms.store.rows("SELECT body FROM outbox WHERE kind = 'event' ORDER BY id")
    return [body for row in rows if (body := json.loads(row["body"]))["eventType"] == kind]
