"""Printers' access codes: sealed in documents of their own, in clear for the site's agent alone."""

import hmac
from collections.abc import Iterable, Mapping

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log_failure
from printpipe.domain.ports.documents import Delete, Document, Put, Write
from printpipe.domain.printer_records import Printer, PrinterSecret
from printpipe.services.access import sealing
from printpipe.services.context import Context
from printpipe.services.store import abreast


def write(context: Context, printer: Printer, code: str) -> Write:
    """The write that gives the printer this code, which can be opened for this printer only."""
    secret = PrinterSecret(
        printer_id=printer.printer_id,
        organization_id=printer.organization_id,
        access_code=sealing.seal(context.platform.keys, code.encode(), _place(printer)),
    )
    return Put(_path(context, printer), secret.data())


def removal(context: Context, printer: Printer) -> Write:
    """The write that takes the printer's code away, if it has one."""
    return Delete(_path(context, printer))


def read_all(context: Context, printers: Iterable[Printer]) -> Mapping[str, str | None]:
    """The codes in clear, by printer id; None where there is none, or none that can be opened.

    They are for an answer that may carry them. One read for each printer.
    """
    asked = list(printers)
    found = context.documents.get_many(_path(context, each) for each in asked) if asked else {}
    codes = abreast.each(lambda printer: _opened(context, printer, found.get(_path(context, printer))), asked)
    return {printer.printer_id: code for printer, code in zip(asked, codes, strict=True)}


def are_same(one: str | None, other: str | None) -> bool:
    """Whether two codes are the same; how long it takes does not tell."""
    return hmac.compare_digest((one or "").encode(), (other or "").encode())


def _opened(context: Context, printer: Printer, document: Document | None) -> str | None:
    if document is None:
        return None
    try:
        sealed = PrinterSecret.of(document).access_code
        return sealing.unseal(context.platform.keys, sealed, _place(printer)).decode()
    except Unavailable:
        raise
    except Exception:  # each key service has its own for what it cannot open
        log_failure("access_code_unreadable", printerId=printer.printer_id)
        return None


def _path(context: Context, printer: Printer) -> str:
    return f"{context.collections.printer_secrets}/{printer.printer_id}"


def _place(printer: Printer) -> str:
    """What a code is sealed for."""
    return f"{printer.organization_id}/printers/{printer.printer_id}/accessCode"
