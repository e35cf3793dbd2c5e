"""What everybody needs who does something at one polled printer."""

from dataclasses import dataclass

from edge_agent.config import Timing
from edge_agent.drivers.polled.contact import Contact
from edge_agent.drivers.polled.desk import JobDesk
from edge_agent.drivers.polled.device import Device
from edge_agent.drivers.polled.session import Session
from edge_agent.timestamps import Clock


@dataclass(frozen=True, slots=True)
class Workplace:
    """One printer: how it is asked and seen, what is known of its jobs, and the time."""

    device: Device
    session: Session
    contact: Contact
    desk: JobDesk
    timing: Timing
    clock: Clock
