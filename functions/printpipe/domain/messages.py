"""What goes over the bus: one model per topic, which the schemas in `functions/schemas/` are made from.

Every message is JSON in UTF-8 with camelCase names. It says the version of its schema, and whose it is; what it repeats
as attributes is for subscriptions' filters. A message says that something happened, and holds no secret: who acts on it
reads the store, which knows what is true now. Times are UTC.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer
from pydantic.alias_generators import to_camel

from printpipe.domain.lifecycles import ENDED_JOBS

Topic = Literal["printer-commands", "job-events", "hms-events", "file-events", "notifications", "dead-letters"]

EVENT_ID = "eventId"
ONLY = "only"
"""The attribute that names the one function to which a message is delivered again; others pass it over."""


class Message(BaseModel):
    """What all messages have; what is said of each field is also in its schema."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="ignore")

    TOPIC: ClassVar[Topic]

    schema_version: int = 1
    """Of which version this message is; one that adds fields is none of its own."""
    event_id: str = Field(min_length=1)
    """The same in every delivery, and in every publication, of one happening."""
    kind: str = Field(min_length=1)
    """What happened, in snake_case."""
    organization_id: str = Field(min_length=1)
    """Whose it is."""
    recipient_id: str | None = None
    """The site that it concerns."""
    printer_id: str | None = None
    """The printer that it concerns, by its id."""
    printer_serial: str | None = None
    """The same printer, by its serial number."""
    occurred_at: datetime
    """When it happened."""
    request_id: str
    """The call from which it follows."""
    traceparent: str = ""
    """The W3C trace context of what caused it; empty where nothing is traced."""

    @field_serializer("occurred_at")
    def _time(self, moment: datetime) -> str:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def attributes(self) -> Mapping[str, str]:
        """What subscriptions filter by."""
        return {
            EVENT_ID: self.event_id,
            "organization": self.organization_id,
            "recipient": self.recipient_id or "",
            "printer": self.printer_serial or "",
            "type": self.kind,
            "lane": "",
            "requestId": self.request_id,
            "traceparent": self.traceparent,
        }

    def content(self) -> bytes:
        """As it is published."""
        return self.model_dump_json(by_alias=True).encode()


class JobEvent(Message):
    """`job-events`: a job changed, a command ended, or a printer reported something about a print.

    Kinds are `job_created`, `job_<status>`, `job_corrected` and `job_deleted` of a job, `command_<status>` of a
    command, and of a print those of a printer's events, as `job_started`.
    """

    TOPIC: ClassVar[Topic] = "job-events"

    about: Literal["job", "command", "print"]
    """What the message is about."""
    job_id: str | None = None
    """The job that changed, or that the command or the print is of."""
    status: str | None = None
    """The status that the job or the command has now."""
    former: str | None = None
    """The status that it had before."""
    run: int = 0
    """Which of the job's runs it is about, counted from 1; 0 before the first."""
    reason: str | None = None
    """Why it came to that, for people."""
    command_id: str | None = None
    """The command that ended."""
    command_type: str | None = None
    """The canonical type of that command."""
    command_lane: str | None = None
    """The lane of that command."""
    printer_event_id: str | None = None
    """The printer's event, where it is about a print."""
    has_picture: bool = False
    """Whether that event has a picture by now."""
    freed: bool = False
    """Whether the job has left the printer that it was sent to."""
    updated_at: datetime | None = None
    """When the job changed, which orders what is told of one job."""

    @field_serializer("updated_at")
    def _updated(self, moment: datetime | None) -> str | None:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None

    def attributes(self) -> Mapping[str, str]:
        """With what it is about, the ended command's lane, and whom a job's change concerns.

        `freed`: the queue of the printer that it has left. `ended`: the statistics, of a job that has ended or had.
        """
        ended = self.about == "job" and bool({self.status, self.former} & ENDED_JOBS)
        return {
            **super().attributes(),
            "about": self.about,
            "lane": self.command_lane or "",
            "freed": _word(self.freed),
            "ended": _word(ended),
        }


class HmsEvent(Message):
    """`hms-events`: a printer reported an error, or that it is over (kinds `hms_error`, `hms_cleared`)."""

    TOPIC: ClassVar[Topic] = "hms-events"

    printer_event_id: str
    """The printer's event."""
    hms_code: str | None = None
    """`XXXX_YYYY_ZZZZ_WWWW`, or `XXXX_YYYY` for a print error; absent where the report names none."""
    severity: str | None = None
    """How grave the printer says it is."""
    job_id: str | None = None
    """The job that was being printed."""
    has_picture: bool = False
    """Whether the event has a picture by now."""


class FileEvent(Message):
    """`file-events`: a print file was stored (kind `file_created`)."""

    TOPIC: ClassVar[Topic] = "file-events"

    file_id: str
    """The file."""
    file_name: str
    """What its sender calls it."""
    file_kind: str
    """Its format."""
    size: int
    """In bytes."""


class NotificationEvent(Message):
    """`notifications`: a notification is to be sent over one channel (kind `notification_due`)."""

    TOPIC: ClassVar[Topic] = "notifications"

    delivery_id: str
    """The delivery, which says what is to be sent."""
    channel_id: str
    """The channel over which it is to be sent."""


class CommandMessage(Message):
    """`printer-commands`: a command for a site's agent, which claims it before it acts; its kind is its type."""

    TOPIC: ClassVar[Topic] = "printer-commands"

    command_id: str
    """The command."""
    command_type: str
    """Its canonical type."""
    lane: Literal["priority", "normal"]
    """Which of the site's subscriptions brings it."""
    sequence: int
    """Orders a printer's commands."""
    printer_ip_address: str | None = None
    """Where the printer is in the site's network, if the command says so."""
    metadata: Mapping[str, Any]
    """What the command carries."""
    created_at: datetime
    """When it was ordered."""
    expires_at: datetime
    """When it is no longer worth carrying out."""

    @field_serializer("created_at", "expires_at")
    def _times(self, moment: datetime) -> str:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def attributes(self) -> Mapping[str, str]:
        """With the command's lane and id."""
        return {**super().attributes(), "lane": self.lane, "commandId": self.command_id}


MODELS: Mapping[str, type[Message]] = {
    model.TOPIC: model for model in (CommandMessage, JobEvent, HmsEvent, FileEvent, NotificationEvent)
}
"""The model of each topic; `dead-letters` carries messages of all of them."""

DEAD_LETTERS = "dead-letters"
TOPICS: tuple[str, ...] = (*MODELS, DEAD_LETTERS)


@dataclass(frozen=True)
class Posted:
    """A message as the bus delivers it, unread: its bytes and attributes, and when it was published."""

    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime

    @classmethod
    def of(cls, event: Any, time: str) -> Self:
        """From the data of a `messagePublished` event, and the event's time."""
        message = event["message"]
        when = datetime.fromisoformat(str(message.get("publishTime") or message.get("publish_time") or time))
        return cls(b64decode(message.get("data") or ""), dict(message.get("attributes") or {}), when)


def _word(holds: bool) -> str:
    return "true" if holds else "false"
