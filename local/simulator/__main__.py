"""`python -m local.simulator`: simulated printers until SIGTERM or Ctrl-C."""

import argparse
import itertools
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from local.simulator.farm import Farm
from local.simulator.models import COMMON


def main(arguments: list[str] | None = None) -> int:
    """Run the printers; one JSON line on standard output says when and where everything listens."""
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description=__doc__)
    parser.add_argument("--printers", type=int, default=2, help="how many printers (default 2)")
    parser.add_argument("--models", default=",".join(COMMON), help="their models in turn (default %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="printer's time against real time (default 1)")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder for the CA, keys and uploaded files")
    parser.add_argument("--standard-ports", action="store_true", help="127.0.0.11, .12, … with 8883, 990, 6000 or 80")
    parser.add_argument(
        "--filaments",
        type=_filaments,
        default={},
        metavar="JSON",
        help='by the printer\'s place: {"0": {"loaded": [{"slot": 0, "type": "PLA", "color": "#FFFFFF"}]}}',
    )
    parser.add_argument(
        "--ssdp-ports",
        type=_ports,
        default=(),
        metavar="PORTS",
        help="announce the printers on loopback, on these ports: 2021,1990",
    )
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API (default: a free one)")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        farm = Farm(
            itertools.islice(itertools.cycle(options.models.split(",")), options.printers),
            state_dir=options.state_dir,
            speed=options.speed,
            standard_ports=options.standard_ports,
            control_port=options.control_port,
            filaments=options.filaments,
            ssdp_ports=options.ssdp_ports,
        )
        with farm:
            ready = {
                "event": "simulator_ready",
                "control_url": farm.control_url,
                "printers": [printer.describe() for printer in farm.everyone],
            }
            print(json.dumps(ready), flush=True)
            ended.wait()
    except (ValueError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


def _ports(text: str) -> tuple[int, ...]:
    return tuple(int(port) for port in text.split(","))


def _filaments(text: str) -> dict[int, dict[str, Any]]:
    return {int(place): dict(setup) for place, setup in dict(json.loads(text)).items()}


if __name__ == "__main__":
    sys.exit(main())
