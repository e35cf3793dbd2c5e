"""What an endpoint's functions are given.

An endpoint's module has one function per HTTP method, named `get`, `post` and so on. Besides the call, its parameters
say what it reads: `path`, `query` and `body` (models of the dialect), file parts of a form by their names
(`UploadedFile`), and `once`, where a repetition of the call must not have a second effect. What it returns says how its
answers look.
"""

from dataclasses import dataclass

from printpipe.dialects.exchange import Request
from printpipe.services.context import Context


@dataclass(frozen=True)
class Call:
    """A request, authorized, and the context in which services serve it."""

    request: Request
    context: Context
