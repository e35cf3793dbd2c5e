"""What lives as long as the process: settings, ports, memory of keys and recipients."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from printpipe.domain.policy import Policy
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import Caller
from printpipe.runtime.ports import platform
from printpipe.runtime.settings import Settings, settings
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context
from printpipe.services.health import Pulse
from printpipe.services.printers.memory import Memory

if TYPE_CHECKING:
    from printpipe.services.access.rate_limits import RateLimits
    from printpipe.services.access.tokens import Members, Tokens

_once = threading.Lock()


@dataclass(frozen=True)
class Process:
    """Shared by every request."""

    settings: Settings
    policy: Policy
    platform: Platform
    directory: Directory
    clock: Callable[[], datetime]
    pulse: Pulse
    memory: Memory

    @cached_property
    def tokens(self) -> "Tokens":
        """Bearer tokens, and the keys that are trusted to sign them."""
        from printpipe.services.access.tokens import Tokens  # only rows that take bearer tokens carry it

        return Tokens(self.platform, self.policy, time.monotonic)

    @cached_property
    def members(self) -> "Members":
        """Who may act for which organization."""
        from printpipe.services.access.tokens import Members

        return Members(self.platform, self.policy, time.monotonic)

    @cached_property
    def limits(self) -> "RateLimits":
        """How often clients have called."""
        from printpipe.services.access.rate_limits import RateLimits  # only rows with a limit carry it

        return RateLimits(self.platform.documents, self.policy.collections, self.clock)

    def context(self, caller: Caller, request_id: str, address: str | None) -> Context:
        """What services need to serve one call."""
        return Context(
            caller,
            request_id,
            address,
            self.clock,
            self.platform,
            self.policy,
            self.directory,
            self.pulse,
            self.memory,
        )


def process() -> Process:
    """This process."""
    with _once:  # two requests may come at the same time to a new instance
        return _process()


@cache
def _process() -> Process:
    configured = settings()
    policy, ports = configured.policy(), platform(configured)
    tick = time.monotonic
    return Process(
        configured,
        policy,
        ports,
        Directory(ports, policy, tick),
        lambda: datetime.now(UTC),
        Pulse(tick),
        Memory(),
    )
