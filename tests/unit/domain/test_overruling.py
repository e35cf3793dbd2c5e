"""Which waiting commands a later one makes moot."""

from datetime import UTC, datetime

import pytest

from printpipe.domain.commands import TYPES
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.overruling import OVERRULING, overrules
from printpipe.domain.records import Command

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def command(kind: str, sequence: int = 1, *, serial: str = "01P00A000000001", job_id: str | None = None) -> Command:
    return Command(
        command_id=f"{kind}-{sequence}",
        organization_id="org-1",
        recipient_id="site-1",
        printer_serial=serial,
        command_type=kind,
        type=kind,
        lane=TYPES[kind].lane,
        sequence=sequence,
        metadata={},
        job_id=job_id,
        status=CommandStatus.PENDING,
        via_bus=False,
        created_at=WHEN,
        expires_at=WHEN,
        request_id="request-1",
    )


def moot_after(kind: str, **more: str) -> set[str]:
    later = command(kind, 2, **more)
    return {earlier for earlier in TYPES if overrules(later, command(earlier, job_id="job-1"))}


def test_what_is_urgent_makes_moot_what_it_is_there_to_prevent() -> None:
    moving = {"move", "calibrate", "load_filament", "unload_filament", "skip_objects"}
    assert moot_after("stop") == {"start_print", "pause", "resume", *moving}
    assert moot_after("stop", job_id="job-1") == {"start_print", "pause", "resume"}
    assert moot_after("stop", job_id="job-2") == {"pause", "resume"}
    assert moot_after("pause") == {"resume"}
    assert moot_after("cooldown") == {"set_temperature"}


@pytest.mark.parametrize("kind", sorted(TYPES.keys() - OVERRULING))
def test_nothing_else_makes_anything_moot(kind: str) -> None:
    assert moot_after(kind) == set()


def test_neither_later_commands_nor_other_printers_are_concerned() -> None:
    assert not overrules(command("stop", 1), command("move", 2))
    assert not overrules(command("stop", 2), command("move", 1, serial="01P00A000000002"))
