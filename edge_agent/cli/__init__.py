"""`printpipe-agent`: one module for each subcommand; without one the agent runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_agent import VERSION, logs
from edge_agent.cli import add_printer, discover, doctor, enroll, outbox, run, status, test_printer
from edge_agent.config import DEFAULT_PATH, ConfigError
from edge_agent.store import StoreUnusable

COMMANDS = {
    command.name: command
    for command in (
        run.COMMAND,
        status.COMMAND,
        enroll.COMMAND,
        add_printer.COMMAND,
        discover.COMMAND,
        test_printer.COMMAND,
        doctor.COMMAND,
        outbox.COMMAND,
    )
}


def main(words: Sequence[str] | None = None) -> int:
    """Perform the subcommand that `words` name; by default those of the command line. The exit code is returned."""
    arguments = _parser().parse_args(words)
    command = COMMANDS[arguments.subcommand or run.COMMAND.name]
    try:
        if command is run.COMMAND:
            return command.perform(arguments)
        with logs.directed(sys.stderr if arguments.verbose else None):
            return command.perform(arguments)
    except (ConfigError, StoreUnusable) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="printpipe-agent", description="The bridge between the cloud and the printers of this LAN."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    _add_common(parser, DEFAULT_PATH, False)
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND")
    for command in COMMANDS.values():
        subparser = subparsers.add_parser(command.name, help=command.summary, description=command.summary)
        _add_common(subparser, argparse.SUPPRESS, argparse.SUPPRESS)
        command.prepare(subparser)
    return parser


def _add_common(parser: argparse.ArgumentParser, config: Path | str, verbose: bool | str) -> None:
    """What may stand before the subcommand and behind it."""
    parser.add_argument(
        "--config", type=Path, default=config, metavar="PATH", help=f"the configuration (default: {DEFAULT_PATH})"
    )
    parser.add_argument(
        "--verbose", action="store_true", default=verbose, help="show the log of what a subcommand does on stderr"
    )
