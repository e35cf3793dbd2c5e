"""Commands on their way to their agents."""

from printpipe.domain import tracing
from printpipe.domain.log import log
from printpipe.domain.messages import CommandMessage
from printpipe.domain.ports.bus import Bus
from printpipe.domain.records import Command


def publish_command(bus: Bus, command: Command) -> None:
    """Sends a command towards its recipient's agent. Never holds a secret or a fetch token."""
    message = CommandMessage(
        event_id=command.command_id,
        kind=command.type,
        organization_id=command.organization_id,
        recipient_id=command.recipient_id,
        printer_id=command.printer_id,
        printer_serial=command.printer_serial,
        printer_ip_address=command.printer_ip_address,
        occurred_at=command.created_at,
        request_id=command.request_id,
        command_id=command.command_id,
        command_type=command.type,
        lane=command.lane,
        sequence=command.sequence,
        metadata=command.data()["metadata"],
        created_at=command.created_at,
        expires_at=command.expires_at,
    )
    parent = tracing.nearest(command.traceparent)
    with tracing.span(f"publish {message.TOPIC}", "producer", parent, {"printpipe.kind": command.type}) as span:
        message = message.model_copy(update={"traceparent": span.traceparent})
        message_id = bus.publish(message.TOPIC, message.content(), message.attributes())
    log("command_published", commandId=command.command_id, messageId=message_id, printJobId=command.job_id)
