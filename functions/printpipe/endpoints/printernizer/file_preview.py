"""GET /api/v1/files/{file_id}/preview: a picture of a stored file's first plate."""

from printpipe.dialects import printernizer
from printpipe.dialects.exchange import Picture
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.files import contents

_KEPT = "private, max-age=3600"
"""The picture of a stored file never changes."""


class Path(printernizer.Path):
    """The path's parameters."""

    file_id: Id


def get(call: Call, path: Path) -> Picture:
    """As its slicer drew it."""
    content = contents.preview(call.context, path.file_id)
    return Picture(headers={"Cache-Control": _KEPT}, content=content)
