"""The same call about many things at once, where another service must be asked about each of them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

AT_ONCE = 8
"""How many calls run at the same time: a hundred of 50 ms each end within a second."""

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


def each(work: Callable[[_Thing], _Result], things: Iterable[_Thing]) -> list[_Result]:
    """What `work` gives for each thing, in the things' order. Raises what the first failure raised, and begins no more.

    Log lines and the bill stay those of the caller.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        begun = [pool.submit(copy_context().run, work, thing) for thing in things]
        return [one.result() for one in begun]
    finally:
        pool.shutdown(cancel_futures=True)
