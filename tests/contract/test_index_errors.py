"""A query whose index is missing says so to the caller, with the way to create it, and to the log."""

import dataclasses
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.cloud.firestore_v1.types import BatchGetDocumentsRequest, BatchGetDocumentsResponse, Document, Value

from tests.backends import Backend
from tests.cloud import Cloud, running

URL = "https://console.firebase.google.com/v1/r/project/demo/firestore/indexes?create_composite=Ck9wcm9qZWN0cw"


def list_commands(cloud: Cloud, recipient: str, request_id: str) -> requests.Response:
    """A call whose query needs a composite index."""
    headers = {"X-Request-Id": request_id}
    return cloud.call("GET", f"/control?recipientId={recipient}", key=cloud.operator_key, headers=headers)


def assert_says_so(cloud: Cloud, recipient: str, url: str) -> None:
    request_id = secrets.token_hex(8)
    answer = list_commands(cloud, recipient, request_id)
    assert answer.status_code == 500
    body = answer.json()
    assert body.pop("indexUrl").startswith(url)
    assert body == {
        "ok": False,
        "error_type": "FirestoreQueryError",
        "message": "The query requires an index",
        "detail": "Follow the URL to create the required index",
    }
    lines = [json.loads(line) for line in cloud.log.read_text().splitlines() if request_id in line]
    (noted,) = [line for line in lines if line.get("event") == "index_missing"]
    assert (noted["severity"], noted["function"]) == ("ERROR", "cloud-command-control")
    assert noted["indexUrl"].startswith(url)


def test_the_embedded_store_without_indexes(embedded_backend: Backend, tmp_path: Path) -> None:
    empty = tmp_path / "firestore.indexes.json"
    empty.write_text(json.dumps({"indexes": [], "fieldOverrides": []}))
    with running(embedded_backend, tmp_path, FIRESTORE_INDEXES=str(empty)) as cloud:
        recipient = cloud.new_site().lan_recipient
        assert_says_so(cloud, recipient, "https://console.firebase.google.com/project/_/firestore/indexes?")
        health = cloud.call("GET", "/")
        assert health.status_code == 200


@contextmanager
def firestore_without_indexes() -> Iterator[str]:
    """A Firestore that knows every recipient and answers no query, as one does whose indexes were not deployed."""

    def find(request: BatchGetDocumentsRequest, _: grpc.ServicerContext) -> Iterator[BatchGetDocumentsResponse]:
        now = datetime.now(UTC)
        for name in request.documents:
            fields = {"organizationId": Value(string_value="org"), "client": Value(string_value="lan_client")}
            found = Document(name=name, fields=fields, create_time=now, update_time=now)
            yield BatchGetDocumentsResponse(found=found, read_time=now)

    def refuse(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION, f"The query requires an index. You can create it here: {URL}"
        )
        yield b""

    handlers: dict[str, Any] = {
        "BatchGetDocuments": grpc.unary_stream_rpc_method_handler(
            find, BatchGetDocumentsRequest.deserialize, BatchGetDocumentsResponse.serialize
        ),
        "RunQuery": grpc.unary_stream_rpc_method_handler(refuse),
    }
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None)


@pytest.mark.emulators
def test_firestore_without_indexes(google_backend: Backend, tmp_path: Path) -> None:
    with firestore_without_indexes() as host:
        environment = {**google_backend.environment, "FIRESTORE_EMULATOR_HOST": host}
        with running(dataclasses.replace(google_backend, environment=environment), tmp_path) as cloud:
            assert_says_so(cloud, "any-site", URL)
