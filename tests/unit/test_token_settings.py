"""What a deployment says of bearer tokens, and what stops it at once."""

import pytest
from pydantic import ValidationError

from printpipe.runtime.settings import Settings, parse

SECRET = "j" * 32
URL = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
KEY_SET = {"JWT_JWKS_URL": URL, "JWT_AUDIENCE": "demo", "JWT_ISSUER": "https://securetoken.google.com/demo"}


def read(**more: str) -> Settings:
    return parse({"GCP_PROJECT_ID": "demo", "FETCH_TOKEN_SECRET": "s" * 32, **more})


def test_without_a_setting_no_token_is_believed() -> None:
    for given in ({}, {"JWT_SECRET": ""}, {"JWT_AUDIENCE": "demo", "JWT_ISSUER": "demo"}):
        tokens = read(**given).policy().bearer_tokens
        assert tokens.algorithms == ()
        assert not tokens.secrets


def test_two_secrets_may_live_and_mean_hs256() -> None:
    tokens = read(JWT_SECRET=f"{SECRET},{'k' * 40}").policy().bearer_tokens
    assert tokens.algorithms == ("HS256",)
    assert tokens.secrets == [SECRET.encode(), b"k" * 40]
    assert (tokens.audience, tokens.issuer, tokens.default_role) == (None, None, "operator")


@pytest.mark.parametrize("wrong", ["j" * 31, f"{SECRET},short", ",".join([SECRET, "k" * 32, "l" * 32])])
def test_a_secret_that_is_short_or_one_of_three_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(ValidationError, match="JWT_SECRET") as refusal:
        read(JWT_SECRET=wrong)
    assert wrong not in str(refusal.value)


def test_a_public_key_is_no_secret() -> None:
    with pytest.raises(ValidationError, match="must be a secret"):
        read(JWT_SECRET=f"-----BEGIN PUBLIC KEY-----\n{'M' * 60}\n-----END PUBLIC KEY-----")


def test_secrets_are_not_shown() -> None:
    settings = read(JWT_SECRET=SECRET)
    assert SECRET not in f"{settings!r} {settings} {settings.policy()!r}"


def test_a_key_set_means_its_algorithms() -> None:
    tokens = read(**KEY_SET).policy().bearer_tokens
    assert tokens.algorithms == ("RS256", "ES256")
    assert not tokens.secrets
    assert (tokens.audience, tokens.issuer) == ("demo", "https://securetoken.google.com/demo")
    assert read(**KEY_SET, JWT_ALGORITHMS=" ES256 ").policy().bearer_tokens.algorithms == ("ES256",)


@pytest.mark.parametrize("wrong", ["HS256", "RS256,HS256", "none", "rs256", "PS256", ","])
def test_no_other_algorithm_can_be_asked_for(wrong: str) -> None:
    with pytest.raises(ValidationError, match="JWT_ALGORITHMS"):
        read(**KEY_SET, JWT_ALGORITHMS=wrong)


def test_algorithms_are_for_a_key_set() -> None:
    with pytest.raises(ValidationError, match="JWT_ALGORITHMS"):
        read(JWT_SECRET=SECRET, JWT_ALGORITHMS="RS256")


def test_secret_and_key_set_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="JWT_SECRET and JWT_JWKS_URL") as refusal:
        read(JWT_SECRET=SECRET, **KEY_SET)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("missing", ["JWT_AUDIENCE", "JWT_ISSUER"])
def test_a_key_set_needs_audience_and_issuer(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        read(**{**KEY_SET, missing: ""})


@pytest.mark.parametrize(
    "url", [URL, "https://id.example.org:8443/", "http://localhost:9099/keys", "http://127.0.0.1/k", "http://[::1]:1/k"]
)
def test_a_key_set_is_fetched_over_https_or_from_this_machine(url: str) -> None:
    assert read(**{**KEY_SET, "JWT_JWKS_URL": url}).jwt_jwks_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.org/keys",
        "http://127.0.0.1.example.org/keys",
        "http://localhost.example.org/keys",
        "http://127.0.0.1@id.example.org/keys",
        "https://user:word@id.example.org/keys",
        "https://id.example.org",
        "https://id.example.org/keys#first",
        "https://id.example.org:99999/keys",
        "https://id.example.org/a b",
        "https://id.example.org/\n",
        "file:///etc/passwd",
        "ftp://id.example.org/keys",
        "//id.example.org/keys",
        "keys",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="JWT_JWKS_URL"):
        read(**{**KEY_SET, "JWT_JWKS_URL": url})


def test_a_default_role_is_one_of_three() -> None:
    assert read(JWT_DEFAULT_ROLE="viewer").policy().bearer_tokens.default_role == "viewer"
    for wrong in ("owner", "Admin", "*"):
        with pytest.raises(ValidationError, match="JWT_DEFAULT_ROLE"):
            read(JWT_DEFAULT_ROLE=wrong)
