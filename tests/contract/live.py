"""Clients that look on: a real WebSocket, and a stream of server-sent events as its text comes."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from printpipe.domain.ports.documents import Create
from printpipe.domain.printer_records import Printer
from tests.cloud import Cloud, Site

Message = Mapping[str, Any]


@contextmanager
def socket(
    base_url: str, key: str | None = None, query: str = "", headers: Mapping[str, str] | None = None, **options: Any
) -> Iterator[ClientConnection]:
    """An open WebSocket at `/ws`."""
    given = {**({"X-API-Key": key} if key else {}), **(headers or {})}
    url = f"{base_url.replace('http', 'ws', 1)}/ws{query}"
    with connect(url, additional_headers=given, proxy=None, **options) as opened:
        yield opened


def said(opened: ClientConnection, wanted: Callable[[Message], bool], seconds: float = 10.0) -> list[Message]:
    """The messages that come, up to the wanted one."""
    heard: list[Message] = []
    deadline = time.monotonic() + seconds
    while True:
        heard.append(json.loads(opened.recv(timeout=max(0.0, deadline - time.monotonic()))))
        if wanted(heard[-1]):
            return heard


@dataclass(frozen=True)
class ServerSent:
    """One event of a stream."""

    type: str
    id: str
    message: Message


@contextmanager
def stream(base_url: str, key: str | None = None, query: str = "", **headers: str) -> Iterator[Iterator[ServerSent]]:
    """The events of an open stream, as they come; one that is silent for 30 s raises."""
    given = {
        **({"X-API-Key": key} if key else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with requests.get(f"{base_url}/api/v1/events{query}", headers=given, stream=True, timeout=30) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        yield _events(answer)


def up_to(events: Iterator[ServerSent], wanted: Callable[[Message], bool]) -> list[ServerSent]:
    """The events that come, up to the wanted one."""
    heard: list[ServerSent] = []
    for each in events:
        heard.append(each)
        if wanted(each.message):
            return heard
    raise AssertionError("the stream has ended")


def shows(**data: Any) -> Callable[[Message], bool]:
    """Whether a message's data hold that."""
    return lambda message: all(message["data"].get(name) == value for name, value in data.items())


def printer_of(site: Site, name: str) -> Printer:
    """A printer that people have named, at the agent's site."""
    return Printer(
        printer_id=f"{name}-{site.organization}",
        organization_id=site.organization,
        recipient_id=site.agent_recipient,
        chosen_id=name,
        name=f"{name:250}",
        active=True,
        created_at=datetime.now(UTC),
    )


def report(cloud: Cloud, site: Site, serial: str = "S1", **status: Any) -> None:
    """The agent reports what a printer shows."""
    body = {"recipientId": site.agent_recipient, "printerSerial": serial, "status": status}
    answer = cloud.call("POST", "/api/printer-status", key=site.agent_key, json=body)
    assert answer.status_code == 200, answer.text


def register(cloud: Cloud, site: Site, name: str) -> None:
    """A printer that people have named."""
    record = printer_of(site, name).model_copy(update={"serial": f"S-{name}", "name": None})
    alias = {"printerId": record.printer_id, "organizationId": site.organization}
    cloud.backend.documents.commit(
        Create(f"printers/{record.printer_id}", record.data()),
        Create(f"printer_aliases/{site.organization}_serial_{record.serial}", alias),
    )


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _events(answer: requests.Response) -> Iterator[ServerSent]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.strip()
        elif line == "" and "data" in fields:
            yield ServerSent(fields["event"], fields["id"], json.loads(fields["data"]))
            fields.clear()
