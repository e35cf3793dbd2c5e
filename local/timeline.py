"""The way of one print through the house, read from the parts' logs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.log_files import records


@dataclass(frozen=True)
class Step:
    """One step; `ms` are milliseconds since the upload began."""

    step: str
    ms: int


@dataclass(frozen=True)
class _Mark:
    """Which log line tells of a step: in whose log, by which event, about which id."""

    step: str
    logs: tuple[str, ...]
    events: tuple[str, ...]
    field: str
    subject: str


def _marks(job_id: str, command_id: str) -> list[_Mark]:
    document = f"printer_commands/{command_id}"
    return [
        _Mark("stored", ("gateway",), ("file_stored",), "printJobId", job_id),
        _Mark("trigger", ("relay", "gateway"), ("trigger_delivered",), "document", document),
        _Mark("published", ("gateway",), ("command_published",), "commandId", command_id),
        _Mark("received", ("agent",), ("command_received",), "commandId", command_id),
        _Mark("claimed", ("gateway",), ("command_claimed",), "commandId", command_id),
        _Mark("on the printer", ("agent",), ("job_preparing", "job_started"), "printJobId", job_id),
        _Mark("first layer", ("agent",), ("first_layer",), "printJobId", job_id),
        _Mark("done", ("gateway",), ("job_completed", "job_failed", "job_cancelled"), "printJobId", job_id),
    ]


def read_timeline(logs: Path, began: datetime, job_id: str, command_id: str) -> list[Step]:
    """The steps that the logs tell of, in the order of their times; `began` is the moment of the upload."""
    lines = {name: list(records(logs / f"{name}.log")) for name in ("gateway", "relay", "agent")}
    found = [Step("upload", 0)]
    for mark in _marks(job_id, command_id):
        times = [
            _time(line) for name in mark.logs for line in lines[name] if _tells(mark, line) and _time(line) >= began
        ]
        if times:
            found.append(Step(mark.step, round((min(times) - began).total_seconds() * 1000)))
    return sorted(found, key=lambda step: step.ms)


def _tells(mark: _Mark, line: Mapping[str, Any]) -> bool:
    return line.get("event") in mark.events and line.get(mark.field) == mark.subject


def _time(line: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(line["time"]))


def render(steps: list[Step], say: Callable[[str], None]) -> None:
    """Shows the steps, a line each, with the time since the one before."""
    width = max(len(step.step) for step in steps)
    before = 0
    for step in steps:
        say(f"  {step.step:<{width}} {step.ms:>7,} ms   +{step.ms - before:,}")
        before = step.ms
