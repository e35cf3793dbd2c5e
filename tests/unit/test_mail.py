"""Letters to a mail server: encrypted before anything is said, and without a header that a tenant wrote."""

import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from local.ports import free_port
from printpipe.adapters.mail import SmtpMail
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ports.mail import MailServer, Security, mail_address
from printpipe.domain.ports.outbound import NotDelivered
from tests.tls_server import certificate

SENDER = "printers@example.org"
READER = "reader@example.com"
LOGIN = ("printers", "word-of-the-day")
JPEG = b"\xff\xd8\xff\xe0 picture \xff\xd9"


@dataclass
class Office:
    """A mail server on loopback; `refuses` are receivers that it does not take letters for."""

    port: int
    ca_file: Path
    refuses: set[str] = field(default_factory=set)
    envelopes: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logged_in: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address in self.refuses:
            return f"550 5.1.1 <{address}> is unknown"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        self.logged_in.append(bool(session.authenticated))
        return "250 OK"

    def mail(self, security: Security = "starttls", *, login: tuple[str, str] | None = LOGIN) -> SmtpMail:
        return SmtpMail(MailServer("localhost", self.port, security, SENDER, login), timeout=5.0, ca_file=self.ca_file)

    def letter(self) -> EmailMessage:
        """The one that has come."""
        [envelope] = self.envelopes
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        return letter


def _known(_: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == LOGIN
    return AuthResult(success=right, handled=right)


@contextmanager
def office(folder: Path, **how: Any) -> Iterator[Office]:
    ca_file, server_file = certificate(folder, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    made = Office(free_port(), ca_file)
    options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": _known, **how}
    controller = Controller(made, hostname="127.0.0.1", port=made.port, ready_timeout=10, **options)
    controller.start()
    try:
        yield made
    finally:
        with suppress(AssertionError):
            controller.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("tls")) as made:
        yield made


@pytest.fixture
def post_office(running: Office) -> Office:
    for each in (running.envelopes, running.encrypted, running.logged_in, running.refuses):
        each.clear()
    return running


def test_a_letter_goes_encrypted_with_a_password_and_its_picture(post_office: Office) -> None:
    post_office.mail().send(READER, "Lid is printed", "The print is done.\n", JPEG, "delivery-1")
    [envelope] = post_office.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [READER])
    assert (post_office.encrypted, post_office.logged_in) == ([True], [True])
    letter = post_office.letter()
    assert (letter["From"], letter["To"]) == (f"PrintPipe <{SENDER}>", READER)
    assert (letter["Subject"], letter["Message-ID"]) == ("Lid is printed", "<delivery-1@example.org>")
    assert letter["Auto-Submitted"] == "auto-generated"
    body = letter.get_body()
    assert body is not None
    assert body.get_content().strip() == "The print is done."
    [picture] = letter.iter_attachments()
    assert (picture.get_content_type(), picture.get_content()) == ("image/jpeg", JPEG)


@pytest.mark.parametrize(
    "subject",
    [
        "Lid\r\nBcc: all@example.net\r\n\r\nBuy",
        "Lid\nBcc: all@example.net",
        "Lid\rBcc: all@example.net",
        "Lid\x00\x0b\x0c\x1c\x85\u2028Bcc: all@example.net",
        "Schlüssel 🔑 " * 30,
        "",
        "=?utf-8?q?Lid=0D=0ABcc:_all@example.net=0D=0A=0D=0ABuy?=",
        "Print done: Ü =?utf-8?b?TGlkDQpCY2M6IGFsbEBleGFtcGxlLm5ldA0KDQpCdXk=?= of 2",
        "=?" * 40 + "utf-8?q?Lid=0ABcc:_all@example.net?=",
    ],
)
def test_no_subject_adds_a_header(post_office: Office, subject: str) -> None:
    post_office.mail().send(READER, subject, "Text", None, "delivery-2")
    [envelope], letter = post_office.envelopes, post_office.letter()
    assert envelope.rcpt_tos == [READER]
    expected = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version"}
    assert {name.lower() for name in letter} == {*expected, "content-type", "content-transfer-encoding"}
    assert letter["Bcc"] is None
    assert "all@example.net" not in {str(value) for value in letter.values()}
    shown = "".join(each if each.isprintable() else " " for each in subject)
    assert "".join(str(letter["Subject"]).split()) == "".join(shown.split())


def test_a_text_with_dots_and_other_letters_comes_whole(post_office: Office) -> None:
    text = ".\r\n..\r\nMAIL FROM:<x@example.org>\r\nÜber 60 °C – 打印 🖨\r\n"
    post_office.mail().send(READER, "Text", text, None, "delivery-3")
    body = post_office.letter().get_body()
    assert body is not None
    assert body.get_content().split() == text.split()


@pytest.mark.parametrize("to", ["", "reader", "a@b@c", "a b@example.org", "a@example.org\r\nBcc: b@example.org",
                                "=?utf-8?q?a=0D=0ABcc=3A_b?=@example.org",
                                "<a@example.org>", "A <a@example.org>", "a@[127.0.0.1]", "a@example..org",
                                "a@-example.org", '"a b"@example.org', "ä@example.org", "a@example.org,b@example.org",
                                ".a@example.org", "a.@example.org", f"{'a' * 250}@example.org"])  # fmt: skip
def test_what_is_no_address_gets_no_letter(post_office: Office, to: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        post_office.mail().send(to, "Subject", "Text", None, "delivery-4")
    assert caught.value.field == "address"
    assert post_office.envelopes == []


@pytest.mark.parametrize("address", ["reader@example.com", "a.b+c@x.example.org", "o'neill_1@localhost"])
def test_plain_addresses_are_taken(address: str) -> None:
    assert mail_address(address) == address


def failure(mail: SmtpMail, to: str = READER) -> str:
    with pytest.raises(NotDelivered) as caught:
        mail.send(to, "Subject", "Text", None, "delivery-5")
    told = str(caught.value)
    assert not any(each in told for each in (LOGIN[1], to, "Subject", "Text"))
    assert caught.value.__cause__ is None, "what the server says may hold the address"
    return told


def test_refusals_are_told_without_the_address(post_office: Office) -> None:
    post_office.refuses.add(READER)
    assert failure(post_office.mail()) == "The mail server does not take letters for this address (status 550)."


def test_a_wrong_password_is_told_and_not_shown(post_office: Office) -> None:
    assert "does not take our password (status 535)" in failure(post_office.mail(login=("printers", "wrong")))
    assert post_office.envelopes == []


def test_a_certificate_must_be_the_names_and_of_a_known_authority(post_office: Office) -> None:
    stranger = SmtpMail(MailServer("localhost", post_office.port, "starttls", SENDER, LOGIN), timeout=5.0)
    assert "no valid certificate" in failure(stranger)
    server = MailServer("127.0.0.1", post_office.port, "starttls", SENDER, LOGIN)
    assert "no valid certificate" in failure(SmtpMail(server, timeout=5.0, ca_file=post_office.ca_file))
    assert post_office.envelopes == []


def test_nothing_is_said_to_a_server_without_encryption(tmp_path: Path) -> None:
    options = {"tls_context": None, "require_starttls": False, "auth_require_tls": False}
    with office(tmp_path, **options) as plain:
        assert "no encryption" in failure(plain.mail())
        assert "no valid certificate, or speaks no TLS" in failure(plain.mail("tls"))
        assert plain.envelopes == []


def test_on_this_machine_it_may_go_without(tmp_path: Path) -> None:
    options = {"tls_context": None, "require_starttls": False, "auth_required": False, "authenticator": None}
    with office(tmp_path, **options) as plain:
        plain.mail("none", login=None).send(READER, "Subject", "Text", None, "delivery-6")
        assert (plain.encrypted, plain.logged_in) == ([False], [False])


def test_encryption_may_begin_at_once(tmp_path: Path) -> None:
    ca_file, server_file = certificate(tmp_path, "localhost")
    context = ssl.create_default_context(cafile=ca_file)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server_file)
    made = Office(free_port(), ca_file)

    class Secured(Controller):
        def _trigger_server(self) -> None:
            """Opens the one connection that the server waits for, as its clients do."""
            raw = socket.create_connection(("127.0.0.1", self.port), 5)
            with context.wrap_socket(raw, server_hostname="localhost") as secured:
                secured.recv(1024)

    controller = Secured(made, hostname="127.0.0.1", port=made.port, ssl_context=serving, ready_timeout=10)
    controller.start()
    try:
        made.mail("tls", login=None).send(READER, "Subject", "Text", None, "delivery-7")
    finally:
        controller.stop()
    assert made.letter()["Subject"] == "Subject"


def test_a_server_that_says_nothing_or_only_a_letter_at_a_time_ends_with_the_deadline() -> None:
    stop = threading.Event()

    def drip(listening: socket.socket, greeting: bytes) -> None:
        with suppress(OSError):
            connected, _ = listening.accept()
            with connected:
                connected.sendall(greeting)
                while not stop.wait(0.05):
                    connected.sendall(b"2" if greeting else b"")

    for greeting in (b"", b"220 hello\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=drip, args=[listening, greeting], daemon=True)
            thread.start()
            server = MailServer("localhost", listening.getsockname()[1], "none", SENDER)
            begin = time.monotonic()
            assert "in time" in failure(SmtpMail(server, timeout=0.4, timeout_total=0.6))
            assert time.monotonic() - begin < 3
            stop.set()
            thread.join(5)
            stop.clear()


def test_a_server_that_is_not_there() -> None:
    assert "out of reach" in failure(SmtpMail(MailServer("localhost", free_port(), "starttls", SENDER)))


def test_a_server_elsewhere_is_never_spoken_to_in_clear() -> None:
    with pytest.raises(ValueError, match="on this machine"):
        MailServer("mail.example.org", 25, "none", SENDER)
    with pytest.raises(ValueError, match="needs starttls or tls"):
        MailServer("localhost", 25, "none", SENDER, LOGIN)
