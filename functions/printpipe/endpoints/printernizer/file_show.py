"""GET /api/v1/files/{file_id}: one file."""

from printpipe.dialects import printernizer
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_library_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_library_views import FileDetails
from printpipe.services.files import library


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


def get(call: Call, path: Path) -> FileDetails:
    """Wherever it is, with the newest jobs that print it."""
    entry, jobs = library.find(call.context, path.file_id)
    return printernizer_library_views.details(entry, list(jobs))
