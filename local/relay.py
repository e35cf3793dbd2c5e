"""What Eventarc, Cloud Scheduler and Pub/Sub do between the emulators and the parts: `python -m local.relay`.

Takes the Firestore emulator's trigger events, acknowledges them at once, mends them and delivers them to the gateway;
delivers the topics' messages and the schedules' ticks; passes the agents' Pub/Sub calls on as production would answer
them; and has the switches for faults at `/faults`.
"""

import argparse
import signal
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

import urllib3
from pydantic import ValidationError

from local.deliveries import Deliveries
from local.faults import FaultPanel
from local.firestore_events import mend
from local.json_log import emit
from local.messages import Subscription, followers
from local.schedules import Ticker
from local.subscriptions import Answer, Subscriptions
from printpipe.runtime import catalog
from printpipe.runtime.process import process

REGISTER_WITHIN = 10.0
DATABASE = "(default)"
ACK_DEADLINE = 600
"""Seconds that a function's message may take until it is delivered again: the most that Pub/Sub allows."""


class RelayServer(ThreadingHTTPServer):
    """The relay's one port, on the loopback interface."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, project: str, gateway_url: str, pubsub: str, rows: Collection[catalog.Row]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.faults = FaultPanel()
        self.deliveries = Deliveries(gateway_url, self.faults)
        self.subscriptions = Subscriptions(pubsub, self.faults)
        self.functions = {row.name for row in rows if row.trigger and row.trigger.firestore}
        self.events_prefix = f"/functions/projects/{project}/triggers/"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: RelayServer

    def do_GET(self) -> None:
        if self.path == "/faults":
            self._send(HTTPStatus.OK, self.server.faults.now.model_dump_json().encode())
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(self.server.events_prefix):
            self._take_event(self.path.removeprefix(self.server.events_prefix), body)
        elif self.path.startswith("/v1/projects/"):
            self._pass_on(body)
        elif self.path == "/faults":
            self._set_faults(body)
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def _take_event(self, function: str, body: bytes) -> None:
        self._send(HTTPStatus.OK)
        if function not in self.server.functions:
            return
        event = mend(function, self.headers, body)
        if event is not None:
            self.server.deliveries.offer(event)

    def _pass_on(self, body: bytes) -> None:
        answer: Answer | None
        try:
            answer = self.server.subscriptions.call(self.path, body, self.connection)
        except (OSError, HTTPException) as error:
            emit("pubsub_unreachable", "WARNING", error=type(error).__name__)
            answer = Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"{}")
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer.status, answer.body)

    def _set_faults(self, body: bytes) -> None:
        try:
            faults = self.server.faults.set(body)
        except ValidationError as error:
            self._send(HTTPStatus.BAD_REQUEST, error.json(include_url=False).encode())
        else:
            self._send(HTTPStatus.OK, faults.model_dump_json().encode())

    def _send(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """No access log: what matters is logged by event."""


def register(emulator: str, project: str, rows: Iterable[catalog.Row]) -> None:
    """Tells the Firestore emulator which events these want. Raises RuntimeError where it refuses or never answers."""
    http = urllib3.PoolManager(retries=False, timeout=2)
    for row in rows:
        if row.trigger is None or row.trigger.firestore is None:
            continue
        body: Mapping[str, Any] = {
            "eventType": row.trigger.firestore,
            "database": DATABASE,
            "namespace": DATABASE,
            "document": {"value": row.trigger.document, "matchType": "PATH_PATTERN"},
        }
        url = f"http://{emulator}/emulator/v1/projects/{project}/eventarcTrigger?eventarcTriggerId={row.name}"
        deadline = time.monotonic() + REGISTER_WITHIN
        while True:
            try:
                answer = http.request("POST", url, json=body)
            except urllib3.exceptions.HTTPError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the Firestore emulator at {emulator} does not answer") from error
                time.sleep(0.1)
                continue
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(f"the Firestore emulator refused the trigger {row.name}: {answer.data!r}")
            break


def subscribe(emulator: str, project: str, rows: Iterable[catalog.Row]) -> None:
    """Makes the subscription of every row that follows a topic, unless it is there. Raises RuntimeError."""
    base = f"http://{emulator}/v1/projects/{project}/subscriptions"
    for row in followers(rows):
        assert row.trigger is not None
        body = {
            "topic": f"projects/{project}/topics/{row.trigger.topic}",
            "filter": row.trigger.filter,
            "ackDeadlineSeconds": ACK_DEADLINE,
        }
        answer = urllib3.request("PUT", f"{base}/{row.name}", json=body, timeout=10, retries=False)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CONFLICT):
            raise RuntimeError(f"the Pub/Sub emulator refused the subscription {row.name}: {answer.data!r}")


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="the port that the Firestore emulator posts to")
    parser.add_argument("--project", required=True)
    parser.add_argument("--gateway", required=True, help="the gateway's URL")
    parser.add_argument("--firestore", required=True, help="host:port of the emulator")
    parser.add_argument("--pubsub", required=True, help="host:port of the emulator")
    options = parser.parse_args()
    rows = catalog.rows().values()
    server = RelayServer(options.port, options.project, options.gateway, options.pubsub, rows)
    ticker = Ticker(rows, server.deliveries, options.project)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=server.serve_forever, name="relay", daemon=True).start()
    register(options.firestore, options.project, rows)
    subscribe(options.pubsub, options.project, rows)
    bus = process().platform.bus
    subscriptions = [Subscription(row, bus, server.deliveries, options.project) for row in followers(rows)]
    for each in subscriptions:
        each.start()
    ticker.start()
    emit("relay_ready", url=server.url)
    stopping.wait()
    for each in subscriptions:
        each.close()
    ticker.close()
    server.deliveries.close()


if __name__ == "__main__":
    main()
