"""What the simulated machine does as its own time passes."""

from collections.abc import Iterator

import pytest

from local.simulator.machine import CANCELLED, GcodeState, Job, Machine
from local.simulator.models import MODELS
from local.simulator.project import PARSE_ERROR, PlatePlan

PLAN = PlatePlan(layers=12, seconds=600, nozzle=220, bed=55)


def machine_with_job(model: str, *, refusal: int = 0, name: str = "cube") -> Machine:
    machine = Machine(MODELS[model])
    machine.start(Job(name, "Metadata/plate_1.gcode", None if refusal else PLAN, refusal))
    return machine


def live(machine: Machine, seconds: float, step: float = 0.5) -> Iterator[float]:
    """Let time pass in steps; yields the time passed after each."""
    passed = 0.0
    while passed < seconds:
        machine.advance(step)
        passed += step
        yield passed


def live_until(machine: Machine, state: GcodeState, limit: float = 3000) -> float:
    for passed in live(machine, limit):
        if machine.state is state:
            return passed
    raise AssertionError(f"{state} not reached, the machine is {machine.state}")


def test_p1s_goes_through_every_state_and_layer() -> None:
    machine = machine_with_job("P1S")
    states, layers, percents = [machine.state], [machine.layer], [0]
    for _ in live(machine, 900):
        states += [machine.state] if machine.state is not states[-1] else []
        layers += [machine.layer] if machine.layer != layers[-1] else []
        percents.append(machine.percent)
    assert states == [GcodeState.IDLE, GcodeState.PREPARE, GcodeState.RUNNING, GcodeState.FINISH]
    assert layers == list(range(13))
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert machine.total_layers == 12
    assert not machine.busy


@pytest.mark.parametrize("model", list(MODELS))
def test_no_state_is_skipped_however_long_a_step_is(model: str) -> None:
    machine = machine_with_job(model)
    states = [machine.state]
    for _ in range(6):
        machine.advance(10_000)
        states.append(machine.state)
    expected = [GcodeState.IDLE, GcodeState.RUNNING, GcodeState.FINISH]
    assert [state for state in dict.fromkeys(states) if state is not GcodeState.PREPARE] == expected
    assert (GcodeState.PREPARE in states) is bool(MODELS[model].prepare_seconds)


def test_x1c_shows_the_previous_job_until_it_runs_and_its_layer_a_moment_longer() -> None:
    machine = machine_with_job("X1C", name="first")
    live_until(machine, GcodeState.FINISH)
    machine.start(Job("second", "Metadata/plate_1.gcode", PlatePlan(5, 300, 200, 60)))
    for passed in live(machine, 2.8, step=0.1):
        shown = (machine.state, machine.percent, machine.layer, machine.total_layers, machine.subtask_name)
        assert shown == (GcodeState.FINISH, 100, 12, 12, "second"), passed
    machine.advance(0.2)
    assert (machine.state, machine.percent, machine.layer, machine.total_layers) == (GcodeState.RUNNING, 0, 12, 5)
    machine.advance(1.3)
    assert machine.layer == 0


def test_remaining_minutes_run_out_before_the_end() -> None:
    machine = machine_with_job("P1S")
    live_until(machine, GcodeState.RUNNING)
    first = machine.remaining_minutes
    zero_at = next(machine.percent for _ in live(machine, 900) if machine.remaining_minutes == 0)
    assert first == 9
    assert 80 <= zero_at <= 97


def test_finish_and_targets_stay_as_they_are() -> None:
    machine = machine_with_job("P1S")
    live_until(machine, GcodeState.FINISH)
    for _ in live(machine, 3600, step=60):
        pass
    assert machine.state is GcodeState.FINISH
    assert (machine.percent, machine.layer, machine.remaining_minutes) == (100, 12, 0)
    assert machine.nozzle.target == machine.bed.target == 0
    assert machine.nozzle.current == pytest.approx(25)


def test_temperatures_move_towards_their_targets() -> None:
    machine = Machine(MODELS["P1S"])
    machine.nozzle.set(200)
    machine.bed.set(60)
    seen = [machine.nozzle.current for _ in live(machine, 120)]
    assert seen == sorted(seen)
    assert 25 < seen[10] < 200
    assert (machine.nozzle.current, machine.bed.current) == (200, 60)
    machine.nozzle.set(0)
    machine.advance(10)
    assert 25 < machine.nozzle.current < 200


def test_cancel_fails_without_error_and_the_error_comes_late_and_goes() -> None:
    machine = machine_with_job("X1C")
    live_until(machine, GcodeState.RUNNING)
    machine.cancel()
    assert machine.state is GcodeState.RUNNING
    machine.advance(0.6)
    assert (machine.state, machine.print_error) == (GcodeState.FAILED, 0)
    machine.advance(4.5)
    assert machine.print_error == 0
    machine.advance(0.2)
    assert (machine.state, machine.print_error) == (GcodeState.FAILED, CANCELLED)
    machine.advance(6)
    assert (machine.state, machine.print_error) == (GcodeState.FAILED, 0)


@pytest.mark.parametrize("model", list(MODELS))
def test_a_job_started_after_a_cancel_never_shows_its_late_error(model: str) -> None:
    machine = machine_with_job(model)
    live_until(machine, GcodeState.RUNNING)
    machine.cancel()
    machine.advance(1)
    machine.start(Job("next", "Metadata/plate_1.gcode", PLAN))
    assert {machine.print_error for _ in live(machine, 60)} == {0}
    assert machine.state is GcodeState.RUNNING


@pytest.mark.parametrize("model", list(MODELS))
def test_a_stop_before_the_job_runs_ends_it(model: str) -> None:
    machine = machine_with_job(model)
    machine.cancel()
    live_until(machine, GcodeState.FAILED, limit=2)
    assert not machine.busy
    for _ in live(machine, 60):
        assert machine.state is GcodeState.FAILED


def test_a_paused_job_stands_still_and_goes_on() -> None:
    machine = machine_with_job("P1S")
    for _ in live(machine, 900):
        if machine.layer == 3:
            break
    machine.pause()
    live_until(machine, GcodeState.PAUSE, limit=2)
    percent = machine.percent
    for _ in live(machine, 600):
        pass
    assert (machine.percent, machine.layer, machine.nozzle.target) == (percent, 3, 220)
    machine.resume()
    live_until(machine, GcodeState.RUNNING, limit=2)
    live_until(machine, GcodeState.FINISH)


def test_pause_without_a_job_does_nothing() -> None:
    machine = Machine(MODELS["P1S"])
    machine.pause()
    machine.resume()
    machine.cancel()
    for _ in live(machine, 30):
        assert (machine.state, machine.print_error) == (GcodeState.IDLE, 0)


def test_ludicrous_speed_prints_faster() -> None:
    durations = []
    for level in (2, 4):
        machine = machine_with_job("P1S")
        machine.speed_level = level
        live_until(machine, GcodeState.RUNNING)
        durations.append(live_until(machine, GcodeState.FINISH))
    assert durations[1] < durations[0] * 0.75


@pytest.mark.parametrize("model", list(MODELS))
def test_a_file_that_cannot_be_read_fails_after_its_acceptance(model: str) -> None:
    machine = machine_with_job(model, refusal=PARSE_ERROR)
    assert machine.state is GcodeState.IDLE
    live_until(machine, GcodeState.FAILED, limit=10)
    assert machine.print_error == PARSE_ERROR
    for _ in live(machine, 60):
        assert machine.print_error == PARSE_ERROR


def test_an_error_ends_the_print_and_stays() -> None:
    machine = machine_with_job("X1C")
    live_until(machine, GcodeState.RUNNING)
    machine.fail(0x03008003)
    for _ in live(machine, 60):
        assert (machine.state, machine.print_error) == (GcodeState.FAILED, 0x03008003)


def test_homing_takes_a_while_and_loses_with_the_motors() -> None:
    machine = Machine(MODELS["P1S"])
    machine.home(7)
    machine.advance(5)
    assert machine.homed == 0
    machine.advance(10)
    assert machine.homed == 7
    machine.release_motors()
    assert machine.homed == 0


def test_loading_filament_goes_through_the_recorded_steps() -> None:
    machine = Machine(MODELS["X1C"])
    machine.change_filament("2")
    statuses = [machine.ams_status]
    for _ in live(machine, 20):
        statuses += [machine.ams_status] if machine.ams_status != statuses[-1] else []
    assert statuses == [258, 261, 262, 768]
    assert machine.tray_now == "2"
