"""The agent put together: opens the store, starts the threads, stops them within three seconds."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from edge_agent import config as configuration
from edge_agent import tracing
from edge_agent.cloud import Cloud
from edge_agent.config import AgentConfig, PrinterSection
from edge_agent.delivery import Delivery
from edge_agent.discovery import Neighbours
from edge_agent.drivers import brands
from edge_agent.drivers.base import Driver, PrinterInfo, Stranger
from edge_agent.execution import Rooms
from edge_agent.executor import Executor, Leases
from edge_agent.files import FileCache
from edge_agent.fleet import Fleet
from edge_agent.inbox import Inbox
from edge_agent.intake.control import ControlIntake
from edge_agent.intake.subscriptions import Subscriptions
from edge_agent.journal import Journal
from edge_agent.logs import log
from edge_agent.outbox import Outbox
from edge_agent.picture_delivery import PictureDelivery
from edge_agent.reloading import LiveTiming, Reloading
from edge_agent.reporters.heartbeat import Heartbeat
from edge_agent.reporters.status import StatusReporter
from edge_agent.server_time import ServerTime
from edge_agent.status_file import StatusFile
from edge_agent.steps import Observer, silent
from edge_agent.storage.errands import Errands
from edge_agent.store import Store
from edge_agent.timestamps import Clock

DATABASE = "agent.db"
STOP_SECONDS = 2.5
HEED_SECONDS = 0.25
"""How long a signal may wait: the main thread answers it, and is not woken when the system gives it to another."""
AWAITED = frozenset({"delivery", "leases", "status", "status-file"})
"""The loops that are let come to their end."""


def run(
    config: AgentConfig,
    *,
    observer: Observer = silent,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    path: Path | None = None,
) -> None:
    """Run until `stop` is set, or SIGTERM or SIGINT comes. Returns within three seconds of that.

    `path` is the configuration's file, whose changes take effect meanwhile, and at once with SIGHUP.
    Raises StoreUnusable when its state is damaged, or another agent works on it.
    """
    stopping = stop or threading.Event()
    tracing.begin(config.otlp_endpoint)
    timing = LiveTiming.of(config.timing)
    rooms = _rooms(config, timing, observer, stopping, clock or Clock())
    known = brands.installed()
    changed = threading.Event()
    leases = Leases(rooms)

    def make(section: PrinterSection, own: Rooms) -> Driver:
        return known[section.type].driver(section, own, changed)

    def probe(stranger: Stranger, check: Callable[[], None]) -> PrinterInfo:
        return brands.prober(known, fleet.config, rooms.clock)(stranger, check)

    fleet = Fleet(config, rooms, leases, make)
    errands = Errands(rooms, fleet.drivers, probe, config.state_dir / "copies")
    fleet.errand = errands.performer
    inbox = Inbox(config.recipient_id, rooms, Executor(rooms, leases), fleet, errands.perform_unrouted)
    subscriptions = Subscriptions(rooms, inbox)
    control = ControlIntake(rooms, inbox, only=lambda: not subscriptions.pulled)
    status = StatusReporter(fleet.watched, rooms, changed)
    status_file = StatusFile(config, rooms, fleet, lambda: status.seen)
    loops: dict[str, Callable[[], None]] = {
        "delivery": Delivery(rooms).loop,
        "pictures": PictureDelivery(rooms).loop,
        "leases": leases.loop,
        "status": status.loop,
        "status-file": status_file.loop,
        "heartbeat": Heartbeat(rooms).loop,
        "control": control.loop,
    }

    def apply(new: AgentConfig) -> None:
        timing.become(new.timing)
        rooms.cloud.reconfigure(new)
        subscriptions.apply(new.pubsub)
        control.hurry()
        fleet.apply(new)

    reloading = None
    if path is not None:
        models = {name: brand.config for name, brand in known.items()}
        reloading = Reloading(path, config, lambda file: configuration.load(file, models), apply, rooms)
        loops["reloading"] = reloading.loop
    _heed_signals(stopping, reloading)
    fleet.apply(config)
    fleet.on_settled = inbox.resume
    inbox.resume()
    subscriptions.apply(config.pubsub)
    threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]
    for thread in threads:
        thread.start()
    log("agent_started", recipientId=config.recipient_id, agentId=rooms.journal.agent_id, printers=len(config.printers))

    while not stopping.wait(HEED_SECONDS):
        pass
    until = rooms.clock.monotonic() + STOP_SECONDS

    def left() -> float:
        return until - rooms.clock.monotonic()

    fleet.stop()
    subscriptions.stop()
    control.hurry()
    rooms.reports_waiting.set()
    if reloading is not None:
        reloading.ask()
    fleet.join(left)
    inbox.join(left)
    for thread in threads:
        if thread.name in AWAITED:
            thread.join(max(left(), 0.0))
    tracing.end(left())
    rooms.cloud.close()
    rooms.store.close()
    log("agent_stopped", recipientId=config.recipient_id)


def _heed_signals(stopping: threading.Event, reloading: Reloading | None) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if reloading is not None:
        asked = reloading.ask
        signal.signal(signal.SIGHUP, lambda *_: asked())


def _rooms(
    config: AgentConfig, timing: LiveTiming, observer: Observer, stopping: threading.Event, clock: Clock
) -> Rooms:
    store = Store(config.state_dir / DATABASE)
    journal = Journal(store, clock)
    return Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, clock, config.outbox),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(config.state_dir / "files", config.cache),
        timing=timing,
        clock=clock,
        server_time=ServerTime(clock, timing),
        observe=observer,
        stopping=stopping,
        reports_waiting=threading.Event(),
        neighbours=Neighbours(stopping) if config.discovery else None,
        pictures=config.pictures,
    )
