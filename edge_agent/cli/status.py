"""`status`: what the running agent says of itself and its printers."""

import json
from argparse import ArgumentParser, Namespace

from edge_agent.cli.state import PrinterLine, Status, last_status
from edge_agent.cli.subcommand import Subcommand, configuration
from edge_agent.cli.text import ago, duration, size, table
from edge_agent.config import AgentConfig
from edge_agent.timestamps import utc_now

NOTABLE_SKEW = 1.0
"""Seconds by which the clocks may differ without a word."""
HEAD = ("SERIAL", "NAME", "ADDRESS", "STATE", "JOB", "PROBLEM")


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _perform(arguments: Namespace) -> int:
    settings = configuration(arguments)
    status = last_status(settings)
    is_alive = status is not None and status.is_alive
    if arguments.json:
        known = {} if status is None else status.model_dump(mode="json")
        print(json.dumps({"running": is_alive, **known}, indent=2, ensure_ascii=False))
    elif status is None or not is_alive:
        _say_stopped(status, settings)
    else:
        _show(status)
    return 0 if is_alive else 1


def _say_stopped(status: Status | None, settings: AgentConfig) -> None:
    print(f"The agent of {settings.recipient_id} is not running.")
    if status is not None:
        print(f"It was last heard of {ago(status.age)}, as process {status.pid}.")
        print("It was killed, it hangs, or its disk is full.")


def _show(status: Status) -> None:
    now = utc_now()
    up = duration(now - status.started_at)
    print(f"Agent {status.version} of {status.recipient_id}, process {status.pid}, up for {up}")
    if status.cloud.reachable is None:
        print("Cloud: not called yet")
    else:
        word = "reachable" if status.cloud.reachable else "NOT REACHABLE"
        problem = f" ({status.cloud.problem})" if status.cloud.problem else ""
        print(f"Cloud: {word} for {duration(now - status.cloud.since)}{problem}")
    if abs(status.clock_skew) >= NOTABLE_SKEW:
        print(f"Clock: {abs(status.clock_skew):g} s {'ahead of' if status.clock_skew > 0 else 'behind'} the cloud's")
    if status.store_problem is not None:
        print(f"Disk: {status.store_problem}; only stops are carried out")
    waiting = ", ".join(f"{number} {kind}" for kind, number in status.outbox.numbers.items() if number)
    since = (
        ""
        if status.outbox.oldest is None
        else f" ({size(status.outbox.bytes)}, from {ago(now - status.outbox.oldest)})"
    )
    print(f"Waiting for the cloud: {waiting or 'nothing'}{since}")
    print()
    print(table(HEAD, [_row(each) for each in status.printers]) if status.printers else "No printers.")


def _row(printer: PrinterLine) -> tuple[str, ...]:
    return (
        printer.serial,
        printer.name or "",
        printer.address,
        printer.state,
        printer.job or "",
        printer.problem or "",
    )


COMMAND = Subcommand("status", "show the running agent and its printers", _prepare, _perform)
