"""Tokens: what they say, that nobody else can make one, how long they last."""

from datetime import UTC, datetime, timedelta

import pytest

from printpipe.domain.errors import NotFound
from printpipe.domain.fetch_tokens import FetchToken, expiry, mint, read

NOW = datetime(2025, 10, 31, 10, 0, 7, tzinfo=UTC)
SECRET, OLD_SECRET = b"s" * 32, b"o" * 32
TOKEN = FetchToken("a-file", 3, datetime(2025, 10, 31, 10, 15, tzinfo=UTC))


def test_says_what_was_put_in() -> None:
    assert read(mint(TOKEN, SECRET), [SECRET]) == TOKEN


def test_a_secret_being_replaced_still_verifies() -> None:
    assert read(mint(TOKEN, OLD_SECRET), [SECRET, OLD_SECRET]) == TOKEN
    with pytest.raises(NotFound):
        read(mint(TOKEN, OLD_SECRET), [SECRET])


@pytest.mark.parametrize("position", range(0, 68, 6))
def test_a_changed_token_is_forged(position: int) -> None:
    text = mint(TOKEN, SECRET)
    changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
    with pytest.raises(NotFound):
        read(changed, [SECRET])


@pytest.mark.parametrize("text", ["", "a", "äöü", "=", "A" * 43, "A" * 5000, "..", mint(TOKEN, SECRET) + "="])
def test_rubbish_is_forged(text: str) -> None:
    with pytest.raises(NotFound):
        read(text, [SECRET])


def test_ends_between_half_and_the_whole_lifetime_from_now() -> None:
    lifetime = timedelta(minutes=15)
    for second in range(0, 3600, 13):
        moment = NOW + timedelta(seconds=second)
        assert lifetime / 2 <= expiry(moment, lifetime) - moment <= lifetime


def test_is_the_same_when_made_again_soon() -> None:
    made = {
        mint(FetchToken("a", 1, expiry(NOW + timedelta(seconds=s), timedelta(minutes=15))), SECRET) for s in range(60)
    }
    assert len(made) == 1
