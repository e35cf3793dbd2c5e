"""What a printer's certificate is, read without believing it: whose name it bears, and its fingerprint."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

LONG_LENGTH = 0x80
VERSION_TAG = 0xA0
SUBJECT_FIELD = 4
"""The subject's place among the fields of a certificate that has no version, as those of X.509 v1 have none."""
COMMON_NAME = bytes.fromhex("550403")
"""The object identifier 2.5.4.3."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """A certificate that was shown: its subject's common name, None where it has none, and its SHA-256 in hex."""

    name: str | None
    fingerprint: str


def fingerprint(der: bytes) -> str:
    """The SHA-256 of a certificate, in lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def common_name(der: bytes) -> str | None:
    """The common name of the certificate's subject; None where there is none, or the bytes are no certificate."""
    try:
        ((_, certificate),) = _elements(der)
        _, signed = next(_elements(certificate))
        fields = [content for tag, content in _elements(signed) if tag != VERSION_TAG]
        for _, attributes in _elements(fields[SUBJECT_FIELD]):
            for _, attribute in _elements(attributes):
                (_, kind), (_, value) = _elements(attribute)
                if kind == COMMON_NAME:
                    name = value.decode()
                    return name if name.isprintable() and len(name) <= LONGEST_NAME else None
    except (ValueError, IndexError, StopIteration):
        return None
    return None


def shown_at(address: str, port: int, seconds: float) -> Seen | None:
    """The certificate that whoever listens there shows; None where there is none. Nothing is said to them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection((address, port), seconds) as plain, context.wrap_socket(plain) as secured:
            der = secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return None if der is None else Seen(common_name(der), fingerprint(der))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The DER elements that follow one another, each as its tag and content. Raises ValueError, IndexError."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & LONG_LENGTH:
            octets = length & ~LONG_LENGTH
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + length > len(data):
            raise ValueError("the element is cut short")
        yield tag, data[at : at + length]
        at += length
