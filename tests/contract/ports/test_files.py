"""The file port: the same behaviour in a folder and on Cloud Storage."""

import hashlib
import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from printpipe.domain.ports.files import FileExists, FileMissing, Files, StoredFile
from tests.backends import Backend

NAME = "org-1/ab12/plate 1.3mf"
TYPE = "model/3mf"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def files(backend: Backend) -> Files:
    return backend.files


class Drip(io.RawIOBase):
    """A source that gives little at a time, as a socket does, and cannot go back."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 100_001) if size >= 0 else 100_001)


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def put(files: Files, data: bytes, name: str = NAME) -> StoredFile:
    source: Any = Drip(data)
    return files.put(name, source, TYPE)


@pytest.mark.parametrize("size", [0, 1, 70_000, 4 << 20, (4 << 20) + 1, (8 << 20), 9_000_001])
def test_what_is_put_comes_back(files: Files, size: int) -> None:
    data = some_bytes(size)

    stored = put(files, data)

    assert stored == StoredFile(NAME, size, TYPE, hashlib.md5(data).hexdigest())
    assert files.stat(NAME) == stored
    with files.open(NAME) as stream:
        assert stream.read(10) == data[:10]
        assert stream.read() == data[10:]
        assert stream.read() == b""


def test_put_begins_where_the_source_stands(files: Files) -> None:
    source = io.BytesIO(b"header:body")
    source.seek(7)

    files.put(NAME, source, TYPE)

    with files.open(NAME) as stream:
        assert stream.read() == b"body"


def test_an_object_is_read_piece_by_piece(files: Files) -> None:
    data = some_bytes(9_000_001)
    put(files, data)
    digest = hashlib.sha256()

    with files.open(NAME) as stream:
        while piece := stream.read(65_536):
            assert len(piece) <= 65_536
            digest.update(piece)

    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_an_object_is_read_from_anywhere(files: Files) -> None:
    data = some_bytes(9_000_001)
    put(files, data)
    with files.open(NAME) as stream:
        assert stream.seek(0, io.SEEK_END) == len(data)
        assert stream.read(1) == b""
        for position in (8_999_990, 5, 4 << 20, 0, 8_000_000):
            assert stream.seek(position) == stream.tell() == position
            assert stream.read(600_000) == data[position : position + 600_000]
        stream.seek(0)
        assert stream.read() == data


@pytest.mark.parametrize("size", [10, 5 << 20])
def test_put_never_overwrites(files: Files, size: int, backend: Backend) -> None:
    if not backend.embedded and size > 4 << 20:
        pytest.skip("the emulator enforces the precondition for uploads in one request alone; Cloud Storage for all")
    put(files, b"first")

    with pytest.raises(FileExists):
        put(files, some_bytes(size))

    with files.open(NAME) as stream:
        assert stream.read() == b"first"


def test_of_many_that_put_one_wins(files: Files) -> None:
    def attempt(number: int) -> bool:
        try:
            put(files, str(number).encode())
        except FileExists:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(attempt, range(16)))

    assert won.count(True) == 1
    with files.open(NAME) as stream:
        assert stream.read() == str(won.index(True)).encode()


def test_what_is_missing(files: Files) -> None:
    assert files.stat("none") is None
    with pytest.raises(FileMissing):
        files.open("none")
    files.delete("none")


def test_delete_makes_room(files: Files) -> None:
    put(files, b"first")
    files.delete(NAME)

    assert files.stat(NAME) is None
    put(files, b"second")
    with files.open(NAME) as stream:
        assert stream.read() == b"second"


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/../../b", "ünïcode %2F +&?#.gcode", "x" * 200])
def test_a_name_is_only_a_name(files: Files, name: str, backend: Backend) -> None:
    if not backend.embedded and (".." in name or name.startswith("/")):
        pytest.skip("the emulator keeps objects under their own names on disk; Cloud Storage takes them as they are")
    put(files, b"content", name)

    stored = files.stat(name)
    assert stored is not None
    assert stored.name == name
    with files.open(name) as stream:
        assert stream.read() == b"content"


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_signed_url_serves_the_object(files: Files, http: requests.Session) -> None:
    data = some_bytes(300_000)
    put(files, data)

    answer = http.get(files.sign_get(NAME, MINUTE, 'Büste "v2".3mf'), timeout=5)

    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["Content-Type"] == TYPE


def test_a_signed_upload_takes_a_new_object(files: Files, http: requests.Session) -> None:
    data = some_bytes(300_000)
    url = files.sign_upload(NAME, len(data), TYPE, MINUTE)

    answer = http.put(url, data=data, headers={"Content-Type": TYPE}, timeout=5)

    assert answer.status_code == 200
    assert files.stat(NAME) == StoredFile(NAME, len(data), TYPE, hashlib.md5(data).hexdigest())


def test_the_embedded_urls_are_held_to_what_was_signed(embedded_backend: Backend, http: requests.Session) -> None:
    files = embedded_backend.files
    put(files, b"content")
    put(files, b"another", "another")
    download = files.sign_get(NAME, MINUTE, "bust.3mf")
    upload = files.sign_upload("new", 5, TYPE, MINUTE)

    assert http.get(download, timeout=5).headers["Content-Disposition"].startswith('attachment; filename="bust.3mf"')
    assert http.get(download.replace(urlsplit(download).path, "/_files/another"), timeout=5).status_code == 403
    assert http.get(download + "0", timeout=5).status_code == 403
    assert http.get(download.replace("expires=", "expires=9"), timeout=5).status_code == 403
    assert http.get(download.replace("bust.3mf", "evil.html"), timeout=5).status_code == 403
    assert http.get(files.sign_get(NAME, -MINUTE, "bust.3mf"), timeout=5).status_code == 403
    assert http.get(files.sign_get("none", MINUTE, "none"), timeout=5).status_code == 404
    assert http.put(download, data=b"12345", timeout=5).status_code == 403
    assert http.get(upload, timeout=5).status_code == 403
    assert http.put(upload, data=b"1234", timeout=5).status_code == 403
    assert http.put(upload, data=b"123456", timeout=5).status_code == 403
    assert files.stat("new") is None
    assert http.put(upload, data=b"12345", timeout=5).status_code == 200
    assert http.put(upload, data=b"54321", timeout=5).status_code == 412
