"""Whether a PrusaLink printer can be talked to: a contact of its own, without any effect."""

from collections.abc import Callable, Mapping

from edge_agent.config import AgentConfig
from edge_agent.drivers.base import ConnectionErrorCode, ConnectionFailed, PrinterInfo, Stranger
from edge_agent.drivers.polled.device import Unseen, UnseenReason
from edge_agent.drivers.polled.parts import part
from edge_agent.drivers.prusalink.line import VERSION, Line
from edge_agent.timestamps import Clock

STANDARD_PORT = 80
INFO = "/api/v1/info"
LONGEST_SERIAL = 64
"""Of what is passed on; anybody may answer there, with anything."""
CODES: Mapping[UnseenReason, ConnectionErrorCode] = {
    "unreachable": "unreachable",
    "access_code_refused": "refused",
    "wrong_serial": "wrong_serial",
}


def require_serial(wanted: str, found: object) -> None:
    """Raise Unseen where the printer names another serial number; one that names none is believed."""
    if wanted and isinstance(found, str) and found and found.casefold() != wanted.casefold():
        told = f"another printer answers at this address: {found[:LONGEST_SERIAL]}, not {wanted}"
        raise Unseen(told, "wrong_serial")


def visit(line: Line, serial: str, check: Callable[[], None]) -> PrinterInfo:
    """Ask the printer who it is; `check` may raise in between. Raises ConnectionFailed.

    `serial` is what it should answer; empty where nobody knows.
    """
    try:
        version = line.reach(VERSION)
        check()
        info = line.reach(INFO)
        for answer in (version, info):
            if not answer.is_good:
                raise ConnectionFailed("refused", f"the printer does not say what it is: {answer.complaint}")
        named, told = part(info.content), part(version.content)
        require_serial(serial, named.get("serial"))
    except Unseen as error:
        raise ConnectionFailed(CODES[error.reason], str(error)) from None
    said = (named.get("serial"), told.get("printer") or told.get("original"), told.get("firmware"))
    return PrinterInfo(*(each if isinstance(each, str) and each else None for each in said))


def visit_stranger(stranger: Stranger, config: AgentConfig, _clock: Clock, check: Callable[[], None]) -> PrinterInfo:
    """Visit a printer that the configuration does not have, at PrusaLink's usual port. Raises ConnectionFailed."""
    if not stranger.address or not stranger.access_code:
        raise ConnectionFailed("unknown_printer", "the printer's address or access code is not known")
    line = Line(stranger.address, STANDARD_PORT, stranger.access_code, config.timing)
    return visit(line, stranger.serial, check)
