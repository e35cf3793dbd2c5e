"""Printers as they are stored, with their live state and its history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from printpipe.domain.printer_status import Activity
from printpipe.domain.records import Record, Stored, StoredPicture, without


class Sight(Record):
    """What a printer was seen to do, on which job and file, and until when it is known to have done so."""

    activity: Activity
    job: str | None = None
    file: str | None = None
    until: datetime


class PrinterState(Record):
    """The live picture inside `printers/{printerId}`, as reported, with its version.

    `shown_at` is when a report came in last that showed what the printer does: its agent tells also of one that it
    cannot reach. `faults` are those that the history has noted lately, so that one that comes and goes is noted once.
    `former` is what the printer did before, where the picture does not show what it does.
    """

    version: int
    reported_at: datetime
    received_at: datetime
    shown_at: datetime | None = None
    sampled_at: datetime
    faults: tuple[str, ...] = ()
    former: Sight | None = None
    status: Mapping[str, Any]


class BuildVolume(Record):
    """How large a print may be, in mm."""

    x: float
    y: float
    z: float


OnFatal = Literal["none", "pause"]


class Occupant(Record):
    """A job that was given to a printer: when, and whose it is. `command_id`: it is a start of no job of ours."""

    at: datetime
    by: str | None = None
    command_id: str | None = None


class Presence(Record):
    """Whether a printer or a site is taken for being there: a short silence, or one sign of life, changes nothing.

    `since` is from when on, None until it was first heard of. `returning_since`: one that is offline was heard of again
    then. `told`: people were told that it is offline. `with_site`: the printer fell silent together with its site.
    """

    status: Literal["online", "offline"] = "offline"
    since: datetime | None = None
    returning_since: datetime | None = None
    told: bool = False
    with_site: bool = False


class Contact(Record):
    """How a printer answered when its connection was tested: by which command, and why not where it did not."""

    status: Literal["testing", "connected", "failed"]
    command_id: str | None = None
    tested_at: datetime
    reason: str | None = None


class Printer(Stored):
    """`printers/{printerId}`. Its access code stands in `printer_secrets`; `chosen_id` is the id that people gave it.

    `occupants` are the jobs that were given to it and have not ended, by id; `plate_cleared`
    says that nothing lies on its plate, and `plate_cleared_at` when that was said last. `nozzle_diameter` in mm;
    `supported_materials` empty where nobody said. `on_fatal` is what is done by itself when it reports a fatal error.
    """

    printer_id: str
    organization_id: str
    recipient_id: str
    chosen_id: str | None = None
    serial: str | None = None
    ip_address: str | None = None
    name: str | None = None
    model: str | None = None
    brand: str | None = None
    firmware_version: str | None = None
    contact: Contact | None = None
    nozzle_diameter: float | None = None
    num_ams_units: int | None = None
    supported_materials: tuple[str, ...] = ()
    build_volume: BuildVolume | None = None
    location: str | None = None
    notes: str | None = None
    active: bool
    plate_cleared: bool = True
    plate_cleared_at: datetime | None = None
    occupants: Mapping[str, Occupant] = Field(default_factory=dict)
    on_fatal: OnFatal = "none"
    state: PrinterState | None = None
    presence: Presence = Presence()
    picture: StoredPicture | None = None
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @classmethod
    def upgraded(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sealed access code went to `printer_secrets`."""
        return without(data, "accessCode")


class PrinterSecret(Stored):
    """`printer_secrets/{printerId}`: what nobody may see who may see the printer. The code is sealed."""

    printer_id: str
    organization_id: str
    access_code: str


class StatusUpdate(Stored):
    """`printer_status_updates/{updateId}`: one sample of a printer's history, named after the state's version.

    The store removes it about when it has expired.
    """

    update_id: str
    organization_id: str
    recipient_id: str
    printer_id: str | None = None
    printer_serial: str | None = None
    printer_ip_address: str | None = None
    app_id: str | None = None
    status: Mapping[str, Any]
    timestamp: datetime
    created_at: datetime
    expires_at: datetime
