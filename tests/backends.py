"""The backends that a test runs on: the embedded one, and Google's clients on one shared set of emulators."""

import fcntl
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests

from local.emulators import EmulatorSet, Missing, find
from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import URL_PREFIX, EmbeddedFiles, UrlRefused
from printpipe.adapters.embedded.keys import EmbeddedKeys
from printpipe.domain.ports.bus import Bus
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.files import FileExists, FileMissing, Files
from printpipe.domain.ports.keys import Keys


@dataclass
class Backend:
    """One fresh, isolated set of the four ports, and the settings with which the functions reach the same one."""

    name: str
    documents: Documents
    files: Files
    bus: Bus
    keys: Keys
    environment: Mapping[str, str]
    create_topic: Callable[[str], None]
    create_subscription: Callable[..., None] = field(repr=False)
    """Name, topic, and `filter` (Google's emulator stores it but does not enforce it) and `ack_deadline` (s)."""
    rotate_key: Callable[[], None] = field(repr=False)

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded one."""
        return self.name == "embedded"


@contextmanager
def embedded(folder: Path) -> Iterator[Backend]:
    """The embedded backend in a folder, with its signed URLs served on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _FilesHandler)
    files = EmbeddedFiles(
        folder / "files", "printpipe", base_url=f"http://127.0.0.1:{server.server_port}", secret=secrets.token_bytes(32)
    )
    server.files = files  # type: ignore[attr-defined]  # the handler's way to them
    documents = EmbeddedDocuments(folder / "documents.db")
    bus = EmbeddedBus()
    keys = EmbeddedKeys(folder / "keyring")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield Backend(
            name="embedded",
            documents=documents,
            files=files,
            bus=bus,
            keys=keys,
            environment={
                "PRINTPIPE_BACKEND": "embedded",
                "PRINTPIPE_DATA_DIR": str(folder),
                "GCP_PROJECT_ID": "demo-printpipe",
                "GCS_BUCKET_NAME": "printpipe",
            },
            create_topic=bus.create_topic,
            create_subscription=bus.create_subscription,
            rotate_key=lambda: (keys.rotate(), None)[1],
        )
    finally:
        server.shutdown()
        server.server_close()
        documents.close()


@contextmanager
def google(hosts: Mapping[str, str]) -> Iterator[Backend]:
    """Google's clients on the emulators, in a project and a bucket of their own."""
    import grpc
    from google.cloud.kms_v1 import KeyManagementServiceClient
    from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

    from printpipe.adapters.google.bus import GoogleBus
    from printpipe.adapters.google.documents import GoogleDocuments
    from printpipe.adapters.google.files import GoogleFiles
    from printpipe.adapters.google.keys import GoogleKeys

    project = f"demo-{secrets.token_hex(6)}"
    bucket = f"{project}-files"
    key = f"projects/{project}/locations/europe-west3/keyRings/printpipe/cryptoKeys/metadata"
    pubsub = f"http://{hosts['pubsub']}/v1/projects/{project}"
    storage = f"http://{hosts['storage']}"
    requests.post(f"{storage}/storage/v1/b", json={"name": bucket}, timeout=5).raise_for_status()

    def create_topic(name: str) -> None:
        made = requests.put(f"{pubsub}/topics/{name}", timeout=5)
        if made.status_code != 409:  # another gateway on the same backend has made it
            made.raise_for_status()

    def create_subscription(name: str, topic: str, filter: str = "", *, ack_deadline: float = 10.0) -> None:
        body = {
            "topic": f"projects/{project}/topics/{topic}",
            "filter": filter,
            "ackDeadlineSeconds": max(10, round(ack_deadline)),
        }
        requests.put(f"{pubsub}/subscriptions/{name}", json=body, timeout=5).raise_for_status()

    def rotate_key() -> None:
        channel = grpc.insecure_channel(hosts["kms"])
        client = KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
        version = client.create_crypto_key_version(parent=key, crypto_key_version={})
        client.update_crypto_key_primary_version(name=key, crypto_key_version_id=version.name.rsplit("/", 1)[-1])
        channel.close()

    yield Backend(
        name="google",
        documents=GoogleDocuments(project),
        files=GoogleFiles(bucket, project=project),
        bus=GoogleBus(project),
        keys=GoogleKeys(key, emulator_host=hosts["kms"]),
        environment={
            "PRINTPIPE_BACKEND": "google",
            "GCP_PROJECT_ID": project,
            "GCS_BUCKET_NAME": bucket,
            "KMS_KEY_PATH": key,
            "FIRESTORE_EMULATOR_HOST": hosts["firestore"],
            "PUBSUB_EMULATOR_HOST": hosts["pubsub"],
            "STORAGE_EMULATOR_HOST": storage,
            "KMS_EMULATOR_HOST": hosts["kms"],
        },
        create_topic=create_topic,
        create_subscription=create_subscription,
        rotate_key=rotate_key,
    )


@contextmanager
def shared_emulators(folder: Path) -> Iterator[Mapping[str, str] | Missing]:
    """One set of emulators for all test processes that name the same folder; its hosts, or why there is none.

    The process that comes first starts it and, at its end, waits until the others have let go.
    """
    with ExitStack() as stack:
        users = stack.enter_context((folder / "emulators.users").open("w"))
        announced = folder / "emulators.json"
        started = None
        with (folder / "emulators.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if announced.exists():
                hosts = json.loads(announced.read_text())
            else:
                found = find()
                if isinstance(found, Missing):
                    yield found
                    return
                started = stack.enter_context(EmulatorSet(found, folder / "emulators"))
                hosts = dict(started.hosts)
                announced.write_text(json.dumps(hosts))
            fcntl.flock(users, fcntl.LOCK_SH)
        yield hosts
        if started:
            announced.unlink()
            fcntl.flock(users, fcntl.LOCK_EX)


class _FilesHandler(BaseHTTPRequestHandler):
    """Serves the embedded backend's signed URLs as the local gateway does."""

    protocol_version = "HTTP/1.1"

    def _parse(self) -> tuple[EmbeddedFiles, str, dict[str, str]]:
        url = urlsplit(self.path)
        files: EmbeddedFiles = self.server.files  # type: ignore[attr-defined]
        return files, unquote(url.path.removeprefix(URL_PREFIX)), dict(parse_qsl(url.query))

    def do_GET(self) -> None:
        files, name, parameters = self._parse()
        try:
            download = files.open_signed(name, parameters)
        except (UrlRefused, FileMissing) as error:
            self._answer(403 if isinstance(error, UrlRefused) else 404, {}, b"")
            return
        with download.stream as stream:
            headers = {"Content-Type": download.file.content_type, "Content-Disposition": download.disposition}
            self._answer(200, headers, stream.read())

    def do_PUT(self) -> None:
        files, name, parameters = self._parse()
        body = _Body(self.rfile, int(self.headers.get("Content-Length", "0")))
        try:
            files.put_signed(name, parameters, body)  # type: ignore[arg-type]  # it is only read
        except (UrlRefused, FileExists) as error:
            body.read()
            self._answer(403 if isinstance(error, UrlRefused) else 412, {}, b"")
            return
        self._answer(200, {}, b"")

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the tests look at the answers."""


class _Body:
    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def set_environment(environment: Mapping[str, str], remove: Sequence[str] = ()) -> Callable[[], None]:
    """Puts variables into this process's environment, where Google's clients look for them; gives the way back."""
    before = {name: os.environ.get(name) for name in [*environment, *remove]}
    os.environ.update(environment)
    for name in remove:
        os.environ.pop(name, None)

    def undo() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return undo
