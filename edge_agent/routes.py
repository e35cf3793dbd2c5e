"""Which function of the cloud serves what the agent calls, for clouds where each has an address of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Routing = Literal["paths", "functions"]

FUNCTIONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("POST", "/control/ack"): "cloud-command-ack",
        ("POST", "/control/result"): "cloud-command-result",
        ("GET", "/control"): "cloud-command-control",
        ("GET", "/fetch/{fetchToken}"): "cloud-file-fetch",
        ("POST", "/api/printer-status/batch"): "cloud-status-batch",
        ("POST", "/api/printer-events/report"): "cloud-event-report",
        ("POST", "/api/printer-events/{eventId}/upload-image"): "cloud-event-image",
        ("POST", "/api/heartbeat"): "cloud-agent-heartbeat",
        ("GET", "/api/agent/printers"): "cloud-agent-printers",
        ("GET", "/health"): "cloud-health-report",
        ("POST", "/api/agent/pubsub-token"): "cloud-agent-token",
        ("POST", "/api/v1/agents/enroll"): "cloud-agent-enroll",
        ("POST", "/api/agent/files/{transferId}/progress"): "cloud-transfer-progress",
        ("POST", "/api/agent/files/{transferId}/url"): "cloud-transfer-url",
    }
)
"""Everything that the agent calls: method and path, with parameters in braces, and the function of that name."""


def function(method: str, path: str) -> str:
    """The function that serves the path, without its query. Raises LookupError where the table has none."""
    parts = path.split("/")
    for (served, template), name in FUNCTIONS.items():
        if served == method and _fits(template.split("/"), parts):
            return name
    raise LookupError(f"no function is known for {method} {path}")


def address(base: str, routing: Routing, method: str, target: str) -> str:
    """The whole URL of a call. `base` has no slash at its end; `target` is the path, with its query if it has one."""
    if routing == "paths":
        return base + target
    return f"{base}/{function(method, target.partition('?')[0])}{target}"


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        wanted == part or (wanted.startswith("{") and part != "") for wanted, part in zip(template, parts, strict=True)
    )
