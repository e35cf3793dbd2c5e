"""What an endpoint's `handle` is given."""

from dataclasses import dataclass

from printpipe.dialects.exchange import Request
from printpipe.services.context import Context


@dataclass(frozen=True)
class Call:
    """A request, authorized, and the context in which services serve it."""

    request: Request
    context: Context
