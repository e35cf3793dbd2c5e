"""Whether a PrusaLink printer can be talked to: a contact of its own, without any effect."""

from collections.abc import Callable

from edge_agent.config import AgentConfig
from edge_agent.drivers.base import ConnectionErrorCode, ConnectionFailed, PrinterInfo, Stranger
from edge_agent.drivers.prusalink.line import VERSION, KeyRefused, Line, LineFailed
from edge_agent.drivers.prusalink.session import INFO, WrongPrinter, require_serial
from edge_agent.timestamps import Clock

STANDARD_PORT = 80


def visit(line: Line, serial: str, check: Callable[[], None]) -> PrinterInfo:
    """Ask the printer who it is; `check` may raise in between. Raises ConnectionFailed.

    `serial` is what it should answer; empty where nobody knows.
    """
    try:
        version = line.get(VERSION)
        check()
        info = line.get(INFO)
        for answer in (version, info):
            if not answer.is_good:
                raise ConnectionFailed("refused", f"the printer does not say what it is: {answer.complaint}")
        require_serial(serial, info.content.get("serial"))
    except LineFailed as error:
        raise ConnectionFailed(_code(error), str(error)) from None
    model = version.content.get("printer") or version.content.get("original")
    said = (info.content.get("serial"), model, version.content.get("firmware"))
    return PrinterInfo(*(each if isinstance(each, str) and each else None for each in said))


def visit_stranger(stranger: Stranger, config: AgentConfig, _clock: Clock, check: Callable[[], None]) -> PrinterInfo:
    """Visit a printer that the configuration does not have, at PrusaLink's usual port. Raises ConnectionFailed."""
    if not stranger.address or not stranger.access_code:
        raise ConnectionFailed("unknown_printer", "the printer's address or access code is not known")
    line = Line(stranger.address, STANDARD_PORT, stranger.access_code, config.timing)
    return visit(line, stranger.serial, check)


def _code(error: LineFailed) -> ConnectionErrorCode:
    if isinstance(error, KeyRefused):
        return "refused"
    return "wrong_serial" if isinstance(error, WrongPrinter) else "unreachable"
