"""Lists through a filter: every document that passes is listed once, and few queries find it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.domain.ports.documents import Create, Document, Documents, Query
from printpipe.services.store import paging
from printpipe.services.store.paging import After, Page, Slice

THINGS = 1250
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    """A store of numbered things, three of each moment."""
    folder: Path = tmp_path_factory.mktemp("things")
    documents = EmbeddedDocuments(folder / "documents.db")
    for begin in range(0, THINGS, 250):
        documents.commit(*(_thing(number) for number in range(begin, begin + 250)))
    yield documents
    documents.close()


def _thing(number: int) -> Create:
    created = START + timedelta(seconds=number // 3)
    return Create(f"things/thing-{number:04}", {"number": number, "createdAt": created})


class Shelf:
    """The things of which every `every`th is wanted; it counts what is asked of the store."""

    def __init__(self, things: Documents, every: int) -> None:
        self._things, self._every = things, every
        self.queries = self.reads = 0

    def page(self, limit: int, cursor: str | None = None) -> Page[int]:
        """One page of the wanted things' numbers."""
        self.queries = self.reads = 0
        return paging.sift(self._find, Slice(limit, cursor), self._parse)

    def _find(self, after: After | None, limit: int) -> list[Document]:
        found = self._things.query(Query("things", [], [("createdAt", "desc")], limit, after))
        self.queries, self.reads = self.queries + 1, self.reads + len(found)
        return found

    def _parse(self, document: Document) -> int | None:
        number = int(document.data["number"])
        return number if number % self._every == 0 else None


@pytest.mark.parametrize("every", [1, 7, 1249, 5000])
@pytest.mark.parametrize("limit", [25, 200])
def test_page_by_page_everything_that_passes_is_listed_once(things: Documents, every: int, limit: int) -> None:
    shelf, found, cursor = Shelf(things, every), list[int](), None
    for _ in range(THINGS):
        page = shelf.page(limit, cursor)
        assert len(page.items) <= limit
        assert shelf.queries <= 7
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert (found, cursor) == ([number for number in reversed(range(THINGS)) if number % every == 0], None)


def test_what_is_rare_is_found_in_few_queries(things: Documents) -> None:
    shelf = Shelf(things, 5000)
    page = shelf.page(1)
    assert (page.items, shelf.queries, shelf.reads) == ([], 6, 1000 + 6)
    assert shelf.page(1, page.next_cursor) == Page([0], None)


@pytest.mark.parametrize("limit", [1, 50, 200])
def test_without_a_filter_one_more_is_read_than_is_listed(things: Documents, limit: int) -> None:
    shelf = Shelf(things, 1)
    assert len(shelf.page(limit).items) == limit
    assert (shelf.queries, shelf.reads) == (1, limit + 1)
