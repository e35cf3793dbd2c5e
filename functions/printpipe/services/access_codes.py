"""Printers' access codes: sealed where they are stored, in clear for the site's agent alone."""

import hmac

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.records import Printer
from printpipe.services import sealing
from printpipe.services.context import Context


def sealed(context: Context, printer: Printer, code: str) -> str:
    """The code as it is stored, which can be opened for this printer only."""
    return sealing.seal(context.platform.keys, code.encode(), _place(printer))


def read(context: Context, printer: Printer) -> str | None:
    """The code in clear, for an answer that may carry it; None where there is none, or none that can be opened."""
    if printer.access_code is None:
        return None
    try:
        return sealing.unseal(context.platform.keys, printer.access_code, _place(printer)).decode()
    except Unavailable:
        raise
    except Exception:  # each key service has its own for what it cannot open
        log_failure("access_code_unreadable", printerId=printer.printer_id)
        return None


def is_set_to(context: Context, printer: Printer, code: str) -> bool:
    """Whether the printer has this code already: sealed twice it would not look the same."""
    return hmac.compare_digest((read(context, printer) or "").encode(), code.encode())


def _place(printer: Printer) -> str:
    return f"{printer.organization_id}/printers/{printer.printer_id}/accessCode"
