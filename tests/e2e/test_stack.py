"""The local stack as a person uses it: it prints, it says what is wrong, and it leaves nothing behind."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.children import ROOT, StackError
from local.emulators import ENVIRONMENT, Missing, find
from local.sample_print import make_3mf
from local.stack import Stack
from tests.counts import SOAK
from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.stack import BACKENDS, call, command_of, faults, queue, running_stack, until

STEPS = {"upload", "stored", "trigger", "published", "received", "claimed", "on the printer", "first layer", "done"}
ON_GOOGLE = pytest.param("google", marks=pytest.mark.emulators)
WAYS = [("google", signal.SIGINT)]
if SOAK:
    WAYS += [("google", signal.SIGTERM), ("google", signal.SIGKILL), ("embedded", signal.SIGINT)]
    WAYS += [("embedded", signal.SIGTERM)]
ENDINGS = [pytest.param(*way, marks=[pytest.mark.emulators] if way[0] == "google" else []) for way in WAYS]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where the stack sends its spans."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="module", params=BACKENDS)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Stack]:
    """The whole stack; leases last and reconciles come a minute, as in production, where there is time for that."""
    minute = 60.0 if SOAK else 5.0
    timing = {"reconcile": minute} | ({} if SOAK else {"pull_wait": 4.0})
    folder = tmp_path_factory.mktemp("stack")
    settings = {"COMMAND_LEASE_SECONDS": str(minute), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    traced = {**settings, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with running_stack(request.param, folder, timing=timing, settings=traced) as running:
        yield running


def need_emulators(backend: str) -> None:
    own = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}
    found = find(own)
    if backend == "google" and isinstance(found, Missing):
        if os.environ.get("CI"):
            pytest.fail(found.reason, pytrace=False)
        pytest.skip(f"{found.reason}; {found.how_to_get}")


def environment(folder: Path, backend: str, **options: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}
    own |= {"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}", "STATE_DIR": str(folder), "BACKEND": backend, "PORT": "0"}
    return {**own, "SPEED": "600", **options}


def run_once(folder: Path, backend: str, **options: str) -> tuple[int, list[str]]:
    """`make run ONCE=1`, but for the installing: the exit code and the lines."""
    if "PATH" not in options:
        need_emulators(backend)
    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        env=environment(folder, backend, ONCE="1", **options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@contextmanager
def serving(folder: Path, backend: str, **options: str) -> Iterator[subprocess.Popen[str]]:
    """`make run`, from when everything runs; the demo's print is under way."""
    need_emulators(backend)
    command = [sys.executable, "-m", "local.run"]
    output = folder / "output.txt"
    with output.open("w") as target:
        running = subprocess.Popen(
            command, env=environment(folder, backend, **options), cwd=ROOT, stdout=target, stderr=target, text=True
        )
        try:
            file = folder / "stack.json"
            until(lambda: file.exists() or running.poll() is not None, "the stack's start", 60)
            assert running.poll() is None, output.read_text()
            yield running
        finally:
            running.kill()
            running.wait()


def printed(stack: Stack, job_id: str) -> Mapping[str, Any]:
    """The job, once it has ended."""

    def ended() -> Mapping[str, Any] | None:
        job = stack.platform.documents.get(f"print_jobs/{job_id}")
        return job.data if job and job.data["status"] in ("completed", "failed", "cancelled") else None

    return until(ended, "the print's end", 90)


def start_print(stack: Stack, serial: str) -> tuple[str, str]:
    """Uploads a file and orders its print; the ids of job and command."""
    site = {"recipientId": stack.identity.agent.recipient_id, "productId": "P"}
    part = {"file": ("cube.3mf", make_3mf("cube", layers=3, seconds=120), "model/3mf")}
    file = call(stack, "POST", "/upload", data=site, files=part).json()
    wish = {**site, "printerSerial": serial, "fileId": file["fileId"]}
    answer = call(stack, "POST", "/api/print-jobs", json=wish)
    assert answer.status_code == 200, answer.text
    return answer.json()["jobId"], answer.json()["commandId"]


def assert_printed(summary: Mapping[str, Any], backend: str) -> None:
    assert (summary["ok"], summary["status"], summary["backend"]) == (True, "completed", backend)
    times = {entry["step"]: entry["ms"] for entry in summary["timeline"]}
    assert times.keys() == STEPS
    assert times["upload"] == 0 < times["stored"] < times["on the printer"] < times["first layer"] < times["done"]
    assert times["claimed"] < times["on the printer"]
    assert times["done"] < summary["seconds"] * 1000


@pytest.mark.parametrize("backend", BACKENDS if SOAK else [ON_GOOGLE])
def test_run_once_prints_and_tells_the_time_line(tmp_path: Path, backend: str) -> None:
    code, lines = run_once(tmp_path, backend)
    assert code == 0, lines
    assert_printed(json.loads(lines[-1]), backend)
    assert not (tmp_path / "stack.json").exists()


def test_without_emulators_it_prints_a_file_of_ones_own_and_says_how_to_get_them(tmp_path: Path) -> None:
    file = tmp_path / "my part.gcode.3mf"
    file.write_bytes(make_3mf("my part", layers=2, seconds=60))
    away = {"PATH": str(tmp_path), "HOME": str(tmp_path), "JAVA_HOME": ""}
    code, lines = run_once(tmp_path / "stack", "auto", FILE=str(file), **away)
    assert code == 0, lines
    [told] = [line for line in lines if "embedded backend: " in line and "google-cloud-cli-firestore-emulator" in line]
    assert "FIRESTORE_EMULATOR_JAR" in told
    assert_printed(json.loads(lines[-1]), "embedded")
    assert not (tmp_path / "stack/stack.json").exists()


def assert_refuses_what_is_no_file(folder: Path) -> None:
    """A stack in this folder starts, and says why it does not print."""
    file = folder / "poem.3mf"
    file.write_text("this is no archive")
    code, lines = run_once(folder, "embedded", FILE=str(file))
    assert code == 1
    summary = json.loads(lines[-1])
    assert summary["ok"] is False
    assert "/upload answered 400" in summary["error"]


def test_google_without_emulators_is_refused(tmp_path: Path) -> None:
    code, lines = run_once(tmp_path / "stack", "google", PATH=str(tmp_path), HOME=str(tmp_path), JAVA_HOME="")
    assert code == 1
    assert "google-cloud-cli-firestore-emulator" in json.loads(lines[-1])["error"]


@pytest.mark.parametrize(
    ("option", "value"), [("BACKEND", "cloud"), ("PORT", "eighty"), ("SPEED", "0"), ("FILE", "/no/such/file.3mf")]
)
def test_a_wrong_option_is_named(tmp_path: Path, option: str, value: str) -> None:
    code, lines = run_once(tmp_path, "embedded", **{option: value})
    assert code == 2
    assert lines[0].startswith(f"{option}: ")


@pytest.mark.parametrize(("backend", "number"), ENDINGS)
def test_nothing_is_left_running(tmp_path: Path, backend: str, number: signal.Signals) -> None:
    end(tmp_path, backend, number)
    assert (tmp_path / "stack.json").exists() == (number == signal.SIGKILL)


def test_nothing_is_left_running_after_a_crash_and_it_starts_again(tmp_path: Path) -> None:
    end(tmp_path, "embedded", signal.SIGKILL)
    assert (tmp_path / "stack.json").exists()
    assert_refuses_what_is_no_file(tmp_path)
    if SOAK:
        code, lines = run_once(tmp_path, "embedded")
        assert code == 0, lines


def end(folder: Path, backend: str, number: signal.Signals) -> None:
    """Starts a stack and ends it by a signal; asserts that all of its processes go."""
    with serving(folder, backend) as running:
        parts = psutil.Process(running.pid).children(recursive=True)
        assert len(parts) >= 6
        running.send_signal(number)
        _, alive = psutil.wait_procs(parts, timeout=15)
        assert not alive
        running.wait(10)


def test_a_part_that_ends_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, "embedded") as running:
        [agent] = [
            part
            for part in psutil.Process(running.pid).children(recursive=True)
            if part.cmdline()[1:3] == ["-m", "edge_agent"]
        ]
        agent.kill()
        assert running.wait(20) == 1
    assert "agent ended with code 137; the end of" in (tmp_path / "output.txt").read_text()


def test_a_part_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"(?s)agent ended with code 2.*timing\.reconcile"):
        Stack(tmp_path, backend="embedded", timing={"reconcile": -1}).start()
    assert not [part for part in psutil.Process().children(recursive=True) if str(tmp_path) in part.cmdline()]


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_two_stacks_do_not_share_a_folder_or_a_port(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="another stack runs in"):
        Stack(stack.state_dir, backend="embedded").start()
    stack.check()
    assert (stack.state_dir / "stack.json").exists()
    assert call(stack, "GET", "/").status_code == 200
    with running_stack("embedded", tmp_path / "two", with_agent=False) as other:
        assert other.base_url != stack.base_url
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} is taken"):
            Stack(tmp_path / "one", backend="embedded", port=port).start()


@pytest.mark.parametrize("backend", BACKENDS if SOAK else BACKENDS[:1])
def test_keep_keeps_and_fresh_is_fresh(tmp_path: Path, backend: Any) -> None:
    with running_stack(backend, tmp_path, keep=True, with_agent=False) as stack:
        identity = stack.identity
        site = {"recipientId": identity.lan_client.recipient_id, "productId": "P"}
        content = make_3mf("cube", layers=2, seconds=60)
        form = {**site, "encryptedData": "c2VjcmV0"}
        part = {"file": ("cube.3mf", content, "model/3mf")}
        token = call(stack, "POST", "/upload", data=form, files=part).json()["fetchToken"]
    with running_stack(backend, tmp_path, keep=True, with_agent=False) as stack:
        assert stack.identity == identity
        fetched = call(stack, "GET", f"/fetch/{token}", key=None).json()
        assert (fetched["size"], fetched["metadata"]["encryptedData"]) == (len(content), "c2VjcmV0")
    with running_stack(backend, tmp_path, with_agent=False) as stack:
        assert stack.identity != identity
        assert call(stack, "GET", f"/fetch/{token}", key=None).status_code == 404


def test_both_printers_print_at_the_same_time(stack: Stack) -> None:
    jobs = [start_print(stack, printer.serial)[0] for printer in stack.printers]
    assert [printed(stack, job)["status"] for job in jobs] == ["completed", "completed"]


def test_one_command_is_one_trace(stack: Stack, collector: Collector) -> None:
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace}-{caller}-01"}
    body = {"recipientId": stack.identity.agent.recipient_id, "printerSerial": stack.printers[0].serial}
    answer = call(stack, "POST", "/control", json={**body, "commandType": "light_on"}, headers=headers)
    assert answer.status_code == 200, answer.text
    spans: list[Span] = []

    def parents(name: str) -> set[str]:
        """What the spans of this name are below; the caller's is not known by name."""
        names = {each.id: each.name for each in spans}
        return {names.get(each.parent, each.parent) for each in spans if each.name == name}

    def complete() -> bool:
        spans[:] = collector.trace(trace)
        return all(higher in parents(name) for name, higher in below.items())

    below = {
        "POST /control": caller,
        "trigger-command-created": "POST /control",
        "publish printer-commands": "trigger-command-created",
        "receive": "publish printer-commands" if stack.backend == "google" else "POST /control",
        "execute": "receive",
        "claim": "execute",
        "POST /control/ack": "claim",
        "publish": "execute",
        "acknowledgement": "execute",
        "effect": "execute",
        "result": "receive",
        "POST /control/result": "result",
        "trigger-command-ended": "POST /control",
        "publish job-events": "trigger-command-ended",
        "trigger-job-announced": "publish job-events",
    }
    until(complete, "all spans, each below its cause")
    assert {each.service for each in spans} == {"printpipe-functions", "printpipe-edge-agent"}
    assert not [each for each in spans if each.failed or stack.identity.agent.api_key in str(each)]


def test_a_trigger_delivered_three_times_has_one_effect(stack: Stack) -> None:
    serial = stack.printers[0].serial
    before = len(stack.inspect(serial)["starts"])
    with faults(stack, duplicates=2):
        job, _ = start_print(stack, serial)
        assert printed(stack, job)["status"] == "completed"
    assert len(stack.inspect(serial)["starts"]) == before + 1


def test_a_command_completes_though_every_message_is_lost(stack: Stack) -> None:
    if stack.backend == "embedded":
        pytest.skip("there is no Pub/Sub on this backend")
    with faults(stack, drop_messages=1000):
        command = queue(stack, "light_off")
        until(lambda: command_of(stack, command)["status"] == "completed", "the command's completion", 90)
        dropped = [line for line in stack.child("relay").records() if line.get("event") == "message_dropped"]
        assert any(line["commandId"] == command for line in dropped)


def test_an_agent_that_is_killed_and_started_again_goes_on(stack: Stack) -> None:
    agent = stack.child("agent")
    agent.kill()
    command = queue(stack, "stop")  # worth executing for longer than a lost poll's lease
    agent.restart()
    until(lambda: command_of(stack, command)["status"] == "completed", "the command's completion", 150)
