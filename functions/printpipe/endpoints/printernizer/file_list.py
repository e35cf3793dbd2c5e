"""GET /api/v1/files: what is stored and what lies on printers."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from printpipe.dialects import printernizer
from printpipe.domain.values import OptionalId, OptionalName
from printpipe.endpoints import printernizer_library_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_library_views import FileView, StatusWord
from printpipe.endpoints.printernizer_pages import Pagination
from printpipe.services.files import library
from printpipe.services.files.library import Wanted


def _suffix(value: str) -> str:
    return f".{value.removeprefix('.').lower()}"


Suffix = Annotated[
    str,
    Field(min_length=1, max_length=16, pattern=r"^\.?[A-Za-z0-9]+$"),
    AfterValidator(_suffix),
    WithJsonSchema({"type": "string", "pattern": r"^\.?[A-Za-z0-9]{1,15}$"}),
]
"""The end of a file's name, with or without its dot."""


class Arguments(printernizer.Model):
    """The query."""

    printer_id: OptionalId = None
    status: StatusWord | None = None
    file_type: Suffix | None = None
    search: OptionalName = None
    page: int = Field(1, ge=1, le=1000)
    limit: int = Field(50, ge=1, le=100)


class Summary(printernizer.Part):
    """Of all files, or all of the printer's; bytes."""

    available_count: int
    downloaded_count: int
    local_count: int
    total_size: int
    download_success_rate: float | None = Field(description="0 to 1; null before the first download has ended")


class Listing(printernizer.Reply):
    """A page, the newest first, of the 2,000 newest stored files and of the files that printers showed last.

    Of printers' files 20,000 are looked through at the most.
    """

    files: list[FileView]
    pagination: Pagination
    summary: Summary


def get(call: Call, query: Arguments) -> Listing:
    """A printer's list that has become old is made anew by its agent, and shows in a later call."""
    wanted = Wanted(query.printer_id, query.status, query.file_type, query.search)
    found = library.listed(call.context, wanted, query.page, query.limit)
    return Listing(
        files=[printernizer_library_views.file(each) for each in found.entries],
        pagination=Pagination.of(query.page, query.limit, found.total),
        summary=Summary(
            available_count=found.summary.available,
            downloaded_count=found.summary.downloaded,
            local_count=found.summary.local,
            total_size=found.summary.total_size,
            download_success_rate=found.summary.success_rate,
        ),
    )
