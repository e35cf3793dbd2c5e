"""GET /api/v1/files/cleanup/candidates: stored files that nobody needs any more."""

from datetime import timedelta

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import Time
from printpipe.endpoints.call import Call
from printpipe.services.files import library
from printpipe.services.files.library import Cleanup, Entry

_MEBIBYTE = 1024 * 1024


class Arguments(printernizer.Model):
    """The query; `unused_only`: nobody has used them for as long as they must be old."""

    older_than_days: int = Field(30, ge=0, le=36_500)
    min_size_mb: int = Field(0, ge=0, le=1_000_000)
    unused_only: bool = False


class Candidate(printernizer.Part):
    """A stored file that no job waits for."""

    id: str
    filename: str
    file_size: int = Field(description="bytes")
    downloaded_at: Time
    last_accessed: Time | None
    age_days: int
    space_savings_mb: float


class Listing(printernizer.Reply):
    """The files, the largest first, and what their removal would free."""

    cleanup_candidates: list[Candidate]
    total_candidates: int
    total_space_savings_mb: float


def get(call: Call, query: Arguments) -> Listing:
    """Copies of printers' files, and uploads whose newest job has ended."""
    wanted = Cleanup(timedelta(days=query.older_than_days), query.min_size_mb * _MEBIBYTE, query.unused_only)
    found = library.candidates(call.context, wanted)
    return Listing(
        cleanup_candidates=[_candidate(call, each) for each in found],
        total_candidates=len(found),
        total_space_savings_mb=library.mebibytes(sum(each.size for each in found)),
    )


def _candidate(call: Call, entry: Entry) -> Candidate:
    assert entry.stored is not None
    return Candidate(
        id=entry.file_id,
        filename=entry.name,
        file_size=entry.size,
        downloaded_at=entry.stored.created_at,
        last_accessed=entry.accessed_at,
        age_days=(call.context.now() - entry.stored.created_at).days,
        space_savings_mb=library.mebibytes(entry.size),
    )
