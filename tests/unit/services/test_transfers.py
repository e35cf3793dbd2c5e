"""Transfers where stores, clocks and agents misbehave: one begins, it ends once, and nothing is left behind."""

import dataclasses
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from printpipe.domain.errors import Conflict, PrinterOffline, Unavailable
from printpipe.domain.ids import Once, printer_file_id
from printpipe.domain.lifecycles import CommandStatus
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Create, Document, Put, Query, Update
from printpipe.domain.printer_records import Printer
from printpipe.domain.tenancy import Caller
from printpipe.domain.transfers import PrinterFile, Transfer, TransferStatus
from printpipe.services.access.directory import Directory
from printpipe.services.commands import claiming, execution
from printpipe.services.commands.claims import Claimed
from printpipe.services.commands.execution import Result
from printpipe.services.context import Context
from printpipe.services.files import storage, transfers, transfers_arrival, transfers_progress
from printpipe.services.files.storage_results import Findings, Listing
from printpipe.services.files.transfers import Worker
from printpipe.services.files.transfers_arrival import Sums
from printpipe.services.files.transfers_progress import Progress
from printpipe.services.files.uploads import measure
from tests.unit.services.test_lost_answers import ForgetfulDocuments, Ports, ports

__all__ = ["ports"]

SITE, PRINTER, AGENT = "agents-site", "printer-1", "agent-1"
PATH = "/cube.stl"
FILE = printer_file_id(PRINTER, PATH)
CONTENT = b"solid cube\nendsolid cube\n"
START = datetime(2025, 9, 3, 14, 30, tzinfo=UTC)
NO_KEY = Once("test", None, "")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **time: float) -> None:
        """Lets time pass."""
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(ports: Ports, clock: Clock) -> Context:
    policy = Policy([b"s" * 32])
    directory = Directory(ports, policy, lambda: 0.0)
    status = {"state": "idle"}
    state = {"version": 1, "reportedAt": START, "receivedAt": START, "sampledAt": START, "status": status}
    printer = Printer(
        printer_id=PRINTER, organization_id="org-1", recipient_id=SITE, serial="S1", active=True, created_at=START
    )
    ports.documents.commit(
        Create(
            f"recipients/{SITE}",
            {"recipientId": SITE, "organizationId": "org-1", "name": "x", "client": "agent", "createdAt": START},
        ),
        Create(f"printers/{PRINTER}", {**printer.data(), "state": state}),
    )
    return Context(Caller("desk", organization_id="org-1"), "request-1", None, clock, ports, policy, directory)


def listed(context: Context, *files: PrinterFile) -> None:
    """The agent lists these."""
    storage.refresh(context, printer_of(context))
    claimed = take(context)
    found = Findings(listing=Listing(files, truncated=False))
    end(context, claimed, CommandStatus.COMPLETED, found)


def printer_of(context: Context) -> Printer:
    document = context.documents.get(f"printers/{PRINTER}")
    assert document is not None
    return Printer.of(document)


def take(context: Context) -> Claimed:
    """The one command that waits for the agent."""
    (claimed,) = claiming.claim_pending(context, SITE, None, AGENT, 10, 0)
    return claimed


def end(context: Context, claimed: Claimed, status: CommandStatus, found: Findings | None = None) -> None:
    command = claimed.command
    result = Result(status, error_message=None, holder=AGENT, fence=claimed.lease.fence, found=found)
    execution.report(context, SITE, command.command_id, result)


def worker_of(claimed: Claimed) -> Worker:
    return Worker(SITE, claimed.command.command_id, AGENT, claimed.lease.fence)


def sums() -> Sums:
    measured = measure(io.BytesIO(CONTENT))
    return Sums(measured.size, measured.sha256, measured.md5)


def progress(count: int, state: Any = "copying", **more: Any) -> Progress:
    return Progress(**{"attempt": 1, "bytes_done": count, "bytes_total": None, "state": state, **more})


def uploaded(context: Context, transfer: Transfer, worker: Worker) -> None:
    """The agent puts the file into the bucket."""
    transfers_arrival.open_way(context, transfer.transfer_id, worker, sums())
    document = stored(context, transfer)
    context.platform.files.put(document.data["objectName"], io.BytesIO(CONTENT), "model/stl")


def stored(context: Context, transfer: Transfer) -> Document:
    document = context.documents.get(f"transfers/{transfer.transfer_id}")
    assert document is not None
    return document


def begun(context: Context) -> tuple[Transfer, Worker]:
    listed(context, PrinterFile(path=PATH, name="cube.stl", size=len(CONTENT)))
    transfer = transfers.start_fetch(context, FILE, NO_KEY)
    return transfer, worker_of(take(context))


def documents(context: Context) -> ForgetfulDocuments:
    assert isinstance(context.documents, ForgetfulDocuments)
    return context.documents


def test_a_lost_answer_begins_no_second_copy(context: Context) -> None:
    listed(context, PrinterFile(path=PATH, name="cube.stl", size=len(CONTENT)))
    documents(context).lose = "after"
    first = transfers.start_fetch(context, FILE, Once("test", "key", "asked"))
    assert transfers.start_fetch(context, FILE, Once("test", "key", "asked")) == first
    assert transfers.start_fetch(context, FILE, NO_KEY) == first
    assert len(context.documents.query(Query("transfers"))) == 1


def test_a_lost_answer_makes_no_second_file(context: Context) -> None:
    transfer, worker = begun(context)
    uploaded(context, transfer, worker)
    told = progress(len(CONTENT), "done", sums=sums())
    documents(context).lose = "after"
    with pytest.raises(Unavailable):
        transfers_progress.take(context, transfer.transfer_id, worker, told)
    again = transfers_progress.take(context, transfer.transfer_id, worker, told)
    assert again.status == TransferStatus.COMPLETED
    assert len(context.documents.query(Query("files"))) == 1


def test_a_clock_that_is_behind_begins_no_second_copy(context: Context, clock: Clock) -> None:
    transfer, worker = begun(context)
    transfers_progress.take(context, transfer.transfer_id, worker, progress(1, "failed", message="the line broke"))
    behind = dataclasses.replace(context, clock=lambda: clock.now - timedelta(minutes=1))
    second = transfers.start_fetch(behind, FILE, NO_KEY)
    assert second.created_at < transfer.created_at
    assert transfers.start_fetch(context, FILE, NO_KEY).transfer_id == second.transfer_id
    assert len(context.documents.query(Query("transfers"))) == 2


def test_an_agent_is_given_time_to_come_back(context: Context, clock: Clock) -> None:
    transfer, worker = begun(context)
    clock.wait(minutes=10)
    assert transfers.last_fetch(context, FILE).active
    transfers_progress.take(context, transfer.transfer_id, worker, progress(3))
    clock.wait(minutes=2)
    ended = transfers.last_fetch(context, FILE)
    assert (ended.status, ended.error_code, ended.bytes_done) == (TransferStatus.FAILED, "interrupted", 3)
    with pytest.raises(Conflict):
        transfers_progress.take(context, transfer.transfer_id, worker, progress(4))


def test_a_transfer_ends_though_nobody_looks(context: Context, clock: Clock) -> None:
    transfer, worker = begun(context)
    for _ in range(3):
        clock.wait(minutes=11)
        claiming.claim(context, SITE, worker.command_id, AGENT, worker.fence)
        transfers.sweep(context)
    assert stored(context, transfer).data["active"]
    clock.wait(minutes=12)
    transfers.sweep(context)
    ended = stored(context, transfer).data
    assert (ended["active"], ended["status"], ended["errorCode"]) == (False, "failed", "interrupted")


def test_a_transfer_that_nobody_takes_ends_though_nobody_looks(context: Context, clock: Clock) -> None:
    listed(context, PrinterFile(path=PATH, name="cube.stl", size=len(CONTENT)))
    transfer = transfers.start_fetch(context, FILE, NO_KEY)
    clock.wait(minutes=29)
    transfers.sweep(context)
    assert stored(context, transfer).data["status"] == "waiting"
    clock.wait(minutes=2)
    transfers.sweep(context)
    assert stored(context, transfer).data["errorCode"] == "expired"


def test_what_was_put_for_a_failed_transfer_is_removed_by_the_next(context: Context, clock: Clock) -> None:
    transfer, worker = begun(context)
    uploaded(context, transfer, worker)
    name = stored(context, transfer).data["objectName"]
    clock.wait(minutes=11.5)
    state = {"state.receivedAt": clock.now}
    context.documents.commit(Update(f"printers/{PRINTER}", state))
    second = transfers.start_fetch(context, FILE, NO_KEY)
    assert context.platform.files.stat(name) is not None
    for claimed in claiming.claim_pending(context, SITE, None, AGENT, 10, 0):
        if claimed.command.command_id == second.command_id:
            uploaded(context, second, worker_of(claimed))
    assert context.platform.files.stat(name) is None
    assert stored(context, transfer).data["objectName"] is None


def test_a_file_that_changed_on_the_printer_is_fetched_again(context: Context, clock: Clock) -> None:
    transfer, worker = begun(context)
    uploaded(context, transfer, worker)
    transfers_progress.take(context, transfer.transfer_id, worker, progress(1, "done", sums=sums()))
    assert storage.locate(context, FILE).is_current
    with pytest.raises(Conflict, match="downloaded"):
        transfers.start_fetch(context, FILE, NO_KEY)
    clock.wait(minutes=2)
    for claimed in claiming.claim_pending(context, SITE, None, AGENT, 10, 0):  # its lease has lapsed
        end(context, claimed, CommandStatus.COMPLETED)
    listed(context, PrinterFile(path=PATH, name="cube.stl", size=len(CONTENT) + 1))
    located = storage.locate(context, FILE)
    assert located.stored is not None
    assert not located.is_current
    clock.wait(minutes=2)
    listed(context)
    assert storage.locate(context, FILE).stored == located.stored, "though the printer has it no more"


def test_a_list_is_ordered_once_in_a_minute(context: Context, clock: Clock) -> None:
    first = storage.refresh(context, printer_of(context))
    assert first is not None
    assert storage.refresh(context, printer_of(context)) == first
    clock.wait(seconds=90)
    waiting = storage.refresh(context, printer_of(context))
    assert waiting is not None
    assert waiting.command_id == first.command_id, "as long as it waits"
    end(context, take(context), CommandStatus.FAILED)
    clock.wait(seconds=60)
    second = storage.refresh(context, printer_of(context))
    assert second is not None
    assert second.command_id != first.command_id
    end(context, take(context), CommandStatus.COMPLETED, Findings(listing=Listing([], truncated=False)))
    clock.wait(seconds=59)
    assert storage.refresh(context, printer_of(context)) is None


def test_a_test_that_waits_is_given_again(context: Context, clock: Clock) -> None:
    first = storage.order_test(context, printer_of(context))
    assert storage.order_test(context, printer_of(context)) == first
    claimed = take(context)
    second = storage.order_test(context, printer_of(context))
    assert second.command_id != first.command_id, "the one under way may not know what was changed"
    end(context, claimed, CommandStatus.COMPLETED, Findings({"model": "A1"}))
    contact = printer_of(context).contact
    assert contact is not None
    assert (contact.status, contact.command_id) == ("testing", second.command_id)
    learned = {"model": "P1S", "firmwareVersion": "01.08", "accessCode": "12345678"}
    end(context, take(context), CommandStatus.COMPLETED, Findings(learned))
    printer = printer_of(context)
    assert printer.contact is not None
    assert (printer.contact.status, printer.model, printer.firmware_version) == ("connected", "P1S", "01.08")
    kept = context.documents.get(f"printer_commands/{second.command_id}")
    assert kept is not None
    assert kept.data["result"] == {"model": "P1S", "firmwareVersion": "01.08"}
    storage.order_test(context, printer)
    clock.wait(minutes=3)
    assert claiming.claim_pending(context, SITE, None, AGENT, 10, 0) == []
    expired = printer_of(context).contact
    assert expired is not None
    assert (expired.status, expired.reason) == ("failed", "The agent did not take it in time")


def test_a_site_without_our_agent_is_asked_nothing(context: Context, ports: Ports) -> None:
    polled = printer_of(context).model_copy(update={"printer_id": "printer-2", "recipient_id": "site-1"})
    ports.documents.commit(Put("printers/printer-2", polled.data()))
    assert storage.refresh(context, polled) is None
    with pytest.raises(PrinterOffline):
        storage.order_test(context, polled)
    assert context.documents.query(Query("printer_commands")) == []
