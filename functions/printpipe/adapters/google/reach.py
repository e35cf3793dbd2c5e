"""How long a call to Google may take, what is tried again, and what the domain hears of it.

The clients' own retries are switched off (`ONCE`): a `timeout=` alone does not bound them.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import requests
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth.exceptions import RefreshError, TransportError

from printpipe.domain.errors import Unavailable

BUDGET = 4.0
"""Seconds that one call may take, with everything that is tried again: a request may need two calls to give up."""

ONCE = Retry(predicate=lambda _: False, timeout=BUDGET)
"""One attempt; some clients crash on None where they mean this."""

UNREACHABLE = (
    exceptions.ServiceUnavailable,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.TooManyRequests,
    exceptions.Unknown,
    exceptions.Cancelled,
    requests.ConnectionError,
    TransportError,
    RefreshError,
)
"""Worth another attempt; the lost one may have had its effect."""

TIMED_OUT = (exceptions.GatewayTimeout, exceptions.RetryError, requests.Timeout)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

Answer = TypeVar("Answer")


def reach(service: str, attempt: Callable[[float], Answer], *, repeatable: bool = True) -> Answer:
    """Calls `attempt` with the seconds it may take, again where that may help. Raises `Unavailable` in time.

    Without `repeatable` only an attempt that surely had no effect (`Aborted`, by contention) is made again.
    """
    until = time.monotonic() + BUDGET
    pause = _FIRST_PAUSE
    while True:
        try:
            return attempt(max(until - time.monotonic(), 0.1))
        except TIMED_OUT as error:
            raise Unavailable(f"{service} does not answer") from error
        except (exceptions.Aborted, *UNREACHABLE) as error:
            again = repeatable or isinstance(error, exceptions.Aborted)
            if not again or time.monotonic() + pause > until:
                raise Unavailable(f"{service} does not answer") from error
            time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 (spreads the attempts, hides nothing)
            pause = min(2 * pause, _LONGEST_PAUSE)
