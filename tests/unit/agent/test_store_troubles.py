"""A disk that takes no writes: nothing is done that is not on disk before, but a stop, which is kept in memory."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.command import Command, Outcome, completed
from edge_agent.execution import Refused, Rooms, Run
from edge_agent.executor import Executor, Leases
from edge_agent.journal import Journal, Stage
from edge_agent.outbox import Kind
from edge_agent.store import Store, StoreUnwritable
from tests.integration.agent_site import ROOT
from tests.unit.agent.offline_rooms import Hand, no_file_longer_than, rooms


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def site(tmp_path: Path, hand: Hand) -> Iterator[Rooms]:
    with rooms("http://127.0.0.1:9", tmp_path, clock=hand.clock) as made:
        made.store.execute("CREATE TABLE ballast (content BLOB)")
        yield made


def fill(site: Rooms) -> None:
    """From now on the disk is full."""
    row = site.store.row("PRAGMA page_count")
    assert row is not None
    site.store.row(f"PRAGMA max_page_count = {row[0]}")
    with contextlib.suppress(StoreUnwritable):
        for _ in range(100):
            site.store.execute("INSERT INTO ballast VALUES (randomblob(2000))")


def order(kind: str, name: str = "c1", sequence: int = 1) -> Command:
    return Command(
        command_id=name, command_type=kind, printer_serial="P", sequence=sequence, metadata={"x": "y" * 9000}
    )


def test_a_full_disk_undoes_the_whole_transaction_and_says_so(site: Rooms) -> None:
    fill(site)
    before = site.store.rows("SELECT * FROM meta")

    def change() -> None:
        with site.store.transaction():
            site.store.execute("INSERT INTO meta VALUES ('small', '')")
            site.store.execute("INSERT INTO ballast VALUES (randomblob(90000))")

    with pytest.raises(StoreUnwritable, match="disk cannot be written: database or disk is full"):
        change()
    assert [tuple(row) for row in site.store.rows("SELECT * FROM meta")] == [tuple(row) for row in before]
    assert site.store.trouble is None


def test_what_may_be_lost_goes_on_in_memory_with_all_that_was_there(site: Rooms, tmp_path: Path) -> None:
    site.journal.record(order("light_on"))
    fill(site)
    with site.store.bearing_loss(), site.store.transaction():
        site.store.execute("INSERT INTO meta VALUES ('first', '1')")
        entry, new = site.journal.record(order("stop", "c2"))
    assert new
    assert entry.stage is Stage.RECEIVED
    assert site.store.trouble is not None
    assert [each.command.command_id for each in site.journal.unfinished()] == ["c1", "c2"]
    assert site.store.row("SELECT value FROM meta WHERE name = 'first'") is not None
    with pytest.raises(StoreUnwritable):
        site.journal.advance("c1", Stage.PUBLISHING)
    with site.store.bearing_loss():
        site.journal.advance("c2", Stage.PUBLISHED)
    entry_1, entry_2 = site.journal.entry("c1"), site.journal.entry("c2")
    assert entry_1 is not None
    assert entry_2 is not None
    assert (entry_1.stage, entry_2.stage) == (Stage.RECEIVED, Stage.PUBLISHED)


def test_the_disk_takes_everything_back_when_it_can(site: Rooms, hand: Hand, tmp_path: Path) -> None:
    with no_file_longer_than(1):
        with pytest.raises(StoreUnwritable, match="disk I/O error"):
            site.journal.record(order("light_on", "c1"))
        with site.store.bearing_loss():
            site.journal.record(order("stop", "c2"))
        assert site.store.trouble is not None
    site.store.settle()
    assert site.store.trouble is not None, "it was tried a moment ago"
    hand.seconds += 30
    site.journal.record(order("home", "c3"))
    site.store.close()
    store = Store(tmp_path / "agent.db")
    assert store.trouble is None
    again = Journal(store, hand.clock)
    assert [entry.command.command_id for entry in again.unfinished()] == ["c2", "c3"]
    assert again.agent_id == site.journal.agent_id
    store.close()


def test_what_the_disk_never_took_back_is_lost_with_the_agent_and_nothing_else(
    site: Rooms, hand: Hand, tmp_path: Path
) -> None:
    site.journal.record(order("light_on", "c1"))
    with no_file_longer_than(1):
        with site.store.bearing_loss():
            site.journal.record(order("stop", "c2"))
        site.store.close()
        store = Store(tmp_path / "agent.db")
        with store.bearing_loss():
            Journal(store, hand.clock).record(order("stop", "c3"))
        assert store.trouble is not None
        assert [each.command.command_id for each in Journal(store, hand.clock).unfinished()] == ["c1", "c3"]
        store.close()


def test_results_and_status_go_out_although_the_disk_is_full(site: Rooms) -> None:
    for number in range(20):
        site.outbox.put(Kind.EVENT, f"e{number}", {"eventType": "job_paused", "message": "x" * 900})
    fill(site)
    for number in range(30):
        site.outbox.replace(Kind.STATUS, f"P{number}", {"printerSerial": f"P{number}", "status": {"x": "y" * 900}})
    assert len(site.outbox.waiting(Kind.STATUS, 100)) == 30
    event = site.outbox.first(Kind.EVENT)
    assert event is not None
    site.outbox.remove(event)
    following = site.outbox.first(Kind.EVENT)
    assert following is not None
    assert following.name == "e1"


def executed(site: Rooms, command: Command) -> tuple[list[str], dict[str, Any]]:
    """What was sent to the printer, and the result."""
    sent: list[str] = []

    def perform(run: Run) -> Outcome:
        run.note(target="cube" * 2000)
        run.intend()
        run.publishing()
        sent.append(run.command.kind)
        run.published()
        return completed("done")

    Executor(site, Leases(site)).execute(command.command_id, perform)
    result = site.outbox.first(Kind.RESULT)
    assert result is not None
    return sent, dict(result.body)


def test_a_stop_is_carried_out_on_a_full_disk_and_told(site: Rooms) -> None:
    stop = order("stop")
    fill(site)
    with site.store.bearing_loss():
        site.journal.record(stop)
    sent, result = executed(site, stop)
    assert sent == ["stop"]
    assert (result["status"], result["commandId"]) == ("completed", "c1")
    entry, new = site.journal.record(stop) if site.store.trouble is None else (site.journal.entry("c1"), False)
    assert entry is not None
    assert (entry.outcome, new) == (completed("done"), False)


def test_the_disk_may_fill_up_while_a_stop_is_under_way(site: Rooms) -> None:
    site.journal.record(order("stop"))
    fill(site)
    assert executed(site, order("stop"))[0] == ["stop"]


def test_nothing_else_is_carried_out_on_a_full_disk(site: Rooms) -> None:
    pause = order("pause")
    site.journal.record(pause)
    fill(site)
    entry = site.journal.entry("c1")
    assert entry is not None
    run = Run(entry, site)
    with pytest.raises(Refused, match="this machine's disk cannot be written"):
        run.note(uploaded="x" * 20_000)
    site.outbox.replace(Kind.STATUS, "P", {"x": "y" * 20_000})
    for step in (run.intend, run.publishing):
        with pytest.raises(Refused, match="this machine's disk cannot be written"):
            step()
    again = site.journal.entry("c1")
    assert again is not None
    assert again.stage is Stage.RECEIVED


def test_an_older_start_stays_overruled_by_a_stop_that_is_in_memory_alone(site: Rooms) -> None:
    entry, _ = site.journal.record(order("start_print", "c1", 1))
    fill(site)
    stop = order("stop", "c2", 2)
    with site.store.bearing_loss():
        site.journal.record(stop)
    executed(site, stop)
    with pytest.raises(Refused, match="superseded"):
        Run(entry, site).authorise()


READ_ONLY = """
import sys
from pathlib import Path
from edge_agent.command import Command
from edge_agent.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.store import Store, StoreUnwritable
from edge_agent.timestamps import Clock

store = Store(Path(sys.argv[1]) / "agent.db")
journal = Journal(store, Clock())
Outbox(store, Clock())
assert store.trouble
assert [entry.command.command_id for entry in journal.unfinished()] == ["c1"]
try:
    journal.record(Command(command_id="c2", command_type="home"))
    raise SystemExit("a command was taken that is not on disk")
except StoreUnwritable:
    pass
with store.bearing_loss():
    journal.record(Command(command_id="c3", command_type="stop"))
store.close()
"""


def test_an_agent_begins_on_a_disk_that_can_only_be_read(tmp_path: Path, hand: Hand) -> None:
    """As it left it when it was killed, with a write-ahead log."""
    folder = tmp_path / "state"
    store = Store(tmp_path / "agent.db")
    Journal(store, hand.clock).record(order("stop"))
    folder.mkdir()
    for name in ("agent.db", "agent.db-wal"):
        shutil.copy(tmp_path / name, folder / name)
    store.close()
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*alone, script, str(folder), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a folder of its own")
    told = subprocess.run(
        [*alone, script, str(folder), sys.executable, "-c", READ_ONLY, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert told.returncode == 0, told.stderr + told.stdout
    assert "disk_unwritable" in told.stdout
