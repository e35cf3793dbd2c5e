"""A throw-away copy of what Terraform reads, the providers to plan it with, and the plans as tests read them."""

import fcntl
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools import bundle

PROJECT = Path(__file__).resolve().parents[2]
STAND_IN = PROJECT.parent / "shared" / "terraform-offline"
"""Providers that know the schemas alone; see its own description."""
READ = ("terraform", "functions/catalog.yaml", "functions/schemas", "firestore.rules", "firestore.indexes.json")
_NO_STATE_OUTSIDE = 'terraform {\n  backend "local" {}\n}\n'
_LEFT_BEHIND = shutil.ignore_patterns(".terraform*", "*.tfstate*")


class Missing(Exception):
    """There is no Terraform, or there are no providers. The message says which, and how to get it."""


class Failed(Exception):
    """A command of Terraform's failed; the message is what it said."""


@dataclass(frozen=True)
class Resource:
    """What a plan makes: `key` is the instance's in its own `for_each`, `module` the address of what it is in."""

    address: str
    module: str
    type: str
    name: str
    key: str | int | None
    values: Mapping[str, Any]
    """What is known before it is made."""


@dataclass(frozen=True)
class Plan:
    """One plan."""

    content: Mapping[str, Any]
    """As `terraform show -json` gives it."""
    seconds: float
    """What it took to make, of one processor's time: alone on a machine it takes no longer than that."""

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Everything that there is once it is applied; what is only read is left out."""
        return tuple(_resources(self.content["planned_values"]["root_module"]))

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types."""
        return [each for each in self.resources if each.type in types]

    def one(self, type_: str) -> Resource:
        """The only resource of a type."""
        (found,) = self.of(type_)
        return found

    @property
    def variables(self) -> dict[str, Any]:
        """What it was planned with."""
        return {name: each.get("value") for name, each in self.content["variables"].items()}

    @property
    def changed(self) -> dict[str, list[str]]:
        """What is done to which address; what stays as it is is left out."""
        changes = {each["address"]: each["change"]["actions"] for each in self.content["resource_changes"]}
        return {address: actions for address, actions in changes.items() if actions not in (["no-op"], ["read"])}


def _resources(module: Mapping[str, Any], address: str = "") -> Iterator[Resource]:
    for each in module.get("resources", ()):
        if each["mode"] == "managed":
            yield Resource(
                each["address"], address, each["type"], each["name"], each.get("index"), each.get("values", {})
            )
    for child in module.get("child_modules", ()):
        yield from _resources(child, child["address"])


class Workspace:
    """The copy, initialized; plans are kept in its folder and made once, whichever test process asks first."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, stand_in: bool) -> None:
        self._folder = folder
        self._environment = environment
        self.stand_in = stand_in
        """Whether the providers know the schemas alone."""

    @property
    def root(self) -> Path:
        """The copy of `terraform/`."""
        return self._folder / "terraform"

    @property
    def bundles(self) -> Path:
        """The functions' zips, as they are now."""
        return self._folder / "build" / "bundles"

    def run(self, *arguments: str, timeout: float = 500, **environment: str) -> str:
        """Runs `terraform` in the root; what it wrote. Raises `Failed`."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.root,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise Failed(f"terraform {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def plan(self, name: str, *arguments: str) -> Plan:
        """The plan of that name, made with these arguments unless it is there. Raises `Failed`."""
        made = self._folder / f"{name}.json"
        with locked(self._folder / f"{name}.lock"):
            if not made.exists():
                planned = self._folder / f"{name}.plan"
                before = _seconds_of_children()
                # What `-json` writes is not read, but costs a quarter less than what it would draw.
                self.run("plan", "-json", "-lock=false", f"-out={planned}", *arguments)
                seconds = _seconds_of_children() - before
                content = json.loads(self.run("show", "-json", str(planned)))
                made.write_text(json.dumps({"content": content, "seconds": seconds}))
        return Plan(**json.loads(made.read_text()))

    def simulate_apply(self, name: str, state: Path) -> None:
        """Applies a plan into a state file, with placeholders for what Google would say: for the stand-in alone."""
        assert self.stand_in
        planned = self._folder / f"{name}.plan"
        self.run("apply", f"-state-out={state}", str(planned), TF_OFFLINE_APPLY="1")


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """For one process at a time."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_workspace(folder: Path) -> Workspace:
    """The workspace in a folder, made by the process that comes first. Raises `Missing`."""
    if shutil.which("terraform") is None:
        raise Missing("terraform is not installed; 1.11 or later is needed")
    folder.mkdir(exist_ok=True)
    with locked(folder / "workspace.lock"):
        ready = folder / "ready.json"
        if not ready.exists():
            _copy(folder)
            bundle.build(PROJECT / "functions", folder / "build" / "bundles")
            ready.write_text(json.dumps(_initialize(folder)))
        chosen = json.loads(ready.read_text())
    return Workspace(folder, {**_environment(), **chosen["environment"]}, stand_in=chosen["stand_in"])


def _copy(folder: Path) -> None:
    for name in READ:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, target, ignore=_LEFT_BEHIND)
        else:
            shutil.copyfile(PROJECT / name, target)
    (folder / "terraform" / "tests_override.tf").write_text(_NO_STATE_OUTSIDE)


def _environment() -> dict[str, str]:
    """That of this process without what would change Terraform's behaviour or reach an account."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "TF_PLUGIN_CACHE_DIR" or not name.startswith(("TF_", "GOOGLE_", "CLOUDSDK_"))
    }
    quiet = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "TF_CLI_ARGS": "-no-color", "CHECKPOINT_DISABLE": "1"}
    return {**kept, **quiet, "GOGC": "400"}  # memory for time: a quarter of a plan's is spent on collecting garbage


def _initialize(folder: Path) -> Mapping[str, Any]:
    """Installs the real providers or, without a network, the stand-in's; what the further commands need for it."""
    refused = _init(folder, {"TF_REGISTRY_DISCOVERY_RETRY": "0", "TF_REGISTRY_CLIENT_TIMEOUT": "3"})
    if refused is None:
        # The real provider wants a credential even for a plan that asks Google nothing.
        return {"environment": {"GOOGLE_OAUTH_ACCESS_TOKEN": "none"}, "stand_in": False}
    if not (STAND_IN / "setup.sh").exists():
        raise Missing(f"no providers can be had: {refused}")
    mirror = folder / "mirror"
    subprocess.run(["sh", STAND_IN / "setup.sh", mirror], check=True, capture_output=True, timeout=60)
    offline = {"TF_CLI_CONFIG_FILE": str(mirror / "terraform.rc")}
    if refused := _init(folder, offline):
        raise Failed(refused)
    return {"environment": offline, "stand_in": True}


def _init(folder: Path, environment: Mapping[str, str]) -> str | None:
    """What `terraform init` says against it; None where it worked."""
    done = subprocess.run(
        ["terraform", "init"],
        cwd=folder / "terraform",
        env={**_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return None if done.returncode == 0 else done.stderr.strip()
