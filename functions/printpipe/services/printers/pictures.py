"""A camera's pictures in the bucket, each under a random name, and the newest one of every printer."""

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from printpipe.domain import pictures
from printpipe.domain.errors import Unavailable
from printpipe.domain.ids import Once, new_id
from printpipe.domain.log import log, log_failure
from printpipe.domain.pictures import Picture
from printpipe.domain.ports.documents import Document, DocumentExists, PreconditionFailed, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import StoredPicture
from printpipe.domain.tenancy import Recipient
from printpipe.services.context import Context
from printpipe.services.printers import printers
from printpipe.services.store import receipts

FOLDER = "pictures"
UNCLAIMED = f"{FOLDER}/unclaimed"
"""Where pictures lie that belong to no printer of ours; the bucket's lifecycle removes them."""

SNAPSHOT = "snapshot"
_TRIES = 5


def keep_camera_picture(
    context: Context, recipient: Recipient, printer: Document | None, image: str, taken_at: datetime
) -> str:
    """Keeps a printer's picture, in base64 or as a data URI, unless it has a newer one; a link to the one it has now.

    The picture that it replaces is removed. One of an unknown printer is linked to, and belongs to nobody. Raises
    `InvalidInput` or `TooLarge` that names `cameraImage`; then nothing is stored.
    """
    picture = pictures.decode(image, "cameraImage")
    return _keep(context, recipient, printer, picture, taken_at, SNAPSHOT, lambda: ())[1]


@dataclass(frozen=True)
class Shot:
    """A picture that a client took of a printer, which it names by its serial, or by its address at the site."""

    recipient_id: str
    serial: str | None
    ip_address: str | None
    picture: Picture
    kind: str
    taken_at: datetime


def receive(context: Context, shot: Shot, once: Once) -> tuple[bool, str]:
    """Keeps a printer's picture likewise: whether it is its newest, and a link to the one that is.

    An unknown serial becomes a printer, inactive; an unknown address creates none. Raises `Conflict` for a printer of
    another site, or where the call's key was used for another picture.
    """
    recipient = context.recipient(shot.recipient_id)
    printer = _printer(context, recipient, shot)
    about = printer.path if printer else f"{context.collections.recipients}/{recipient.id}"
    issue = partial(receipts.issue_once, context, recipient.organization_id, once, about)
    return _keep(context, recipient, printer, shot.picture, shot.taken_at, shot.kind, issue)


def _printer(context: Context, recipient: Recipient, shot: Shot) -> Document | None:
    if shot.serial is None:
        return printers.at_address(context, recipient, shot.ip_address) if shot.ip_address else None
    for _ in range(_TRIES):
        found = printers.find(context, recipient.organization_id, [shot.serial])[shot.serial]
        if document := found.at(recipient):
            return document
        new = printers.new(context, recipient, shot.serial, shot.ip_address, active=False)
        try:
            context.documents.commit(*printers.creation(context, new, found.alias))
        except PreconditionFailed:
            continue
        log("printer_appeared", printerId=new.printer_id, printerSerial=shot.serial, recipientId=recipient.id)
    raise Unavailable("The printer is being changed by others", retry_after=1)


def _keep(
    context: Context,
    recipient: Recipient,
    printer: Document | None,
    picture: Picture,
    taken_at: datetime,
    kind: str,
    issue: Callable[[], Sequence[Write]],
) -> tuple[bool, str]:
    """Keeps a picture together with its call's receipt; whether it is the printer's newest, and a link to that."""
    taken_at = min(taken_at, context.now())  # a clock that is ahead must not shut out later pictures
    if printer is None:
        with suppress(DocumentExists):  # the same call at the same time
            context.documents.commit(*issue())
        return True, link(context, store(context, picture, kind, taken_at, folder=UNCLAIMED))
    stored: StoredPicture | None = None
    for _ in range(_TRIES):
        receipt, before = issue(), Printer.of(printer).picture
        same = before is not None and before.sha256 == digest(picture)
        if before is not None and (taken_at < before.taken_at or (same and taken_at == before.taken_at)):
            discard(context, stored)
            return same, link(context, before)
        if before is not None and same:
            after = before.model_copy(update={"taken_at": taken_at})
        else:
            after = stored = stored or store(context, picture, kind, taken_at)
        try:
            context.documents.commit(Update(printer.path, {"picture": after.data()}, printer.version), *receipt)
        except PreconditionFailed:
            printer = context.documents.get(printer.path)
            if printer is None:
                break
            continue
        discard(context, stored if same else before)
        log("picture_kept", recipientId=recipient.id, printerId=printer.id, size=after.size)
        return True, link(context, after)
    discard(context, stored)
    raise Unavailable("The printer is being changed by others", retry_after=1)


def store(context: Context, picture: Picture, kind: str, taken_at: datetime, *, folder: str = FOLDER) -> StoredPicture:
    """Puts a picture into the bucket; what refers to it is for the caller to write."""
    name = f"{folder}/{new_id()}.jpg"
    context.platform.files.put(name, io.BytesIO(picture.content), pictures.MEDIA_TYPE)
    return StoredPicture(gcs_path=name, sha256=digest(picture), size=len(picture.content), type=kind, taken_at=taken_at)


def discard(context: Context, picture: StoredPicture | None) -> None:
    """Removes a picture that nothing refers to any more, if it can be removed now."""
    if picture is None:
        return
    try:
        context.platform.files.delete(picture.gcs_path)
    except Exception:  # it costs a little space, and no answer
        log_failure("picture_discard_failed", path=picture.gcs_path)


def link(context: Context, picture: StoredPicture) -> str:
    """A short-lived URL that serves the picture."""
    return context.platform.files.sign_get(picture.gcs_path, context.policy.fetch_token_lifetime, "picture.jpg")


def digest(picture: Picture) -> str:
    """The picture's SHA-256 in lower hex."""
    return hashlib.sha256(picture.content).hexdigest()
