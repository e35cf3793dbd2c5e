"""`add-printer`: puts a printer into the configuration, which a running agent follows by itself."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from getpass import getpass
from pathlib import Path
from typing import Any

from edge_agent import config, config_file
from edge_agent.cli.examination import examine
from edge_agent.cli.findings import show
from edge_agent.cli.subcommand import Subcommand
from edge_agent.config import AgentConfig, ConfigError
from edge_agent.drivers import brands
from edge_agent.drivers.brands import Brand

CA_FILE = "~/.printmaster/ca.pem"
"""Where Bambu Lab's CA is looked for when no other printer of the configuration says where it is."""


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument("--type", default="bambu", help="the brand: bambu (default), prusalink, or a package's own")
    parser.add_argument("--serial", help="its serial number; asked for where it is missing, as the address is")
    parser.add_argument("--address", help="its IP address or name in this network")
    parser.add_argument("--name", help="what people call it")
    parser.add_argument("--model", help="its model, where the serial number does not tell it")
    parser.add_argument(
        "--access-code-stdin",
        action="store_true",
        help="read the access code (PrusaLink: the password) from the first line of standard input, instead of asking",
    )
    parser.add_argument("--ca-file", help=f"Bambu: the CA of its certificate (default: the other printers', {CA_FILE})")
    parser.add_argument("--pin", metavar="SHA256", help="Bambu: believe this certificate instead of what the CA issued")
    parser.add_argument(
        "--field", action="append", default=[], type=_field, metavar="NAME=VALUE", help="a further field of the brand's"
    )
    parser.add_argument("--replace", action="store_true", help="take the place of the printer with this serial")
    parser.add_argument("--no-test", action="store_true", help="do not contact the printer first")


def _perform(arguments: Namespace) -> int:
    path: Path = arguments.config.expanduser()
    known = brands.installed()
    content = config.read(path)
    listed = _listed(content, path)
    section = _section(arguments, listed)
    others = [each for each in listed if each.get("serial") != section["serial"]]
    if len(others) < len(listed) and not arguments.replace:
        print(f"{section['serial']} is listed already; --replace takes its place.", file=sys.stderr)
        return 2
    content = {**content, "printers": [*others, section]}
    settings = config.check(content, path, {name: brand.config for name, brand in known.items()})
    if not arguments.no_test and not _is_well(settings, known):
        print("Not added. --no-test adds it all the same.", file=sys.stderr)
        return 1
    config_file.write(path, content)
    print(f"{section['serial']} is in {path}; a running agent takes it up within seconds.")
    return 0


def _listed(content: Any, path: Path) -> Sequence[Mapping[str, Any]]:
    """The printers in the file as they stand there. Raises ConfigError."""
    printers = content.get("printers", []) if isinstance(content, dict) else None
    if not isinstance(printers, list) or not all(isinstance(each, dict) for each in printers):
        raise ConfigError(f"{path}: printers: not a list of printers")
    return printers


def _section(arguments: Namespace, listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    section: dict[str, Any] = {
        "type": arguments.type,
        "serial": (arguments.serial or _ask("Serial number")).strip(),
        "address": (arguments.address or _ask("Address")).strip(),
        "access_code": _access_code(from_stdin=arguments.access_code_stdin),
        "name": arguments.name,
        "model": arguments.model,
        "pinned_certificate": arguments.pin,
    }
    if arguments.type == "bambu":
        usual = next((each["ca_file"] for each in listed if each.get("ca_file")), CA_FILE)
        section["ca_file"] = str(Path(arguments.ca_file).expanduser().absolute()) if arguments.ca_file else usual
    section.update(arguments.field)
    return {name: value for name, value in section.items() if value is not None}


def _field(text: str) -> tuple[str, Any]:
    """The value is JSON, or else a text."""
    name, _, value = text.partition("=")
    if name == "access_code":
        raise ArgumentTypeError("others on this machine can read it here: it is asked for, or see --access-code-stdin")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _ask(what: str) -> str:
    """Ask the person at the terminal. Raises ConfigError where there is none."""
    try:
        return input(f"{what}: ")
    except EOFError:
        raise ConfigError(f"{what.lower()}: not given") from None


def _access_code(*, from_stdin: bool) -> str:
    """Without what a terminal or a file may have added. Never shown."""
    try:
        return (sys.stdin.readline() if from_stdin else getpass("Access code: ")).strip()
    except EOFError:
        raise ConfigError("access code: not given") from None


def _is_well(settings: AgentConfig, known: Mapping[str, Brand]) -> bool:
    printer = settings.printers[-1]
    return show(examine(printer, settings, known[printer.type]))


COMMAND = Subcommand("add-printer", "add a printer to the configuration", _prepare, _perform)
