"""A mail server on the loopback interface, which keeps what it is sent."""

import threading
from email import message_from_bytes
from email.message import Message
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from local.ports import free_port

Mail = tuple[str, Message]
"""For whom, and what."""


class Mailbox:
    """Takes mails without asking who sends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mails: list[Mail] = []
        self._port = free_port()
        self._server = Controller(self, hostname="127.0.0.1", port=self._port)

    @property
    def settings(self) -> dict[str, str]:
        """By which the functions send their mails here."""
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self._port),
            "SMTP_SECURITY": "none",
            "SMTP_FROM": "printpipe@example.org",
        }

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        """The server's callback: keeps a mail."""
        assert isinstance(envelope.content, bytes)
        with self._lock:
            self._mails.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content)))
        return "250 OK"

    def take(self) -> list[Mail]:
        """What has come since the last time, with whom it was for."""
        with self._lock:
            taken, self._mails = self._mails, []
            return taken

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
