"""The history of printers' status: the newest of each printer's samples are kept, the others deleted."""

from dataclasses import dataclass
from datetime import timedelta

from printpipe.domain.log import log
from printpipe.domain.ports.documents import Delete
from printpipe.services.context import Context
from printpipe.services.store import bookmarks, queries
from printpipe.services.store.abreast import each

KEEP = 1000
"""Samples of one printer; those of no printer go by their `expires_at` alone, as in the end do all."""

MOST_DELETES = 20_000
LONGEST = timedelta(seconds=240)
_BATCH = 500
_PAGE = 100
_BOOKMARK = "history-prune"


@dataclass(frozen=True)
class Pruned:
    """What a run did: printers that it passed, samples that it deleted, and whether it came to the last printer."""

    printers: int
    deleted: int
    complete: bool


def prune(context: Context) -> Pruned:
    """Deletes all but the newest samples of every printer, those of deleted printers too.

    A run goes on behind the printer that the last one finished, and ends after `MOST_DELETES` or `LONGEST`. Several
    runs at once do together what one would.
    """
    began_after = bookmarks.read(context, _BOOKMARK)
    run = _Run(context, began_after)
    complete = run.go()
    bookmarks.move(context, _BOOKMARK, began_after, None if complete else run.after)
    log("history_pruned", printers=run.printers, deleted=run.deleted, complete=complete)
    return Pruned(run.printers, run.deleted, complete)


class _Run:
    """One run, from behind a printer's id."""

    def __init__(self, context: Context, after: str | None) -> None:
        self._context, self.after = context, after
        self._until = context.now() + LONGEST
        self.printers = 0
        self.deleted = 0

    def go(self) -> bool:
        """Whether it came to the last printer."""
        while not self._spent:
            page = self._context.documents.query(
                queries.printers_by_id(self._context.collections, _PAGE, after=self.after)
            )
            printers = [document.id for document in page]
            for printer_id, excess in zip(printers, each(self._excess, printers), strict=True):
                if excess and not self._trim(printer_id):
                    return False
                self.after = printer_id
                self.printers += 1
            if len(page) < _PAGE:
                return True
        return False

    @property
    def _spent(self) -> bool:
        return self.deleted >= MOST_DELETES or self._context.now() >= self._until

    def _trim(self, printer_id: str) -> bool:
        """Whether the run sufficed to bring a printer within bounds."""
        while excess := self._excess(printer_id):
            if self._spent:
                return False
            wanted = min(excess, MOST_DELETES - self.deleted)
            query = queries.oldest_status_updates(self._context.collections, printer_id, wanted)
            oldest = self._context.documents.query(query)
            # Counted after they are read: where another run has deleted some meanwhile, these are not too many.
            if self._excess(printer_id) >= len(oldest):
                self._context.documents.commit(*(Delete(document.path) for document in oldest))
                self.deleted += len(oldest)
        return True

    def _excess(self, printer_id: str) -> int:
        """How many samples there are beyond those that are kept; a batch is as far as it counts."""
        query = queries.oldest_status_updates(self._context.collections, printer_id, KEEP + _BATCH)
        return max(0, self._context.documents.count(query) - KEEP)
