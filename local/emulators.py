"""Firestore, Pub/Sub, Cloud Storage and KMS on free loopback ports, for as long as they are needed."""

import contextlib
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.emulator_search import ENVIRONMENT, Emulators, Missing, find
from local.ports import free_port
from local.processes import Process

if TYPE_CHECKING:
    from local.kms import KmsServer

__all__ = ["ENVIRONMENT", "EmulatorFailed", "EmulatorSet", "Emulators", "Missing", "environment_of", "find"]

_ATTEMPTS = 3
_DATABASE = "(default)"
_SNAPSHOT = "firestore"
_METADATA = "overall_export_metadata"


class EmulatorFailed(Exception):
    """An emulator did not start; the message ends with what it said last."""


def environment_of(hosts: Mapping[str, str]) -> dict[str, str]:
    """The variables that lead a process's clients to these hosts."""
    scheme = {"storage": "http://"}
    return {ENVIRONMENT[name]: scheme.get(name, "") + host for name, host in hosts.items()}


class EmulatorSet:
    """The emulators as one thing: those that do not run yet are started, and ended again with us, however we end."""

    def __init__(
        self,
        emulators: Emulators,
        folder: Path,
        *,
        project: str = "demo-printpipe",
        rules: Path | None = None,
        functions_emulator: str | None = None,
        keep: bool = False,
        deadline: float = 90.0,
    ) -> None:
        """`folder` holds logs and data. `keep` takes up the project's data of the last run and leaves it behind.

        `functions_emulator` (host:port) is where Firestore's emulator posts triggers; `deadline` (seconds) bounds the
        start. Topics and subscriptions are never kept: Pub/Sub's emulator has no memory.
        """
        self._emulators = emulators
        self._folder = folder.absolute()
        self._project = project
        self._rules = rules
        self._functions_emulator = functions_emulator
        self._keep = keep
        self._deadline = deadline
        self._processes: dict[str, Process] = {}
        self._kms: KmsServer | None = None
        self._hosts: dict[str, str] = {}

    @property
    def hosts(self) -> Mapping[str, str]:
        """host:port of `firestore`, `pubsub`, `storage` and `kms`, once started."""
        return dict(self._hosts)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a child process needs in its environment to use these."""
        return environment_of(self._hosts)

    def start(self) -> None:
        """Starts all at once and returns when all answer. Raises `EmulatorFailed`, with nothing left running."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._keep:
            for name in ("storage", "snapshot"):
                shutil.rmtree(self._folder / name, ignore_errors=True)
            (self._folder / "kms.json").unlink(missing_ok=True)
        self._hosts = dict(self._emulators.running)
        starters: dict[str, Callable[[float], str]] = {
            "firestore": self._start_firestore,
            "pubsub": self._start_pubsub,
            "storage": self._start_storage,
            "kms": self._start_kms,
        }
        until = time.monotonic() + self._deadline
        try:
            with ThreadPoolExecutor(len(starters), "emulators") as pool:
                started = {
                    name: pool.submit(starter, until) for name, starter in starters.items() if name not in self._hosts
                }
            for name, future in started.items():
                self._hosts[name] = future.result()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Keeps the data where asked to, and ends what was started; safe to call twice."""
        if self._keep and "firestore" in self._processes:
            with contextlib.suppress(OSError):
                self._export()
        self._end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self) -> None:
        for process in self._processes.values():
            process.end()
        for process in self._processes.values():
            process.stop()
        self._processes.clear()
        if self._kms:
            self._kms.stop()
            self._kms = None

    def _start_firestore(self, until: float) -> str:
        options = [f"--project_id={self._project}"]
        if self._rules:
            options.append(f"--rules={self._rules.absolute()}")
        if self._functions_emulator:
            options.append(f"--functions_emulator={self._functions_emulator}")
        metadata = self._folder / "snapshot" / _SNAPSHOT / f"{_SNAPSHOT}.{_METADATA}"
        if metadata.exists():
            options.append(f"--seed_from_export={metadata}")

        def command(port: int) -> list[str]:
            base = self._emulators.commands["firestore"]
            return [*base, "--host=127.0.0.1", f"--port={port}", f"--websocket_port={free_port()}", *options]

        return self._launch("firestore", command, "/", until)

    def _start_pubsub(self, until: float) -> str:
        base = self._emulators.commands["pubsub"]
        return self._launch("pubsub", lambda port: [*base, "--host=127.0.0.1", f"--port={port}"], "/", until)

    def _start_storage(self, until: float) -> str:
        root = self._folder / "storage"
        root.mkdir(parents=True, exist_ok=True)

        def command(port: int) -> list[str]:
            host = f"127.0.0.1:{port}"
            options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", host]
            options += ["-external-url", f"http://{host}", "-backend", "filesystem", "-filesystem-root", str(root)]
            return [*self._emulators.commands["storage"], *options, "-log-level", "error"]

        return self._launch("storage", command, "/_internal/healthcheck", until)

    def _start_kms(self, until: float) -> str:
        from local.kms import KmsServer  # loads gRPC, which whoever finds no emulators does not need

        self._kms = KmsServer(keys_file=self._folder / "kms.json" if self._keep else None)
        self._kms.start()
        return self._kms.host

    def _launch(self, name: str, command: Callable[[int], Sequence[str]], path: str, until: float) -> str:
        """Starts one and waits for its answer; again on another port where it exits, as when the port was taken."""
        log = self._folder / f"{name}.log"
        for _ in range(_ATTEMPTS):
            port = free_port()
            with log.open("wb") as output:
                process = Process(command(port), output=output, folder=self._folder)
            self._processes[name] = process
            while process.returncode is None:
                if _answers(f"http://127.0.0.1:{port}{path}"):
                    return f"127.0.0.1:{port}"
                if time.monotonic() > until:
                    raise EmulatorFailed(f"{name} did not answer within {self._deadline:.0f} s: {_tail(log)}")
                time.sleep(0.05)
        raise EmulatorFailed(f"{name} exits at once: {_tail(log)}")

    def _export(self) -> None:
        """Writes the project's documents beside the last snapshot, then takes its place."""
        draft, snapshot = self._folder / "snapshot.draft", self._folder / "snapshot"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        body = {
            "database": f"projects/{self._project}/databases/{_DATABASE}",
            "export_directory": str(draft),
            "export_name": _SNAPSHOT,
        }
        request = urllib.request.Request(
            f"http://{self._hosts['firestore']}/emulator/v1/projects/{self._project}:export",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass
        shutil.rmtree(snapshot, ignore_errors=True)
        draft.rename(snapshot)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-500:].strip()
