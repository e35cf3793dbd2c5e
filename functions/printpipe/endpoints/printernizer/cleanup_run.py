"""POST /api/v1/files/cleanup: removes our copies of several files."""

from typing import Annotated

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.dialects.printernizer import Time
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import Id
from printpipe.endpoints.call import Call
from printpipe.services.files import library, removal


class Request(printernizer.Model):
    """The body; nothing is removed that is not confirmed."""

    file_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    confirm: bool = Field(False, description="must be true")


class Failed(printernizer.Part):
    """A file that was not removed, and why."""

    id: str
    error: str


class Cleaned(printernizer.Reply):
    """What was removed."""

    cleaned_files: int
    space_freed_mb: float
    failed_cleanups: list[Failed]
    completed_at: Time


def post(call: Call, body: Request) -> Cleaned:
    """Each by itself: one that cannot be removed keeps back none of the others. A repetition finds nothing to do."""
    if not body.confirm:
        raise InvalidInput("confirm: must be true, for what is removed is gone", field="confirm")
    done = removal.clean(call.context, body.file_ids)
    return Cleaned(
        cleaned_files=len(done.removed),
        space_freed_mb=library.mebibytes(done.freed),
        failed_cleanups=[Failed(id=name, error=why) for name, why in done.failures.items()],
        completed_at=call.context.now(),
    )
