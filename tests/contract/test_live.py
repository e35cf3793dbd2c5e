"""What happens, over WebSockets and as server-sent events: to whom it is told, in which order, and to how many."""

import json
import socket as sockets
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from printpipe.domain.ports.documents import Create, Update, Write
from printpipe.domain.printer_records import Printer
from printpipe.domain.transfers import Transfer, TransferStatus
from tests.cloud import Cloud, Site
from tests.contract.live import Message, eventually, printer_of, register, report, said, shows, socket, stream, up_to
from tests.counts import SOAK, count

ONE_BACKEND_AT_REDUCED_COUNTS = True
SOCKETS = 50


@pytest.fixture
def reader(cloud: Cloud, site: Site) -> str:
    """A key that may look on, and nothing else."""
    return cloud.new_key(site.organization, None, ["events.read"])


def test_jobs_files_and_alerts_are_told(cloud: Cloud, site: Site, reader: str) -> None:
    register(cloud, site, "one")
    job = cloud.upload(site.agent_recipient, key=site.agent_key)["fileId"]
    now = datetime.now(UTC)
    transfer = Transfer(
        transfer_id=f"dl_{site.organization}",
        organization_id=site.organization,
        recipient_id=site.agent_recipient,
        printer_id=f"one-{site.organization}",
        kind="fetch",
        file_name="benchy.3mf",
        printer_file_id="p1",
        status=TransferStatus.COPYING,
        active=True,
        attempt=1,
        bytes_done=250,
        bytes_total=1000,
        created_at=now,
        updated_at=now,
    )
    with socket(cloud.base_url, reader) as opened:
        (first,) = said(opened, lambda message: message["type"] == "job_update")[-1:]
        number = cloud.document(f"print_jobs/{job}").data["number"]
        assert (first["data"]["job_id"], first["data"]["status"], first["data"]["progress"]) == (number, "queued", 0.0)
        cloud.backend.documents.commit(Create(f"transfers/{transfer.transfer_id}", transfer.data()))
        (file,) = said(opened, lambda message: message["type"] == "file_update")[-1:]
        assert file["data"]["printer_id"] == "one"
        assert (file["data"]["status"], file["data"]["progress"], file["data"]["bytes_total"]) == (
            "downloading",
            25.0,
            1000,
        )
        event = {
            "recipientId": site.agent_recipient,
            "printerSerial": "S-one",
            "eventType": "hms_error",
            "eventStatus": "failed",
            "errorData": {"hmsCode": "0D00_0200_0001_0001"},
        }
        assert cloud.call("POST", "/api/printer-events/report", key=site.agent_key, json=event).status_code == 201
        (alert,) = said(opened, lambda message: message["type"] == "system_alert")[-1:]
        data = alert["data"]
        assert (data["kind"], data["printer_id"], data["code"]) == ("hms_error", "one", "0D00_0200_0001_0001")
        assert data["message"] == "Filament runout"


def test_a_client_chooses_its_printers(cloud: Cloud, site: Site, reader: str) -> None:
    for name in ("one", "two"):
        register(cloud, site, name)
    with socket(cloud.base_url, reader, query="?printer_id=two") as narrow, socket(cloud.base_url, reader) as opened:
        opened.send(json.dumps({"action": "subscribe", "printer_ids": ["one", "S-none"]}))
        confirmed = said(opened, lambda message: message["type"] == "subscribed")[-1]
        assert confirmed["data"] == {"printer_ids": ["S-none", "one"]}
        for name in ("two", "one"):
            report(cloud, site, f"S-{name}", state="printing", progress=1)
        assert set(_printers(said(opened, shows(progress=1.0)))) == {"one"}
        opened.send(json.dumps({"action": "unsubscribe"}))
        said(opened, lambda message: message["type"] == "unsubscribed")
        for name in ("one", "two"):
            report(cloud, site, f"S-{name}", state="printing", progress=2)
        assert _printers(said(opened, shows(printer_id="two", progress=2.0))) == ["one", "two"]
        assert set(_printers(said(narrow, shows(progress=2.0)))) == {"two"}


def _printers(messages: list[Message]) -> list[str]:
    return [message["data"]["printer_id"] for message in messages]


@pytest.mark.parametrize(
    "wrong",
    [
        '{"action": "dance"}',
        "{}",
        "[]",
        "dance",
        '{"action": "subscribe"}',
        '{"action": "subscribe", "printer_ids": "x"}',
    ],
)
def test_what_a_client_says_wrongly_is_answered_and_the_socket_stays(cloud: Cloud, reader: str, wrong: str) -> None:
    with socket(cloud.base_url, reader) as opened:
        opened.send(wrong)
        assert said(opened, lambda message: message["type"] == "error")[-1]["data"]["code"] == "VALIDATION_ERROR"
        opened.send('{"action": "unsubscribe"}')
        said(opened, lambda message: message["type"] == "unsubscribed")
        assert opened.ping().wait(10)


@pytest.mark.parametrize(("sent", "code"), [(b"bytes", 1003), ("x" * 5000, 1009), (["x" * 3000] * 2, 1009)], ids=str)
def test_what_no_client_should_send_ends_the_socket(cloud: Cloud, reader: str, sent: Any, code: int) -> None:
    def send_and_listen() -> None:
        opened.send(sent)  # of which the second part may find it closed
        said(opened, lambda _: False)

    with socket(cloud.base_url, reader) as opened, pytest.raises(ConnectionClosed) as closed:
        send_and_listen()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


def test_who_opens_no_socket_is_told_so(cloud: Cloud, site: Site, reader: str) -> None:
    wanted = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    for path in ("/ws", "/api/v1/ws"):
        wrongs: tuple[dict[str, str], ...] = (
            {},
            wanted,
            {**wanted, "Sec-WebSocket-Key": "AAAA"},
            {**wanted, **key, "Sec-WebSocket-Version": "8"},
        )
        for headers in wrongs:
            answer = cloud.call("GET", path, key=reader, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert cloud.call("GET", path, headers={**wanted, **key}).status_code == 401
    lacking = cloud.new_key(site.organization, None, ["printers.read"])
    with pytest.raises(InvalidStatus) as refused, socket(cloud.base_url, lacking):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"]["code"] == "FORBIDDEN"


def test_a_client_has_ten_connections_at_once(cloud: Cloud, site: Site, reader: str) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(socket(cloud.base_url, reader)) for _ in range(9)]
        stack.enter_context(stream(cloud.base_url, reader))
        with pytest.raises(InvalidStatus) as refused, socket(cloud.base_url, reader):
            pass
        assert refused.value.response.status_code == 429
        assert int(refused.value.response.headers["Retry-After"]) > 0
        with socket(cloud.base_url, cloud.new_key(site.organization, None, ["events.read"])):
            held.pop().close()
        eventually(lambda: _may_open(cloud, reader), "the slot that was given back")


def _may_open(cloud: Cloud, key: str) -> bool:
    try:
        with socket(cloud.base_url, key):
            return True
    except InvalidStatus:
        return False


def test_fifty_sockets_are_told_at_once(cloud: Cloud, site: Site) -> None:
    keys = [cloud.new_key(site.organization, None, ["events.read"]) for _ in range(SOCKETS // 10)]
    with ExitStack() as stack:
        opened = [stack.enter_context(socket(cloud.base_url, keys[number % len(keys)])) for number in range(SOCKETS)]
        for percent in range(1, 4):
            report(cloud, site, "S1", state="printing", progress=percent)
        for each in opened:
            shown = [message["data"]["progress"] for message in said(each, shows(progress=3.0))]
            assert shown == sorted(shown)
        answer = cloud.call("GET", "/health")
        assert answer.status_code == 200


@pytest.mark.skipif(not SOAK, reason="half a minute passes")
def test_silence_is_broken_by_a_heartbeat(cloud: Cloud, reader: str) -> None:
    headers = {"X-API-Key": reader}
    events = requests.get(f"{cloud.base_url}/api/v1/events", headers=headers, stream=True, timeout=30)
    with socket(cloud.base_url, reader) as opened, events:
        lines = (line for line in events.iter_lines(chunk_size=1, decode_unicode=True) if line)
        assert next(lines) == "retry: 3000"
        assert next(lines).startswith(":")
        (beat,) = said(opened, lambda message: message["type"] == "heartbeat", 40)
        assert beat["data"] == {}


def test_who_hangs_up_frees_its_place_soon(cloud: Cloud, reader: str) -> None:
    for _ in range(10):
        with stream(cloud.base_url, reader):
            pass
    eventually(lambda: _may_open(cloud, reader), "a place", 10)


def test_a_quiet_stream_lasts(cloud: Cloud, site: Site, reader: str) -> None:
    with stream(cloud.base_url, reader) as events:
        time.sleep(2.5)  # as long as it takes to look twice whether the client is there
        report(cloud, site, "S1", state="printing", progress=1)
        up_to(events, shows(progress=1.0))


def test_one_that_never_reads_is_dropped_and_nothing_is_kept_for_it(cloud: Cloud, site: Site) -> None:
    printers, rounds, idle = 100, count(100, quick=30), count(50, quick=10)
    records = [printer_of(site, f"flood-{number}") for number in range(printers)]
    cloud.backend.documents.commit(*(Create(f"printers/{each.printer_id}", each.data()) for each in records))
    keys = [cloud.new_key(site.organization, None, ["events.read"]) for _ in range(idle // 10 + 1)]
    worker = _worker(cloud)
    with ExitStack() as stack:
        for _ in range(2):  # what the first such traffic costs anyway
            with socket(cloud.base_url, keys[-1]) as attentive:
                _flood(cloud, records, attentive, 4)
        before, dropped = worker.memory_info().rss, _dropped(cloud)
        attentive = stack.enter_context(socket(cloud.base_url, keys[-1]))
        for number in range(idle):
            stack.enter_context(_deaf(cloud, keys[number // 10]))
        size = _flood(cloud, records, attentive, rounds)
        eventually(lambda: _dropped(cloud) - dropped == idle, f"{idle} that are dropped", 30)
        grown = worker.memory_info().rss - before
    assert grown < size * idle / (3 if SOAK else 2), f"{grown} bytes more, for {idle} times {size}"


def _flood(cloud: Cloud, records: list[Printer], attentive: ClientConnection, rounds: int) -> int:
    """Has all printers change so often; how many bytes the one got that reads."""
    said(attentive, shows(printer_id=records[-1].chosen_id))
    size = 0
    for round_ in range(rounds):
        name = f"{time.monotonic()} {round_:230}"
        writes: list[Write] = [Update(f"printers/{each.printer_id}", {"name": name}) for each in records]
        cloud.backend.documents.commit(*writes)
        heard = said(attentive, shows(printer_id=records[-1].chosen_id, name=name))
        size += sum(len(json.dumps(each)) for each in heard)
    return size


def _deaf(cloud: Cloud, key: str) -> sockets.socket:
    """A WebSocket that is never read from, with as little room as can be had."""
    host, port = cloud.base_url.removeprefix("http://").split(":")
    opened = sockets.socket()
    opened.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    opened.connect((host, int(port)))
    lines = (
        "GET /ws HTTP/1.1",
        f"Host: {host}:{port}",
        f"X-API-Key: {key}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "",
        "",
    )
    opened.sendall("\r\n".join(lines).encode())
    assert opened.recv(12) == b"HTTP/1.1 101"
    return opened


def _dropped(cloud: Cloud) -> int:
    return cloud.log.read_text().count('"event": "live_reader_dropped"')


def _worker(cloud: Cloud) -> psutil.Process:
    """The gateway's process that serves."""
    port = int(cloud.base_url.rpartition(":")[2])
    gateways = [
        each for each in psutil.Process().children(recursive=True) if each.cmdline()[-2:] == ["--port", str(port)]
    ]
    return gateways[-1]
