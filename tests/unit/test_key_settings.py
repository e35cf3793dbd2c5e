"""What a deployment says of its secrets and keys, and what stops it at once."""

import pytest
from pydantic import ValidationError

from printpipe.runtime.settings import Settings, parse

SECRET = "s" * 32
ENVIRONMENT = {"GCP_PROJECT_ID": "demo", "FETCH_TOKEN_SECRET": SECRET}


def read(**more: str) -> Settings:
    return parse({**ENVIRONMENT, **more})


def test_two_values_of_a_secret_may_live_and_the_first_signs() -> None:
    policy = read(FETCH_TOKEN_SECRET=f"{'n' * 32}, {'o' * 40}").policy()
    assert policy.fetch_token_secrets == [b"n" * 32, b"o" * 40]


@pytest.mark.parametrize("wrong", ["s" * 31, f"{SECRET},short", ",".join([SECRET, "t" * 32, "u" * 32]), ",", ""])
def test_a_secret_that_is_short_missing_or_one_of_three_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(ValidationError, match="FETCH_TOKEN_SECRET") as refusal:
        read(FETCH_TOKEN_SECRET=wrong)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("api-keys", "projects/demo/secrets/api-keys/versions/latest"),
        ("projects/other/secrets/api-keys", "projects/other/secrets/api-keys/versions/latest"),
        ("projects/other/secrets/api-keys/versions/7", "projects/other/secrets/api-keys/versions/7"),
        ("projects/other/secrets/api-keys/versions/latest", "projects/other/secrets/api-keys/versions/latest"),
    ],
)
@pytest.mark.parametrize("variable", ["SECRET_MANAGER_API_KEYS_PATH", "SECRET_MANAGER_API_KEYS"])
def test_the_secret_with_keys_is_named_whole_or_within_the_project(variable: str, given: str, path: str) -> None:
    assert read(**{variable: given}).policy().api_keys_secret == path


@pytest.mark.parametrize("wrong", ["projects/demo", "a/b", "projects/p/secrets/../versions/latest", "api keys"])
def test_a_name_that_is_no_secrets_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="SECRET_MANAGER_API_KEYS"):
        read(SECRET_MANAGER_API_KEYS_PATH=wrong)


def test_keys_are_remembered_for_a_minute_at_the_most() -> None:
    assert read().policy().key_memory.total_seconds() == 60
    assert read(API_KEY_CACHE_SECONDS="0").policy().key_memory.total_seconds() == 0
    for wrong in ("61", "-1", "nan", "soon"):
        with pytest.raises(ValidationError, match="API_KEY_CACHE_SECONDS"):
            read(API_KEY_CACHE_SECONDS=wrong)
