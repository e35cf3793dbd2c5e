"""A web app's browsers may put a file's bytes: Cloud Storage is told of the app when the upload is opened."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from printpipe.adapters.google.files import GoogleFiles

APP = "https://app.example.org"


class Sessions(BaseHTTPRequestHandler):
    """Opens every upload, and keeps the origins that it is told of."""

    origins: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.origins.append(self.headers["Origin"])
        self.send_response(200)
        self.send_header("Location", f"http://{self.headers['Host']}/session")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origins(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | None]]:
    Sessions.origins = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Sessions) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        yield Sessions.origins
        server.shutdown()


def test_cloud_storage_is_told_of_the_web_app(origins: list[str | None]) -> None:
    files = GoogleFiles("files", project="demo")
    for origin in (APP, None):
        assert files.sign_upload("name", 5, "text/plain", timedelta(hours=6), origin).endswith("/session")
    assert origins == [APP, None]
