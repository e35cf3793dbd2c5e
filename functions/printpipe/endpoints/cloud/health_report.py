"""GET /health: whether the backend works, without a credential."""

from typing import ClassVar, Literal

from pydantic import Field

from printpipe.dialects import cloud
from printpipe.endpoints.call import Call
from printpipe.services.health import VERSION


class PrinterBackend(cloud.Part):
    """The printers' side of the backend: these functions themselves."""

    healthy: bool
    url: str


class Agents(cloud.Part):
    """The sites' agents, all tenants' together, up to 1,000: `online` are those heard of within 5 minutes."""

    total: int
    online: int
    last_heard_at: cloud.Time | None = Field(serialization_alias="last_heard_at")


class _Report(cloud.Part):
    """One body for every client that asks: `active_printers` counts all tenants' printers together, up to 1,000."""

    timestamp: cloud.Time
    service: Literal["PrintPipe"] = "PrintPipe"
    printer_backend: PrinterBackend
    version: str
    active_printers: int = Field(serialization_alias="active_printers")
    agents: Agents
    uptime_seconds: int = Field(serialization_alias="uptime_seconds")


class Healthy(_Report):
    """The store answers."""

    ok: Literal[True] = True
    status: Literal["healthy"] = "healthy"
    database: Literal["connected"] = "connected"


class Unhealthy(_Report):
    """The store does not answer."""

    STATUS: ClassVar[int] = 503

    ok: Literal[False] = False
    status: Literal["unhealthy"] = "unhealthy"
    database: Literal["disconnected"] = "disconnected"


def get(call: Call) -> Healthy | Unhealthy:
    """Says whether the backend works; that is a few seconds old at the most."""
    context = call.context
    health = context.pulse.take(context.documents, context.collections, context.now())
    report = Healthy if health.connected else Unhealthy
    return report(
        timestamp=context.now(),
        printer_backend=PrinterBackend(healthy=health.connected, url=context.policy.public_base_url or ""),
        version=VERSION,
        active_printers=health.active_printers,
        agents=Agents(
            total=health.agents.total, online=health.agents.online, last_heard_at=health.agents.last_heard_at
        ),
        uptime_seconds=health.uptime_seconds,
    )
