"""How often a client may call, whichever instances it reaches."""

import json
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.errors import RateLimited, Unavailable
from printpipe.domain.policy import Collections
from printpipe.domain.tenancy import NOBODY
from printpipe.services.access.rate_limits import BLOCK, LIMITS, MOST_CLIENTS, Allowance, RateLimits, Slots
from tests.unit.services.test_lost_answers import ForgetfulDocuments

GENERAL = LIMITS["general"].calls
NOON = datetime(2025, 9, 3, 12, tzinfo=UTC)
PROCESSES = 8
CALLS = 300
"""That each process tries: more than there are for all."""


class Clock:
    """Set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def documents(tmp_path: Path) -> MeteredDocuments:
    return MeteredDocuments(EmbeddedDocuments(tmp_path / "documents.db"))


@pytest.fixture
def limits(documents: MeteredDocuments, clock: Clock) -> RateLimits:
    return RateLimits(documents, Collections(), clock)


def test_a_client_is_refused_from_the_limit_on_until_the_next_hour(limits: RateLimits, clock: Clock) -> None:
    clock.now = NOON + timedelta(minutes=20)
    reset = int((NOON + timedelta(hours=1)).timestamp())
    told = [limits.take("client", "general") for _ in range(GENERAL)]
    assert [refusal for _, refusal in told] == [None] * GENERAL
    assert [each.remaining for each, _ in told] == list(range(GENERAL - 1, -1, -1))
    allowance, refusal = limits.take("client", "general")
    assert allowance == Allowance(GENERAL, 0, reset)
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 40 * 60
    assert limits.take("another", "general")[1] is None
    clock.now = NOON + timedelta(hours=1)
    assert limits.take("client", "general")[1] is None


def test_status_has_a_limit_of_its_own_by_the_minute(limits: RateLimits, clock: Clock) -> None:
    refusals = [limits.take("client", "status")[1] for _ in range(LIMITS["status"].calls + 1)]
    assert [refusal is None for refusal in refusals] == [True] * LIMITS["status"].calls + [False]
    assert limits.take("client", "general")[1] is None
    clock.now = NOON + timedelta(minutes=1)
    assert limits.take("client", "status")[1] is None


def test_what_one_instance_has_counted_others_know(documents: MeteredDocuments, clock: Clock) -> None:
    one = RateLimits(documents, Collections(), clock)
    for _ in range(GENERAL):
        one.take("client", "general")
    other = RateLimits(documents, Collections(), clock)
    assert other.take("client", "general")[1] is not None


def test_a_client_that_goes_from_function_to_function_does_not_run_out(
    documents: MeteredDocuments, clock: Clock
) -> None:
    functions = [RateLimits(documents, Collections(), clock) for _ in range(30)]
    assert [each.take("client", "general")[1] for each in functions * 2] == [None] * 60


def test_a_write_serves_a_block_and_a_refusal_asks_nothing(limits: RateLimits) -> None:
    with billed() as bill:
        for _ in range(GENERAL):
            limits.take("client", "general")
    assert bill.writes == GENERAL // BLOCK
    assert bill.reads <= GENERAL // BLOCK + 1
    with billed() as bill:
        limits.take("client", "general")
    assert bill.lines() == {}


def test_eight_processes_pass_the_limit_by_a_block_each_at_the_most(tmp_path: Path) -> None:
    store = tmp_path / "documents.db"
    EmbeddedDocuments(store)
    command = [sys.executable, "-m", "tests.unit.services.limited_instance", str(store), str(CALLS)]
    with ExitStack() as ends:
        running = [ends.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True)) for _ in range(PROCESSES)]
        for each in running:
            assert each.stdin
            each.stdin.write("\n")
            each.stdin.flush()
        told = [json.loads(each.communicate(timeout=60)[0]) for each in running]
    served, writes = sum(each["served"] for each in told), sum(each["writes"] for each in told)
    assert GENERAL <= served <= GENERAL + PROCESSES * BLOCK
    assert writes * 1000 <= 25 * served


@pytest.fixture
def slots(documents: MeteredDocuments, clock: Clock) -> Slots:
    return Slots(documents, Collections(), clock)


def test_a_slot_is_free_again_once_it_is_given_back_or_was_not_kept(slots: Slots, clock: Clock) -> None:
    slots.take("client", "sockets", 2, "one")
    slots.take("client", "sockets", 2, "two")
    with pytest.raises(RateLimited):
        slots.take("client", "sockets", 2, "three")
    slots.take("another", "sockets", 2, "three")
    slots.give_back("client", "sockets", "one")
    slots.give_back("client", "sockets", "one")
    slots.take("client", "sockets", 2, "three")
    clock.now = NOON + timedelta(minutes=4)
    slots.take("client", "sockets", 2, "three")
    clock.now = NOON + timedelta(minutes=6)
    slots.take("client", "sockets", 2, "four")
    with pytest.raises(RateLimited):
        slots.take("client", "sockets", 2, "five")


def test_what_could_not_be_written_down_is_written_later(tmp_path: Path, clock: Clock) -> None:
    documents = ForgetfulDocuments(tmp_path / "forgetful.db")
    one = RateLimits(documents, Collections(), clock)
    for _ in range(BLOCK - 1):
        one.take("client", "general")
    documents.lose = "before"
    with pytest.raises(Unavailable):
        one.take("client", "general")
    one.take("client", "general")
    allowance, _ = RateLimits(documents, Collections(), clock).take("client", "general")
    assert allowance.remaining == GENERAL - BLOCK - 2
    documents.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("198.51.100.7", "198.51.100.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.8", False),
        ("unknown", "another", False),
        (None, None, True),
    ],
)
def test_who_has_a_whole_network_of_addresses_is_one_client(one: str | None, other: str | None, same: bool) -> None:
    assert (NOBODY.client(one) == NOBODY.client(other)) is same


def test_ever_new_clients_take_no_more_room(limits: RateLimits) -> None:
    for number in range(MOST_CLIENTS + 10):
        limits.take(f"client {number}", "status")
    assert MOST_CLIENTS // 2 < len(limits) <= MOST_CLIENTS
    newest = limits.take(f"client {MOST_CLIENTS + 9}", "status")[0]
    assert newest.remaining == LIMITS["status"].calls - 2
