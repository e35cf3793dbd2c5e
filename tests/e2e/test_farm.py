"""A day on a farm: ten jobs, four printers of two models; one printer is away for a while, one print fails half-way.

Everything is real but the printers, which are simulated: the functions, the agent, MQTT and FTPS with TLS. The story
is told once for each backend; `pytest -s` shows its time line, which also stands in the stack's folder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from local.sample_print import make_3mf
from tests.counts import SOAK
from tests.e2e.farm_story import CLEARED, Begun, Entry, Farm
from tests.e2e.stack import BACKENDS, SPEED, running_stack, until

WHITE, GREEN, RED, ORANGE, BLACK, BLUE = "#FFFFFF", "#2FA36B", "#C12E1F", "#FF6A13", "#161616", "#0A2CA5"
SLOW = 10.0
"""A printer's time against real time where its print must not end yet: whose turn it is depends on who prints."""


class Owned(NamedTuple):
    """A printer: the simulated model, what its owner says of it, and its spools by tray."""

    model: str
    said: Mapping[str, Any]
    spools: Mapping[int, tuple[str, str]]


class Wanted(NamedTuple):
    """A job: who orders it, the file, and what is asked for besides."""

    user: str
    content: bytes
    wish: Mapping[str, Any] = MappingProxyType({})


P1S = {"model": "P1S", "supported_materials": ["PLA", "PETG"]}
X1C = {"model": "X1 Carbon", "supported_materials": ["PLA", "ABS"]}
PRINTERS = {
    "P1S 1": Owned("P1S", P1S, {0: ("PLA", WHITE), 1: ("PETG", GREEN)}),
    "P1S 2": Owned("P1S", P1S, {0: ("PLA", RED), 2: ("PLA", WHITE)}),
    "P1S 3": Owned("P1S", P1S, {3: ("PETG", ORANGE)}),
    "X1C": Owned("X1C", X1C, {1: ("ABS", BLACK), 3: ("PLA", WHITE)}),
}

short = partial(make_3mf, layers=10, seconds=300)
IN_BLUE = {"enabled": True, "slots": [{"slot_number": 1, "filament_type": "PLA", "filament_color": "Blue"}]}
TWO_PLATES = {"plates_requested": 2, "priority": "low"}
JOBS = {
    "box": Wanted("user-1", short("box", plates=2, filament="PETG", color=GREEN), TWO_PLATES),
    "clip": Wanted("user-1", short("clip", color=WHITE)),
    "hook": Wanted("user-1", short("hook", color=WHITE)),
    "lamp": Wanted("user-1", short("lamp", filament="PETG", color=ORANGE), {"wanted": "P1S 3"}),
    "gear": Wanted("user-1", make_3mf("gear", seconds=3600, color=WHITE, model="X1C"), {"priority": "high"}),
    "ring": Wanted("user-2", short("ring", color=WHITE)),
    "bracket": Wanted("user-2", make_3mf("bracket", seconds=36_000, filament="ABS", color=BLACK, model="X1C")),
    "vase": Wanted("user-2", short("vase", color=WHITE), {"ams_configuration": IN_BLUE}),
    "seal": Wanted("user-2", short("seal", filament="ABS", color=BLACK)),
    "rush": Wanted("user-1", short("rush", color=WHITE), {"priority": "urgent"}),
}
"""In the order in which they are sent."""


@dataclass(frozen=True)
class Told:
    """The story's end: the jobs and each printer's starts, and why jobs waited at some moments of it."""

    jobs: Mapping[str, Mapping[str, Any]]
    starts: Mapping[str, list[Begun]]
    waits: Mapping[str, Mapping[str, list[str]]]
    printer_ids: Mapping[str, str]
    timeline: list[Entry]
    listed: int


@pytest.fixture(scope="module", params=BACKENDS if SOAK else BACKENDS[:1])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The farm after the story."""
    folder = tmp_path_factory.mktemp("farm")
    spools = {
        place: {
            "loaded": [{"slot": slot, "type": type_, "color": color} for slot, (type_, color) in owned.spools.items()]
        }
        for place, owned in enumerate(PRINTERS.values())
    }
    models = [owned.model for owned in PRINTERS.values()]
    timing = {"offline_after": 1.0, "connect_timeout": 2.0, "retry_ceiling": 1.0, "late_window": 2.0}
    with running_stack(request.param, folder, models=models, filaments=spools, timing=timing) as stack:
        farm = Farm(stack)
        try:
            yield _story(farm)
        finally:
            lines: list[str] = []
            farm.tell(lines.append)
            (folder / "timeline.txt").write_text("\n".join(lines) + "\n")
            print("", f"The farm on the {stack.backend} backend:", *lines, sep="\n")


def _story(farm: Farm) -> Told:
    waits: dict[str, Mapping[str, list[str]]] = {}
    _open(farm)
    for name, wanted in JOBS.items():
        farm.order(name, wanted.user, wanted.content, **wanted.wish)
    farm.order("draft", "user-1", short("draft", color=WHITE))
    for name in JOBS:
        farm.send(name)
    waits |= {name: farm.why(name) for name in JOBS}

    farm.clear("X1C")
    farm.begins("gear", "X1C")
    farm.reaches("gear", "printing")
    farm.handle("X1C", "speed", speed=SLOW)
    farm.clear("P1S 1")
    farm.begins("rush", "P1S 1")
    farm.clear("P1S 2")
    farm.begins("ring", "P1S 2")
    farm.handle("P1S 2", "speed", speed=SLOW)
    farm.cancel("seal")
    farm.reaches("seal", "cancelled", 1)

    farm.reaches("rush", "completed")
    farm.clear("P1S 1")
    farm.begins("clip", "P1S 1")
    farm.handle("P1S 2", "speed", speed=SPEED)

    farm.handle("P1S 3", "faults", "back on the network", half_open=False)
    farm.shows("P1S 3", "idle")
    farm.stack.fire("trigger-queue-sweep")
    farm.begins("lamp", "P1S 3")

    farm.handle("X1C", "speed", speed=SPEED)
    until(lambda: farm.inspect("X1C")["percent"] >= 50, "half of the gear")
    farm.handle("X1C", "fail", "fails", print_error=0x03008003)
    farm.reaches("gear", "failed")
    farm.shows("X1C", "failed")
    waits["bracket after the failure"] = farm.why("bracket")
    farm.clear("X1C")
    farm.begins("bracket", "X1C")

    farm.reaches("ring", "completed")
    farm.clear("P1S 2")
    farm.begins("hook", "P1S 2")
    farm.reaches("clip", "completed")
    farm.clear("P1S 1")
    farm.begins("box", "P1S 1")

    farm.reaches("bracket", "printing")
    farm.cancel("bracket")
    farm.reaches("bracket", "cancelled")

    farm.reaches("hook", "completed")
    farm.clear("P1S 2")
    waits["vase at a free printer"] = farm.why("vase")
    blue = {"slot": 0, "type": "PLA", "color": BLUE}
    farm.handle("P1S 2", "filaments", "blue loaded", loaded=[blue, {"slot": 2, "type": "PLA", "color": WHITE}])
    until(lambda: BLUE in str(farm.printer("P1S 2")["live"]), "the blue spool in the web app")
    farm.stack.fire("trigger-queue-sweep")
    farm.begins("vase", "P1S 2")

    until(lambda: farm.job("box")["plates_completed"] == 1, "the box's first plate")
    farm.shows("P1S 1", "completed")
    waits["box between its plates"] = farm.why("box")
    farm.clear("P1S 1")
    farm.begins("box", "P1S 1", times=2)

    for name in ("lamp", "vase", "box"):
        farm.reaches(name, "completed")
    for name in PRINTERS:
        farm.clear(name)
    farm.stack.fire("trigger-queue-sweep")
    starts = {name: farm.begun(name) for name in PRINTERS}
    return Told(farm.jobs(), starts, waits, farm.printer_ids, farm.timeline(), farm.listed())


def _open(farm: Farm) -> None:
    """Registers the printers; prints of the night still lie on the plates of three, and the other one is away."""
    for (name, owned), address in zip(PRINTERS.items(), farm.stack.printers, strict=True):
        until(lambda serial=address.serial: farm.reported(serial), f"the agent's report of {name}")  # type: ignore[misc]
        farm.register(name, address, **owned.said)
    for name in ("P1S 1", "P1S 2", "X1C"):
        farm.soil(name)
    farm.handle("P1S 3", "faults", "off the network", half_open=True, drop_connection=True)
    farm.shows("P1S 3", "offline")


def _order(starts: Mapping[str, list[Begun]], *jobs: str) -> list[str]:
    """These jobs in the order of their starts, wherever they were."""
    found = sorted((each.at, each.job) for begun in starts.values() for each in begun)
    return [job for _, job in found if job in jobs]


def test_every_job_ends_where_it_should(told: Told) -> None:
    ends = {name: (job["status"], job["plates_completed"]) for name, job in told.jobs.items()}
    completed = dict.fromkeys(("clip", "hook", "ring", "rush", "lamp", "vase"), ("completed", 1))
    others = {"gear": ("failed", 0), "bracket": ("cancelled", 0), "seal": ("cancelled", 0), "draft": ("pending", 0)}
    assert ends == {**completed, **others, "box": ("completed", 2)}
    assert "0300_8003" in told.jobs["gear"]["reason"]
    assert told.listed == len(told.jobs)


def test_jobs_begin_in_their_turn(told: Told) -> None:
    assert {name: [each.job for each in starts] for name, starts in told.starts.items()} == {
        "P1S 1": ["rush", "clip", "box", "box"],
        "P1S 2": ["ring", "hook", "vase"],
        "P1S 3": ["lamp"],
        "X1C": ["gear", "bracket"],
    }
    # The urgent one though it was sent last, then the second user's, who had none at a printer yet; the low one last.
    in_turn = ["rush", "ring", "clip", "hook", "box", "box"]
    assert _order(told.starts, *in_turn) == in_turn


def test_every_start_is_a_run_of_its_job_and_of_nobody_else(told: Told) -> None:
    runs = {
        name: sorted(
            (job_name, run["plate_index"])
            for job_name, job in told.jobs.items()
            for run in job["runs"]
            if run["printer_id"] == printer_id
        )
        for name, printer_id in told.printer_ids.items()
    }
    assert runs == {name: sorted((each.job, each.plate) for each in starts) for name, starts in told.starts.items()}
    assert [run["plate_index"] for run in told.jobs["box"]["runs"]] == [1, 2]


def test_filament_comes_from_the_printers_own_trays(told: Told) -> None:
    trays = {(each.job, each.use_ams, each.ams_mapping) for starts in told.starts.values() for each in starts}
    slots = {"rush": 0, "clip": 0, "box": 1, "ring": 2, "hook": 2, "vase": 0, "lamp": 3, "gear": 3, "bracket": 1}
    assert trays == {(job, True, (slot,)) for job, slot in slots.items()}


def test_no_print_begins_on_a_plate_that_nobody_cleared(told: Told) -> None:
    for name, starts in told.starts.items():
        cleared = [each.at for each in told.timeline if (each.printer, each.event) == (name, CLEARED)]
        for before, after in pairwise(starts):
            assert [at for at in cleared if before.at < at < after.at], (name, before.job, after.job)


def test_waiting_jobs_say_what_keeps_them_from_each_printer(told: Told) -> None:
    lying = "plate_not_cleared"
    assert told.waits["rush"] == {
        "P1S 1": [lying],
        "P1S 2": [lying],
        "P1S 3": ["offline", "ams_unknown"],
        "X1C": [lying, "model_mismatch: P1S"],
    }
    assert told.waits["gear"]["X1C"] == [lying]
    assert told.waits["gear"]["P1S 1"] == [lying, "model_mismatch: X1C"]
    assert told.waits["seal"] == {
        "P1S 1": [lying, "material_missing: ABS"],
        "P1S 2": [lying, "material_missing: ABS"],
        "P1S 3": ["offline", "material_missing: ABS", "ams_unknown"],
        "X1C": [lying, "model_mismatch: P1S"],
    }
    assert told.waits["lamp"]["P1S 3"] == ["offline"]
    assert told.waits["lamp"]["P1S 1"][:2] == ["not_wanted", lying]
    assert told.waits["box"]["P1S 2"] == [lying, "material_missing: PETG"]
    assert told.waits["vase"]["P1S 1"] == [lying, "color_missing: PLA Blue"]
    assert told.waits["bracket after the failure"]["X1C"] == [lying]
    assert told.waits["vase at a free printer"]["P1S 2"] == ["color_missing: PLA Blue"]
    assert told.waits["box between its plates"]["P1S 1"] == [lying]


def test_what_was_never_sent_is_never_begun(told: Told) -> None:
    for name in ("draft", "seal"):
        assert told.jobs[name]["runs"] == []
        assert name not in _order(told.starts, name)
