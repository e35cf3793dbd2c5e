"""Every bundle, unpacked into an empty folder, serves in an environment that has its own set of packages alone."""

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from google.events.cloud.firestore import DocumentEventData
from google.protobuf.json_format import ParseDict

from printpipe.domain.messages import TOPICS
from printpipe.domain.ports.documents import Put, Query
from printpipe.runtime import catalog
from tests.backends import Backend
from tests.contract.refusals import FORMS
from tests.counts import SOAK
from tools import bundle

PROJECT = Path(__file__).resolve().parents[2]
VENVS = PROJECT / ".local/venvs"
ROWS = {row.name: row for row in catalog.rows(PROJECT / "functions").values()}
START_SECONDS = 30
CALL_SECONDS = 20
OPERATOR = {"X-API-Key": "operator-key-of-the-served-bundles"}
UNREACHABLE = "127.0.0.1:9"
SETTINGS = {
    "GCP_PROJECT_ID": "demo-printpipe",
    "GCS_BUCKET_NAME": "printpipe-files",
    "KMS_KEY_PATH": "projects/demo-printpipe/locations/global/keyRings/printpipe/cryptoKeys/metadata",
    "FETCH_TOKEN_SECRET": "a secret of the tests that has at least 32 bytes",
    "API_KEYS_PRINTER_STATUS": OPERATOR["X-API-Key"],
    "FIRESTORE_EMULATOR_HOST": UNREACHABLE,
    "PUBSUB_EMULATOR_HOST": UNREACHABLE,
    "STORAGE_EMULATOR_HOST": f"http://{UNREACHABLE}",
    "KMS_EMULATOR_HOST": UNREACHABLE,
}
TRIGGERS = [name for name, row in ROWS.items() if row.trigger]
DOCUMENTS = {"cloud-openapi-show", "cloud-docs-show"}
"""Rows that show a document instead of their dialect's answer."""

HEALTH = {"cloud-health-report", "printernizer-health-show"}
"""Rows that answer without a credential how those are that they use."""

UNAVAILABLE = (503, "UnavailableError")
ALLOWED = ((400, "ValidationError"), UNAVAILABLE)
"""The same of an empty call that carries a key: it lacks something, or has nothing behind it to ask."""


FEW_SETS = ("base", "documents", "bus-documents-files-keys")
"""Sets of packages that are installed at reduced counts: the smallest, the one that most rows need, the largest.

That a bundle's set has what its modules import is also looked up, for every row, where the bundles are built.
"""


def _sample() -> dict[str, catalog.Row]:
    """A row for each dialect, each credential and each other peculiarity, of those that need one of the few sets."""
    found: dict[object, str] = {}
    for name, row in ROWS.items():
        if row.requirement_set not in FEW_SETS:
            continue
        dialects = {face.dialect for face in row.faces} if row.http else set()
        kinds = [row.requirement_set, (row.auth, row.keyless), ("files", bool(row.files)), ("uses", row.uses)]
        for kind in [*kinds, *(("dialect", dialect) for dialect in sorted(dialects))]:
            found.setdefault(kind, name)
    return {name: ROWS[name] for name in found.values()}


def _by_set() -> dict[str, list[str]]:
    """The rows' names for each of the few sets of packages."""
    found: dict[str, list[str]] = {}
    for name, row in ROWS.items():
        if row.requirement_set in FEW_SETS:
            found.setdefault(row.requirement_set, []).append(name)
    return found


def _first_of_each(names: Iterable[str], kind: Callable[[catalog.Row], object]) -> list[str]:
    """The first row of each kind."""
    found: dict[object, str] = {}
    for name in names:
        found.setdefault(kind(ROWS[name]), name)
    return list(found.values())


def _source(row: catalog.Row) -> tuple[bool, bool]:
    """Where a trigger's events come from: a topic, the clock, or otherwise the store."""
    assert row.trigger is not None
    return row.trigger.topic is not None, row.trigger.schedule is not None


SERVED = ROWS if SOAK else _sample()
SERVED_TRIGGERS = TRIGGERS if SOAK else _first_of_each(TRIGGERS, _source)
LOADED = ["cloud-health-check", "cloud-command-ack", *TRIGGERS]
"""Rows of which each client that they do not use is looked for; at reduced counts one of each set of uses."""
IMPORTED = {name: [name] for name in ROWS} if SOAK else _by_set()
"""The bundles whose modules one process imports: each alone, or at reduced counts all that share their packages."""

CLIENTS = {
    "documents": "google.cloud.firestore",
    "files": "google.cloud.storage",
    "bus": "google.pubsub_v1",
    "keys": "google.cloud.kms",
}
IMPORTS = "import sys; sys.path.insert(0, '.'); import {modules}"
SERVES_ONCE = """
import json, sys
sys.path.insert(0, '.')
from functions_framework import create_app
target, kind, method, path = sys.argv[1:]
create_app(target, 'main.py', kind).test_client().open(path, method=method, headers={'X-API-Key': 'unknown'}, json={})
print(json.dumps(sorted(sys.modules)))
"""


def environment(name: str) -> Path:
    """A virtual environment with a set of packages alone, kept from run to run for as long as the set stays."""
    requirements = PROJECT / "functions/requirements" / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = VENVS / f"{name}-{digest}"
    VENVS.mkdir(parents=True, exist_ok=True)
    with (VENVS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for outdated in VENVS.glob(f"{name}-{'?' * 12}"):
                shutil.rmtree(outdated)
            install(requirements, folder)
            (folder / "complete").touch()
    return folder


def install(requirements: Path, folder: Path) -> None:
    """Makes the environment with uv, or where uv does not work, with pip."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    packages = ["install", "--require-hashes", "--requirement", str(requirements)]
    by_uv = [[*uv, "venv", "--python", sys.executable, str(folder)]]
    by_uv += [[*uv, "pip", *packages, "--python", str(folder / "bin/python")]]
    if all(subprocess.run(command, timeout=300).returncode == 0 for command in by_uv):
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=60)
    subprocess.run([folder / "bin/python", "-m", "pip", "--quiet", *packages], check=True, timeout=600)


def unpacked(bundles: Path, name: str, folder: Path) -> Path:
    """The bundle of that name in a new folder below this one."""
    with zipfile.ZipFile(bundles / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return folder / name


def run(python: Path, folder: Path, script: str, *arguments: str) -> str:
    """What a script prints whose only own modules are those of the folder."""
    command = [str(python), "-I", "-c", script, *arguments]
    result = subprocess.run(command, cwd=folder, env=SETTINGS, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


@contextmanager
def serving(folder: Path, row: catalog.Row, settings: Mapping[str, str]) -> Iterator[str]:
    """The URL at which functions-framework serves an unpacked bundle, in a process apart from this project."""
    venv = environment(row.requirement_set)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(venv / "bin/functions-framework"), "--target", row.entry_point, "--source", "main.py"]
    command += ["--signature-type", signature(row), "--host", "127.0.0.1", "--port", str(port)]
    variables = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "PYTHONSAFEPATH": "1", **settings}
    if not (folder / "printpipe/domain/fetch_tokens.py").exists():
        del variables["FETCH_TOKEN_SECRET"]  # whose functions alone are given it
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until_open(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its graceful end waits for connections that nobody keeps
        process.wait()


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the function does not serve:\n{log.read_text()}")


def signature(row: catalog.Row) -> str:
    """What the platform takes the function for: messages and ticks are pushed to it as to any HTTP function."""
    return "cloudevent" if row.trigger and row.trigger.firestore else "http"


def first_call(row: catalog.Row) -> tuple[str, str]:
    """The method and path of a call of this row, with any value for the path's parameters."""
    return (row.http.methods[0], re.sub(r"{\w+}", "7", row.http.path)) if row.http else ("POST", "/")


def call(url: str, row: catalog.Row, headers: Mapping[str, str]) -> requests.Response:
    method, path = first_call(row)
    body: dict[str, str] | None = None if method == "GET" else {}
    return requests.request(method, url + path, headers=headers, json=body, timeout=CALL_SECONDS)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every bundle and the manifest."""
    out = tmp_path_factory.mktemp("bundles")
    bundle.build(PROJECT / "functions", out)
    return out


@pytest.mark.parametrize("names", IMPORTED.values(), ids=IMPORTED)
def test_the_set_holds_all_that_a_bundles_modules_import(bundles: Path, tmp_path: Path, names: list[str]) -> None:
    manifest = json.loads((bundles / bundle.MANIFEST).read_text())
    modules = sorted({module for name in names for module in manifest[name]["modules"]})
    for name in names:
        with zipfile.ZipFile(bundles / f"{name}.zip") as archive:
            archive.extractall(tmp_path)
    python = environment(ROWS[names[0]].requirement_set) / "bin/python"
    run(python, tmp_path, IMPORTS.format(modules=", ".join(modules)))


def _expected(row: catalog.Row) -> tuple[int, str | None]:
    """Status, and in the dialect `cloud` error, of a call without a credential, with nothing behind the function."""
    if row.name in HEALTH:
        return 503, None
    if row.dialect != "cloud":
        return 503 if row.auth == "optional" else 401, None
    if row.auth == "optional":
        return (401, "AuthError") if row.keyless == "legacy" else UNAVAILABLE
    answers = {"none": (200, None), "key": (401, "AuthError"), "token": (404, "NotFoundError")}
    return answers[str(row.auth)]


@pytest.mark.parametrize("name", [name for name, row in SERVED.items() if row.http])
def test_an_http_bundle_answers_in_its_dialect(bundles: Path, tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    status, error = _expected(row)
    with serving(unpacked(bundles, name, tmp_path), row, SETTINGS) as url:
        answer = call(url, row, {"X-Request-Id": "served-bundle"})
        assert answer.headers["X-Request-Id"] == "served-bundle"
        if name in DOCUMENTS:
            assert (answer.status_code, "PrintPipe" in answer.text) == (200, True)
            return
        body = answer.json()
        if row.dialect is not None and row.dialect != "cloud" and row.name not in HEALTH:
            assert (answer.status_code, body.keys()) == (status, FORMS[row.dialect])
            return
        assert (answer.status_code, body.get("error_type")) == (status, error), answer.text
        assert body.get("ok", False) is (status == 200)
        assert error is None or {"message", "detail"} <= body.keys()
        if row.auth == "key":
            keyed = call(url, row, OPERATOR)
            assert (keyed.status_code, keyed.json()["error_type"]) in ALLOWED, keyed.text


@pytest.mark.parametrize("name", SERVED_TRIGGERS)
def test_a_triggers_bundle_refuses_what_is_no_event(bundles: Path, tmp_path: Path, name: str) -> None:
    with serving(unpacked(bundles, name, tmp_path), ROWS[name], SETTINGS) as url:
        assert requests.post(url, json={"no": "event"}, timeout=CALL_SECONDS).status_code == 400


@pytest.mark.parametrize("name", LOADED if SOAK else _first_of_each(LOADED, lambda row: row.uses))
def test_a_function_loads_the_clients_that_it_uses_alone(bundles: Path, tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    method, path = first_call(row)
    arguments = (row.entry_point, signature(row), method, path)
    python = Path(sys.executable)  # where every client is installed
    printed = run(python, unpacked(bundles, name, tmp_path), SERVES_ONCE, *arguments).splitlines()
    seen = set(json.loads(printed[-1]))
    assert {use for use, client in CLIENTS.items() if client in seen} <= row.uses
    assert {"yaml", "google.events", "tools", "local", "printpipe.adapters.embedded"} & seen == set()
    assert row.uses or {"grpc", "google.api_core", "google.auth", "google.protobuf"} & seen == set()


@pytest.mark.emulators
def test_bundles_do_their_work(bundles: Path, tmp_path: Path, google_backend: Backend) -> None:
    """An upload and its fetch (documents, files, keys), a command (documents, bus) and its trigger (bus)."""
    settings = {**SETTINGS, **google_backend.environment}
    site = {"recipientId": "site-1", "organizationId": "org-1", "name": "Site", "client": "agent"}
    google_backend.documents.commit(Put("organizations/org-1", {"name": "Org"}), Put("recipients/site-1", site))
    for topic in TOPICS:
        google_backend.create_topic(topic)
    google_backend.create_subscription("printer-commands-site-1-priority", "printer-commands")

    def received() -> str:
        [message] = google_backend.bus.pull("printer-commands-site-1-priority", 1, 10)
        google_backend.bus.acknowledge("printer-commands-site-1-priority", [message.ack_id])
        return message.attributes["commandId"]

    with ExitStack() as stack:
        names = ["cloud-file-upload", "cloud-file-fetch", "cloud-command-control", "trigger-command-created"]
        upload, fetch, control, trigger = (
            stack.enter_context(serving(unpacked(bundles, name, tmp_path), ROWS[name], settings)) for name in names
        )
        form = {"recipientId": "site-1", "productId": "cube", "encryptedData": "s3cret"}
        file = {"file": ("cube.gcode", b"G28\n", "text/plain")}
        stored = requests.post(f"{upload}/upload", data=form, files=file, headers=OPERATOR, timeout=CALL_SECONDS)
        assert stored.status_code == 200, stored.text
        path = f"{fetch}/fetch/{stored.json()['fetchToken']}"
        fetched = requests.get(path, timeout=CALL_SECONDS)
        assert fetched.status_code == 200, fetched.text
        assert base64.b64decode(fetched.json()["data"]) == b"G28\n"
        assert fetched.json()["metadata"]["encryptedData"] == "s3cret"
        assert requests.get(path, timeout=CALL_SECONDS).status_code == 410

        order = {"recipientId": "site-1", "printerSerial": "01P00A000000001", "commandType": "pause"}
        queued = requests.post(f"{control}/control", json=order, headers=OPERATOR, timeout=CALL_SECONDS)
        assert queued.status_code == 200, queued.text
        command_id = queued.json()["commandId"]
        assert received() == command_id

        event = created_event(google_backend.environment, f"printer_commands/{command_id}")
        assert requests.post(trigger, timeout=CALL_SECONDS, **event).status_code in (200, 204)
        assert received() == command_id


@pytest.mark.emulators
def test_a_pushed_message_reaches_its_function(bundles: Path, tmp_path: Path, google_backend: Backend) -> None:
    name, source = "trigger-dead-letter-stored", "CloudPubSubDeadLetterSourceSubscription"
    message = {"messageId": "7", "publishTime": "2026-03-01T12:00:00Z", "data": base64.b64encode(b"{}").decode()}
    push = {"message": {**message, "attributes": {source: "trigger-job-counted"}}, "subscription": f"projects/p/{name}"}
    with serving(unpacked(bundles, name, tmp_path), ROWS[name], {**SETTINGS, **google_backend.environment}) as url:
        assert requests.post(url, json=push, timeout=CALL_SECONDS).status_code in (200, 204)
    [letter] = google_backend.documents.query(Query("dead_letters"))
    assert (letter.data["function"], letter.data["status"]) == ("trigger-job-counted", "dead")


def created_event(settings: Mapping[str, str], document: str) -> dict[str, Any]:
    """The event that Firestore sends for a new document: headers and body of the request."""
    database = f"projects/{settings['GCP_PROJECT_ID']}/databases/(default)"
    url = f"http://{settings['FIRESTORE_EMULATOR_HOST']}/v1/{database}/documents/{document}"
    stored = requests.get(url, headers={"Authorization": "Bearer owner"}, timeout=CALL_SECONDS).json()
    data = DocumentEventData()
    ParseDict({"value": stored}, data._pb)
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "event-1",
        "ce-type": "google.cloud.firestore.document.v1.created",
        "ce-source": f"//firestore.googleapis.com/{database}",
        "ce-time": stored["createTime"],
        "ce-subject": f"documents/{document}",
        "ce-document": document,
        "content-type": "application/protobuf",
    }
    return {"headers": headers, "data": data._pb.SerializeToString()}
