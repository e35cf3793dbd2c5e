"""The whole house on one machine: emulators, relay, gateway, simulated printers and the edge agent."""

import fcntl
import json
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import urllib3

from local.children import ROOT, Child, StackError
from local.emulators import EmulatorFailed, Emulators, EmulatorSet, Missing, environment_of, find
from local.identity import Identity, write_secret
from local.platforms import open_platform
from local.ports import free_port
from local.schedules import fire
from local.seeding import create_bucket, create_subscriptions, seed_tenant, subscription
from printpipe.domain.ports.platform import Platform
from printpipe.domain.scopes import ROLES

PROJECT = "demo-printpipe"
BUCKET = "printpipe-files"
KMS_KEY = f"projects/{PROJECT}/locations/global/keyRings/printpipe/cryptoKeys/files"
MODELS = ("P1S", "X1C")
START_SECONDS = 30.0
"""How long each part may take until it is ready."""

Backend = Literal["google", "embedded"]


@dataclass(frozen=True)
class PrinterAddress:
    """How to reach a simulated printer."""

    serial: str
    host: str
    mqtt_port: int
    ftps_port: int
    camera_port: int
    access_code: str
    ca_file: str


class Stack:
    """A running stack; use it as a context manager. Several can run at once, each in a `state_dir` of its own."""

    def __init__(
        self,
        state_dir: Path,
        *,
        backend: Backend | Literal["auto"] = "auto",
        port: int = 0,
        keep: bool = False,
        speed: float = 60.0,
        models: Sequence[str] = MODELS,
        filaments: Mapping[int, Mapping[str, Any]] | None = None,
        settings: Mapping[str, str] | None = None,
        timing: Mapping[str, float] | None = None,
        with_agent: bool = True,
        emulators: Emulators | Missing | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Port 0 takes a free one; `speed` is the printers' time against real time.

        `filaments` is what they have loaded, by their place in `models`: see the simulator's `Filaments.parse`.

        `settings` are further variables for the functions' environment, `timing` further knobs of the agent, in
        seconds. `emulators` are those to use; they are looked for where None. `say` gets a line where something about
        the stack is worth knowing.
        """
        self.state_dir = state_dir.absolute()
        self._wanted = backend
        self._port = port
        self._keep = keep
        self._speed = speed
        self._models = models
        self._filaments = filaments
        self._settings = dict(settings or {})
        self._timing = {"status_printing": 1.0, **(timing or {})}
        self._with_agent = with_agent
        self._found = emulators
        self._say = say
        self._lock: IO[str] | None = None
        self._emulators: EmulatorSet | None = None
        self._hosts: Mapping[str, str] = {}
        self._children: dict[str, Child] = {}
        self.backend: Backend = "embedded"
        self.base_url = ""
        self.simulator_url = ""
        self.faults_url = ""
        """Where the relay's switches are (GET, POST): see `local.faults.Faults`."""
        self.printers: list[PrinterAddress] = []

    @property
    def data(self) -> Path:
        """Everything that the stack stores."""
        return self.state_dir / "data"

    @property
    def logs(self) -> Path:
        """A JSON log for each part."""
        return self.state_dir / "logs"

    @cached_property
    def identity(self) -> Identity:
        """The organization, the sites and the keys."""
        return Identity.kept(self._identity_file)

    @property
    def _identity_file(self) -> Path:
        return self.data / "identity.json"

    @cached_property
    def platform(self) -> Platform:
        """The ports that the functions use, for a look from outside."""
        return open_platform(self.environment)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The functions' environment."""
        return {
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "NO_GCE_CHECK": "true",
            "PRINTPIPE_BACKEND": self.backend,
            "PRINTPIPE_DATA_DIR": str(self.data) if self.backend == "embedded" else "",
            "FIRESTORE_PROJECT_ID": PROJECT,
            "GCS_BUCKET_NAME": BUCKET,
            "KMS_KEY_PATH": KMS_KEY,
            "API_KEYS_PRINTER_STATUS": self.identity.operator_key,
            "FETCH_TOKEN_SECRET": self.identity.fetch_token_secret,
            "JWT_SECRET": self.identity.jwt_secret,
            "PUBLIC_BASE_URL": self.base_url,
            **environment_of(self._hosts),
            **self._settings,
        }

    def child(self, name: Literal["relay", "gateway", "simulator", "agent"]) -> Child:
        """One of our processes, to look at its log, to kill it, to start it again."""
        return self._children[name]

    def start(self) -> Self:
        """Starts everything and returns when all of it is ready. Raises StackError, with nothing left running."""
        try:
            self._take_folder()
            self._choose_port()
            self._start_parts()
        except BaseException as error:
            self.stop()
            if isinstance(error, EmulatorFailed):
                raise StackError(str(error)) from error
            raise
        return self

    def check(self) -> None:
        """Raises StackError where a part has ended."""
        for child in self._children.values():
            child.check()

    def stop(self) -> None:
        """Ends everything, the agent first; safe to call twice."""
        for name in ("agent", "gateway", "relay", "simulator"):
            if child := self._children.get(name):
                child.end()
        for child in self._children.values():
            child.stop()
        self._children.clear()
        if self._emulators:
            self._emulators.stop()
            self._emulators = None
        if self._lock:
            (self.state_dir / "stack.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_folder(self) -> None:
        """Makes sure that no other stack is in the folder, then clears what is not to be kept."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self.state_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise StackError(f"another stack runs in {self.state_dir}") from None
        shutil.rmtree(self.logs, ignore_errors=True)
        if not self._keep:
            shutil.rmtree(self.data, ignore_errors=True)
        for folder in (self.data, self.logs):  # keys, access codes
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _choose_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = self._port or free_port()
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise StackError(f"port {port} is taken; PORT=… names another") from None
            self.base_url = f"http://127.0.0.1:{port}"

    def _start_parts(self) -> None:
        emulators = self._choose_backend()
        simulator = self._begin_simulator()
        if emulators:
            self._start_emulators(emulators)
        else:
            self.faults_url = f"{self.base_url}/_relay/faults"
        gateway = self._begin("gateway", "local.gateway", ["--port", self.base_url.rpartition(":")[2]])
        self._finish_simulator(simulator)
        gateway.wait_for("the first answer", self._answers, START_SECONDS)
        if emulators:
            self._children["relay"].wait_for_event("relay_ready", START_SECONDS)
        self._seed()
        if self._with_agent:
            self._start_agent()
        write_secret(self.state_dir / "stack.json", json.dumps(self.describe(), indent=2) + "\n")

    def _seed(self) -> None:
        self.identity = seed_tenant(self.base_url, self.identity)
        self.identity.keep(self._identity_file)

    def _choose_backend(self) -> Emulators | None:
        if self._wanted == "embedded":
            self.backend = "embedded"
            return None
        found = find() if self._found is None else self._found
        if isinstance(found, Emulators):
            self.backend = "google"
            return found
        if self._wanted == "google":
            raise StackError(f"{found.reason}; {found.how_to_get}")
        self.backend = "embedded"
        self._say(explain_fallback(found))
        return None

    def _start_emulators(self, emulators: Emulators) -> None:
        relay_port = free_port()
        self.faults_url = f"http://127.0.0.1:{relay_port}/faults"
        self._emulators = EmulatorSet(
            emulators,
            self.data / "google",
            project=PROJECT,
            rules=ROOT / "firestore.rules",
            functions_emulator=f"127.0.0.1:{relay_port}",
            keep=self._keep,
        )
        self._emulators.start()
        self._hosts = self._emulators.hosts
        if "firestore" in emulators.running:
            self._say(
                "The Firestore emulator was running already: its triggers reach us only if it was started with "
                f"--functions_emulator=127.0.0.1:{relay_port}."
            )
        create_bucket(self._hosts["storage"], PROJECT, BUCKET)
        create_subscriptions(self._hosts["pubsub"], PROJECT, self.identity.agent.recipient_id)
        options = ["--port", str(relay_port), "--project", PROJECT, "--gateway", self.base_url]
        options += ["--firestore", self._hosts["firestore"], "--pubsub", self._hosts["pubsub"]]
        self._begin("relay", "local.relay", options)

    def _begin(self, name: str, module: str, arguments: list[str]) -> Child:
        child = Child(name, module, arguments, self.logs, self.environment)
        self._children[name] = child
        return child

    def _begin_simulator(self) -> Child:
        options = ["--printers", str(len(self._models)), "--models", ",".join(self._models)]
        options += ["--speed", str(self._speed), "--state-dir", str(self.data / "simulator")]
        if self._filaments is not None:
            options += ["--filaments", json.dumps(self._filaments)]
        paths = {"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}", "PYTHONUNBUFFERED": "1"}
        self._children["simulator"] = Child("simulator", "local.simulator", options, self.logs, paths)
        return self._children["simulator"]

    def _finish_simulator(self, simulator: Child) -> None:
        ready = simulator.wait_for_event("simulator_ready", START_SECONDS)
        self.simulator_url = ready["control_url"]
        names = PrinterAddress.__dataclass_fields__.keys()
        self.printers = [PrinterAddress(**{name: printer[name] for name in names}) for printer in ready["printers"]]

    def _answers(self) -> bool | None:
        try:
            answer = urllib3.request("GET", self.base_url, timeout=5, retries=False)
        except urllib3.exceptions.HTTPError:
            return None
        return True if answer.status < 500 else None

    def _start_agent(self) -> None:
        config = self.state_dir / "agent.json"
        write_secret(config, json.dumps(self._agent_config(), indent=2))
        agent = self._begin("agent", "edge_agent", ["--config", str(config)])
        agent.wait_for("the connection to every printer", self._printers_have_a_client, START_SECONDS)

    def _agent_config(self) -> dict[str, Any]:
        client = self.identity.agent
        config: dict[str, Any] = {
            "backend_url": self.base_url,
            "api_key": client.api_key,
            "recipient_id": client.recipient_id,
            "organization_id": self.identity.organization_id,
            "printers": [
                {
                    "serial": printer.serial,
                    "address": printer.host,
                    "access_code": printer.access_code,
                    "type": "bambu",
                    "mqtt_port": printer.mqtt_port,
                    "ftps_port": printer.ftps_port,
                    "camera_port": printer.camera_port,
                    "ca_file": printer.ca_file,
                }
                for printer in self.printers
            ],
            "discovery": False,
            "state_dir": str(self.data / "agent"),
            "timing": self._timing,
        }
        if self.backend == "google":
            config["pubsub"] = {
                "project": PROJECT,
                "subscription_normal": subscription(client.recipient_id, "normal"),
                "subscription_priority": subscription(client.recipient_id, "priority"),
                "endpoint": self.faults_url.removesuffix("/faults"),
            }
        return config

    def _printers_have_a_client(self) -> bool | None:
        try:
            printers = urllib3.request("GET", f"{self.simulator_url}/printers", timeout=5, retries=False).json()
            details = [self.inspect(printer["serial"]) for printer in printers]
        except urllib3.exceptions.HTTPError:
            return None
        return True if all(printer["clients"] for printer in details) else None

    def inspect(self, serial: str) -> dict[str, Any]:
        """The simulated printer as it really is, with every accepted start and received command."""
        url = f"{self.simulator_url}/printers/{serial}"
        state: dict[str, Any] = urllib3.request("GET", url, timeout=5, retries=False).json()
        return state

    def fire(self, function: str) -> None:
        """Gives a scheduled function a tick now, and returns once it has answered. Raises StackError where it failed.

        Ticks by the clock go on.
        """
        try:
            fire(self.base_url, function)
        except (RuntimeError, urllib3.exceptions.HTTPError) as error:
            raise StackError(str(error)) from error

    def describe(self) -> dict[str, Any]:
        """What `stack.json` holds."""
        hosts = {name: self._hosts.get(name) for name in ("firestore", "pubsub", "storage", "kms")}
        return {
            "base_url": self.base_url,
            "backend": self.backend,
            "operator_key": self.identity.operator_key,
            "organization_id": self.identity.organization_id,
            "tokens": {role: self.identity.token(role) for role in ROLES},
            "agent": self.identity.agent.model_dump(),
            "lan_client": self.identity.lan_client.model_dump(),
            "emulators": hosts,
            "printers": [asdict(printer) for printer in self.printers],
        }


def explain_fallback(missing: Missing) -> str:
    """The line for a machine without the emulators."""
    return f"Running on the embedded backend: {missing.reason}. To run on Google's emulators, {missing.how_to_get}."
