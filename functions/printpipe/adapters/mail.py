"""E-mail over SMTP (RFC 5321), encrypted unless the server is on this machine."""

import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from socket import SHUT_RDWR, socket

from printpipe.domain.ports.mail import MailServer, mail_address
from printpipe.domain.ports.outbound import NotDelivered


class SmtpMail:
    """`domain.ports.mail.Mail` on `smtplib`.

    `timeout` bounds each wait for the server, `timeout_total` everything after its greeting; both are in seconds. With
    connection, handshake and greeting, and the good-bye, that is less than the minute for which a delivery is leased.
    `ca_file` replaces the system's certificate authorities.
    """

    def __init__(
        self, server: MailServer, *, timeout: float = 8.0, timeout_total: float = 25.0, ca_file: Path | None = None
    ) -> None:
        self._server = server
        self._timeout = timeout
        self._timeout_total = timeout_total
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, to: str, subject: str, text: str, image: bytes | None, message_id: str) -> None:
        """See `domain.ports.mail.Mail`. What is no line of plain text in the subject becomes a space."""
        sender = self._server.sender
        letter = EmailMessage(policy=SMTP)
        letter["From"] = f"PrintPipe <{sender}>"
        letter["To"] = mail_address(to)
        letter["Subject"] = _line(subject)
        letter["Date"] = format_datetime(datetime.now(UTC))
        letter["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers to it
        letter.set_content(text)
        if image is not None:
            letter.add_attachment(image, "image", "jpeg", filename="picture.jpg")
        try:
            with self._connected() as smtp, _cut_after(smtp, self._timeout_total):
                self._log_in(smtp)
                smtp.send_message(letter, sender, [to])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotDelivered(_reason(error)) from None

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=self._tls)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        if self._server.security == "starttls":
            smtp.starttls(context=self._tls)
        if self._server.login is not None:
            smtp.login(*self._server.login)


def _line(text: str) -> str:
    """One line that means what it says: an encoded word (RFC 2047) would be decoded, and may hold further headers."""
    return "".join(each if each.isprintable() else " " for each in text).replace("=?", "= ?")


@contextmanager
def _cut_after(smtp: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Ends the connection when the time is over, however slowly its server goes on."""

    def cut() -> None:
        with suppress(OSError):
            if smtp.sock is not None:
                socket.shutdown(smtp.sock, SHUT_RDWR)  # not SSLSocket.shutdown: another thread is reading from it

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(error: Exception) -> str:
    """What went wrong, without what the server says: that may name the receiver, or hold a part of the letter."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in error.recipients.values()})
            return f"The mail server does not take letters for this address (status {codes[0]})."
        case smtplib.SMTPAuthenticationError():
            return f"The mail server does not take our password (status {error.smtp_code})."
        case smtplib.SMTPResponseException():
            return f"The mail server refused the letter (status {error.smtp_code})."
        case smtplib.SMTPNotSupportedError():
            return "The mail server offers no encryption, or no way to log in."
        case ssl.SSLError():
            return "The mail server has no valid certificate, or speaks no TLS that we do."
        case TimeoutError() | smtplib.SMTPServerDisconnected():
            return "The mail server did not answer in time, or broke off."
        case _:
            return "The mail server is out of reach, or does not answer properly."
