"""What the embedded store does beyond the port: several processes on one file, and the feed of changes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from printpipe.adapters.embedded.changes import Change
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.ports.documents import Create, Delete, Document, DocumentExists, Put, Query, Update
from tests.contract.ports.deadlines import eventually
from tests.counts import count

WRITER = """
import sys
from pathlib import Path
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.ports.documents import Create, DocumentChanged, DocumentExists, Increment, Update
store, name, rounds = EmbeddedDocuments(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    try:
        store.commit(Create(f"claims/{number}", {"by": name}), Update("totals/claims", {name: Increment(1)}))
    except DocumentExists:
        pass
    store.commit(Update("totals/all", {"n": Increment(1)}))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "documents.db"


def run_writer(path: Path, name: str, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), name, str(rounds)],
        env={"PYTHONPATH": "functions"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_processes_share_one_store(path: Path) -> None:
    rounds = count(200, quick=25)
    store = EmbeddedDocuments(path)
    store.commit(Create("totals/claims", {}), Create("totals/all", {"n": 0}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: run_writer(path, f"w{n}", rounds), range(4)))

    claims = store.query(Query("claims"))
    totals = store.get("totals/claims")
    everything = store.get("totals/all")
    assert totals
    assert everything
    assert len(claims) == rounds
    assert totals.data == {
        name: wins for n in range(4) if (wins := sum(claim.data["by"] == (name := f"w{n}") for claim in claims))
    }
    assert everything.data == {"n": 4 * rounds}


def test_several_may_open_a_new_store_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: EmbeddedDocuments(path), range(8)))

    stores[0].commit(Create("jobs/j", {"n": 1}))
    assert all(store.get("jobs/j") for store in stores)
    with pytest.raises(DocumentExists):
        stores[7].commit(Create("jobs/j", {"n": 2}))


def test_only_its_owner_can_read_the_store(path: Path) -> None:
    EmbeddedDocuments(path).commit(Create("jobs/j", {"n": 1}))

    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


def test_every_change_is_told_once_and_in_order(path: Path) -> None:
    store, other = EmbeddedDocuments(path), EmbeddedDocuments(path)
    store.commit(Create("jobs/before", {"n": 0}))
    told: list[Change] = []

    with store.watch(told.append) as listener:
        store.commit(Create("jobs/a", {"n": 1}), Put("jobs/b", {"n": 1}))
        store.commit(Update("jobs/a", {"n": 2}), Update("jobs/b", {"n": 1}), Delete("jobs/none"))
        other.commit(Delete("jobs/a"))
        eventually(lambda: len(told) == 4)
        listener.close()
        store.commit(Create("jobs/after", {"n": 1}))

    seen = [
        (change.kind, change.path, change.before and change.before.data, change.after and change.after.data)
        for change in told
    ]
    assert seen == [
        ("created", "jobs/a", None, {"n": 1}),
        ("created", "jobs/b", None, {"n": 1}),
        ("updated", "jobs/a", {"n": 1}, {"n": 2}),
        ("deleted", "jobs/a", {"n": 2}, None),
    ]
    created, updated = told[0].after, told[2].before
    assert created
    assert created == updated


def test_a_callback_that_fails_does_not_end_the_feed(path: Path) -> None:
    store = EmbeddedDocuments(path)
    told: list[str] = []

    def callback(change: Change) -> None:
        told.append(change.path)
        if change.path == "jobs/a":
            raise RuntimeError("on purpose")

    with store.watch(callback):
        store.commit(Create("jobs/a", {}), Create("jobs/b", {}))
        store.commit(Create("jobs/c", {}))
        eventually(lambda: told == ["jobs/a", "jobs/b", "jobs/c"])


def test_a_listener_hears_of_another_process_within_a_moment(path: Path) -> None:
    store = EmbeddedDocuments(path)
    store.commit(Create("totals/claims", {}), Create("totals/all", {"n": 0}))
    heard: list[list[Document]] = []

    with store.listen(Query("claims"), heard.append):
        run_writer(path, "w", 1)
        eventually(lambda: heard and [document.id for document in heard[-1]] == ["0"], seconds=1)
