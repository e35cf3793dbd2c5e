"""What a command brought is kept with it: for the cloud that asks again, and not for ever."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.command import Command, completed
from edge_agent.journal import KEEP_RESULTS, Journal
from edge_agent.store import Store
from edge_agent.timestamps import Clock
from edge_agent.worker import lane_of

RESULT = {"files": [{"path": "/cube.3mf", "size": 7}], "truncated": False}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "agent.db")
    yield store
    store.close()


def command(number: int = 1, kind: str = "list_files") -> Command:
    return Command(command_id=f"c{number}", recipient_id="site-1", command_type=kind, sequence=number)


def finished(journal: Journal, number: int) -> None:
    journal.record(command(number))
    journal.finish(f"c{number}", completed("listed", RESULT))


def test_a_result_is_told_again_after_a_restart(store: Store, tmp_path: Path) -> None:
    finished(Journal(store, Clock()), 1)
    store.close()
    other = Store(tmp_path / "agent.db")
    entry = Journal(other, Clock()).entry("c1")
    assert entry is not None
    assert entry.outcome == completed("listed", RESULT)
    other.close()


def test_only_the_newest_results_are_kept(store: Store) -> None:
    journal = Journal(store, Clock())
    with store.transaction():
        for number in range(KEEP_RESULTS + 1):
            finished(journal, number)
    journal.prune()
    oldest, next_one = journal.entry("c0"), journal.entry("c1")
    assert oldest is not None
    assert next_one is not None
    assert (oldest.outcome, next_one.outcome) == (completed("listed"), completed("listed", RESULT))


def test_results_do_not_pile_up_until_the_next_pruning(store: Store) -> None:
    journal = Journal(store, Clock())
    with store.transaction():
        for number in range(KEEP_RESULTS + 50):
            finished(journal, number)
    (kept,) = store.rows("SELECT count(result) AS results FROM commands")
    assert kept["results"] == KEEP_RESULTS


def test_a_journal_without_results_is_carried_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "agent.db") as older:
        older.execute(
            "CREATE TABLE commands (command_id TEXT PRIMARY KEY, body TEXT NOT NULL, stage TEXT NOT NULL,"
            " fence INTEGER, progress TEXT NOT NULL DEFAULT '{}', status TEXT, detail TEXT, updated_at REAL NOT NULL)"
        )
        older.execute(
            "INSERT INTO commands VALUES ('c1', ?, 'finished', 1, '{}', 'completed', 'done', 0)",
            (command(kind="pause").model_dump_json(by_alias=True),),
        )
    older.close()
    store = Store(tmp_path / "agent.db")
    journal = Journal(store, Clock())
    entry = journal.entry("c1")
    assert entry is not None
    assert entry.outcome == completed("done")
    finished(journal, 2)
    store.close()


@pytest.mark.parametrize("kind", ["test_connection", "list_files", "fetch_file", "send_file", "snapshot"])
def test_what_concerns_no_print_has_a_lane_of_its_own(kind: str) -> None:
    assert lane_of(command(kind=kind)) == "storage"
