"""GET /api/v1/files/{file_id}/download: a stored file's bytes."""

from printpipe.dialects import printernizer
from printpipe.dialects.exchange import Redirect
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.files import contents


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


def get(call: Call, path: Path) -> Redirect:
    """A redirection to a link that serves them for a while without another credential; files may be large.

    502 where the file is not stored because its last download failed.
    """
    return Redirect("", Redirect.STATUS, {"Location": contents.link(call.context, path.file_id)})
