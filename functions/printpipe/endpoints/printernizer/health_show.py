"""GET /api/v1/health: whether the backend works, without a credential."""

from typing import ClassVar, Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints.call import Call
from printpipe.services.health import VERSION


class _Report(printernizer.Reply):
    timestamp: printernizer.Time
    version: str
    active_printers: int = Field(description="all tenants' printers together, up to 1,000")
    uptime_seconds: int = Field(description="of the process that answers")


class Healthy(_Report):
    """The store answers."""

    status: Literal["healthy"] = "healthy"
    database: Literal["connected"] = "connected"


class Degraded(_Report):
    """The store does not answer."""

    STATUS: ClassVar[int] = 503

    status: Literal["degraded"] = "degraded"
    database: Literal["disconnected"] = "disconnected"


def get(call: Call) -> Healthy | Degraded:
    """Says whether the backend works; that is a few seconds old at the most."""
    context = call.context
    health = context.pulse.take(context.documents, context.collections, context.now())
    report = Healthy if health.connected else Degraded
    return report(
        timestamp=context.now(),
        version=VERSION,
        active_printers=health.active_printers,
        uptime_seconds=health.uptime_seconds,
    )
