"""`enroll`: trades a one-use code for this site's key, and writes the configuration."""

import sys
from argparse import ArgumentParser, Namespace
from getpass import getpass

from edge_agent.cli.subcommand import Subcommand
from edge_agent.config import ConfigError
from edge_agent.enrolment import EnrolmentFailed, enroll


def _prepare(parser: ArgumentParser) -> None:
    parser.add_argument(
        "code",
        metavar="CODE",
        nargs="?",
        help="the code that an administrator made, good once, for ten minutes; asked for where it is missing",
    )
    parser.add_argument("--url", required=True, help="the cloud's address, or with --routing functions the prefix")
    parser.add_argument(
        "--routing",
        choices=("paths", "functions"),
        default="paths",
        help="whether one address serves all paths, or every function has an address of its own (default: paths)",
    )


def _asked() -> str:
    """The code as it is typed, which no list of processes shows. Raises ConfigError where nobody types."""
    try:
        return getpass("Code: ")
    except EOFError:
        raise ConfigError("code: not given") from None


def _perform(arguments: Namespace) -> int:
    path = arguments.config.expanduser()
    try:
        settings = enroll(arguments.url, arguments.code or _asked(), path, routing=arguments.routing)
    except EnrolmentFailed as error:
        print(f"Not enrolled: {error}", file=sys.stderr)
        return 1
    print(f"Enrolled as {settings.recipient_id}; {path} is written.")
    if not settings.printers:
        print("It lists no printers yet: printpipe-agent add-printer")
    return 0


COMMAND = Subcommand("enroll", "trade a one-use code for this site's key", _prepare, _perform)
