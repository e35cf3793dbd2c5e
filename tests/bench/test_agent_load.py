"""The agent beside many printers at their real pace: what it takes of one core and of memory, and how late it tells.

The agent runs by itself on one core; printers and cloud are in this process, on another where there is one. Every edge
is made at a printer's screen, and timed until its event is in the cloud: that includes the second that a printer waits
for its next report. `SOAK=1` is for 40 printers and ten minutes; `pytest -s` shows the numbers.
"""

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.counts import count
from tests.integration.agent_site import agent, until
from tests.printer_sections import section
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud

PRINTERS = count(40, quick=4)
SECONDS = float(count(600, quick=8))
EDGES_PER_SECOND = count(4, quick=2)
MORE_MEMORY = 1.1
"""How much larger the agent may be in the last quarter of the time than in the second."""
LONGEST = 10.0
"""Seconds after which an edge counts as missed."""
MODELS = ("P1S", "X1C", "A1 mini", "P2S")
PRINT = make_3mf("tower", layers=400, seconds=200_000)


class ListeningCloud(StandInCloud):
    """Notes when the events of a kind came, by printer."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[tuple[str, str], list[float]] = {}

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
        """As always."""
        if path.endswith("/printer-events/report"):
            event = json.loads(content)
            self.came.setdefault((event["printerSerial"], event["eventType"]), []).append(time.monotonic())
        return super().answer(method, path, content)


@contextmanager
def listening() -> Iterator[ListeningCloud]:
    with ListeningCloud() as cloud:
        threading.Thread(target=cloud.serve_forever, args=(0.01,), daemon=True).start()
        yield cloud
        cloud.shutdown()


def write_config(cloud: StandInCloud, printers: list[SimulatedPrinter], folder: Path) -> Path:
    """With production's intervals, but for the poll."""
    folder.mkdir()
    config = {
        "backend_url": cloud.url,
        "api_key": "k",
        "recipient_id": SITE,
        "state_dir": str(folder / "state"),
        "discovery": False,
        "pictures": {"on_events": False},
        "printers": [section(printer) for printer in printers],
    }
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


@pytest.mark.timeout(SECONDS + 300)
def test_a_large_site_fits_one_core_and_misses_nothing(tmp_path: Path) -> None:
    models = [model for model, _ in zip(cycle(MODELS), range(PRINTERS), strict=False)]
    cores = sorted(os.sched_getaffinity(0))
    with Farm(models, state_dir=tmp_path / "farm", speed=60) as farm, listening() as cloud:
        cloud.files["print"] = PRINT
        with agent(write_config(cloud, farm.printers, tmp_path / "agent")) as process:
            measured = psutil.Process(process.pid)
            measured.cpu_affinity([cores[-1]])
            orders = [
                cloud.order("start_print", printer.serial, fileName="tower.3mf", fileId="print")
                for printer in farm.printers
            ]
            until(lambda: len(cloud.results) == len(orders), 60 + 3 * PRINTERS, "the starts")
            began = {(printer.serial, "first_layer") for printer in farm.printers}
            until(lambda: began <= cloud.came.keys(), 300, "the first layers")
            for printer in farm.printers:
                printer.set_speed(1)
            lags, memory, share = walk(cloud, farm.printers, measured)
    quarter = max(len(memory) // 4, 1)
    early, late = max(memory[-3 * quarter : -2 * quarter] or memory), max(memory[-quarter:])
    print(
        f"\n{PRINTERS} printers, {SECONDS:.0f} s: {share:.1%} of one core, {early / 2**20:.1f} MiB, at the end "
        f"{late / 2**20:.1f} MiB; {len(lags)} edges, told after {statistics.median(lags):.2f} s, "
        f"p99 {statistics.quantiles(lags, n=100)[98]:.2f} s"
    )
    assert late < early * MORE_MEMORY
    assert share < 1


def walk(
    cloud: ListeningCloud, printers: list[SimulatedPrinter], process: psutil.Process
) -> tuple[list[float], list[int], float]:
    """Pauses and resumes printers in turn: seconds until each was told, bytes at every step, the share of a core."""
    lags: list[float] = []
    memory: list[int] = []
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    turn = cycle(printers)
    paused: set[str] = set()
    while time.monotonic() - began < SECONDS:
        step = time.monotonic()
        asked = []
        for printer in (next(turn) for _ in range(min(EDGES_PER_SECOND, len(printers)))):
            action = "resume" if printer.serial in paused else "pause"
            paused ^= {printer.serial}
            told = (printer.serial, f"job_{action}d")
            before = len(cloud.came.get(told, []))
            at = time.monotonic()
            printer.at_screen(action)
            asked.append((told, before, at))
        for told, before, at in asked:
            until(lambda told=told, before=before: len(cloud.came.get(told, [])) > before, LONGEST, f"{told} is told")  # type: ignore[misc]
            lags.append(cloud.came[told][before] - at)
        memory.append(process.memory_info().rss)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - step)))  # the pace, nothing is waited for
    return lags, memory, (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
