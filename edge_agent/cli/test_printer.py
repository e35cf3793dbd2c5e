"""`test-printer`: whether the agent could work with a printer, step by step."""

import sys
from argparse import ArgumentParser, Namespace

from edge_agent.cli.examination import examine
from edge_agent.cli.findings import show
from edge_agent.cli.subcommand import Subcommand, configuration
from edge_agent.drivers import brands


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument("serial", metavar="SERIAL", help="the printer's serial number, as in the configuration")


def _perform(arguments: Namespace) -> int:
    settings = configuration(arguments)
    printer = next((each for each in settings.printers if each.serial == arguments.serial), None)
    if printer is None:
        listed = ", ".join(each.serial for each in settings.printers) or "none"
        print(f"{arguments.serial} is not in the configuration; it lists {listed}.", file=sys.stderr)
        return 2
    return 0 if show(examine(printer, settings, brands.installed()[printer.type])) else 1


COMMAND = Subcommand("test-printer", "test the connection to a printer", _prepare, _perform)
