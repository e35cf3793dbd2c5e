"""GET /api/v1/files/{file_id}/download/status: how far a file's last download is."""

from printpipe.dialects import printernizer
from printpipe.domain.values import Id
from printpipe.endpoints import printernizer_file_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.printernizer_file_views import DownloadStatus
from printpipe.services.files import transfers


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


def get(call: Call, path: Path) -> DownloadStatus:
    """Tells how far it is; one that nobody took in time has failed."""
    transfer = transfers.last_fetch(call.context, path.file_id)
    return printernizer_file_views.download_status(path.file_id, transfer, call.context.now())
