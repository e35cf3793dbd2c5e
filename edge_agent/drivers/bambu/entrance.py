"""The way in to a printer's broker: a connection, and the proof of who is there before anything is said."""

import ssl

from paho.mqtt.client import Client

from edge_agent.drivers.bambu import troubles
from edge_agent.drivers.bambu.certificates import shown_at
from edge_agent.drivers.bambu.identity import Target
from edge_agent.drivers.problems import Problem
from edge_agent.logs import log

KEEPALIVE_SECONDS = 30


def reach(client: Client, printer: Target, address: str, seconds: float) -> Problem | None:
    """Connect the client to the printer at this address; what is the matter, where that is not where it is.

    `seconds` bounds the look at the certificate that was not the printer's; the client has a time limit of its own.
    """
    serial, port = printer.serial, printer.mqtt_port
    try:
        client.connect(address, port, keepalive=KEEPALIVE_SECONDS)
    except ssl.SSLCertVerificationError as error:
        problem = troubles.not_verified(printer, error, shown_at(address, port, seconds), address)
        log("printer_not_verified", "ERROR", printerSerial=serial, reason=problem.text, **problem.facts)
        return problem
    except (OSError, ValueError) as error:
        log("printer_unreachable", "DEBUG", printerSerial=serial, address=address, reason=str(error))
        return troubles.unreachable(str(error) or type(error).__name__)
    return None
