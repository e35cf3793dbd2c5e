"""How the `cloud` dialect shows a file that was just taken in."""

from typing import TypeVar

from printpipe.dialects import cloud
from printpipe.domain.file_records import Plate
from printpipe.services.files.files import FileTicket


class Filament(cloud.Part):
    """One filament that a plate uses."""

    type: str | None
    color: str | None
    used_g: float | None


class PlateView(cloud.Part):
    """One printable plate; seconds and grams."""

    index: int
    estimated_seconds: int | None
    layers: int | None
    weight_g: float | None
    filaments: list[Filament]


class StoredFile(cloud.Reply):
    """A stored file, with a token that fetches it once."""

    file_id: str
    product_id: str
    recipient_id: str
    fetch_token: str
    expires_at: cloud.Time
    gcs_bucket: str
    gcs_path: str
    job_id: str
    size: int
    sha256: str
    plates: list[PlateView]


_Answer = TypeVar("_Answer", bound=StoredFile)


def stored(answer: type[_Answer], ticket: FileTicket) -> _Answer:
    """The file as an endpoint's own answer."""
    file = ticket.file
    return answer(
        file_id=file.file_id,
        product_id=file.product_id,
        recipient_id=file.recipient_id,
        fetch_token=ticket.token,
        expires_at=ticket.expires_at,
        gcs_bucket=file.gcs_bucket,
        gcs_path=file.gcs_path,
        job_id=file.file_id,
        size=file.size,
        sha256=file.sha256,
        plates=[_plate(plate) for plate in file.plates],
    )


def _plate(plate: Plate) -> PlateView:
    return PlateView(
        index=plate.index,
        estimated_seconds=plate.estimated_seconds,
        layers=plate.layers,
        weight_g=plate.weight_g,
        filaments=[Filament(type=each.type, color=each.color, used_g=each.used_g) for each in plate.filament],
    )
