"""What can befall Firestore's adapter alone: an answer lost on the way, a missing index."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import pytest

from printpipe.adapters.google.documents import GoogleDocuments
from printpipe.domain.errors import IndexMissing, Unavailable
from printpipe.domain.ports.documents import Create, Document, Increment, Put, Query, Update
from tests.backends import Backend, set_environment
from tests.contract.ports.deadlines import eventually

INDEX_URL = "https://console.firebase.google.com/v1/r/project/p/firestore/indexes?create_composite=Ck"


class Line:
    """A TCP line to a server that can be told to lose what comes back, and then to break."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._lossy = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._break()

    def lose_answers(self, seconds: float) -> None:
        """Requests still arrive for so long, their answers do not; then every connection breaks."""
        self._lossy = True
        threading.Timer(seconds, self._break).start()

    def _break(self) -> None:
        while self._open:
            connection = self._open.pop()
            # close alone would not wake the thread that reads from it
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                connection.close()
        self._lossy = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65_536):
                if not (answers and self._lossy):
                    target.sendall(data)
        except OSError:
            return


@pytest.fixture
def line(emulators: Mapping[str, str]) -> Iterator[Line]:
    with Line(emulators["firestore"]) as line:
        yield line


@pytest.fixture
def behind(line: Line, google_backend: Backend) -> Iterator[GoogleDocuments]:
    """The backend's store, reached over the line."""
    undo = set_environment({"FIRESTORE_EMULATOR_HOST": line.host})
    store = GoogleDocuments(google_backend.environment["GCP_PROJECT_ID"])
    store.get("jobs/warm-up")
    yield store
    undo()


def stored(backend: Backend, path: str) -> Mapping[str, Any]:
    document = backend.documents.get(path)
    assert document
    return document.data


@pytest.mark.emulators
def test_an_increment_whose_answer_is_lost_is_not_repeated(
    behind: GoogleDocuments, line: Line, google_backend: Backend
) -> None:
    behind.commit(Create("statistics/day", {"jobs": 0}))
    line.lose_answers(0.5)

    with pytest.raises(Unavailable):
        behind.commit(Update("statistics/day", {"jobs": Increment(1)}))

    assert stored(google_backend, "statistics/day") == {"jobs": 1}


@pytest.mark.emulators
def test_a_create_whose_answer_is_lost_is_not_told_as_anothers(
    behind: GoogleDocuments, line: Line, google_backend: Backend
) -> None:
    line.lose_answers(0.5)

    with pytest.raises(Unavailable):
        behind.commit(Create("claims/c", {"by": "me"}), Put("jobs/j", {"state": "claimed"}))

    assert stored(google_backend, "claims/c") == {"by": "me"}


@pytest.mark.emulators
def test_what_can_be_repeated_outlives_a_broken_line(
    behind: GoogleDocuments, line: Line, google_backend: Backend
) -> None:
    line.lose_answers(0.5)
    behind.commit(Put("jobs/j", {"state": "held"}))
    assert stored(google_backend, "jobs/j") == {"state": "held"}

    line.lose_answers(0.5)
    assert [document.id for document in behind.query(Query("jobs"))] == ["j"]


@pytest.mark.emulators
def test_a_listener_outlives_a_broken_line(behind: GoogleDocuments, line: Line, google_backend: Backend) -> None:
    heard: list[list[Document]] = []

    with behind.listen(Query("jobs"), heard.append):
        line.lose_answers(0.2)
        google_backend.documents.commit(Create("jobs/j", {}))
        eventually(lambda: heard[-1] != [], seconds=15)


def test_a_missing_index_is_told_with_the_way_to_create_it() -> None:
    def refuse(_request: object, context: Any) -> Iterator[bytes]:
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"The query requires an index. You can create it here: {INDEX_URL}",
        )
        yield b""

    methods = {name: grpc.unary_stream_rpc_method_handler(refuse) for name in ("RunQuery", "RunAggregationQuery")}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", methods),))
    undo = set_environment({"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"})
    server.start()
    try:
        store = GoogleDocuments("demo-index")
        for ask in (store.query, store.count):
            started = time.monotonic()
            with pytest.raises(IndexMissing) as refused:
                ask(Query("jobs", order=[("a", "asc"), ("b", "desc")]))
            assert refused.value.url == INDEX_URL
            assert time.monotonic() - started < 3
    finally:
        undo()
        server.stop(grace=None)
