"""What people are advised to do about an error."""

import re

import pytest

from printpipe.domain.hms_advice import ADVICE, advice

CONTRACT = (
    "0300_0300_0002_0003",
    "0500_0200_0001_0001",
    "0500_0300_0002_0001",
    "0700_0300_0001_0002",
    "0C00_0100_0001_0001",
    "0D00_0200_0001_0001",
)
STARTS = ("0500_4003", "0500_4004", "0500_C010", "0500_803C", "07FF_8012", "0500_0500_0001_0007")


@pytest.mark.parametrize("code", [*CONTRACT, *STARTS])
def test_the_known_codes_have_their_own_advice(code: str) -> None:
    assert advice(code) == ADVICE[code]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("0702_8011", "spool"),
        ("0701_2300_0002_0001", "same filament"),
        ("0701_2300_0002_0002", "slot"),
        ("0702_1000_0001_0001", "AMS"),
        ("0300_0100_0001_0001", "bed"),
        ("0300_0D00_0001_0003", "homes"),
        ("0C00_0300_0003_0008", "first layer"),
    ],
)
def test_the_longest_family_counts(code: str, word: str) -> None:
    assert word in (advice(code) or "")


def test_of_other_codes_nothing_is_said() -> None:
    assert advice("0500_0100_0003_0004") is None
    assert advice("4242_0000_0000_0000") is None


def test_every_advice_is_one_sentence() -> None:
    assert all(re.fullmatch(r"[A-Z][^.]+\.", sentence) for sentence in ADVICE.values())
