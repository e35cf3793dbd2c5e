"""A backend that is gone: every call says so in time, and none hangs."""

import io
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.emulator_search import ENVIRONMENT
from local.emulators import environment_of
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.adapters.google.bus import GoogleBus
from printpipe.adapters.google.documents import GoogleDocuments
from printpipe.adapters.google.files import GoogleFiles
from printpipe.adapters.google.keys import GoogleKeys
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.documents import Create, Increment, Query, Update, Version
from tests.backends import set_environment

LONGEST = 8.0
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["closed port", "accepts and never answers"])
def dead_host(request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param != "closed port":
            listening.listen(64)
        undo = set_environment(environment_of(dict.fromkeys(ENVIRONMENT, f"127.0.0.1:{listening.getsockname()[1]}")))
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        undo()


def test_google_calls_are_unavailable_in_time(dead_host: str) -> None:
    documents = GoogleDocuments("demo-dead")
    files = GoogleFiles("bucket", project="demo-dead")
    bus = GoogleBus("demo-dead")
    keys = GoogleKeys("projects/p/locations/l/keyRings/r/cryptoKeys/k", emulator_host=dead_host)
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: documents.get("jobs/j"),
        "get_many": lambda: documents.get_many(["jobs/j", "jobs/k"]),
        "create": lambda: documents.commit(Create("jobs/j", {})),
        "increment": lambda: documents.commit(Update("jobs/j", {"n": Increment(1)})),
        "claim": lambda: documents.commit(Update("jobs/j", {"n": 1}, if_version=Version("1.000001000"))),
        "query": lambda: documents.query(Query("jobs")),
        "count": lambda: documents.count(Query("jobs")),
        "listen": lambda: documents.listen(Query("jobs"), lambda _: None),
        "put": lambda: files.put("name", io.BytesIO(b"content"), "text/plain"),
        "put large": lambda: files.put("name", io.BytesIO(bytes(5 << 20)), "text/plain"),
        "open": lambda: files.open("name"),
        "stat": lambda: files.stat("name"),
        "delete": lambda: files.delete("name"),
        "sign_upload": lambda: files.sign_upload("name", 1, "text/plain", MINUTE),
        "publish": lambda: bus.publish("topic", b"", {}),
        "pull": lambda: bus.pull("subscription", 1, 1.0),
        "acknowledge": lambda: bus.acknowledge("subscription", ["id"]),
        "release": lambda: bus.release("subscription", ["id"]),
        "wrap": lambda: keys.wrap(b"secret", b""),
        "unwrap": lambda: keys.unwrap(b"sealed", b""),
    }

    def outcome(name: str) -> tuple[type[BaseException] | None, bool]:
        started = time.monotonic()
        try:
            calls[name]()
        except Exception as error:
            return type(error), time.monotonic() - started < LONGEST
        return None, True

    with ThreadPoolExecutor(len(calls)) as pool:
        outcomes = dict(zip(calls, pool.map(outcome, calls), strict=True))

    assert outcomes == dict.fromkeys(calls, (Unavailable, True))


def test_a_locked_store_is_unavailable_in_time(tmp_path: Path) -> None:
    store = EmbeddedDocuments(tmp_path / "documents.db", patience=0.3)
    other = sqlite3.connect(tmp_path / "documents.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()

    with pytest.raises(Unavailable):
        store.commit(Create("jobs/j", {}))

    assert time.monotonic() - started < 2
    assert store.get("jobs/j") is None
    other.execute("ROLLBACK")
    other.close()
    store.commit(Create("jobs/j", {}))


def test_a_store_whose_folder_is_gone_is_unavailable(tmp_path: Path) -> None:
    files = EmbeddedFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=b"s" * 32)
    (tmp_path / "files").rename(tmp_path / "moved")

    with pytest.raises(Unavailable):
        files.put("name", io.BytesIO(b"content"), "text/plain")
