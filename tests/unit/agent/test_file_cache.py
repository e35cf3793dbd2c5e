"""Files from the cloud: gone on with after a cut, shared, kept within limits, and never half on a full disk."""

import hashlib
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cloud import CloudUnavailable
from edge_agent.command import FileOffer, UploadTarget
from edge_agent.config import CacheConfig
from edge_agent.execution import Refused, Rooms
from edge_agent.files import PART, FileCache, FileUnusable, LocalFile
from tests.counts import count
from tests.unit.agent.offline_rooms import no_file_longer_than, rooms

MEGABYTE = 1024**2
SIZE = 3 * MEGABYTE


class Bucket(ThreadingHTTPServer):
    """Gives out files by their names; cuts lines, forgets ranges and changes files as a test wants."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        """After how many bytes the next answers break off."""
        self.knows_ranges = True
        self.has_tags = True
        self.asked: list[tuple[str | None, str | None]] = []
        """Range and If-Range of each request for a file."""
        self.fetched = 0
        self.hold: threading.Event | None = None
        self.stall = 0.0
        self.stored: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def offer(self, name: str) -> FileOffer:
        content = self.files[name]
        return FileOffer(
            file_name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest(), fetch_token=name
        )


class _Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        bucket, name = self.server, self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/fetch/"):
            bucket.fetched += 1
            self._answer(200, {}, json.dumps({"ok": True, "downloadUrl": f"/bucket/{name}"}).encode())
            return
        content = bucket.files[name]
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        bucket.asked.append((asked, condition))
        if bucket.hold is not None:
            bucket.hold.wait(10)
        headers = {"ETag": tag} if bucket.has_tags else {}
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if found and bucket.knows_ranges and condition in (None, tag):
            begin = int(found[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._answer(206, headers, content[begin:])
        else:
            self._answer(200, headers, content)

    def do_PUT(self) -> None:
        left, got = int(self.headers["Content-Length"]), bytearray()
        while left:
            if self.server.stall and len(got) > MEGABYTE:
                time.sleep(self.server.stall)
                self.server.stall = 0.0
            got += self.rfile.read(min(left, 65536))
            left = int(self.headers["Content-Length"]) - len(got)
        self.server.stored[self.path.rsplit("/", 1)[-1]] = bytes(got)
        self._answer(200, {}, b"{}")

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts and len(content) > MEGABYTE else None
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.files["big.3mf"] = random.Random(1).randbytes(SIZE)
        yield server
        server.shutdown()


@pytest.fixture
def site(bucket: Bucket, tmp_path: Path) -> Iterator[Rooms]:
    with rooms(bucket.url, tmp_path) as made:
        yield made


def go_on() -> None:
    """Nobody cancels."""


def fetched(site: Rooms, bucket: Bucket, name: str = "big.3mf") -> LocalFile:
    """The file, whole."""
    local = site.files.fetch(bucket.offer(name), site.cloud, go_on)
    assert local.path.read_bytes() == bucket.files[name]
    assert local.md5 == hashlib.md5(bucket.files[name]).hexdigest()
    return local


def parts(site_folder: Path) -> list[int]:
    return [path.stat().st_size for path in (site_folder / "files").glob(f"*{PART}")]


def test_a_download_goes_on_at_once_where_a_line_broke_that_brought_much(site: Rooms, bucket: Bucket) -> None:
    bucket.cuts = [MEGABYTE, MEGABYTE]
    fetched(site, bucket)
    (first, second, third) = bucket.asked
    tag = f'"{hashlib.md5(bucket.files["big.3mf"]).hexdigest()}"'
    assert first == (None, None)
    assert second[1] == third[1] == tag
    assert second[0] != third[0]
    assert bucket.fetched == 1


def test_a_line_that_brings_next_to_nothing_is_no_line(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    bucket.cuts = [100_000]
    with pytest.raises(CloudUnavailable):
        site.files.fetch(bucket.offer("big.3mf"), site.cloud, go_on)
    (held,) = parts(tmp_path)
    assert 50_000 < held <= 100_000
    fetched(site, bucket)
    assert bucket.asked == [(None, None), (f"bytes={held}-", None)]
    assert parts(tmp_path) == []


def test_what_was_fetched_before_a_restart_is_not_fetched_again(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    bucket.cuts = [MEGABYTE, 0]
    with pytest.raises(CloudUnavailable):
        site.files.fetch(bucket.offer("big.3mf"), site.cloud, go_on)
    held = parts(tmp_path)[0]
    assert held > MEGABYTE // 2
    again = FileCache(tmp_path / "files")
    local = again.fetch(bucket.offer("big.3mf"), site.cloud, go_on)
    assert local.path.read_bytes() == bucket.files["big.3mf"]
    assert bucket.asked[-1] == (f"bytes={held}-", None)


def test_what_nobody_has_gone_on_with_for_days_is_cleared_away(tmp_path: Path) -> None:
    part = tmp_path / f"{'0' * 64}{PART}"
    part.write_bytes(b"half")
    FileCache(tmp_path, time_of_day=lambda: part.stat().st_mtime + 6 * 86_400)
    assert part.exists()
    FileCache(tmp_path, time_of_day=lambda: part.stat().st_mtime + 8 * 86_400)
    assert not part.exists()


def test_a_server_without_ranges_begins_anew(site: Rooms, bucket: Bucket) -> None:
    bucket.cuts, bucket.knows_ranges, bucket.has_tags = [MEGABYTE], False, False
    fetched(site, bucket)
    assert len(bucket.asked) == 2


def test_what_does_not_fit_together_begins_anew(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    offer = bucket.offer("big.3mf")
    (tmp_path / "files" / (offer.sha256 + PART)).write_bytes(bytes(MEGABYTE))
    with pytest.raises(CloudUnavailable, match="anew"):
        site.files.fetch(offer, site.cloud, go_on)
    assert parts(tmp_path) == []
    fetched(site, bucket)


@pytest.mark.parametrize("held", [SIZE, SIZE + 10])
def test_a_part_that_is_whole_or_too_long_does_no_harm(site: Rooms, bucket: Bucket, tmp_path: Path, held: int) -> None:
    offer = bucket.offer("big.3mf")
    content = bucket.files["big.3mf"]
    (tmp_path / "files" / (offer.sha256 + PART)).write_bytes((content + bytes(10))[:held])
    fetched(site, bucket)
    assert len(bucket.asked) == (held > SIZE)


def test_a_cancelled_download_keeps_what_it_has(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise Refused("cancelled by stop")

    with pytest.raises(Refused):
        site.files.fetch(bucket.offer("big.3mf"), site.cloud, check)
    assert 0 < parts(tmp_path)[0] < SIZE
    fetched(site, bucket)


def test_many_printers_fetch_the_same_file_once(site: Rooms, bucket: Bucket) -> None:
    bucket.hold = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(fetched, site, bucket) for _ in range(8)]
        bucket.hold.set()
        assert len({each.result().path for each in running}) == 1
    assert (bucket.fetched, len(bucket.asked)) == (1, 1)


def test_who_waits_for_anothers_download_can_be_cancelled(site: Rooms, bucket: Bucket) -> None:
    bucket.hold = threading.Event()

    def check() -> None:
        raise Refused("cancelled by stop")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetched, site, bucket)
        while not bucket.asked:
            assert not first.done()
        with pytest.raises(Refused):
            site.files.fetch(bucket.offer("big.3mf"), site.cloud, check)
        bucket.hold.set()
        first.result()


def test_the_files_not_used_for_longest_go_but_none_that_is_held(bucket: Bucket, tmp_path: Path) -> None:
    with rooms(bucket.url, tmp_path, cache=CacheConfig(files=3, size=2 * MEGABYTE)) as site:
        for number in range(6):
            bucket.files[f"{number}.3mf"] = random.Random(number).randbytes(500_000)
        printed = fetched(site, bucket, "0.3mf")
        for number in range(1, 6):
            fetched(site, bucket, f"{number}.3mf")
        kept = {path.name for path in (tmp_path / "files").iterdir()}
        assert printed.path.name in kept
        assert kept == {printed.path.name, *(bucket.offer(f"{number}.3mf").sha256 for number in (4, 5))}
        del printed
        fetched(site, bucket, "1.3mf")
        assert bucket.offer("0.3mf").sha256 not in {path.name for path in (tmp_path / "files").iterdir()}
        bucket.files["huge.3mf"] = bytes(3 * MEGABYTE)
        fetched(site, bucket, "huge.3mf")
        assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_disk_that_takes_no_more_is_said_and_leaves_nothing_half(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    with no_file_longer_than(2 * MEGABYTE), pytest.raises(FileUnusable, match="this machine's disk"):
        site.files.fetch(bucket.offer("big.3mf"), site.cloud, go_on)
    assert list((tmp_path / "files").iterdir()) == []
    fetched(site, bucket)


def test_a_file_that_the_disk_has_no_room_for_is_not_begun(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    fetched(site, bucket)
    offer = bucket.offer("big.3mf").model_copy(update={"size": 2**60, "sha256": "0" * 64})
    with pytest.raises(FileUnusable, match="too little space"):
        site.files.fetch(offer, site.cloud, go_on)
    assert len(bucket.asked) == 1
    assert parts(tmp_path) == []


def test_an_upload_may_stand_still_for_a_while(site: Rooms, bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "copy.3mf"
    source.write_bytes(random.Random(5).randbytes(12 * MEGABYTE))
    bucket.stall = count(40, quick=7)
    target = UploadTarget(upload_url=f"{bucket.url}/bucket/slow", headers={"X-Signed": "1"})
    site.cloud.put(target, source, go_on)
    assert bucket.stored["slow"] == source.read_bytes()
