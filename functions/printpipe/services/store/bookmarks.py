"""Where scheduled work goes on that a run could not finish."""

from printpipe.domain.ports.documents import Put
from printpipe.domain.records import Bookmark
from printpipe.services.context import Context


def read(context: Context, name: str) -> str | None:
    """Behind which document to go on; None from the beginning."""
    document = context.documents.get(_path(context, name))
    return Bookmark.of(document).after if document else None


def move(context: Context, name: str, before: str | None, after: str | None) -> None:
    """Notes where the next run is to go on, if that has changed."""
    if after != before:
        context.documents.commit(Put(_path(context, name), Bookmark(after=after, updated_at=context.now()).data()))


def _path(context: Context, name: str) -> str:
    return f"{context.collections.bookmarks}/{name}"
