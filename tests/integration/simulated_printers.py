"""Two simulated printers on the network and how they are looked into and waited for."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.unit.simulator.clients import PATIENCE

SPEED = 200.0


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def in_state(printer: SimulatedPrinter, *states: str) -> None:
    eventually(lambda: printer.inspect()["gcode_state"] in states)


def control(farm: Farm, printer: SimulatedPrinter, action: str, body: object) -> Any:
    address = f"{farm.control_url}/printers/{printer.serial}/{action}"
    return fetched(urllib.request.Request(address, json.dumps(body).encode(), method="POST"))


def fetched(request: urllib.request.Request | str) -> Any:
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["P1S", "X1C"], state_dir=tmp_path, speed=SPEED) as opened:
        yield opened


@pytest.fixture
def p1s(farm: Farm) -> SimulatedPrinter:
    return farm.printers[0]


@pytest.fixture
def x1c(farm: Farm) -> SimulatedPrinter:
    return farm.printers[1]


@pytest.fixture(params=["P1S", "X1C"])
def printer(request: pytest.FixtureRequest, farm: Farm) -> SimulatedPrinter:
    return next(printer for printer in farm.printers if printer.model == request.param)
