"""An agent in a process of its own, as operators run it, and the shortened times its tests use."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local.simulator.farm import SimulatedPrinter
from tests.integration.agent_cloud import AgentCloud

ROOT = Path(__file__).parents[2]

TIMING = {
    "reconcile": 1.0,
    "pull_wait": 4.0,
    "http_timeout": 5.0,
    "retry_first": 0.1,
    "retry_ceiling": 0.5,
    "status_printing": 1.0,
    "status_idle": 2.0,
    "offline_after": 1.0,
    "ack_timeout": 1.5,
    "effect_timeout": 6.0,
    "home_timeout": 6.0,
    "home_settle": 0.3,
    "start_timeout": 12.0,
    "late_window": 1.5,
    "stop_repeat": 1.0,
    "printer_wait": 6.0,
    "silence": 2.0,
    "reconnect_silence": 4.0,
    "connect_timeout": 3.0,
    "refused_retry": 0.5,
    "hms_clear": 0.5,
}


def write_config(
    cloud: AgentCloud, printers: list[SimulatedPrinter], folder: Path, *, pubsub: bool = True, **timing: float
) -> Path:
    """A configuration file for an agent with these printers; its state lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = [
        {
            "serial": printer.serial,
            "address": printer.host,
            "access_code": printer.access_code,
            "type": "bambu",
            "mqtt_port": printer.mqtt_port,
            "ftps_port": printer.ftps_port,
            "ca_file": str(printer.ca_file),
        }
        for printer in printers
    ]
    config = cloud.agent_config(entries, str(folder / "state"), pubsub=pubsub)
    config["timing"] = TIMING | timing
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


@contextlib.contextmanager
def agent(config: Path, *arguments: str, module: str = "edge_agent") -> Iterator[subprocess.Popen[bytes]]:
    """The agent's process; SIGTERM at the end, and it must go within three seconds."""
    with (config.parent / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--config", str(config), *arguments], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(4.0)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    raise


def logged(config: Path) -> list[dict[str, Any]]:
    """What the agent has logged."""
    lines = (config.parent / "agent.log").read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def until(seen: Callable[[], bool], seconds: float = 20.0, what: str = "") -> None:
    """Poll until `seen` holds; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or seen}"
        time.sleep(0.05)
