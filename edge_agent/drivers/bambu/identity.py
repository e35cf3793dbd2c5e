"""How a printer is verified: its certificate bears its serial, issued by the CA of its maker, over TLS 1.2."""

import socket
import ssl
from pathlib import Path
from typing import Any


class PrinterContext(ssl.SSLContext):
    """A client context that asks for the printer's serial as the server's name, whatever the address is.

    The leaf has CN = serial and no SAN, so the name is checked against the CN; TLS is capped at 1.2, which every
    model speaks well (protocol notes, section A).
    """

    serial: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap `sock`, with the serial as the name to verify."""
        options["server_hostname"] = self.serial
        return super().wrap_socket(sock, *args, **options)


def printer_context(serial: str, ca_file: Path) -> PrinterContext:
    """A context that trusts `ca_file` alone and accepts only the printer with this serial. Raises OSError."""
    context = PrinterContext(ssl.PROTOCOL_TLS_CLIENT)
    context.serial = serial
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cafile=ca_file)
    return context
