"""POST /api/printer-events/{eventId}/upload-image: the camera's picture of what happened."""

from printpipe.dialects import cloud
from printpipe.dialects.exchange import UploadedFile
from printpipe.domain.ids import Once
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services import events


class Path(cloud.Model):
    """The path's parameters."""

    event_id: Id


class Reply(cloud.Reply):
    """The event's picture, behind a short-lived link; size in bytes."""

    event_id: str
    image_url: str
    size: int
    sha256: str


def post(call: Call, path: Path, once: Once, image: UploadedFile) -> Reply:
    """Stores a JPEG of at most 10 MiB; another one takes its place."""
    event = events.attach(call.context, path.event_id, image.content, once)
    url = events.image_url(call.context, event)
    assert event.image is not None
    assert url is not None
    return Reply(event_id=event.event_id, image_url=url, size=event.image.size, sha256=event.image.sha256)
