"""The agent put together: opens the store, starts the threads, stops them within three seconds."""

import signal
import threading
from collections.abc import Callable

from edge_agent import tracing
from edge_agent.cloud import Cloud
from edge_agent.command import Command
from edge_agent.config import AgentConfig
from edge_agent.delivery import Delivery
from edge_agent.drivers import brands
from edge_agent.drivers.base import Driver
from edge_agent.execution import Rooms
from edge_agent.executor import Executor, Leases
from edge_agent.files import FileCache
from edge_agent.inbox import Inbox
from edge_agent.intake.control import ControlIntake
from edge_agent.intake.pubsub import PubSubIntake
from edge_agent.journal import Journal
from edge_agent.logs import log
from edge_agent.outbox import Outbox
from edge_agent.reporters.heartbeat import Heartbeat
from edge_agent.reporters.status import StatusReporter
from edge_agent.server_time import ServerTime
from edge_agent.steps import Observer, silent
from edge_agent.storage.errands import Errands
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from edge_agent.worker import Worker

DATABASE = "agent.db"
STOP_SECONDS = 2.5


def run(
    config: AgentConfig, *, observer: Observer = silent, stop: threading.Event | None = None, clock: Clock | None = None
) -> None:
    """Run until `stop` is set, or SIGTERM or SIGINT comes. Returns within three seconds of that.

    Raises StoreUnusable when its state is damaged, or another agent works on it.
    """
    stopping = stop or threading.Event()
    tracing.begin(config.otlp_endpoint)
    rooms = _rooms(config, observer, stopping, clock or Clock())
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    changed = threading.Event()
    known = brands.installed()
    drivers = [known[printer.type].driver(printer, rooms, changed) for printer in config.printers]
    leases = Leases(rooms)
    executor = Executor(rooms, leases)
    errands = Errands(rooms, drivers, brands.prober(known, config, rooms.clock), config.state_dir / "copies")
    workers = {driver.serial: Worker(driver.serial, _executing(executor, driver, errands), rooms) for driver in drivers}
    inbox = Inbox(config, rooms, executor, workers, errands.perform_unrouted)
    loops: dict[str, Callable[[], None]] = {
        "delivery": Delivery(rooms).loop,
        "leases": leases.loop,
        "status": StatusReporter(drivers, rooms, changed).loop,
        "heartbeat": Heartbeat(rooms).loop,
        "control": ControlIntake(rooms, inbox, only=config.pubsub is None).loop,
    }
    if config.pubsub is not None:
        for subscription in (config.pubsub.subscription_priority, config.pubsub.subscription_normal):
            loops[subscription] = PubSubIntake(config.pubsub, subscription, rooms, inbox).loop
    for driver in drivers:
        driver.start()
    inbox.resume()
    threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]
    for thread in threads:
        thread.start()
    log("agent_started", recipientId=config.recipient_id, agentId=rooms.journal.agent_id, printers=len(drivers))

    stopping.wait()
    until = rooms.clock.monotonic() + STOP_SECONDS

    def left() -> float:
        return until - rooms.clock.monotonic()

    rooms.reports_waiting.set()
    for driver in drivers:
        driver.stop()
    for worker in workers.values():
        worker.join(left)
    inbox.join(left)
    for driver in drivers:
        driver.join(max(left(), 0.0))
    for thread in threads:
        if thread.name in ("delivery", "leases", "status"):
            thread.join(max(left(), 0.0))
    tracing.end(left())
    rooms.cloud.close()
    rooms.store.close()
    log("agent_stopped", recipientId=config.recipient_id)


def _executing(executor: Executor, driver: Driver, errands: Errands) -> Callable[[Command], None]:
    errand = errands.performer(driver)
    return lambda command: executor.execute(command.command_id, errand if command.is_storage else driver.perform)


def _rooms(config: AgentConfig, observer: Observer, stopping: threading.Event, clock: Clock) -> Rooms:
    store = Store(config.state_dir / DATABASE)
    journal = Journal(store, clock)
    return Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, clock),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(config.state_dir / "files"),
        timing=config.timing,
        clock=clock,
        server_time=ServerTime(clock),
        observe=observer,
        stopping=stopping,
        reports_waiting=threading.Event(),
    )
