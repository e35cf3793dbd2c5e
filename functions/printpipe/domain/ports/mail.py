"""Letters by e-mail."""

import re
from dataclasses import dataclass, field
from typing import Literal, Protocol

from printpipe.domain.errors import InvalidInput

Security = Literal["starttls", "tls", "none"]

_MOST_LETTERS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# RFC 5321's dot-string and a host's name: neither quoted parts nor addresses in brackets.
_ADDRESS = re.compile(
    rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]{{1,64}}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]{{1,64}})*@(?:{_LABEL}\.)*{_LABEL}"
)

_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


def mail_address(text: str) -> str:
    """The address itself, without a name. Raises `InvalidInput` with the field `address` where it is none."""
    if len(text) > _MOST_LETTERS or "=?" in text or not _ADDRESS.fullmatch(text):  # =? begins an encoded word
        raise InvalidInput("This is not an e-mail address.", field="address")
    return text


@dataclass(frozen=True)
class MailServer:
    """A server that takes letters, and whose they are: `sender` is an e-mail address, `login` a user and password.

    Raises `ValueError` where letters or the password would go over a network unencrypted.
    """

    host: str
    port: int
    security: Security
    sender: str
    login: tuple[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.security == "none" and not _LOOPBACK.fullmatch(self.host):
            raise ValueError("SMTP_SECURITY: none is for a mail server on this machine")
        if self.security == "none" and self.login is not None:
            raise ValueError("SMTP_SECURITY: a password needs starttls or tls")


class Mail(Protocol):
    """The deployment's mail server."""

    def send(self, to: str, subject: str, text: str, image: bytes | None, message_id: str) -> None:
        """Hands over a letter, with a JPEG where there is one.

        `message_id` is the part before the `@` of the letter's id: a receiver knows by it what comes a second time.
        Raises `domain.ports.outbound.NotDelivered`.
        """
