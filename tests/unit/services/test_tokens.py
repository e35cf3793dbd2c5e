"""Bearer tokens: what is believed, everything that is not, and for whom their users may act."""

import dataclasses
import json
import logging
import random
import ssl
import string
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from local.ports import free_port
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.web_keys import HttpsWebKeys
from printpipe.domain.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable
from printpipe.domain.ids import membership_id
from printpipe.domain.policy import BearerTokens, Policy
from printpipe.domain.ports.documents import Delete, Put
from printpipe.domain.ports.web_keys import WebKeys
from printpipe.domain.scopes import ROLES, Role
from printpipe.services.access.tokens import Identity, Members, Tokens
from tests import bearer_tokens as made
from tests.counts import count

STRANGER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
FIRST, SECOND = (rsa.generate_private_key(65537, 2048) for _ in range(2))
WEAK = rsa.generate_private_key(65537, 1024)
HS = {"alg": "HS256", "typ": "JWT"}
RS = {"alg": "RS256", "typ": "JWT", "kid": "first"}
ES = {"alg": "ES256", "typ": "JWT", "kid": "curve"}
CHECKED: dict[str, Any] = {"audience": made.AUDIENCE, "issuer": made.ISSUER}
SHARED = BearerTokens(("HS256",), [made.SECRET.encode()], **CHECKED)
PUBLISHED = BearerTokens(("RS256", "ES256"), **CHECKED)

WITH_A_SECRET = (
    made.malformed(HS, made.hs256(made.SECRET))
    | made.for_others(HS, made.hs256(made.SECRET))
    | made.against_a_secret(STRANGER, CURVE)
)
WITH_A_KEY_SET = (
    made.malformed(RS, made.rs256(FIRST))
    | made.for_others(RS, made.rs256(FIRST))
    | made.against_a_key_set(FIRST, "first", WEAK, STRANGER)
)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Lets them pass."""
        self.now += seconds


class Issuer(ThreadingHTTPServer):
    """A web server on loopback that shows a key set, or does something else instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.stopping = threading.Event()
        self.asked: list[str] = []
        self.show(
            made.rsa_jwk("first", FIRST, alg="RS256", use="sig"),
            made.ec_jwk("curve", CURVE, key_ops=["verify"]),
            {"kty": "oct", "kid": "symmetric", "k": made.encoded(made.SECRET.encode()), "alg": "HS256"},
            made.rsa_jwk("weak", WEAK),
            made.rsa_jwk("encryption", STRANGER, use="enc"),
            made.rsa_jwk("rs512", STRANGER, alg="RS512"),
            made.rsa_jwk("shown", STRANGER, d=made.number(STRANGER.private_numbers().d)),
        )
        self.act = "show"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys?v=1"

    def show(self, *keys: Any) -> None:
        """Changes the key set."""
        self.document = json.dumps({"keys": keys}).encode()


class Answers(BaseHTTPRequestHandler):
    """What an issuer may do; `act` chooses."""

    server: Issuer

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        try:
            getattr(self, self.server.act)()
        except OSError:
            return

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def show(self) -> None:
        self.head(Content_Length=str(len(self.server.document)))
        self.wfile.write(self.server.document)

    def chunked(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.server.document), self.server.document))

    def fail(self) -> None:
        self.head(500, Content_Length="0")

    def redirect(self) -> None:
        self.head(302, Location="/keys", Content_Length="0")

    def endless(self) -> None:
        self.head()
        while True:
            self.wfile.write(b" " * 65_536)

    def short(self) -> None:
        self.head(Content_Length="100000")
        self.wfile.write(self.server.document[:100])

    def compressed(self) -> None:
        self.head(Content_Encoding="gzip", Content_Length="4")
        self.wfile.write(b"\x1f\x8b\x08\x00")

    def garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    def silent(self) -> None:
        self.server.stopping.wait(10)

    def slow_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip()

    def slow_body(self) -> None:
        self.head(Content_Length="100000")
        self.drip()

    def drip(self) -> None:
        while not self.server.stopping.wait(0.05):
            self.wfile.write(b"X")
            self.wfile.flush()


@dataclasses.dataclass
class Ports:
    """What tokens and memberships ask; everything else is not there."""

    documents: EmbeddedDocuments | None = None
    web_keys: WebKeys | None = None

    def __getattr__(self, name: str) -> Any:
        raise LookupError(f"{name} is not asked here")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def issuer(running: Issuer) -> Iterator[Issuer]:
    usual = running.document
    running.asked.clear()
    yield running
    running.document, running.act = usual, "show"


def shared(policy: BearerTokens = SHARED, **changed: Any) -> Tokens:
    return Tokens(ports(), settled(policy, **changed), Clock())


def published(issuer: Issuer, clock: Callable[[], float] | None = None, **changed: Any) -> Tokens:
    return Tokens(
        ports(web_keys=HttpsWebKeys(issuer.url, timeout=1.0, timeout_total=2.0)),
        settled(PUBLISHED, **changed),
        clock or Clock(),
    )


def settled(policy: BearerTokens, **changed: Any) -> Policy:
    return Policy([b"s" * 32], bearer_tokens=dataclasses.replace(policy, **changed))


def ports(**given: Any) -> Any:
    return Ports(**given)


def signed(key_id: str, key: rsa.RSAPrivateKey, **changed: Any) -> str:
    return made.token({**RS, "kid": key_id}, made.claims(**changed), made.rs256(key))


def refused(tokens: Tokens, token: str) -> str:
    """Why a token is not believed."""
    with pytest.raises(Unauthenticated) as refusal:
        tokens.verify(token)
    message = refusal.value.message
    assert 0 < len(message) < 100
    assert refusal.value.detail is None
    assert not [part for part in token.split(".") if len(part) > 8 and part in message]
    return message


@pytest.mark.parametrize("token", WITH_A_SECRET.values(), ids=WITH_A_SECRET.keys())
def test_with_a_secret_a_hostile_token_is_refused(token: str) -> None:
    refused(shared(), token)


@pytest.mark.parametrize("token", WITH_A_KEY_SET.values(), ids=WITH_A_KEY_SET.keys())
def test_with_a_key_set_a_hostile_token_is_refused(token: str, issuer: Issuer) -> None:
    refused(published(issuer), token)
    assert len(issuer.asked) <= 1


def test_where_nothing_is_configured_no_token_is_believed() -> None:
    for token in ("", made.good(), made.good(secret=""), signed("first", FIRST)):
        assert refused(shared(BearerTokens()), token) == "Bearer tokens are not accepted here"


def test_a_good_token_says_whose_it_is() -> None:
    said = shared().verify(made.good(email="somebody@example.org"))
    assert said == Identity("user-1", "somebody@example.org", "org-1", "operator")
    least = made.good(organizationId=None, role=None, iat=None)
    assert shared().verify(least) == Identity("user-1", None, None, None)
    nulls = made.token(
        HS, {**made.claims(), "organizationId": None, "role": None, "userId": None}, made.hs256(made.SECRET)
    )
    assert shared().verify(nulls) == Identity("user-1", None, None, None)


@pytest.mark.parametrize(
    ("names", "user"),
    [
        ({"userId": "u", "sub": "s", "id": "i"}, "u"),
        ({"sub": "s", "id": "i"}, "s"),
        ({"sub": None, "id": "i"}, "i"),
        ({"userId": "u", "sub": "s", "id": 7}, "u"),
        ({"sub": "auth0@5f7c8ec7c33c6c004bbafe82"}, "auth0@5f7c8ec7c33c6c004bbafe82"),
        ({"sub": "u" * 128}, "u" * 128),
    ],
)
def test_a_user_goes_by_user_id_then_sub_then_id(names: dict[str, Any], user: str) -> None:
    assert shared().verify(made.good(**names)).user_id == user


@pytest.mark.parametrize("email", ["", "nobody", "a@b\n", 7, ["a@example.org"], "é@example.org", "x" * 300 + "@b.org"])
def test_an_address_that_is_none_is_left_out(email: Any) -> None:
    assert shared().verify(made.good(email=email)).email is None


def test_the_leeway_is_thirty_seconds() -> None:
    early: list[dict[str, Any]] = [{"exp": made.now() - 25}, {"nbf": made.now() + 29}, {"iat": made.now() + 29}]
    for changed in early:
        assert shared().verify(made.good(**changed)).user_id == "user-1"
    assert refused(shared(), made.good(exp=made.now() - 30)) == "The token has expired"
    assert refused(shared(), made.good(nbf=made.now() + 35)) == "The token is not valid yet"
    assert refused(shared(), made.good(iat=made.now() + 35)) == "The token is not valid yet"


def test_times_may_have_fractions_and_lie_far_ahead() -> None:
    assert shared().verify(made.good(exp=made.now() + 60.5, nbf=made.now() - 0.5, iat=1.5e9)).user_id == "user-1"
    assert shared().verify(made.good(exp=253_402_300_799)).user_id == "user-1"


def test_either_of_two_secrets_verifies_while_they_are_changed() -> None:
    tokens = shared(secrets=[b"n" * 32, made.SECRET.encode()])
    assert tokens.verify(made.good()).user_id == "user-1"
    assert tokens.verify(made.good(secret="n" * 32)).user_id == "user-1"
    assert "expired" in refused(tokens, made.good(exp=1))
    refused(tokens, made.good(secret="o" * 32))


def test_audience_and_issuer_count_where_they_are_configured() -> None:
    for audience in (made.AUDIENCE, ["other", made.AUDIENCE]):
        assert shared().verify(made.good(aud=audience)).user_id == "user-1"
    anybodys = shared(audience=None, issuer=None)
    for changed in ({"aud": None, "iss": None}, {"aud": "other", "iss": "other"}):
        assert anybodys.verify(made.good(**changed)).user_id == "user-1"
    assert refused(shared(issuer=None), made.good(aud=None)) == "The token lacks the claim aud"
    assert refused(shared(audience=None), made.good(iss="other")) == "The token is from another issuer"


def test_a_token_without_expiry_says_that_it_lacks_one() -> None:
    assert refused(shared(), made.good(exp=None)) == "The token lacks the claim exp"


def test_an_attacker_learns_nothing_from_a_signature_that_is_wrong() -> None:
    answers = {refused(shared(), made.good(secret=made.FOREIGN_SECRET, **changed)) for changed in ({}, {"exp": 1})}
    assert answers == {"The token is not signed by anybody who is trusted here"}


def test_an_identity_platforms_token_works(issuer: Issuer) -> None:
    said = {
        "iss": "https://securetoken.google.com/demo-project",
        "aud": "demo-project",
        "auth_time": made.now() - 60,
        "user_id": "kQ3xZ8",
        "sub": "kQ3xZ8",
        "iat": made.now() - 60,
        "exp": made.now() + 3540,
        "email": "somebody@example.org",
        "email_verified": True,
        "firebase": {"identities": {"email": ["somebody@example.org"]}, "sign_in_provider": "password"},
        "organizationId": "org-1",
        "role": "admin",
    }
    token = made.token(RS, said, made.rs256(FIRST))
    assert published(issuer).verify(token) == Identity("kQ3xZ8", "somebody@example.org", "org-1", "admin")
    assert issuer.asked == ["/keys?v=1"]


def test_keys_on_a_curve_work_unless_the_deployment_leaves_them_out(issuer: Issuer) -> None:
    token = made.token(ES, made.claims(), made.es256(CURVE))
    assert published(issuer).verify(token).user_id == "user-1"
    refused(published(issuer, algorithms=("RS256",)), token)
    refused(published(issuer, algorithms=("ES256",)), signed("first", FIRST))


def test_a_curve_other_than_its_name_is_no_key(issuer: Issuer) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    issuer.show(made.ec_jwk("curve", other), made.ec_jwk("named", other, crv="P-384"))
    for kid in ("curve", "named"):
        refused(published(issuer), made.token({**ES, "kid": kid}, made.claims(), made.es256(CURVE)))


def test_a_key_set_is_asked_for_once_in_five_minutes(issuer: Issuer, clock: Clock) -> None:
    tokens = published(issuer, clock)
    for _ in range(3):
        tokens.verify(signed("first", FIRST))
        clock.pass_by(99)
    assert len(issuer.asked) == 1
    clock.pass_by(3)
    tokens.verify(signed("first", FIRST))
    assert len(issuer.asked) == 2


def test_a_key_that_its_issuer_removed_ends_within_five_minutes(issuer: Issuer, clock: Clock) -> None:
    tokens, token = published(issuer, clock), signed("first", FIRST)
    tokens.verify(token)
    issuer.show(made.rsa_jwk("second", SECOND))
    clock.pass_by(299)
    tokens.verify(token)
    clock.pass_by(1)
    refused(tokens, token)
    assert tokens.verify(signed("second", SECOND)).user_id == "user-1"
    refused(tokens, signed("second", FIRST))


def test_a_new_key_works_as_soon_as_a_token_names_it(issuer: Issuer, clock: Clock) -> None:
    tokens = published(issuer, clock)
    tokens.verify(signed("first", FIRST))
    issuer.show(made.rsa_jwk("first", FIRST), made.rsa_jwk("second", SECOND))
    clock.pass_by(31)
    assert tokens.verify(signed("second", SECOND)).user_id == "user-1"
    assert tokens.verify(signed("first", FIRST)).user_id == "user-1"
    assert len(issuer.asked) == 2


def test_a_key_that_is_replaced_under_its_id_is_the_new_one(issuer: Issuer, clock: Clock) -> None:
    tokens = published(issuer, clock)
    tokens.verify(signed("first", FIRST))
    issuer.show(made.rsa_jwk("first", SECOND))
    clock.pass_by(300)
    refused(tokens, signed("first", FIRST))
    tokens.verify(signed("first", SECOND))


def test_forged_key_ids_cause_one_fetch_in_half_a_minute(issuer: Issuer, clock: Clock) -> None:
    tokens = published(issuer, clock)
    tokens.verify(signed("first", FIRST))
    forged = [made.token({**RS, "kid": f"forged-{n}"}, made.claims(), made.rs256(STRANGER)) for n in range(40)]
    clock.pass_by(30)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda token: refused(tokens, token), forged))
    assert len(issuer.asked) == 2
    for token in forged[:9]:
        clock.pass_by(10)
        refused(tokens, token)
        tokens.verify(signed("first", FIRST))
    assert len(issuer.asked) == 2 + 3


def test_a_token_that_cannot_be_read_causes_no_fetch(issuer: Issuer) -> None:
    tokens = published(issuer)
    for token in (
        "",
        "a.b.c",
        made.token({**RS, "crit": []}, made.claims(), made.rs256(FIRST)),
        signed("k" * 300, FIRST),
    ):
        refused(tokens, token)
    assert not issuer.asked


def test_many_who_come_at_once_cause_one_fetch(issuer: Issuer, clock: Clock) -> None:
    tokens, token = published(issuer, clock), signed("first", FIRST)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: tokens.verify(token).user_id, range(40)))
    assert found == ["user-1"] * 40
    assert len(issuer.asked) == 1


class HeldKeys:
    """A key set that is delivered when the test says so."""

    def __init__(self, document: bytes) -> None:
        self.document, self.fetches = document, 0
        self.asked, self.deliver = threading.Event(), threading.Event()

    def fetch(self) -> bytes:
        self.fetches += 1
        self.asked.set()
        assert self.deliver.wait(10)
        return self.document


def test_while_one_asks_the_others_use_the_keys_that_are_known(clock: Clock) -> None:
    keys = HeldKeys(json.dumps({"keys": [made.rsa_jwk("first", FIRST)]}).encode())
    tokens, token = Tokens(ports(web_keys=keys), settled(PUBLISHED), clock), signed("first", FIRST)
    keys.deliver.set()
    tokens.verify(token)
    clock.pass_by(300)
    keys.asked.clear()
    keys.deliver.clear()
    with ThreadPoolExecutor(1) as one:
        first = one.submit(tokens.verify, token)
        assert keys.asked.wait(10)
        assert [tokens.verify(token).user_id for _ in range(5)] == ["user-1"] * 5
        assert not first.done()
        keys.deliver.set()
        assert first.result(10).user_id == "user-1"
    assert keys.fetches == 2


def test_while_one_asks_for_a_forged_key_nobody_waits_for_another(clock: Clock) -> None:
    keys = HeldKeys(json.dumps({"keys": [made.rsa_jwk("first", FIRST)]}).encode())
    tokens, forged = Tokens(ports(web_keys=keys), settled(PUBLISHED), clock), signed("forged", STRANGER)
    keys.deliver.set()
    tokens.verify(signed("first", FIRST))
    clock.pass_by(30)
    keys.asked.clear()
    keys.deliver.clear()
    with ThreadPoolExecutor(1) as one:
        first = one.submit(refused, tokens, forged)
        assert keys.asked.wait(10)
        for _ in range(5):
            refused(tokens, forged)
        assert tokens.verify(signed("first", FIRST)).user_id == "user-1"
        assert not first.done()
        keys.deliver.set()
        assert first.result(10)
    assert keys.fetches == 2


@pytest.mark.parametrize("act", ["fail", "redirect", "endless", "short", "compressed", "garbage"])
def test_an_issuer_that_fails_leaves_nothing_known(issuer: Issuer, clock: Clock, act: str) -> None:
    issuer.act = act
    tokens = published(issuer, clock)
    for _ in range(3):
        with pytest.raises(Unavailable):
            tokens.verify(signed("first", FIRST))
    assert len(issuer.asked) == 1
    issuer.act = "show"
    clock.pass_by(5)
    assert tokens.verify(signed("first", FIRST)).user_id == "user-1"


@pytest.mark.parametrize(
    "document",
    [b"", b"null", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b"[" * 100_000, b'{"keys":[]'],
)
def test_a_document_that_is_no_key_set_is_as_none(issuer: Issuer, document: bytes) -> None:
    issuer.document = document
    with pytest.raises(Unavailable):
        published(issuer).verify(signed("first", FIRST))


def test_entries_that_are_no_keys_do_not_spoil_the_others(issuer: Issuer) -> None:
    whole = made.rsa_jwk("first", FIRST)
    broken: list[Any] = [None, 1, [], {}, {"kty": []}, {"kty": "RSA"}, {"kty": "RSA", "kid": "a"}]
    numbers = ({"n": 5}, {"n": "!"}, {"n": ""}, {"e": made.number(1)}, {"e": made.number(4)}, {"e": None})
    broken += [{**whole, **changed} for changed in numbers]
    uses: list[dict[str, Any]] = [{"kid": {}}, {"kid": None}, {"use": ["sig"]}, {"alg": {}}]
    uses += [{"key_ops": ["sign"]}, {"key_ops": 5}]
    broken += [{**whole, **changed} for changed in uses]
    broken.append({**made.ec_jwk("first", CURVE), "x": made.encoded(b"x" * 32)})
    issuer.show(*broken)
    refused(published(issuer), signed("first", FIRST))
    issuer.show(*broken, whole)
    issuer.act = "chunked"
    assert published(issuer).verify(signed("first", FIRST)).user_id == "user-1"


def test_of_two_keys_of_one_name_neither_is_used(issuer: Issuer) -> None:
    twin = made.rsa_jwk("twin", SECOND)
    issuer.show(made.rsa_jwk("first", FIRST), twin, made.rsa_jwk("twin", STRANGER), twin)
    tokens = published(issuer)
    for key in (SECOND, STRANGER):
        refused(tokens, signed("twin", key))
    assert tokens.verify(signed("first", FIRST)).user_id == "user-1"


def test_an_empty_key_set_trusts_nobody(issuer: Issuer, clock: Clock) -> None:
    tokens = published(issuer, clock)
    tokens.verify(signed("first", FIRST))
    issuer.show()
    clock.pass_by(300)
    refused(tokens, signed("first", FIRST))


def test_known_keys_serve_an_hour_while_their_issuer_is_out_of_reach(issuer: Issuer, clock: Clock) -> None:
    tokens, token = published(issuer, clock), signed("first", FIRST)
    tokens.verify(token)
    issuer.act = "fail"
    for _ in range(11):
        clock.pass_by(300)
        tokens.verify(token)
        refused(tokens, signed("second", SECOND))
    assert len(issuer.asked) == 12
    clock.pass_by(299)
    tokens.verify(token)
    clock.pass_by(1)
    with pytest.raises(Unavailable):
        tokens.verify(token)
    issuer.act = "show"
    clock.pass_by(5)
    tokens.verify(token)


def test_a_failure_is_in_the_log_without_the_token(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.act, token = "fail", signed("first", FIRST)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable):
        published(issuer).verify(token)
    assert [record.message for record in caplog.records if record.name == "printpipe"] == ["web_keys_unreadable"]
    assert token.split(".")[1] not in caplog.text


@pytest.mark.parametrize("act", ["silent", "slow_head", "slow_body"])
def test_an_issuer_that_dawdles_is_left(issuer: Issuer, act: str) -> None:
    issuer.act = act
    began = time.monotonic()
    with pytest.raises(Unavailable):
        HttpsWebKeys(issuer.url, timeout=0.3, timeout_total=0.6).fetch()
    assert time.monotonic() - began < 3


def test_an_issuer_that_is_not_there_or_has_no_certificate_is_unavailable(issuer: Issuer) -> None:
    for url in (
        f"http://127.0.0.1:{free_port()}/keys",
        f"https://127.0.0.1:{issuer.server_port}/keys",
        "https://no-such-host.invalid/keys",
    ):
        with pytest.raises(Unavailable):
            HttpsWebKeys(url, timeout=1.0, timeout_total=2.0).fetch()


def test_an_issuers_certificate_must_be_its_own(issuer: Issuer, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    with Issuer() as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = server.url.replace("http:", "https:")
            assert HttpsWebKeys(url, ca_file=certificate).fetch() == server.document
            for stranger in (
                HttpsWebKeys(url),
                HttpsWebKeys(url.replace("127.0.0.1", "localhost"), ca_file=certificate),
            ):
                with pytest.raises(Unavailable):
                    stranger.fetch()
        finally:
            server.shutdown()
            thread.join(10)
    assert len(server.asked) == 1


def self_signed(folder: Path, address: str) -> Path:
    """A file with a key and its certificate, for an address and for no name."""
    name, today = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, CURVE.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .sign(CURVE, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = CURVE.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "issuer.pem"
    file.write_bytes(key + certificate.public_bytes(pem))
    return file


def test_no_mutation_of_a_good_token_is_believed(issuer: Issuer) -> None:
    letters = string.ascii_letters + string.digits + "-_.=\n é\0"
    chance = random.Random(20)
    for tokens, good in [
        (shared(), made.good()),
        (published(issuer), signed("first", FIRST)),
        (published(issuer), made.token(ES, made.claims(), made.es256(CURVE))),
    ]:
        tokens.verify(good)
        for _ in range(count(20_000, quick=300)):
            mutant = good
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                at, other = chance.randrange(len(mutant)), chance.choice(letters)
                mutant = chance.choice(
                    (
                        mutant[:at] + other + mutant[at + 1 :],
                        mutant[:at] + other + mutant[at:],
                        mutant[:at] + mutant[at + 1 :],
                        mutant[:at] + mutant[chance.randrange(len(mutant)) :],
                    )
                )
                mutant = mutant or "."
            if mutant != good:
                with pytest.raises(Unauthenticated):
                    tokens.verify(mutant)
    assert len(issuer.asked) <= 4


def test_no_claims_however_odd_break_the_reading() -> None:
    chance = random.Random(21)
    odd: list[bytes] = [b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b"1e400", b"-1e400", b"NaN", b"-Infinity"]
    odd += [
        b"1" * 4301,
        b"1e-400",
        b"-0",
        b'"x"',
        b'["x"]',
        b'{"a":{}}',
        b'"' + b"x" * 2000 + b'"',
        b"[" * 900 + b"]" * 900,
    ]
    names = ["exp", "nbf", "iat", "aud", "iss", "sub", "userId", "id", "email", "organizationId", "role", "jti"]
    for _ in range(count(10_000, quick=300)):
        said = {name: text.encode() for name, text in ((k, json.dumps(v)) for k, v in made.claims().items())}
        said |= {name: chance.choice(odd) for name in chance.sample(names, chance.choice((1, 1, 2, 4)))}
        body = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in said.items())
        try:
            found = shared().verify(made.token(HS, body, made.hs256(made.SECRET)))
        except Unauthenticated:
            continue
        assert found.user_id in ("user-1", "x")
        assert found.organization_id in ("org-1", "x", None)
        assert found.role in (*ROLES, None)


def test_secrets_are_not_shown() -> None:
    assert made.SECRET not in repr(settled(SHARED))


# For whom a user may act.


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    store = EmbeddedDocuments(tmp_path / "documents.db")
    yield store
    store.close()


@pytest.fixture
def members(documents: EmbeddedDocuments, clock: Clock) -> Members:
    return Members(ports(documents=documents), settled(SHARED), clock)


def join(documents: EmbeddedDocuments, organization: str, user: str, role: str) -> str:
    name = membership_id(organization, user)
    data = {"membershipId": name, "organizationId": organization, "userId": user, "role": role}
    documents.commit(Put(f"memberships/{name}", {**data, "createdAt": datetime.now(UTC)}))
    return f"memberships/{name}"


def test_the_token_names_organization_and_role(members: Members) -> None:
    caller = members.caller(Identity("user-1", None, "org-1", "viewer"), None, "jobs.read")
    assert (caller.name, caller.user_id, caller.organization_id) == ("user:user-1", "user-1", "org-1")
    assert caller.scopes == ROLES["viewer"]
    assert caller.recipient_ids is None
    assert not caller.may("organizations.write")
    for named in ("org-1", "", None):
        assert members.caller(Identity("user-1", None, "org-1", "admin"), named, None).scopes == ROLES["admin"]


def test_a_token_of_one_organization_is_none_for_another(members: Members, documents: EmbeddedDocuments) -> None:
    join(documents, "org-2", "user-1", "admin")
    for named in ("org-2", "org-1 ", "ORG-1", "*", "org-1\0"):
        with pytest.raises(Forbidden) as refusal:
            members.caller(Identity("user-1", None, "org-1", "admin"), named, None)
        assert refusal.value.field == "organizationId"


def test_a_token_of_none_acts_where_its_user_is_a_member(members: Members, documents: EmbeddedDocuments) -> None:
    join(documents, "org-2", "user-1", "viewer")
    user = Identity("user-1", None, None, None)
    caller = members.caller(user, "org-2", "jobs.read")
    assert (caller.organization_id, caller.scopes, caller.user_id) == ("org-2", ROLES["viewer"], "user-1")
    for named, who in [("org-1", user), ("org-2", Identity("user-2")), ("../org-2", user), ("\ud800", user)]:
        with pytest.raises(Forbidden) as refusal:
            members.caller(who, named, "jobs.read")
        assert refusal.value.field == "organizationId"
    for nothing in (None, ""):
        with pytest.raises(InvalidInput, match=r"^organizationId: ") as missing:
            members.caller(user, nothing, "jobs.read")
        assert missing.value.field == "organizationId"


@pytest.mark.parametrize(
    ("identity", "membership", "role"),
    [
        (Identity("user-1", None, "org-1", "viewer"), "admin", "viewer"),
        (Identity("user-1", None, "org-1", None), "admin", "admin"),
        (Identity("user-1", None, "org-1", None), None, "operator"),
        (Identity("user-1", None, None, "viewer"), "admin", "admin"),
        (Identity("user-1", None, None, None), "viewer", "viewer"),
    ],
)
def test_the_role_is_where_the_organization_is_from(
    members: Members, documents: EmbeddedDocuments, identity: Identity, membership: str | None, role: Role
) -> None:
    if membership:
        join(documents, "org-1", "user-1", membership)
    assert members.caller(identity, "org-1", None).scopes == ROLES[role]


def test_the_deployment_says_what_a_token_without_a_role_may_do(documents: EmbeddedDocuments, clock: Clock) -> None:
    careful = Members(ports(documents=documents), settled(SHARED, default_role="viewer"), clock)
    assert careful.caller(Identity("user-1", None, "org-1", None), None, None).scopes == ROLES["viewer"]


def test_a_role_that_lacks_a_scope_is_told_so(members: Members) -> None:
    with pytest.raises(Forbidden, match=r"^The role viewer lacks the scope jobs\.write$"):
        members.caller(Identity("user-1", None, "org-1", "viewer"), None, "jobs.write")
    with pytest.raises(Forbidden, match=r"operator.*access_codes\.read"):
        members.caller(Identity("user-1", None, "org-1", "operator"), None, "access_codes.read")
    members.caller(Identity("user-1", None, "org-1", "admin"), None, "access_codes.read")
    with pytest.raises(Forbidden):
        members.caller(Identity("user-1", None, "org-1", "admin"), None, "organizations.write")


def test_a_membership_is_remembered_for_a_minute(members: Members, documents: EmbeddedDocuments, clock: Clock) -> None:
    user = Identity("user-1")
    path = join(documents, "org-1", "user-1", "operator")
    members.caller(user, "org-1", None)
    documents.commit(Delete(path))
    clock.pass_by(59)
    members.caller(user, "org-1", None)
    clock.pass_by(1)
    with pytest.raises(Forbidden):
        members.caller(user, "org-1", None)
    join(documents, "org-1", "user-1", "operator")
    clock.pass_by(5)
    assert members.caller(user, "org-1", None).organization_id == "org-1"


def test_a_membership_that_cannot_be_read_is_none(members: Members, documents: EmbeddedDocuments) -> None:
    join(documents, "org-1", "user-1", "owner")
    with pytest.raises(Forbidden):
        members.caller(Identity("user-1"), "org-1", None)
