"""`discover`: which printers announce themselves on this LAN."""

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from edge_agent.cli.subcommand import Subcommand, configuration
from edge_agent.cli.text import table
from edge_agent.config import ConfigError
from edge_agent.discovery import ANYWHERE, Found, look

HEAD = ("SERIAL", "MODEL", "NAME", "ADDRESS", "CONNECT", "CLOUD ACCOUNT", "CONFIGURED")
SECONDS = 5.0
"""Bambu Lab's printers announce themselves every few seconds."""


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long to listen (default: 5)")
    parser.add_argument("--interface", default=ANYWHERE, metavar="ADDRESS", help="this machine's address on that LAN")
    parser.add_argument("--json", action="store_true", help="for programs")


def _perform(arguments: Namespace) -> int:
    try:
        found = look(arguments.seconds, address=arguments.interface)
    except OSError as error:
        print(f"Nothing can be heard: {error.strerror}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    elif found:
        listed = _configured(arguments)
        print(table(HEAD, [_row(each, listed.get(each.serial)) for each in found]))
    else:
        print("No printer announced itself. Bambu Lab's printers do, to machines in the same network segment.")
    return 0


def _row(found: Found, configured: str | None) -> tuple[str, ...]:
    known = "no" if configured is None else "yes" if configured == found.address else f"yes, at {configured}"
    bound = "" if found.bound is None else "yes" if found.bound else "no"
    return (found.serial, found.model or "", found.name or "", found.address, found.connect or "", bound, known)


def _configured(arguments: Namespace) -> dict[str, str]:
    """The addresses of the printers that the configuration lists, by serial."""
    try:
        return {printer.serial: printer.address for printer in configuration(arguments).printers}
    except ConfigError:
        return {}


COMMAND = Subcommand("discover", "look for printers on the LAN", _prepare, _perform)
