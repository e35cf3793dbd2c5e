"""Tokens of the recipients' own accounts, from a stand-in for IAM Credentials."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from printpipe.adapters.google.credentials import GoogleCredentials
from printpipe.domain.errors import Unavailable
from printpipe.domain.pubsub import service_account
from tests.iam_credentials import TOKEN, IamCredentials, Mood

PROJECT = "demo-printpipe"
ACCOUNT_ID = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
"""https://cloud.google.com/iam/docs/service-accounts-create"""


@pytest.fixture
def iam() -> Iterator[IamCredentials]:
    with IamCredentials() as server:
        yield server


@pytest.fixture
def credentials(iam: IamCredentials) -> GoogleCredentials:
    return GoogleCredentials(PROJECT, emulator_host=iam.host)


@pytest.mark.parametrize("recipient", ["site-1", "A", "x" * 100, "Halle.2~Süd_3"])
def test_every_recipient_has_an_account_of_its_own(recipient: str) -> None:
    account = service_account(recipient)
    assert ACCOUNT_ID.fullmatch(account)
    assert account == service_account(recipient) != service_account(f"{recipient} ")


def test_an_account_is_named_as_terraform_does() -> None:
    assert service_account("site-1") == "pp-f505dccd1d9094dbc62328daa12"


def test_a_token_is_for_pubsub_alone_as_the_recipients_account(
    iam: IamCredentials, credentials: GoogleCredentials
) -> None:
    token = credentials.pubsub_token("site-1")
    assert token.text == TOKEN
    assert TOKEN not in repr(token)
    assert timedelta(minutes=59) < token.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    account = f"{service_account('site-1')}@{PROJECT}.iam.gserviceaccount.com"
    assert iam.asked == [
        (
            f"/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            {"scope": ["https://www.googleapis.com/auth/pubsub"], "lifetime": "3600s"},
        )
    ]


@pytest.mark.parametrize("mood", ["down", "refusing", "silent", "babbling"])
def test_where_there_is_no_token_that_is_said_in_time(
    iam: IamCredentials, credentials: GoogleCredentials, mood: Mood
) -> None:
    iam.mood, began = mood, time.monotonic()
    with pytest.raises(Unavailable):
        credentials.pubsub_token("site-1")
    assert time.monotonic() - began < 8
    iam.mood = "well"
    assert credentials.pubsub_token("site-1").text == TOKEN


def test_nobody_there_is_said_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        GoogleCredentials(PROJECT, emulator_host="127.0.0.1:9").pubsub_token("site-1")
    assert time.monotonic() - began < 8


def test_the_emulators_tokens_are_made_up() -> None:
    credentials = GoogleCredentials(PROJECT, pubsub_emulated=True)
    first, second = (credentials.pubsub_token("site-1") for _ in range(2))
    assert first.text != second.text
    assert timedelta(minutes=59) < first.expires_at - datetime.now(UTC) <= timedelta(hours=1)
