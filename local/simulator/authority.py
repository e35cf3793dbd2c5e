"""The farm's own certificate authority, in place of Bambu's private one.

Leaf certificates carry the serial as common name and no alternative name, as those of real printers do.
"""

import datetime as dt
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID_FROM = dt.datetime(2022, 1, 1, tzinfo=dt.UTC)
_VALID_UNTIL = dt.datetime(2050, 1, 1, tzinfo=dt.UTC)


class Authority:
    """A CA kept in one folder: `ca.pem` for clients, `ca.key` (mode 600) for itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        key_file = folder / "ca.key"
        if self.ca_file.exists() and key_file.exists():
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{key_file} does not hold an elliptic-curve key")
            self._key = key
            self._certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated Printer CA")])
        self._certificate = _certificate(name, name, self._key.public_key(), self._key, authority=True)
        _write_private(key_file, _key_pem(self._key))
        self.ca_file.write_bytes(_certificate_pem(self._certificate))

    def leaf(self, serial: str) -> Path:
        """The file (mode 600) with the key and the certificate of this printer, made at first use."""
        path = self._folder / f"{serial}.pem"
        if not path.exists() or not self._issued(path):
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
            leaf = _certificate(subject, self._certificate.subject, key.public_key(), self._key, authority=False)
            _write_private(path, _key_pem(key) + _certificate_pem(leaf))
        return path

    def _issued(self, path: Path) -> bool:
        try:
            x509.load_pem_x509_certificate(path.read_bytes()).verify_directly_issued_by(self._certificate)
        except Exception:  # any unreadable or foreign leaf is simply made anew
            return False
        return True


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    signing_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(signing_key, hashes.SHA256())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(content)
