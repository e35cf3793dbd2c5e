"""The emulators' life: found as documented, kept from run to run where asked, never left running."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from local.emulator_search import Emulators, Missing, find
from local.emulators import EmulatorFailed, EmulatorSet
from tests.contract.ports.deadlines import eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """The shape of an SDK that holds the emulators."""
    root = tmp_path / "sdk"
    for jar in (
        "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
        "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.9-all.jar",
        "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar",
    ):
        (root / jar).parent.mkdir(parents=True, exist_ok=True)
        (root / jar).touch()
    return root


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A home of something that says it is Java 17."""
    return fake_java(tmp_path, "17.0.15")


def fake_java(tmp_path: Path, version: str) -> Path:
    home = tmp_path / f"java-{version}"
    (home / "bin").mkdir(parents=True)
    (home / "bin/java").write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    (home / "bin/java").chmod(0o755)
    return home


def test_running_emulators_are_used_as_they_are(tmp_path: Path) -> None:
    found = find(
        {
            "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
            "PUBSUB_EMULATOR_HOST": "127.0.0.1:2",
            "STORAGE_EMULATOR_HOST": "http://127.0.0.1:3/",
        }
    )

    assert found == Emulators({"firestore": "127.0.0.1:1", "pubsub": "127.0.0.1:2", "storage": "127.0.0.1:3"}, {})
    with EmulatorSet(found, tmp_path) as emulators:
        assert emulators.environment["STORAGE_EMULATOR_HOST"] == "http://127.0.0.1:3"
        assert emulators.environment["FIRESTORE_EMULATOR_HOST"] == "127.0.0.1:1"
        assert re.fullmatch(r"127\.0\.0\.1:\d+", emulators.hosts["kms"])


def test_the_newest_jars_of_the_sdk_are_found(sdk: Path, java: Path, tmp_path: Path) -> None:
    found = find({"CLOUDSDK_ROOT_DIR": str(sdk), "JAVA_HOME": str(java), "HOME": str(tmp_path)})

    assert isinstance(found, Emulators)
    assert found.commands["firestore"][0] == str(java / "bin/java")
    assert str(sdk / "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar") in found.commands["firestore"]
    assert found.commands["pubsub"][-1].endswith("cloud-pubsub-emulator-0.8.20-all.jar")


def test_a_jar_that_is_named_goes_before_the_sdk(sdk: Path, java: Path, tmp_path: Path) -> None:
    found = find(
        {
            "CLOUDSDK_ROOT_DIR": str(sdk),
            "JAVA_HOME": str(java),
            "HOME": str(tmp_path),
            "FIRESTORE_EMULATOR_JAR": "/own/firestore.jar",
        }
    )

    assert isinstance(found, Emulators)
    assert "/own/firestore.jar" in found.commands["firestore"]
    assert str(sdk) in found.commands["pubsub"][-1]


def test_firebases_cache_is_looked_into(java: Path, tmp_path: Path) -> None:
    cache = tmp_path / ".cache/firebase/emulators"
    (cache / "pubsub-emulator-0.8.14/pubsub-emulator/lib").mkdir(parents=True)
    (cache / "cloud-firestore-emulator-v1.19.8.jar").touch()
    (cache / "pubsub-emulator-0.8.14/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.14-all.jar").touch()
    if Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator").exists():
        pytest.skip("an SDK in its usual place goes before the cache")

    found = find({"HOME": str(tmp_path), "JAVA_HOME": str(java)})

    assert isinstance(found, Emulators)
    assert found.commands["pubsub"][-1].startswith(str(cache))


@pytest.mark.parametrize("version", ["1.8.0_402", "10.0.2"])
def test_an_old_java_is_told(sdk: Path, tmp_path: Path, version: str) -> None:
    home = fake_java(tmp_path, version)

    found = find({"CLOUDSDK_ROOT_DIR": str(sdk), "JAVA_HOME": str(home), "HOME": str(tmp_path)})

    assert isinstance(found, Missing)
    assert "Java 11 or later" in found.reason
    for way in ("google-cloud-cli-firestore-emulator", "gcloud components", "docker pull", "FIRESTORE_EMULATOR_JAR"):
        assert way in found.how_to_get


def test_no_java_is_told(sdk: Path, tmp_path: Path) -> None:
    found = find({"CLOUDSDK_ROOT_DIR": str(sdk), "HOME": str(tmp_path), "PATH": str(tmp_path)})

    assert isinstance(found, Missing)
    assert "Java" in found.reason


def test_what_exits_at_once_is_told_with_its_last_words(sdk: Path, java: Path, tmp_path: Path) -> None:
    found = find({"CLOUDSDK_ROOT_DIR": str(sdk), "JAVA_HOME": str(java), "HOME": str(tmp_path)})
    assert isinstance(found, Emulators)

    with pytest.raises(EmulatorFailed, match="openjdk version"):
        EmulatorSet(found, tmp_path / "data").start()
    assert descendants(tmp_path) == []


def test_what_listens_and_never_answers_is_given_up(tmp_path: Path) -> None:
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
    running = {"pubsub": "127.0.0.1:1", "storage": "127.0.0.1:1", "kms": "127.0.0.1:1"}

    with pytest.raises(EmulatorFailed, match="firestore did not answer within 1 s"):
        EmulatorSet(Emulators(running, {"firestore": sleeper}), tmp_path, deadline=1).start()
    assert descendants(tmp_path) == []


def test_a_fresh_start_forgets_the_last_run(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("snapshot/firestore/data", "storage/bucket/object", "kms.json")]
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    running = Emulators(dict.fromkeys(("firestore", "pubsub", "storage"), "127.0.0.1:1"), {})

    with EmulatorSet(running, tmp_path, keep=True):
        assert all(file.exists() for file in kept)
    with EmulatorSet(running, tmp_path):
        assert not any(file.exists() for file in kept)


@pytest.mark.emulators
def test_what_is_kept_is_there_again(emulators: object, tmp_path: Path) -> None:
    unused = dict.fromkeys(("pubsub", "storage"), "127.0.0.1:1")
    found = Emulators(unused, {"firestore": real_emulators().commands["firestore"]})
    rules = ROOT / "firestore.rules"
    document = "v1/projects/demo-keep/databases/(default)/documents/jobs/j"
    owner = {"Authorization": "Bearer owner"}

    def url(emulators: EmulatorSet) -> str:
        return f"http://{emulators.hosts['firestore']}/{document}"

    with EmulatorSet(found, tmp_path, project="demo-keep", rules=rules, keep=True) as first:
        body = {"fields": {"state": {"stringValue": "held"}}}
        requests.patch(url(first), json=body, headers=owner, timeout=30).raise_for_status()
        assert requests.get(url(first), timeout=30).status_code == 403
    with EmulatorSet(found, tmp_path, project="demo-keep", keep=True) as second:
        assert requests.get(url(second), headers=owner, timeout=30).json()["fields"] == body["fields"]
    assert descendants(tmp_path) == []


@pytest.mark.emulators
def test_nothing_is_left_running_when_we_are_killed(emulators: object, tmp_path: Path) -> None:
    real_emulators()
    script = (
        "import sys; from pathlib import Path; from local.emulators import EmulatorSet, find\n"
        "s = EmulatorSet(find({k: v for k, v in __import__('os').environ.items() if 'EMULATOR_HOST' not in k}),"
        " Path(sys.argv[1])); s.start(); print(*s.hosts.values(), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": "functions:."},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    hosts = parent.stdout.readline().split()
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(hosts) == 4
    assert len(children) >= 6

    parent.kill()
    parent.wait(10)

    eventually(lambda: not any(child.is_running() for child in children), seconds=10)
    for host in hosts:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(host.rsplit(":", 1)[1])))


def real_emulators() -> Emulators:
    found = find({name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")})
    assert isinstance(found, Emulators)
    return found


def descendants(folder: Path) -> list[str]:
    """This process's children at work in the folder."""
    return [
        " ".join(child.cmdline())
        for child in psutil.Process().children(recursive=True)
        if str(folder) in str(child.cwd())
    ]
