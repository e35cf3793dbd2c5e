"""What the lists of the dialect `printpro` have in common."""

from pydantic import Field

from printpipe.dialects import printpro
from printpipe.services.store import paging
from printpipe.services.store.paging import Slice


class Paged(printpro.Model):
    """The query of a list: `cursor` is an earlier answer's `next_cursor`."""

    limit: int = Field(paging.DEFAULT_LIMIT, ge=1, le=paging.MAX_LIMIT)
    cursor: str | None = Field(None, max_length=512)

    @property
    def slice(self) -> Slice:
        """The part of the list that is asked for."""
        return Slice(self.limit, self.cursor or None)
