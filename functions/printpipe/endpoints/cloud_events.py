"""How the `cloud` dialect shows events, and what it reads of a picture that comes with a report in JSON."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from printpipe.dialects import cloud
from printpipe.domain import pictures
from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.pictures import Picture

_DESCRIPTION = "a JPEG of at most 10 MiB, in base64 or as a data URI"


class PictureModel(cloud.Model):
    """A JSON body that may carry a JPEG in base64 or as a data URI."""

    MAX_BYTES: ClassVar[int] = pictures.MAX_BASE64 + 256 * 1024


class IllustratedModel(PictureModel):
    """A report that counts whatever its `image` holds: a camera's fault must not hide a printer's."""

    image: Annotated[Any, WithJsonSchema({"description": _DESCRIPTION})] = None

    def picture(self) -> tuple[Picture | None, str | None]:
        """The picture where there is a good one, or else why it is not taken."""
        if self.image is None or self.image == "":
            return None, None
        if not isinstance(self.image, str):
            return None, f"image: must be {_DESCRIPTION}"
        try:
            return pictures.decode(self.image, "image"), None
        except (InvalidInput, TooLarge) as error:
            return None, error.message


class IllustratedReply(cloud.Reply):
    """Whether the report's picture is kept, a short-lived link to it, or else why it is not."""

    image_uploaded: bool
    image_url: str | None
    image_message: str | None


class StoredEvent(cloud.Reply):
    """An event that is stored already."""

    event_id: str
    created_at: cloud.Time = Field(serialization_alias="created_at")
    event_type: str
    print_job_id: str | None


class Hms(cloud.Part):
    """An HMS code or a print error in words, with the printer's raw numbers."""

    hms_code: str
    module: str
    severity: str
    description: str | None
    attr: int | None
    code: int | None
    print_error: int | None
    unit: int
    part: int
