"""Which job a printer had when the agent ended, from its disk."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.jobs import Job, JobBook, Phase
from edge_agent.store import Store
from edge_agent.timestamps import Clock

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OURS = Job(marker="cube_1", printer="P", command_id="c-1", published_at=NOW)
THEIRS = Job(marker="benchy", printer="P", file_name="benchy", phase=Phase.ACTIVE, published_at=NOW)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[JobBook]:
    store = Store(tmp_path / "agent.db")
    yield JobBook(store, Clock())
    store.close()


def at(job: Job, phase: Phase) -> Job:
    return job.model_copy(update={"phase": phase})


def test_the_newest_job_counts_while_it_lives(book: JobBook) -> None:
    assert book.live("P") is None
    book.save(OURS)
    book.save(at(OURS, Phase.ACTIVE))
    assert book.live("P") == at(OURS, Phase.ACTIVE)
    assert book.live("another") is None
    book.save(at(OURS, Phase.ENDED))
    assert book.live("P") is None
    assert book.job("cube_1") == at(OURS, Phase.ENDED)


def test_what_others_start_is_known_after_a_restart_and_hides_no_job_of_ours(book: JobBook) -> None:
    book.save(at(OURS, Phase.ENDED))
    book.save(THEIRS)
    assert book.live("P") == THEIRS
    again = THEIRS.model_copy(update={"marker": "cube_1"})
    book.save(again)
    assert book.live("P") == again
    assert book.job("cube_1") == at(OURS, Phase.ENDED)


def test_a_start_that_is_sent_after_others_have_printed_is_the_newest_again(book: JobBook) -> None:
    book.save(OURS)
    book.save(at(OURS, Phase.REFUSED))
    book.save(THEIRS)
    book.save(at(THEIRS, Phase.ENDED))
    book.save(OURS)
    book.save(at(OURS, Phase.ACTIVE))
    assert book.live("P") == at(OURS, Phase.ACTIVE)
