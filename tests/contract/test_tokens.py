"""Bearer tokens over HTTP: the hostile ones are 401 wherever they come, the good ones work."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests import bearer_tokens as made
from tests.cloud import Cloud, running

ONE_BACKEND_AT_REDUCED_COUNTS = True

PATH = "/api/printers"
LONGEST_SENT = 8_000
"""Letters; gunicorn answers a longer header field itself."""

ENOUGH = 25
"""Hostile tokens of each kind of deployment."""

TRUSTED, STRANGER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
HS = {"alg": "HS256", "typ": "JWT"}
RS = {"alg": "RS256", "typ": "JWT", "kid": "trusted"}
CHECKED = {"JWT_AUDIENCE": made.AUDIENCE, "JWT_ISSUER": made.ISSUER}


@pytest.fixture(scope="module")
def shared(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A deployment that shares a secret with its issuer."""
    with running(cloud.backend, tmp_path_factory.mktemp("shared"), JWT_SECRET=made.SECRET, **CHECKED) as functions:
        yield functions


class Shown(BaseHTTPRequestHandler):
    """Shows a key set."""

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        document = json.dumps({"keys": [made.rsa_jwk("trusted", TRUSTED)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)


@pytest.fixture(scope="module")
def published(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A deployment whose issuer shows its keys."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shown) as issuer:
        thread = threading.Thread(target=issuer.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{issuer.server_port}/keys"
        folder = tmp_path_factory.mktemp("published")
        try:
            with running(cloud.backend, folder, JWT_SECRET="", JWT_JWKS_URL=url, **CHECKED) as functions:
                yield functions
        finally:
            issuer.shutdown()
            thread.join(10)


def refused(cloud: Cloud, tokens: dict[str, str]) -> None:
    sent = {name: token for name, token in tokens.items() if _is_carried(token)}
    assert len(sent) >= ENOUGH
    for name, token in sent.items():
        answer = cloud.call("GET", PATH, token=token)
        assert answer.status_code == 401, (name, answer.text)
        assert set(answer.json()) == {"error"}, name
        assert not [part for part in token.split(".") if len(part) > 8 and part in answer.text], name


def _is_carried(token: str) -> bool:
    """Whether HTTP, and its server, carry it this far."""
    return token.isascii() and token.isprintable() and token == token.strip() and len(token) <= LONGEST_SENT


def test_with_a_secret_hostile_tokens_are_unauthorized(shared: Cloud) -> None:
    sign = made.hs256(made.SECRET)
    assert shared.call("GET", PATH, token=made.good()).status_code == 200
    refused(shared, made.malformed(HS, sign) | made.for_others(HS, sign) | made.against_a_secret(STRANGER, CURVE))


def test_with_a_key_set_hostile_tokens_are_unauthorized(published: Cloud) -> None:
    sign = made.rs256(TRUSTED)
    assert published.call("GET", PATH, token=made.token(RS, made.claims(), sign)).status_code == 200
    forged = made.against_a_key_set(TRUSTED, "trusted", STRANGER, STRANGER)
    refused(published, made.malformed(RS, sign) | made.for_others(RS, sign) | forged)


def test_a_token_goes_into_the_header_alone(shared: Cloud) -> None:
    token = made.good()
    for answer in (
        shared.call("GET", PATH),
        shared.call("GET", f"{PATH}?token={token}&access_token={token}"),
        shared.call("GET", PATH, headers={"Cookie": f"token={token}"}),
        shared.call("GET", PATH, key=token),
        shared.call("GET", PATH, headers={"Authorization": f"Basic {token}"}),
        shared.call("GET", PATH, headers={"Authorization": token}),
        shared.call("GET", PATH, token=token, key=shared.operator_key),
    ):
        assert answer.status_code == 401, answer.request.headers
        assert token not in answer.text


def test_no_token_is_in_the_log(shared: Cloud) -> None:
    whole, bad = made.good(), made.good(secret=made.FOREIGN_SECRET)
    for token in (whole, bad):
        shared.call("GET", PATH, token=token)
    log = shared.log.read_text()
    assert made.SECRET not in log
    assert not [part for token in (whole, bad) for part in token.split(".")[1:] if part in log]


def test_another_organizations_name_is_forbidden(shared: Cloud) -> None:
    answer = shared.call("GET", f"{PATH}?organizationId=org-2", token=made.good(organizationId="org-1"))
    assert answer.status_code == 403
    assert "organizationId" in answer.json()["error"]
