"""How a printer is verified: its certificate bears its serial and comes from the CA of its maker, over TLS 1.2.

A certificate that the configuration pins is believed instead of what the CA issued; its name is compared all the same.
"""

import socket
import ssl
from pathlib import Path
from typing import Any, Protocol

from edge_agent.drivers.bambu.certificates import common_name, fingerprint

OTHER_NAME = 62
"""OpenSSL's code for a certificate that is good and has another name."""
NOT_TRUSTED = 27
"""OpenSSL's code for a certificate that is not to be trusted: here, that it is not the pinned one."""
NOT_PINNED = "it is not the pinned certificate"


class Target(Protocol):
    """A Bambu printer that is to be contacted: its section of the configuration, wherever it is now."""

    @property
    def serial(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def access_code(self) -> str: ...

    @property
    def mqtt_port(self) -> int: ...

    @property
    def ftps_port(self) -> int: ...

    @property
    def ca_file(self) -> Path: ...

    @property
    def pinned_certificate(self) -> str | None: ...


class PrinterContext(ssl.SSLContext):
    """A client context that asks for the printer's serial as the server's name, whatever the address is.

    The leaf has CN = serial and no SAN, so the name is checked against the CN; TLS is capped at 1.2, which every
    model speaks well (protocol notes, section A). Every handshake raises ssl.SSLCertVerificationError for another
    printer, before anything is said to it.
    """

    serial: str
    pinned: str | None

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap `sock`, with the serial as the name to verify."""
        options["server_hostname"] = self.serial
        return super().wrap_socket(sock, *args, **options)


class _PinnedSocket(ssl.SSLSocket):
    """Compares the certificate with the pinned one as soon as the handshake is done."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands. Raises ssl.SSLCertVerificationError."""
        super().do_handshake(block)
        context, der = self.context, self.getpeercert(binary_form=True)
        if not isinstance(context, PrinterContext) or der is None:
            raise _not_verified(NOT_TRUSTED, "the printer shows no certificate")
        if fingerprint(der) != context.pinned:
            self.close()
            raise _not_verified(NOT_TRUSTED, NOT_PINNED)
        if common_name(der) != context.serial:
            self.close()
            raise _not_verified(OTHER_NAME, f"Hostname mismatch, certificate is not valid for '{context.serial}'.")


def context_for(printer: Target) -> PrinterContext:
    """A context, for any of the printer's ports, that accepts this printer alone. Raises OSError for its CA file.

    It trusts what the CA has issued, or where one is pinned that certificate instead.
    """
    context = PrinterContext(ssl.PROTOCOL_TLS_CLIENT)
    context.serial, context.pinned = printer.serial, printer.pinned_certificate
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if context.pinned is None:
        context.load_verify_locations(cafile=printer.ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.sslsocket_class = _PinnedSocket
    return context


def _not_verified(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code, error.verify_message = code, message
    return error
