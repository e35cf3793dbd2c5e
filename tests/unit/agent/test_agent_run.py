"""One command's run, its files and what comes in, against a real HTTP server and a real store."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cloud import Cloud, CloudFailed, CloudRefused, CloudUnavailable
from edge_agent.command import Claim, Command, FileOffer, completed
from edge_agent.config import AgentConfig, CacheConfig, PrinterSection, Timing
from edge_agent.drivers.base import Driver
from edge_agent.execution import Dropped, LeaseLapsed, Refused, Rooms, Run
from edge_agent.executor import Executor, Leases
from edge_agent.files import FileCache
from edge_agent.fleet import Fleet
from edge_agent.inbox import Inbox
from edge_agent.journal import Journal, Stage
from edge_agent.outbox import Kind, Outbox
from edge_agent.server_time import ServerTime
from edge_agent.steps import Step, silent
from edge_agent.store import Store
from edge_agent.timestamps import Clock, render

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
Answer = tuple[int, dict[str, str], bytes]
CONTENT = b"a sliced cube"


class Server(ThreadingHTTPServer):
    """Answers as it is told to."""

    answer: Callable[[str, bytes], Answer] = staticmethod(lambda _path, _body: (503, {}, b""))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, Server)
        status, headers, content = self.server.answer(self.path, body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Hand:
    """Two clocks moved by hand: time passes for both with `seconds`, the one that tells the time is set by `moment`."""

    def __init__(self) -> None:
        self.moment, self.seconds = NOW, 100.0
        self.clock = Clock(lambda: self.moment + timedelta(seconds=self.seconds - 100), lambda: self.seconds)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def rooms(server: Server, tmp_path: Path, hand: Hand) -> Iterator[Rooms]:
    store = Store(tmp_path / "agent.db")
    journal = Journal(store, hand.clock)
    timing = Timing(http_timeout=5, retry_first=0.01, retry_ceiling=0.01)
    config = AgentConfig(backend_url=server.url, api_key="k", recipient_id="site-1", timing=timing)
    yield Rooms(
        store=store,
        journal=journal,
        outbox=Outbox(store, hand.clock),
        cloud=Cloud(config, journal.agent_id),
        files=FileCache(tmp_path / "files"),
        timing=timing,
        clock=hand.clock,
        server_time=ServerTime(hand.clock),
        observe=silent,
        stopping=threading.Event(),
        reports_waiting=threading.Event(),
    )
    store.close()


def inbox(rooms: Rooms) -> Inbox:
    config = AgentConfig(backend_url="http://127.0.0.1", api_key="k", recipient_id="site-1")
    leases = Leases(rooms)
    return Inbox("site-1", rooms, Executor(rooms, leases), Fleet(config, rooms, leases, no_driver))


def no_driver(section: PrinterSection, _rooms: Rooms) -> Driver:
    raise LookupError(section.serial)


def command(kind: str = "start_print", sequence: int = 1, **fields: Any) -> Command:
    basics = {"command_id": f"c{sequence}", "recipient_id": "site-1", "printer_serial": "P", "sequence": sequence}
    return Command(command_type=kind, **{**basics, "expires_at": NOW + timedelta(minutes=5), **fields})


def run_of(rooms: Rooms, command: Command) -> Run:
    entry, _ = rooms.journal.record(command)
    return Run(entry, rooms)


def leased(seconds: float, at: datetime = NOW) -> Answer:
    body = {"fence": 1, "acknowledgedAt": render(at), "leaseUntil": render(at + timedelta(seconds=seconds))}
    return 200, {}, json.dumps(body).encode()


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b"<html>no such page</html>"),
        (404, {}, b'{"message": "no route"}'),
        (409, {}, b""),
        (302, {"Location": "/login"}, b""),
        (200, {}, b"<html>log in</html>"),
        (502, {}, b""),
    ],
)
def test_what_is_not_the_clouds_answer_is_no_answer(server: Server, rooms: Rooms, answer: Answer) -> None:
    server.answer = lambda path, _body: answer if path == "/control/result" else (200, {}, b"<html>")
    with pytest.raises(CloudUnavailable) as raised:
        rooms.cloud.result({"commandId": "c1"}, "")
    assert not isinstance(raised.value, CloudFailed)


@pytest.mark.parametrize(("status", "kind"), [(404, CloudRefused), (409, CloudRefused), (500, CloudFailed)])
def test_the_clouds_own_answer_is_taken(server: Server, rooms: Rooms, status: int, kind: type[Exception]) -> None:
    server.answer = lambda _path, _body: (status, {}, b'{"ok": false, "error_type": "X", "detail": "completed"}')
    with pytest.raises(kind):
        rooms.cloud.result({"commandId": "c1"}, "")


def test_a_command_that_never_can_be_claimed_ends_after_its_expiry(rooms: Rooms) -> None:
    run = run_of(rooms, command(expires_at=NOW - timedelta(seconds=61)))
    with pytest.raises(Refused, match="expired"):
        run.claim()


def test_a_stop_is_carried_out_without_a_claim_where_the_cloud_cannot_be_asked(rooms: Rooms) -> None:
    run = run_of(rooms, command("stop"))
    run.claim()
    run.publishing()


def test_an_expired_stop_is_not(rooms: Rooms) -> None:
    with pytest.raises(Refused, match="expired"):
        run_of(rooms, command("stop", expires_at=NOW - timedelta(seconds=61))).claim()


def test_a_stop_overrules_older_starts_from_its_receipt(server: Server, rooms: Rooms) -> None:
    server.answer = lambda _path, _body: leased(60)
    run = run_of(rooms, command(sequence=1))
    run.claim()
    rooms.stopping.set()  # the stop itself gets no further than the journal
    inbox(rooms).receive(command("stop", sequence=2).model_dump(mode="json", by_alias=True))
    rooms.stopping.clear()
    with pytest.raises(Refused, match="superseded"):
        run.publishing()


def test_a_start_is_not_published_under_a_lease_that_ran_out(server: Server, rooms: Rooms, hand: Hand) -> None:
    server.answer = lambda _path, _body: leased(60)
    run = run_of(rooms, command())
    run.claim()
    hand.seconds += 61
    with pytest.raises(LeaseLapsed):
        run.publishing()
    server.answer = lambda _path, _body: leased(60, NOW + timedelta(seconds=61))
    run.regain()
    run.publishing()


UNKNOWN: Answer = (409, {}, b'{"ok": false, "error_type": "Conflict", "detail": "unknown"}')


def test_a_start_that_was_given_up_meanwhile_ends_as_failed_where_nothing_was_sent(
    server: Server, rooms: Rooms, hand: Hand
) -> None:
    server.answer = lambda _path, _body: leased(60)
    run = run_of(rooms, command())
    run.claim()
    hand.seconds += 61
    server.answer = lambda _path, _body: UNKNOWN
    with pytest.raises(Refused, match="nothing was sent"):
        run.regain()
    run.renew()
    with pytest.raises(Refused, match="nothing was sent"):
        run.publishing()
    entry = rooms.journal.entry("c1")
    assert entry is not None
    with pytest.raises(Refused, match="nothing was sent"):
        Run(entry, rooms).claim()


def test_what_was_given_up_is_no_business_of_an_agent_that_never_had_it(server: Server, rooms: Rooms) -> None:
    server.answer = lambda _path, _body: UNKNOWN
    with pytest.raises(Dropped, match="unknown"):
        run_of(rooms, command()).claim()


def test_what_may_have_been_sent_before_it_was_given_up_is_looked_at(server: Server, rooms: Rooms) -> None:
    server.answer = lambda _path, _body: leased(60)
    run = run_of(rooms, command())
    run.claim()
    run.publishing()
    entry = rooms.journal.entry("c1")
    assert entry is not None
    server.answer = lambda _path, _body: UNKNOWN
    Run(entry, rooms).claim()


@pytest.mark.parametrize("crashed", [False, True])
def test_of_what_may_have_been_sent_before_it_was_given_up_nobody_says_that_nothing_was(
    server: Server, rooms: Rooms, crashed: bool
) -> None:
    server.answer = lambda _path, _body: leased(60)
    run = run_of(rooms, command("pause"))
    run.claim()
    run.publishing()
    server.answer = lambda _path, _body: UNKNOWN
    if crashed:
        entry = rooms.journal.entry("c1")
        assert entry is not None
        run = Run(entry, rooms)
        run.claim()
    else:
        run.renew()
    with pytest.raises(Dropped, match="unknown"):  # so that it stays for a person
        run.authorise()
    if crashed:
        run.resumed_at = Stage.INTENT  # what the printer shows of a start proves that it was not sent
    else:
        run.not_sent()
    with pytest.raises(Refused, match="nothing was sent"):
        run.authorise()


def test_time_is_told_by_the_cloud_and_by_no_clock_that_can_be_set(server: Server, rooms: Rooms, hand: Hand) -> None:
    server.answer = lambda _path, _body: leased(3600)
    run = run_of(rooms, command("pause"))
    hand.moment += timedelta(days=1)
    run.claim()
    hand.moment -= timedelta(days=2)
    run.authorise()
    hand.seconds += 301
    with pytest.raises(Refused, match="expired"):
        run.authorise()


def test_what_is_being_uploaded_does_not_expire_but_what_begins_again_does(
    server: Server, rooms: Rooms, hand: Hand
) -> None:
    server.answer = lambda _path, _body: leased(3600)
    run = run_of(rooms, command())
    run.claim()
    run.reach(Step.UPLOADING)
    hand.seconds += 301
    run.publishing()
    server.answer = lambda _path, _body: leased(3600, NOW + timedelta(seconds=301))
    rooms.journal.advance("c1", Stage.CLAIMED)
    entry = rooms.journal.entry("c1")
    assert entry is not None
    with pytest.raises(Refused, match="expired"):
        Run(entry, rooms).claim()


def test_a_result_is_sent_again_under_the_lease_it_came_with(rooms: Rooms) -> None:
    rooms.journal.record(command())
    rooms.journal.fence("c1", 1)
    rooms.journal.finish("c1", completed("done"))
    taken = inbox(rooms)
    for fence in (None, 2, 3):
        taken.receive(command(fence=fence).model_dump(mode="json", by_alias=True))
        report = rooms.outbox.first(Kind.RESULT)
        assert report is not None
        assert report.body["fence"] == (fence or 1)


def test_half_a_character_in_a_command_does_no_harm(rooms: Rooms) -> None:
    rooms.stopping.set()
    data = command(metadata={"fileName": "x"}).model_dump(mode="json", by_alias=True)
    inbox(rooms).receive({**data, "metadata": {"file\ud800Name": "cube\udfff.3mf"}})
    entry = rooms.journal.entry("c1")
    assert entry is not None
    assert entry.command.metadata == {"file?Name": "cube?.3mf"}


def _serving(content: bytes, asked: list[str]) -> Callable[[str, bytes], Answer]:
    """A cloud that leases a download of a file to whoever asks, and gives the file out."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    offer = {"fileName": "cube.3mf", "size": len(CONTENT), "sha256": sha256, "fetchToken": "token"}

    def answer(path: str, body: bytes) -> Answer:
        asked.append(path)
        if path == "/control/ack":
            status, headers, lease = leased(60)
            return status, headers, json.dumps({**json.loads(lease), "file": offer}).encode()
        return 200, {}, json.dumps({"data": base64.b64encode(content).decode()}).encode()

    return answer


def _downloaded(rooms: Rooms, sequence: int) -> dict[str, Any]:
    """What the agent reports of a download that it is given, whatever printer the command names."""
    order = command("download", sequence, printer_serial="", metadata={"fileId": "f-1"})
    inbox(rooms).receive(order.model_dump(mode="json", by_alias=True))
    deadline = time.monotonic() + 10
    while (report := rooms.outbox.first(Kind.RESULT)) is None or report.body["commandId"] != order.command_id:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    rooms.outbox.remove(report)
    return dict(report.body)


def test_a_download_is_verified_kept_and_not_fetched_again(server: Server, rooms: Rooms) -> None:
    asked: list[str] = []
    server.answer = _serving(CONTENT, asked)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    for sequence in (1, 2):
        told = _downloaded(rooms, sequence)
        assert told["status"] == "completed", told
        assert sha256 in told["message"]
    assert asked.count("/fetch/token") == 1
    offer = FileOffer(file_name="cube.3mf", size=len(CONTENT), sha256=sha256, fetch_token="t")
    held = rooms.files.held(offer)
    assert held is not None
    assert held.path.read_bytes() == CONTENT


def test_a_download_of_other_bytes_fails_and_keeps_nothing(server: Server, rooms: Rooms, tmp_path: Path) -> None:
    server.answer = _serving(CONTENT[::-1], [])
    told = _downloaded(rooms, 1)
    assert told["status"] == "failed"
    assert "not the one offered" in told["message"]
    assert list((tmp_path / "files").iterdir()) == []


def test_a_download_of_no_file_fails(server: Server, rooms: Rooms) -> None:
    server.answer = lambda _path, _body: leased(60)
    assert _downloaded(rooms, 1)["status"] == "failed"


def test_a_fetch_token_is_in_no_error() -> None:
    with pytest.raises(ValueError) as raised:
        Claim.model_validate({"file": {"fetchToken": "secret-token", "size": "many"}})
    assert "secret-token" not in str(raised.value)


def test_files_are_fetched_side_by_side(server: Server, rooms: Rooms, tmp_path: Path) -> None:
    def answer(path: str, _body: bytes) -> Answer:
        content = path.rsplit("/", 1)[-1].encode()
        return 200, {}, json.dumps({"data": base64.b64encode(content).decode()}).encode()

    server.answer = answer
    folder = tmp_path / "files"

    def fetch(number: int) -> bytes:
        content = f"file-{number}".encode()
        offer = FileOffer(
            file_name="x", size=len(content), sha256=hashlib.sha256(content).hexdigest(), fetch_token=content.decode()
        )
        return rooms.files.fetch(offer, rooms.cloud, lambda: None).path.name.encode()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(fetch, range(120)))) == 120
    assert len(list(folder.iterdir())) <= CacheConfig().files + 8
