"""What goes over the bus. Every message says its `schemaVersion`; its attributes are for filters."""

import json
from datetime import datetime

from printpipe.domain.log import log
from printpipe.domain.ports.bus import Bus
from printpipe.domain.records import Command

PRINTER_COMMANDS = "printer-commands"
_SCHEMA_VERSION = 1


def publish_command(bus: Bus, command: Command) -> None:
    """Sends a command towards its recipient's agent. Never holds a secret or a fetch token."""
    body = {
        "schemaVersion": _SCHEMA_VERSION,
        **{
            name: command.data()[name]
            for name in (
                "commandId",
                "organizationId",
                "recipientId",
                "printerSerial",
                "printerId",
                "printerIpAddress",
                "lane",
                "sequence",
                "metadata",
                "requestId",
            )
        },
        "commandType": command.type,
        "createdAt": _time(command.created_at),
        "expiresAt": _time(command.expires_at),
    }
    attributes = {
        "organization": command.organization_id,
        "recipient": command.recipient_id,
        "printer": command.printer_serial or "",
        "type": command.type,
        "lane": command.lane,
        "commandId": command.command_id,
        "requestId": command.request_id,
    }
    message_id = bus.publish(PRINTER_COMMANDS, json.dumps(body).encode(), attributes)
    log("command_published", commandId=command.command_id, messageId=message_id, printJobId=command.job_id)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
