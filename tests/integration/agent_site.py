"""A site of our agent: its tenant in the cloud, the agent in a process of its own, and the times its tests use."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.relay import RelayServer
from local.sample_print import make_3mf
from local.seeding import LANES, subscription
from local.simulator.farm import SimulatedPrinter
from tests.backends import Backend
from tests.cloud import TOPIC, Cloud, running
from tests.integration.agent_process import AgentProcess, start
from tests.printer_sections import section

ROOT = Path(__file__).parents[2]

SHORT = make_3mf("cube", layers=6, seconds=150)
LONG = make_3mf("tower", layers=60, seconds=20000)

LEASE_SECONDS = 3.0
"""How long a command is leased where tests wait for that."""
ENDED = frozenset({"completed", "failed", "unknown", "expired", "cancelled"})
JOB_ENDS = frozenset({"job_completed", "job_failed", "job_cancelled"})

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


@dataclass(frozen=True)
class Started:
    """A print that was ordered: its command and its job."""

    command: str
    job: str


class AgentSite:
    """A tenant of its own with one agent; reads what the cloud has stored of it."""

    def __init__(self, cloud: Cloud, relay: RelayServer | None) -> None:
        self.cloud, self.relay, self.tenant = cloud, relay, cloud.new_site()
        self.recipient = self.tenant.agent_recipient
        if relay is not None:
            for lane in LANES:
                wanted = f'attributes.recipient = "{self.recipient}" AND attributes.lane = "{lane}"'
                cloud.backend.create_subscription(subscription(self.recipient, lane), TOPIC, wanted)

    def queue(
        self,
        kind: str,
        printer: SimulatedPrinter | str,
        metadata: Mapping[str, Any] | None = None,
        *,
        lifetime: float | None = None,
    ) -> str:
        """Queue a command as the operator, to expire in `lifetime` seconds if given; its id."""
        more: dict[str, Any] = {"printerSerial": printer if isinstance(printer, str) else printer.serial}
        if lifetime is not None:
            more["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=lifetime)).isoformat()
        return self.cloud.queue(self.recipient, kind, metadata, **more)

    def order(
        self, printer: SimulatedPrinter, content: bytes = LONG, name: str = "cube.gcode.3mf", **metadata: Any
    ) -> Started:
        """Upload a file and order its print."""
        file_id = str(self.cloud.upload(self.recipient, content=content, name=name)["fileId"])
        command = self.queue("start_print", printer, {"fileName": name, "fileId": file_id, **metadata})
        return Started(command, file_id)

    def start(
        self, printer: SimulatedPrinter, content: bytes = LONG, name: str = "cube.gcode.3mf", **metadata: Any
    ) -> str:
        """Order a print and wait until it is on the printer; the job's id."""
        ordered = self.order(printer, content, name, **metadata)
        assert self.ended(ordered.command) == "completed", self.message(ordered.command)
        return ordered.job

    def redeliver(self, command_id: str) -> None:
        """Deliver the command's message again."""
        self.cloud.redeliver(command_id)

    def command(self, command_id: str) -> Mapping[str, Any]:
        """The stored command."""
        return self.cloud.document(f"printer_commands/{command_id}").data

    def status(self, command_id: str) -> str:
        """The command's state."""
        return str(self.command(command_id)["status"])

    def message(self, command_id: str) -> str:
        """What the command's result says."""
        command = self.command(command_id)
        return str(command["errorMessage"] or command["message"] or "")

    def ended(self, command_id: str, seconds: float = 20.0) -> str:
        """The command's state, once it is final; AssertionError after `seconds`."""
        until(lambda: self.status(command_id) in ENDED, seconds, f"the end of {self.command(command_id)['type']}")
        return self.status(command_id)

    def job(self, job_id: str) -> str:
        """The job's state."""
        return str(self.cloud.document(f"print_jobs/{job_id}").data["status"])

    def fetches(self, file_id: str) -> int:
        """How often the file was given out."""
        return int(self.cloud.document(f"files/{file_id}").data["generation"]) - 1

    def events(self, *, job: str | None = None, printer: SimulatedPrinter | None = None) -> list[Mapping[str, Any]]:
        """The stored events, of this job or printer alone if given, in the order in which they were reported."""
        of_job = {} if job is None else {"printJobId": job}
        of_printer = {} if printer is None else {"printerSerial": printer.serial}
        found = self.cloud.documents("printer_events", self.recipient, **of_job, **of_printer)
        return sorted((each.data for each in found), key=lambda event: event["createdAt"])

    def kinds(self, job: str) -> list[str]:
        """The types of the job's events, in order."""
        return [event["eventType"] for event in self.events(job=job)]

    def saw(self, job: str, kind: str, seconds: float = 15.0) -> None:
        """Wait for an event of the job."""
        until(lambda: kind in self.kinds(job), seconds, kind)

    def states(self, printer: SimulatedPrinter) -> list[str]:
        """The printer's states as they were reported, in order."""
        found = self.cloud.documents("printer_status_updates", self.recipient)
        mine = [each.data for each in found if each.data["printerSerial"] == printer.serial]
        return [update["status"]["state"] for update in sorted(mine, key=lambda update: update["createdAt"])]

    def assert_ended_once(self, job: str, kind: str) -> None:
        """The job began once and ended once, as an event of this kind says, and the cloud knows it so."""
        kinds = self.kinds(job)
        assert [each for each in kinds if each in JOB_ENDS] == [kind], kinds
        assert kinds.count("job_started") <= 1, kinds
        assert f"job_{self.job(job)}" == kind

    def write_config(
        self,
        printers: list[SimulatedPrinter],
        folder: Path,
        *,
        pubsub: bool = True,
        ftps_port: int | None = None,
        backend_url: str | None = None,
        **timing: float,
    ) -> Path:
        """A configuration file for an agent with these printers; its state lies in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "backend_url": backend_url or self.cloud.base_url,
            "api_key": self.tenant.agent_key,
            "recipient_id": self.recipient,
            "state_dir": str(folder / "state"),
            "discovery": False,
            "timing": TIMING | timing,
            "printers": [section(printer, ftps_port=ftps_port or printer.ftps_port) for printer in printers],
        }
        if pubsub and self.relay is not None:
            config["pubsub"] = {
                "project": self.cloud.backend.environment["GCP_PROJECT_ID"],
                "endpoint": self.relay.url,
                **{f"subscription_{lane}": subscription(self.recipient, lane) for lane in LANES},
            }
        path = folder / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path


@contextlib.contextmanager
def sites(backend: Backend, folder: Path, **settings: str) -> Iterator[Callable[[], AgentSite]]:
    """The functions on this backend, with Pub/Sub where it is Google's; call for a fresh site."""
    with running(backend, folder, **settings) as cloud, contextlib.ExitStack() as stack:
        relay = None if backend.embedded else stack.enter_context(_relay(cloud))
        yield lambda: AgentSite(cloud, relay)


@contextlib.contextmanager
def _relay(cloud: Cloud) -> Iterator[RelayServer]:
    """In front of the emulator: filters hold, and a killed agent's pull takes no message along."""
    environment = cloud.backend.environment
    server = RelayServer(0, environment["GCP_PROJECT_ID"], cloud.base_url, environment["PUBSUB_EMULATOR_HOST"], ())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.deliveries.close()


@contextlib.contextmanager
def agent(config: Path, *arguments: str, module: str = "edge_agent") -> Iterator[AgentProcess]:
    """The agent's process; SIGTERM at the end, and it must go within three seconds."""
    with (config.parent / "agent.log").open("ab") as log:
        process = start(module, ["--config", str(config), *arguments], log)
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


def logged(config: Path, **wanted: object) -> list[dict[str, Any]]:
    """What the agent has logged, if given only the lines with these fields."""
    lines = (config.parent / "agent.log").read_text(errors="replace").splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [record for record in records if wanted.items() <= record.items()]


def until(seen: Callable[[], bool], seconds: float = 20.0, what: str = "") -> None:
    """Poll until `seen` holds; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or seen}"
        time.sleep(0.05)
