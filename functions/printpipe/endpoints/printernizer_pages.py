"""Where a page of Printernizer's lists stands."""

from typing import Self

from printpipe.dialects import printernizer


class Pagination(printernizer.Part):
    """Where the page stands among all that were found."""

    page: int
    limit: int
    total_items: int
    total_pages: int
    has_next: bool
    has_previous: bool

    @classmethod
    def of(cls, page: int, limit: int, total: int) -> Self:
        """That of the page of so many entries at the most, of so many in all."""
        pages = -(-total // limit)
        return cls(
            page=page,
            limit=limit,
            total_items=total,
            total_pages=pages,
            has_next=page < pages,
            has_previous=page > 1,
        )
