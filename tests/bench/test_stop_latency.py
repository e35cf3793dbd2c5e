"""How soon a stop is on the wire while everything else of its printer is busy: `pytest -s` shows the numbers.

Timed are the receipt of the command by the agent and its handing over to the printer's connection, in one process.
What is asserted is the order of things: the stop is out long before what is in its way has ended.
"""

import hashlib
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.agent import run
from edge_agent.config import load
from edge_agent.steps import Step
from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.bench.test_agent_load import write_config
from tests.counts import count
from tests.integration.agent_site import until
from tests.unit.agent.stand_in_cloud import StandInCloud

LINE = b"; " + b"x" * 76 + b"\n"
LARGE_FILE = b"G28\n" + LINE * (100_000_000 // len(LINE))
PRINT = make_3mf("tower", layers=400, seconds=200_000)
STOPS = count(20, quick=1)


class Watched:
    """When each command of a running agent reached its steps."""

    def __init__(self) -> None:
        self.times: dict[tuple[Step, str], float] = {}

    def observe(self, step: Step, command_id: str) -> None:
        """The agent's observer."""
        self.times.setdefault((step, command_id), time.perf_counter())

    def reached(self, step: Step, command_id: str, seconds: float = 30.0) -> float:
        """When the command reached the step."""
        until(lambda: (step, command_id) in self.times, seconds, f"{command_id} {step}")
        return self.times[step, command_id]

    def took(self, command_id: str) -> float:
        """Seconds from its receipt to the wire."""
        return self.reached(Step.HANDED_OVER, command_id) - self.times[Step.RECEIVED, command_id]


@contextmanager
def watched_agent(folder: Path, model: str = "P1S") -> Iterator[tuple[StandInCloud, SimulatedPrinter, Watched]]:
    """One printer and an agent in this process."""
    stop, watched = threading.Event(), Watched()
    with Farm([model], state_dir=folder / "farm", speed=1) as farm, StandInCloud() as cloud:
        threading.Thread(target=cloud.serve_forever, args=(0.01,), daemon=True).start()
        cloud.files.update(large=LARGE_FILE, print=PRINT)
        path = write_config(cloud, farm.printers, folder / "agent")
        cached = folder / "agent" / "state" / "files" / hashlib.sha256(LARGE_FILE).hexdigest()
        cached.parent.mkdir(parents=True)
        cached.write_bytes(LARGE_FILE)
        config = json.loads(path.read_text())
        path.write_text(
            json.dumps({**config, "timing": {"ack_timeout": 3, "stop_repeat": 1, "printer_wait": 6, "reconcile": 0.05}})
        )
        running = threading.Thread(target=run, args=(load(path),), kwargs={"observer": watched.observe, "stop": stop})
        running.start()
        try:
            light = cloud.order("light_on", farm.printers[0].serial)
            watched.reached(Step.EFFECT_SEEN, light)
            yield cloud, farm.printers[0], watched
        finally:
            stop.set()
            running.join(10)
            cloud.shutdown()


def told(what: str, seconds: list[float], usual: float) -> None:
    print(
        f"\nstop {what}: median {statistics.median(seconds) * 1000:.1f} ms, at most {max(seconds) * 1000:.1f} ms; "
        f"a light on an idle printer: {usual * 1000:.1f} ms"
    )


def test_a_stop_goes_past_a_large_upload(tmp_path: Path) -> None:
    taken: list[float] = []
    with watched_agent(tmp_path) as (cloud, printer, watched):
        usual = watched.took(cloud.order("light_off", printer.serial))
        for number in range(STOPS):
            name = f"transfer-{number}"
            cloud.completed(cloud.order("start_print", printer.serial, fileName="tower.3mf", fileId="print"))
            copy = cloud.order("send_file", printer.serial, transferId=name, fileName="large.gcode", fileId="large")
            until(lambda name=name: bool(cloud.transfers[name].reports), 30, "the upload")  # type: ignore[misc]
            stop = cloud.order("stop", printer.serial)
            taken.append(watched.took(stop))
            assert copy not in cloud.results
            cloud.completed(stop)
            cloud.completed(copy, 60)
    told("during an upload", taken, usual)


def test_a_stop_goes_past_a_silent_printer(tmp_path: Path) -> None:
    taken: list[float] = []
    with watched_agent(tmp_path) as (cloud, printer, watched):
        usual = watched.took(cloud.order("light_off", printer.serial))
        for _ in range(STOPS):
            cloud.completed(cloud.order("start_print", printer.serial, fileName="tower.3mf", fileId="print"))
            printer.set_faults(silent=True)
            blocked = cloud.order("set_fan", printer.serial, percent=100, fan="part")
            watched.reached(Step.CLAIMED, blocked)
            stop = cloud.order("stop", printer.serial)
            taken.append(watched.took(stop))
            assert blocked not in cloud.results
            printer.set_faults(silent=False)
            cloud.completed(stop, 90)
            cloud.result(blocked, 90)
    told("behind a silent printer", taken, usual)
