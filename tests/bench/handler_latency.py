"""What handlers take compared with `GET /`, in one run on the emulators: `python -m tests.bench.handler_latency`.

The calls take turns, so that what slows the machine slows them all; the ratios are what to compare.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from local.emulators import Missing, environment_of
from tests.backends import google, set_environment, shared_emulators
from tests.cloud import Cloud, running

CALLS = 200
WARM_UP = 10
PRINTERS = [f"01P00A38120043{number}" for number in range(5)]
Call = Callable[[int], requests.Response]


def calls(cloud: Cloud) -> Mapping[str, Call]:
    """The calls to compare, by name; each is given its number."""
    site = cloud.new_site()

    def control(number: int) -> requests.Response:
        body = {"recipientId": site.lan_recipient, "commandType": "pause", "printerSerial": f"S{number}"}
        return cloud.call("POST", "/control", key=site.lan_key, json=body)

    def batch(number: int) -> requests.Response:
        printers = [{"printerSerial": each, "status": {"state": "idle", "bedTemp": number}} for each in PRINTERS]
        body = {"recipientId": site.lan_recipient, "printers": printers}
        return cloud.call("POST", "/api/printer-status/batch", key=site.lan_key, json=body)

    return {
        "GET /": lambda _: cloud.call("GET", "/"),
        "POST /control": control,
        "POST /api/printer-status/batch (5)": batch,
    }


def measure(cloud: Cloud) -> Mapping[str, list[float]]:
    """Seconds of each call, by name."""
    taken: dict[str, list[float]] = {}
    compared = calls(cloud)
    for number in range(WARM_UP + CALLS):
        for name, call in compared.items():
            started = time.perf_counter()
            answer = call(number)
            taken.setdefault(name, []).append(time.perf_counter() - started)
            assert answer.ok, f"{name}: {answer.text}"
    return {name: seconds[WARM_UP:] for name, seconds in taken.items()}


def main() -> None:
    """The command line."""
    with tempfile.TemporaryDirectory() as made, shared_emulators(Path(made)) as hosts:
        if isinstance(hosts, Missing):
            sys.exit(f"{hosts.reason}; {hosts.how_to_get}")
        undo = set_environment(environment_of(hosts))
        with google(hosts) as backend, running(backend, Path(made)) as cloud:
            taken = measure(cloud)
        undo()
    table = Table("call", "median ms", "p95 ms", "ratio of medians", title=f"{CALLS} calls each, on the emulators")
    for name, seconds in taken.items():
        median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        ratio = median / statistics.median(taken["GET /"])
        table.add_row(name, f"{median * 1000:.1f}", f"{p95 * 1000:.1f}", f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
