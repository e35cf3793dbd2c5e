"""`outbox`: what still waits for the cloud."""

import json
import sqlite3
import sys
from argparse import ArgumentParser, Namespace

from edge_agent.cli.state import Waiting, last_status, waiting_in_store
from edge_agent.cli.subcommand import Subcommand, configuration
from edge_agent.cli.text import ago, size, table
from edge_agent.timestamps import utc_now


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _perform(arguments: Namespace) -> int:
    settings = configuration(arguments)
    status = last_status(settings)
    is_alive = status is not None and status.is_alive
    try:
        waiting = status.outbox if status is not None and is_alive else waiting_in_store(settings)
    except (OSError, sqlite3.Error) as error:
        print(f"The store in {settings.state_dir} cannot be read: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"running": is_alive, **waiting.model_dump(mode="json")}, indent=2))
    else:
        _show(waiting, is_alive=is_alive)
    return 0


def _show(waiting: Waiting, *, is_alive: bool) -> None:
    rows = [(kind, str(number)) for kind, number in waiting.numbers.items() if number]
    if not rows:
        print("Nothing waits for the cloud.")
        return
    print(table(("KIND", "WAITING"), rows))
    since = "" if waiting.oldest is None else f", the oldest from {ago(utc_now() - waiting.oldest)}"
    print(f"{size(waiting.bytes)}{since}")
    if not is_alive:
        print("The agent is not running: nothing is sent before it is.")


COMMAND = Subcommand("outbox", "show what waits for the cloud", _prepare, _perform)
