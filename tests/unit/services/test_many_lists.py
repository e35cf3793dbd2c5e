"""A farm whose printers hold more files than one call should look through."""

import dataclasses

import pytest

from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.errors import NotFound
from printpipe.domain.ids import printer_file_id
from printpipe.domain.ports.documents import Create
from printpipe.domain.transfers import PrinterFile, PrinterStorage
from printpipe.services.context import Context
from printpipe.services.files import contents, library, removal, storage, transfers_progress
from printpipe.services.files.library import Wanted
from tests.unit.services.test_lost_answers import ports
from tests.unit.services.test_transfers import (
    CONTENT,
    FILE,
    PATH,
    PRINTER,
    SITE,
    START,
    begun,
    clock,
    context,
    progress,
    sums,
    uploaded,
)

__all__ = ["clock", "context", "ports"]

LISTS = 13
FILES = 2000


def _hold(context: Context, printers: int, files: int) -> None:
    held = [PrinterFile(path=f"/{number}.3mf", name=f"{number}.3mf", size=1) for number in range(files)]
    for number in range(printers):
        listed = PrinterStorage(
            printer_id=f"other-{number}", organization_id="org-1", recipient_id=SITE, files=tuple(held), listed_at=START
        )
        context.documents.commit(Create(f"printer_storages/other-{number}", listed.data()))


def _metered(context: Context) -> Context:
    class Ports:
        documents = MeteredDocuments(context.documents)
        files, keys, bus = context.platform.files, context.platform.keys, context.platform.bus

    return dataclasses.replace(context, platform=Ports())  # type: ignore[arg-type]


def test_a_call_looks_through_so_many_files_and_no_more(context: Context) -> None:
    _hold(context, LISTS, FILES)
    seen = list(storage.storages(context))
    assert sum(len(each.files) for each in seen) == storage.MOST_FILES
    assert len({each.printer_id for each in seen}) == len(seen) < LISTS


def test_many_short_lists_are_all_looked_through(context: Context) -> None:
    _hold(context, 35, 1)
    assert len({each.printer_id for each in storage.storages(context)}) == 35


def test_to_remove_what_is_not_there_searches_no_lists(context: Context) -> None:
    _hold(context, LISTS, 1)
    unheard = [f"p{number:032x}" for number in range(20)]
    with billed() as bill:
        done = removal.clean(_metered(context), unheard)
    assert set(done.failures) == set(unheard)
    assert bill.reads <= len(unheard)
    with billed() as bill, pytest.raises(NotFound):
        contents.link(_metered(context), unheard[0])
    assert bill.reads <= 2  # its downloads, for its copy and for how the last of them ended


def test_what_was_downloaded_is_found_without_a_search(context: Context) -> None:
    transfer, worker = begun(context)
    uploaded(context, transfer, worker)
    transfers_progress.take(context, transfer.transfer_id, worker, progress(len(CONTENT), "done", sums=sums()))
    _hold(context, LISTS, 1)
    with billed() as bill:
        located = storage.locate(_metered(context), FILE)
    assert located.is_current
    assert located.on_printer is not None
    assert (located.on_printer.path, printer_file_id(PRINTER, PATH)) == (PATH, FILE)
    assert bill.reads <= 4


def test_one_printers_files_cost_no_look_at_others(context: Context) -> None:
    begun(context)
    _hold(context, LISTS, 1)
    with billed() as bill:
        found = library.listed(_metered(context), Wanted(printer=PRINTER), 1, 50)
    assert [each.name for each in found.entries] == ["cube.stl"]
    assert bill.reads < LISTS
