"""GET /api/v1/metrics: how the farm is doing, as Prometheus scrapes it."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import quantiles
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from printpipe.dialects.exchange import Exposition
from printpipe.endpoints.call import Call
from printpipe.services import metrics
from printpipe.services.metrics import Metrics

_QUANTILES = {"0.5": 50, "0.9": 90, "0.99": 99}


def get(call: Call) -> Exposition:
    """The caller's organization in numbers, or all of them for the operator."""
    registry = CollectorRegistry()
    registry.register(_Shown(metrics.take(call.context)))
    return Exposition(generate_latest(registry).decode())


class _Shown(Collector):
    """The numbers as gauges: each scrape looks anew."""

    def __init__(self, taken: Metrics) -> None:
        self._taken = taken

    def collect(self) -> Iterator[Metric]:
        taken = self._taken
        yield _by("printpipe_printers", "Printers in use, by what they do", "activity", taken.printers)
        yield _by("printpipe_jobs", "Print jobs, by status", "status", taken.jobs)
        yield _one("printpipe_queue_oldest_age_seconds", "How long the oldest job has waited", taken.queue_oldest)
        yield _one("printpipe_commands_pending", "Commands that nobody has claimed", taken.commands_pending)
        yield _one("printpipe_commands_oldest_age_seconds", "Age of the oldest of those", taken.commands_oldest)
        yield from _spread(
            "printpipe_command_latency",
            "From a command's creation until it was claimed or completed, of the last 15 minutes",
            "stage",
            {"claimed": taken.claimed_after, "completed": taken.completed_after},
        )
        yield from _spread(
            "printpipe_dispatch_wait",
            "From when a job first waited until it was given to a printer, of the last 15 minutes' prints",
            "by",
            {"queue": taken.dispatched_after},
        )
        lag = "From a message's publication until its consumer had dealt with it, of the newest one"
        yield _by("printpipe_consumer_lag_seconds", lag, "consumer", taken.consumer_lag)
        yield _one("printpipe_dead_letters", "Messages that were tried in vain and are kept", taken.dead_letters)


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _by(name: str, about: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for each, value in sorted(values.items()):
        family.add_metric([str(each)], value)
    return family


def _spread(name: str, about: str, label: str, samples: Mapping[str, Sequence[float]]) -> Iterator[Metric]:
    """Quantiles of what was looked at, where there is anything, and how many that were."""
    family = GaugeMetricFamily(f"{name}_seconds", about, labels=[label, "quantile"])
    for each, found in samples.items():
        for quantile, percent in _QUANTILES.items() if found else ():
            family.add_metric([each, quantile], _quantile(found, percent))
    yield family
    yield _by(f"{name}_samples", f"How many {name}_seconds is of", label, {k: len(v) for k, v in samples.items()})


def _quantile(found: Sequence[float], percent: int) -> float:
    return found[0] if len(found) == 1 else quantiles(found, n=100, method="inclusive")[percent - 1]
