"""Documents of the version before are rewritten, in batches, as nobody else has changed them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.ports.documents import Put, Query, Update, Version, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.domain.tenant_records import Membership
from tools.migrate import BATCH, Tally, migrate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    store = EmbeddedDocuments(tmp_path / "documents.db")
    yield store
    store.close()


def old_printer(**more: Any) -> dict[str, Any]:
    return {
        "printerId": "printer-1",
        "organizationId": "org-1",
        "recipientId": "site-1",
        "active": True,
        "createdAt": NOW,
        "name": "Ada",
        **more,
    }


def run(documents: EmbeddedDocuments, record: Any, collection: str, **options: Any) -> Tally:
    tally = Tally(collection)
    for _ in migrate(documents, collection, record, tally, **{"apply": True, **options}):
        pass
    return tally


def test_what_earlier_versions_stored_besides_is_gone(documents: EmbeddedDocuments) -> None:
    documents.commit(
        Put("printers/printer-1", old_printer(accessCode="sealed:xyz")),
        Put("printer_commands/one", {"commandId": "one", "requestDigest": "0f", "metadata": {"a": [1, {"b": None}]}}),
    )
    run(documents, Printer, "printers")
    run(documents, Command, "printer_commands")
    printer, command = documents.get("printers/printer-1"), documents.get("printer_commands/one")
    assert printer is not None
    assert printer.data == old_printer(schemaVersion=1)
    assert command is not None
    assert command.data == {"commandId": "one", "metadata": {"a": [1, {"b": None}]}, "schemaVersion": 1}


def test_without_being_told_to_it_only_counts(documents: EmbeddedDocuments) -> None:
    documents.commit(Put("printers/printer-1", old_printer(accessCode="sealed:xyz")))
    before = documents.get("printers/printer-1")
    assert run(documents, Printer, "printers", apply=False) == Tally("printers", 1, older=1, after="printer-1")
    assert documents.get("printers/printer-1") == before


def members(documents: EmbeddedDocuments, count: int) -> None:
    documents.commit(*(Put(f"memberships/{number:05}", {"membershipId": f"{number:05}"}) for number in range(count)))


def test_a_second_run_finds_nothing_to_do(documents: EmbeddedDocuments) -> None:
    members(documents, 2 * BATCH + 1)
    first = run(documents, Membership, "memberships")
    assert (first.documents, first.older, first.migrated) == (2 * BATCH + 1, 2 * BATCH + 1, 2 * BATCH + 1)
    before = documents.query(Query("memberships"))
    again = run(documents, Membership, "memberships")
    assert (again.documents, again.older, again.migrated) == (2 * BATCH + 1, 0, 0)
    assert documents.query(Query("memberships")) == before


def test_one_that_was_ended_goes_on_behind_the_id_that_it_came_to(documents: EmbeddedDocuments) -> None:
    members(documents, 10)
    ended = run(documents, Membership, "memberships", most=4)
    assert (ended.migrated, ended.after) == (4, "00003")
    rest = Tally("memberships", after=ended.after)
    for _ in migrate(documents, "memberships", Membership, rest, apply=True):
        pass
    assert (rest.documents, rest.migrated) == (6, 6)
    assert all(each.data["schemaVersion"] == 1 for each in documents.query(Query("memberships")))


def test_newer_documents_are_left_alone_and_told_of(
    documents: EmbeddedDocuments, capsys: pytest.CaptureFixture[str]
) -> None:
    documents.commit(Put("memberships/a", {"schemaVersion": 2, "role": "queen"}), Put("memberships/b", {}))
    tally = run(documents, Membership, "memberships")
    assert (tally.migrated, tally.unread) == (1, 1)
    assert "memberships/a is of version 2" in capsys.readouterr().err
    newer = documents.get("memberships/a")
    assert newer is not None
    assert newer.data == {"schemaVersion": 2, "role": "queen"}


class Contended(EmbeddedDocuments):
    """A store in which somebody changes a document between its being read and written."""

    rival = True

    def commit(self, *writes: Write) -> list[Version]:
        if self.rival and isinstance(writes[0], Update):
            self.rival = False
            super().commit(Update("memberships/00001", {"role": "admin"}))
        return super().commit(*writes)


def test_what_somebody_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    documents = Contended(tmp_path / "contended.db")
    members(documents, 3)
    tally = run(documents, Membership, "memberships")
    assert (tally.older, tally.migrated, tally.changed) == (3, 2, 1)
    stored = documents.get("memberships/00001")
    assert stored is not None
    assert stored.data == {"membershipId": "00001", "role": "admin"}
    assert run(documents, Membership, "memberships").migrated == 1
    documents.close()


def test_the_command_line_goes_through_a_collection(tmp_path: Path) -> None:
    settings = {"PRINTPIPE_BACKEND": "embedded", "PRINTPIPE_DATA_DIR": str(tmp_path), "FETCH_TOKEN_SECRET": SECRET}
    store = EmbeddedDocuments(tmp_path / "documents.db")
    store.commit(Put("printers/printer-1", old_printer(accessCode="sealed:xyz")))
    command = [sys.executable, "-m", "tools.migrate", "--apply", "--collection", "printers"]
    ran = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert '"collection": "printers", "documents": 1, "older": 1, "migrated": 1' in ran.stdout
    found = store.get("printers/printer-1")
    assert found is not None
    assert "accessCode" not in found.data
    store.close()
