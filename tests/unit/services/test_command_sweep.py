"""Commands of which nobody is heard: they end, are left to people, or are sent again, each once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Conflict
from printpipe.domain.ids import NO_KEY
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.ports.documents import Create, Update
from printpipe.domain.records import Command
from printpipe.services.commands import claiming, commands, execution, sweeping
from printpipe.services.commands.commands import Target
from printpipe.services.commands.execution import Result
from printpipe.services.commands.sweeping import PATIENCE, Swept, sweep
from printpipe.services.context import Context
from tests.farm import HOLDER, Farm, embedded_farm

WHITE = ("PLA", "#FFFFFF")
LEASE = timedelta(seconds=60)
NOTHING = Swept(0, 0, 0)


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """A farm of the test's own."""
    return embedded_farm(tmp_path)


def ordered(farm: Farm, kind: str = "pause", lifetime: timedelta | None = None) -> str:
    """A command for a printer of the farm; its id."""
    until = farm.now + lifetime if lifetime else None
    target = Target(serial=f"SERIAL-{kind}")
    return commands.queue(farm.context(), farm.site, target, parse_order(kind, {}, ()), until, NO_KEY).command_id


def stored(farm: Farm, command_id: str) -> Command:
    document = farm.documents.get(f"printer_commands/{command_id}")
    assert document is not None
    return Command.of(document)


def started(farm: Farm) -> tuple[str, str]:
    """A job whose start the agent has claimed; both ids."""
    farm.printer()
    job = farm.send(farm.order(farm.file(WHITE))).job_id
    (start,) = farm.starts()
    claiming.claim(farm.context(), farm.site, start.command_id, HOLDER, None)
    return job, start.command_id


@pytest.mark.parametrize("kind", ["pause", "stop", "resume", "set_temperature"])
def test_what_nobody_took_in_time_expires_whatever_it_is(farm: Farm, kind: str) -> None:
    order = parse_order(kind, {"bedTemp": 60} if kind == "set_temperature" else {}, ())
    command = commands.queue(farm.context(), farm.site, Target(serial="S"), order, None, NO_KEY)
    farm.now = command.expires_at
    assert sweep(farm.context()).expired == 0
    farm.later(seconds=1)
    assert sweep(farm.context()) == Swept(1, 0, 0)
    after = stored(farm, command.command_id)
    assert (after.status, after.completed_at) == (CommandStatus.EXPIRED, farm.now)
    assert sweep(farm.context()) == NOTHING


def test_a_polling_client_may_tell_a_little_later_that_it_took_a_command(farm: Farm) -> None:
    command = ordered(farm)
    farm.documents.commit(Update(f"printer_commands/{command}", {"viaBus": False}))
    farm.now = stored(farm, command).expires_at
    farm.later(minutes=4)
    assert sweep(farm.context()) == NOTHING
    farm.later(minutes=2)
    assert sweep(farm.context()) == Swept(1, 0, 0)


def test_a_start_whose_agent_is_gone_is_for_a_person_to_look_at(farm: Farm) -> None:
    job, start = started(farm)
    farm.now += LEASE + PATIENCE
    assert sweep(farm.context()) == NOTHING
    farm.later(seconds=1)
    assert sweep(farm.context()) == Swept(0, 1, 0)
    assert stored(farm, start).status == CommandStatus.UNKNOWN
    assert (farm.job(job).status, farm.job(job).reason) == (JobStatus.UNKNOWN, execution.FORSAKEN)
    assert list(farm.at(str(farm.job(job).printer_id)).occupants) == [job]
    assert sweep(farm.context()) == NOTHING
    with pytest.raises(Conflict) as refused:
        claiming.claim(farm.context(), farm.site, start, HOLDER, 1)
    assert refused.value.detail == "unknown"


@pytest.mark.parametrize(
    ("status", "then"),
    [(CommandStatus.COMPLETED, JobStatus.PREPARING), (CommandStatus.FAILED, JobStatus.FAILED)],
)
def test_what_its_agent_reports_later_is_taken(farm: Farm, status: CommandStatus, then: JobStatus) -> None:
    job, start = started(farm)
    farm.later(hours=1)
    sweep(farm.context())
    execution.report(farm.context(), farm.site, start, Result(status, holder=HOLDER, fence=1))
    assert (stored(farm, start).status, farm.job(job).status) == (status, then)
    assert sweep(farm.context()) == NOTHING


def test_a_lease_that_is_renewed_is_left_alone(farm: Farm) -> None:
    job, start = started(farm)
    for _ in range(30):
        farm.later(seconds=50)
        claiming.claim(farm.context(), farm.site, start, HOLDER, 1)
        sweep(farm.context())
    assert (stored(farm, start).status, farm.job(job).status) == (CommandStatus.PROCESSING, JobStatus.CLAIMED)


@pytest.fixture
def watched(farm: Farm) -> None:
    """What is published is kept for `heard` from now on."""
    bus = farm.context().platform.bus
    bus.create_subscription("watch", "printer-commands")  # type: ignore[attr-defined]


def heard(farm: Farm) -> list[str]:
    """The commands that were published since it was asked last."""
    bus = farm.context().platform.bus
    found = bus.pull("watch", 1000, 0.0)
    bus.acknowledge("watch", [each.ack_id for each in found])
    return [json.loads(each.data)["commandId"] for each in found]


@pytest.mark.usefixtures("watched")
def test_a_command_that_nobody_heard_of_is_sent_again_ever_more_seldom(farm: Farm) -> None:
    farm.later(seconds=23)
    ordered(farm, "pause", timedelta(hours=2))
    assert len(heard(farm)) == 1
    sent = []
    for minute in range(1, 61):
        farm.now = farm.now.replace(second=minute % 7)  # the schedule is not quite punctual
        farm.later(minutes=1)
        sweep(farm.context())
        sent += [minute] * len(heard(farm))
    assert sent == [2, 3, 5, 9, 17]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("ticks", [(59.998, 60.001), (60.001, 59.998), (52, 69), (70, 88)])
def test_a_schedule_or_clock_that_is_a_little_early_or_late_leaves_nothing_out(
    farm: Farm, ticks: tuple[float, float]
) -> None:
    for _ in range(12):
        farm.later(seconds=10)
        ordered(farm, "pause", timedelta(hours=2))
    begun, ordered_at = farm.now, sorted(heard(farm))
    sent = []
    for minute in range(1, 8):
        farm.now = begun + timedelta(minutes=minute, seconds=ticks[minute % 2] - 60)
        sweep(farm.context())
        sent += heard(farm)
    for command in ordered_at:
        assert sent.count(command) == 3, "at the age of 1, 2 and 4 minutes"


@pytest.mark.usefixtures("watched")
def test_what_was_taken_or_is_over_is_not_sent_again(farm: Farm) -> None:
    taken = ordered(farm, "pause", timedelta(hours=1))
    ordered(farm, "resume", timedelta(seconds=90))
    claiming.claim(farm.context(), farm.site, taken, HOLDER, None)
    heard(farm)
    for _ in range(40):
        claiming.claim(farm.context(), farm.site, taken, HOLDER, 1)
        farm.later(minutes=1)
        sweep(farm.context())
    assert len(heard(farm)) == 1  # the second, while it was a minute old


@pytest.mark.usefixtures("watched")
def test_two_sweeps_at_once_end_each_command_once(farm: Farm) -> None:
    job, start = started(farm)
    lost = [ordered(farm, kind) for kind in ("pause", "resume", "stop")]
    farm.later(hours=1)
    contexts: list[Context] = [farm.context() for _ in range(4)]
    with ThreadPoolExecutor(len(contexts)) as pool:
        swept = list(pool.map(sweep, contexts))
    assert (sum(each.expired for each in swept), sum(each.given_up for each in swept)) == (3, 1)
    assert {stored(farm, each).status for each in lost} == {CommandStatus.EXPIRED}
    assert (stored(farm, start).status, farm.job(job).status) == (CommandStatus.UNKNOWN, JobStatus.UNKNOWN)


def test_what_cannot_be_ended_keeps_nothing_else_back(farm: Farm) -> None:
    broken, whole = ordered(farm, "pause"), ordered(farm, "resume")
    farm.documents.commit(Update(f"printer_commands/{broken}", {"createdAt": "long ago"}))
    farm.later(hours=1)
    assert sweep(farm.context()).expired == 1
    assert stored(farm, whole).status == CommandStatus.EXPIRED


def test_many_that_cannot_be_ended_keep_nothing_else_back(farm: Farm) -> None:
    broken = farm.documents.get(f"printer_commands/{ordered(farm, 'pause')}")
    assert broken is not None
    unreadable = {**broken.data, "createdAt": "long ago"}
    farm.documents.commit(*(Create(f"printer_commands/broken-{number:03}", unreadable) for number in range(300)))
    farm.later(seconds=1)
    whole = ordered(farm, "resume")
    farm.later(hours=1)
    assert sweep(farm.context()).expired == 2
    assert stored(farm, whole).status == CommandStatus.EXPIRED


@pytest.mark.parametrize("again", [False, True])
def test_a_stop_that_its_agent_carried_out_without_a_claim_counts_however_late_that_is_told(
    farm: Farm, again: bool
) -> None:
    job, start = started(farm)
    farm.ends(start, CommandStatus.COMPLETED)
    farm.cancel(job)
    (stop,) = farm.stops()
    farm.later(hours=1)  # for all that time the cloud was out of the agent's reach
    assert sweep(farm.context()).expired == 1
    for _ in range(1 + again):
        execution.report(farm.context(), farm.site, stop.command_id, Result(CommandStatus.COMPLETED, holder=HOLDER))
    assert stored(farm, stop.command_id).status == CommandStatus.COMPLETED
    assert farm.job(job).status == JobStatus.CANCELLED
    assert not farm.at(str(farm.job(job).printer_id)).occupants


@pytest.mark.parametrize(("kind", "status"), [("stop", CommandStatus.FAILED), ("pause", CommandStatus.COMPLETED)])
def test_nothing_else_is_taken_of_what_has_expired(farm: Farm, kind: str, status: CommandStatus) -> None:
    command = ordered(farm, kind)
    farm.later(hours=1)
    sweep(farm.context())
    with pytest.raises(Conflict):
        execution.report(farm.context(), farm.site, command, Result(status, holder=HOLDER))
    assert stored(farm, command).status == CommandStatus.EXPIRED


def test_a_run_ends_in_time(farm: Farm) -> None:
    command = ordered(farm)
    farm.later(hours=1)
    context = farm.context()
    moments = iter([farm.now, farm.now] + [farm.now + 2 * sweeping.LONGEST] * 50)
    slow = Context(
        context.caller,
        "slow",
        None,
        lambda: next(moments),
        context.platform,
        context.policy,
        context.directory,
    )
    assert sweep(slow) == NOTHING
    assert stored(farm, command).status == CommandStatus.PENDING
