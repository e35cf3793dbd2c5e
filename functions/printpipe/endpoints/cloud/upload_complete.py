"""POST /upload/{fileId}/complete: verifies a resumable upload, and makes it a file that can be printed."""

from printpipe.dialects import cloud
from printpipe.domain.values import Id, OptionalId, Sha256
from printpipe.endpoints.call import Call
from printpipe.endpoints.cloud_uploads import StoredFile, stored
from printpipe.services.files import resumable_uploads


class Path(cloud.Model):
    """The path's parameters."""

    file_id: Id


class Request(cloud.Model):
    """The body. `sha256` is needed unless the upload was begun with it."""

    recipient_id: OptionalId = None
    sha256: Sha256 | None = None


class Reply(StoredFile):
    """The stored file, as POST /upload shows one that came whole."""


def post(call: Call, path: Path, body: Request | None) -> Reply:
    """Stores the file with a held job of the same id; a repetition gets the same answer."""
    asked = body or Request()
    return stored(Reply, resumable_uploads.complete(call.context, path.file_id, asked.recipient_id, asked.sha256))
