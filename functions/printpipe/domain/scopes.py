"""What keys may be good for: every scope by its name, and the purposes under which people grant them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

EVERYTHING = "*"
"""As a scope of a key: all that its organization may do."""

OPERATOR_SCOPES = frozenset({"organizations.write"})
"""What no organization's key may do, whatever it says."""

_READING = frozenset(
    {
        "commands.read",
        "events.read",
        "files.read",
        "jobs.read",
        "organizations.read",
        "printers.read",
        "recipients.read",
        "statistics.read",
        "status.read",
    }
)
_EXECUTING = frozenset(
    {
        "agent.read",
        "commands.read",
        "commands.execute",
        "events.write",
        "files.read",
        "images.write",
        "jobs.read",
        "jobs.claim",
        "recipients.report",
        "status.write",
    }
)
_ORDERING = frozenset({"commands.write", "files.write", "jobs.write", "printers.write"})
_ADMINISTERING = frozenset(
    {
        "access_codes.read",
        "agents.enroll",
        "audit.read",
        "dead_letters.read",
        "dead_letters.write",
        "keys.read",
        "keys.write",
        "members.read",
        "members.write",
        "metrics.read",
        "notifications.read",
        "notifications.write",
        "organizations.erase",
        "recipients.write",
        "settings.write",
    }
)

ORGANIZATION_SCOPES = _READING | _EXECUTING | _ORDERING | _ADMINISTERING
"""All that an organization's key may do."""

SCOPES = ORGANIZATION_SCOPES | OPERATOR_SCOPES
"""Every scope that a function may ask for."""

CLIENT = "client"
"""The purpose of a recipient's one client."""

PURPOSES: Mapping[str, frozenset[str]] = {
    CLIENT: _EXECUTING,
    "app": _READING | _ORDERING,
    "read": _READING,
    "admin": ORGANIZATION_SCOPES,
}
"""What a LAN client or our agent, a web app or partner, an onlooker, and an organization's administrator need."""

Role = Literal["viewer", "operator", "admin"]
"""What a member of an organization is in it."""

ROLES: Mapping[str, frozenset[str]] = {
    "viewer": PURPOSES["read"],
    "operator": PURPOSES["app"] | {"commands.execute", "status.write"},
    "admin": PURPOSES["admin"],
}
"""What a member of an organization may do. An operator may also report, as an agent of the user's own does."""

GRANTABLE: Sequence[str] = [EVERYTHING, *PURPOSES, *sorted(ORGANIZATION_SCOPES)]
"""The scopes and purposes that a key may be given."""


def expand(names: Iterable[str]) -> frozenset[str] | None:
    """The scopes behind scopes and purposes; None for everything."""
    given = frozenset(names)
    if EVERYTHING in given:
        return None
    return frozenset(scope for name in given for scope in PURPOSES.get(name, {name}))
