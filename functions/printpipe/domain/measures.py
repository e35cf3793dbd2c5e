"""Numbers for operators, as lines of the log: whoever runs the functions makes metrics of them."""

from typing import Any, Literal

from printpipe.domain.log import log

Measure = Literal["command_latency", "dispatch_wait", "queue_age", "consumer_lag"]


def measured(name: Measure, seconds: float, **labels: str) -> None:
    """Notes how long something took. `labels` say of what; each has few values, for every set of them is a series.

    `command_latency`: from a command's creation until it was `claimed`, or ended (`stage`); `dispatch_wait`: from when
    a job first waited until a run of it was given to a printer; `queue_age`: how long the oldest job has been waiting
    still waits; `consumer_lag`: from a message's publication until its `consumer` had dealt with it.
    """
    fields: dict[str, Any] = {"name": name, "seconds": round(max(seconds, 0.0), 3), **labels}
    log("metric", **fields)
