"""The health that anybody may ask for costs next to nothing, and says so when the store is away."""

import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.errors import Unavailable
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Query
from printpipe.services.health import HEARD_OF, REMEMBER_SECONDS, VERSION, Agents, Health, Pulse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTIONS = 3
"""How often something is counted."""


class AskedDocuments(EmbeddedDocuments):
    """The embedded store, which counts how often it is asked and can be away; a question may wait for the gate."""

    asked = 0
    away = False
    gate: threading.Event | None = None

    def count(self, query: Query) -> int:
        self.asked += 1
        if self.gate:
            self.gate.wait(5)
        if self.away:
            raise Unavailable("The store does not answer")
        return super().count(query)


class Clock:
    """A monotonic clock that stands still until it is told to go on."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[AskedDocuments]:
    made = AskedDocuments(tmp_path / "documents.db")
    for number, active in enumerate((True, True, False)):
        made.commit(Create(f"printers/{number}", {"active": active, "createdAt": datetime.now(UTC)}))
    yield made
    made.close()


def test_the_store_is_asked_once_in_a_while(documents: AskedDocuments) -> None:
    clock = Clock()
    pulse = Pulse(clock)
    assert pulse.take(documents, Collections(), NOW) == Health(True, 2, Agents(), 0)
    clock.seconds += REMEMBER_SECONDS - 0.1
    assert pulse.take(documents, Collections(), NOW) == Health(True, 2, Agents(), 4)
    assert documents.asked == QUESTIONS
    clock.seconds += 0.2
    pulse.take(documents, Collections(), NOW)
    assert documents.asked == 2 * QUESTIONS


def test_agents_are_counted_and_those_that_were_heard_of(documents: AskedDocuments) -> None:
    beats = {
        "now": ("agent", NOW),
        "just in time": ("agent", NOW - HEARD_OF),
        "too late": ("agent", NOW - HEARD_OF - timedelta(seconds=1)),
        "never": ("agent", None),
        "not ours": ("lan_client", NOW + timedelta(seconds=1)),
    }
    for name, (client, seen) in beats.items():
        documents.commit(Create(f"recipients/{name}", {"client": client, "lastSeenAt": seen}))
    documents.commit(Create("recipients/fresh", {"client": "agent"}))
    assert Pulse().take(documents, Collections(), NOW).agents == Agents(total=5, online=2, last_heard_at=NOW)


def test_a_store_that_is_away_is_asked_once_in_a_while_too(documents: AskedDocuments) -> None:
    clock = Clock()
    pulse = Pulse(clock)
    documents.away = True
    assert [pulse.take(documents, Collections(), NOW).connected for _ in range(5)] == [False] * 5
    assert documents.asked == 1
    documents.away = False
    clock.seconds += REMEMBER_SECONDS
    assert pulse.take(documents, Collections(), NOW).connected is True


def test_many_at_once_wait_for_one_answer(documents: AskedDocuments) -> None:
    pulse, documents.gate = Pulse(), threading.Event()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(pulse.take, documents, Collections(), NOW) for _ in range(8)]
        documents.gate.set()
        assert {each.result(5).connected for each in waiting} == {True}
    assert documents.asked == QUESTIONS


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
