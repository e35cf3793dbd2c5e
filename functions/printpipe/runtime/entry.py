"""The functions that functions-framework serves, by name."""

from functools import cache
from types import FunctionType
from typing import cast

from printpipe.runtime.catalog import rows


@cache
def entry_point(name: str) -> FunctionType:
    """The function of a catalog's row. Raises `AttributeError` for a name that no row has, as a module does."""
    row = rows().get(name)
    if row is None:
        raise AttributeError(name)
    if row.http:
        from printpipe.runtime import http  # each kind of function loads its own half of the runtime

        return cast(FunctionType, http.server(row))
    from printpipe.runtime import events

    return cast(FunctionType, events.server(row))
