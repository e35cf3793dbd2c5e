"""The steps a command passes between its receipt and its reported result, and how they are observed."""

from collections.abc import Callable
from enum import StrEnum

from edge_agent.logs import log


class Step(StrEnum):
    """A point in a command's walk; each is reached after what it names has happened."""

    RECEIVED = "received"
    """written to the journal"""
    CONFIRMED = "confirmed"
    """its Pub/Sub message acknowledged"""
    CLAIMING = "claiming"
    """about to ask the cloud for the claim"""
    CLAIMED = "claimed"
    """the lease is ours"""
    FETCHED = "fetched"
    """the file is on this machine, verified"""
    UPLOADING = "uploading"
    """about to send the file to the printer"""
    UPLOADED = "uploaded"
    """the file is on the printer, its size verified"""
    INTENT = "intent"
    """the intent is on disk"""
    PUBLISHING = "publishing"
    """the mark before the MQTT publish is on disk"""
    SENDING = "sending"
    """all marks are on disk and nothing has left: the last moment before the request goes out"""
    HANDED_OVER = "handed_over"
    """the connection has the request; the printer's broker may or may not"""
    SENT = "sent"
    """the printer has confirmed the publish; no mark yet"""
    PUBLISHED = "published"
    """the mark after the MQTT publish is on disk"""
    ACKNOWLEDGED = "acknowledged"
    """the printer acknowledged the command"""
    EFFECT_SEEN = "effect_seen"
    """the printer's own report shows the effect"""
    RESULT_QUEUED = "result_queued"
    """the result is in the outbox"""
    RESULT_SENT = "result_sent"
    """the cloud has the result"""


Observer = Callable[[Step, str], None]
"""Called with each step and the command's id, in the thread that reached it."""

LOG_EVENTS = {
    Step.RECEIVED: "command_received",
    Step.CLAIMED: "command_claimed",
    Step.FETCHED: "file_fetched",
    Step.UPLOADED: "file_uploaded",
    Step.SENT: "command_published",
    Step.EFFECT_SEEN: "effect_seen",
}
"""Steps that are log events of the walk, by their names there; the others are logged at DEBUG."""


def silent(step: Step, command_id: str) -> None:
    """The default observer: the walk is logged where the fields are known, so nothing more is done."""


def log_step(step: Step, command_id: str, **fields: object) -> None:
    """One log line for the step."""
    name = LOG_EVENTS.get(step)
    log(name or f"step_{step}", "INFO" if name else "DEBUG", commandId=command_id, **fields)
