"""A machine whose clock is wrong: what it still does, what it does not, and when it counts as wrong."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.command import Command
from edge_agent.config import Timing
from edge_agent.execution import Refused, Rooms, Run
from edge_agent.journal import Stage
from edge_agent.server_time import ServerTime
from tests.unit.agent.offline_rooms import START, Hand, rooms

WRONG = "clock differs from the cloud's by"


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def site(tmp_path: Path, hand: Hand) -> Iterator[Rooms]:
    """An agent that has just heard the cloud's time, and can ask it no more."""
    timing = Timing(http_timeout=0.5, retry_first=0.01, retry_ceiling=0.01)
    with rooms("http://127.0.0.1:9", tmp_path, clock=hand.clock, timing=timing) as made:
        made.server_time.heard(START, hand.seconds)
        yield made


def run_of(site: Rooms, kind: str, **fields: Any) -> Run:
    basics: dict[str, Any] = {"command_id": kind, "printer_serial": "P", "expires_at": START + timedelta(minutes=5)}
    entry, _ = site.journal.record(Command(command_type=kind, sequence=1, **(basics | fields)))
    return Run(entry, site)


@pytest.mark.parametrize("seconds", [-86_400, -31, 31, 86_400])
@pytest.mark.parametrize(
    "kind",
    [
        "resume",
        "home",
        "move",
        "set_temperature",
        "load_filament",
        "unload_filament",
        "calibrate",
        "send_gcode",
        "start_print",
    ],
)
def test_nothing_moves_or_heats_by_a_deadline_on_a_machine_whose_clock_is_wrong(
    site: Rooms, hand: Hand, kind: str, seconds: int
) -> None:
    hand.moment += timedelta(seconds=seconds)
    for step in (Run.authorise, Run.publishing):
        with pytest.raises(Refused, match=f"{WRONG} {abs(seconds)} s; set it"):
            step(run_of(site, kind))
    entry = site.journal.entry(kind)
    assert entry is not None
    assert entry.stage is Stage.RECEIVED


@pytest.mark.parametrize("kind", ["stop", "pause", "cooldown", "light_on", "light_off", "camera_on", "set_fan"])
def test_a_stop_a_pause_and_a_cooldown_always_are_done(site: Rooms, hand: Hand, kind: str) -> None:
    hand.moment -= timedelta(days=300)
    run_of(site, kind).publishing()


def test_heaters_are_switched_off_and_none_on(site: Rooms, hand: Hand) -> None:
    hand.moment -= timedelta(days=300)
    off = {"nozzleTemp": 0.0, "bedTemp": 0}
    run_of(site, "set_temperature", command_id="off", metadata=off).publishing()
    with pytest.raises(Refused, match=WRONG):
        run_of(site, "set_temperature", command_id="one", metadata=off | {"bedTemp": 60}).publishing()


def test_without_a_deadline_no_clock_matters(site: Rooms, hand: Hand) -> None:
    hand.moment -= timedelta(days=300)
    run_of(site, "home", expires_at=None).publishing()


def test_a_few_seconds_are_no_matter_and_a_clock_set_right_is_right_at_once(site: Rooms, hand: Hand) -> None:
    run = run_of(site, "home")
    hand.moment += timedelta(seconds=29)
    run.authorise()
    hand.moment += timedelta(hours=1)
    with pytest.raises(Refused, match=WRONG):
        run.authorise()
    hand.moment = START
    run.publishing()


def test_a_clock_that_goes_wrong_between_the_checks_and_the_publish_is_seen(site: Rooms, hand: Hand) -> None:
    run = run_of(site, "home")
    run.authorise()
    run.intend()
    hand.moment += timedelta(hours=1)
    with pytest.raises(Refused, match=WRONG):
        run.publishing()


def test_what_was_sent_before_is_gone_on_with(site: Rooms, hand: Hand) -> None:
    run = run_of(site, "set_temperature")
    run.publishing()
    hand.moment += timedelta(hours=1)
    run.published()
    run.publishing()
    entry = site.journal.entry("set_temperature")
    assert entry is not None
    Run(entry, site).authorise()


def test_a_deadline_is_still_told_by_the_clouds_clock(site: Rooms, hand: Hand) -> None:
    hand.moment -= timedelta(days=300)
    hand.seconds += 301
    with pytest.raises(Refused, match="expired"):
        run_of(site, "pause").publishing()


@pytest.mark.parametrize("slow", [0.0, 1.0, 8.0])
@pytest.mark.parametrize("ahead", [-3600.0, -31.0, -12.0, 0.0, 12.0, 31.0, 3600.0])
@pytest.mark.parametrize("told_at", [0.0, 0.5, 1.0])
def test_what_the_line_takes_is_no_skew(hand: Hand, slow: float, ahead: float, told_at: float) -> None:
    """`told_at` is the part of the way at which the cloud looked at its clock."""
    server_time = ServerTime(hand.clock)
    hand.moment += timedelta(seconds=ahead)
    asked_at = hand.seconds
    hand.seconds += slow
    server_time.heard(START + timedelta(seconds=slow * told_at), asked_at)
    hand.seconds += 500
    skew = server_time.skew
    assert skew is not None
    assert abs(skew) <= abs(ahead)
    assert abs(ahead) - slow <= abs(skew) + 1e-6
    assert skew * ahead >= 0


def test_an_answer_that_took_too_long_changes_nothing(hand: Hand) -> None:
    server_time = ServerTime(hand.clock)
    assert (server_time.skew, server_time.wrong_by) == (None, None)
    server_time.heard(START, hand.seconds)
    asked_at = hand.seconds
    hand.seconds += 60
    server_time.heard(START, asked_at)
    assert server_time.now() == START + timedelta(seconds=60)
    assert server_time.skew == 0


def test_a_wrong_clock_is_logged_once_and_so_is_its_end(hand: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    server_time = ServerTime(hand.clock)
    for ahead in (0, 300, 400, 0, 10, -300):
        hand.moment = START + timedelta(seconds=ahead)
        server_time.heard(START, hand.seconds)
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in logged] == ["clock_skewed", "clock_right_again", "clock_skewed"]
    assert [line.get("seconds") for line in logged] == [300, None, -300]
