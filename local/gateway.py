"""Every function of the catalog on one port: `python -m local.gateway`.

Each function is served by functions-framework, as in production, at the path of its catalog row and, as its own URL
would serve it, below `/<function-name>/`. On the embedded backend the gateway also serves the signed file URLs and
delivers the document store's events, the topics' messages and the schedules' ticks to the triggers.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import functions_framework
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from local.deliveries import LONGEST_CALL, Deliveries
from local.embedded_events import watcher
from local.fault_switches import FaultSwitches
from local.faults import FaultPanel
from local.json_log import emit
from local.messages import ATTEMPTS, Subscription, followers
from local.schedules import Ticker
from local.signed_files import SignedFiles
from local.wsgi import answer_json
from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import URL_PREFIX, EmbeddedFiles
from printpipe.adapters.metered import MeteredDocuments
from printpipe.domain.ports.bus import Bus
from printpipe.runtime import catalog
from printpipe.runtime.process import process

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

THREADS = 192
"""Each WebSocket and each stream of events has one for as long as it lasts."""
GRACE = 1
"""Seconds that running requests have when the gateway is stopped."""


class _OnDemand:
    """A row's functions-framework application, made for the first request: whoever starts all calls but a few."""

    _making = threading.Lock()

    def __init__(self, row: catalog.Row) -> None:
        self._row = row
        self._made: WSGIApplication | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serves one request."""
        return self._application()(environ, start_response)

    def _application(self) -> "WSGIApplication":
        if self._made is None:
            with self._making:  # what the framework leaves in the environment is one function's at a time
                self._made = self._made or self._make()
        return self._made

    def _make(self) -> "WSGIApplication":
        os.environ.pop("FUNCTION_SIGNATURE_TYPE", None)  # the framework leaves the previous function's type there
        made: WSGIApplication = functions_framework.create_app(
            target=self._row.entry_point,
            source=str(catalog.ROOT / "main.py"),
            signature_type="cloudevent" if self._row.trigger else "http",
        )
        return made


def load_functions() -> dict[str, "WSGIApplication"]:
    """An application for every row, by the function's name."""
    return {row.name: _OnDemand(row) for row in catalog.rows().values()}


def url_map() -> Map:
    """The catalog's paths; endpoints are functions' names. A literal part goes before a parameter."""
    rules = [
        Rule(path.replace("{", "<").replace("}", ">"), endpoint=row.name, methods=row.http.methods)
        for row in catalog.rows().values()
        if row.http
        for path in row.http.paths
    ]
    return Map(rules, strict_slashes=True, merge_slashes=False)


class Gateway:
    """The WSGI application: finds the function, calls it, notes the call."""

    def __init__(self, functions: Mapping[str, "WSGIApplication"], extra: Mapping[str, "WSGIApplication"]) -> None:
        self._functions = functions
        self._extra = extra
        self._paths = url_map().bind("localhost")
        self._templates = {row.name: row.http.path for row in catalog.rows().values() if row.http}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serves one request."""
        started = time.monotonic()
        path = environ.get("PATH_INFO") or "/"
        name, route, application = self._find(environ)
        outcome: dict[str, str] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            outcome["status"] = status[:3]
            outcome.update((key.lower(), value) for key, value in headers if key.lower() == "x-request-id")
            if outcome["status"] == "405":
                headers = self._allowing_all(path, headers)
            return start_response(status, headers, exc_info)

        def note() -> None:
            emit(
                "http_request",
                function=name,
                method=environ["REQUEST_METHOD"],
                route=route,
                status=int(outcome.get("status", "0")),
                ms=round((time.monotonic() - started) * 1000, 1),
                requestId=outcome.get("x-request-id"),
            )

        return _Noted(application(environ, start), note)

    def _allowing_all(self, path: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers of a 405 with every method of the path: one function knows its own alone."""
        methods = sorted({*self._paths.allowed_methods(path)} - {"HEAD"})
        allow = [("Allow", ", ".join(methods))]
        return [*(each for each in headers if each[0].lower() != "allow"), *allow] if methods else headers

    def _find(self, environ: "WSGIEnvironment") -> tuple[str | None, str | None, "WSGIApplication"]:
        """The function's name, the path to log (a template: paths and queries can hold secrets), the application."""
        path = environ.get("PATH_INFO") or "/"
        first, _, rest = path[1:].partition("/")
        if first in self._extra:
            return None, f"/{first}/…", self._extra[first]
        if first in self._functions:
            environ["PATH_INFO"] = f"/{rest}"
            return first, f"/{first}/…", self._functions[first]
        try:
            name = str(self._paths.match(path, method=environ["REQUEST_METHOD"])[0])
        except MethodNotAllowed as other:
            name = str(self._paths.match(path, method=min(other.valid_methods or ()))[0])
        except NotFound:
            return None, None, _not_found
        return name, self._templates[name], self._functions[name]


class _Noted:
    """A response's body that notes the call once it is closed."""

    def __init__(self, body: Iterable[bytes], note: Callable[[], None]) -> None:
        self._body = body
        self._note = note

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Closes the function's own body."""
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._note()


def _not_found(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    body = {
        "ok": False,
        "error_type": "NotFoundError",
        "message": "No function has this path",
        "detail": f"{environ['REQUEST_METHOD']} matches no row of the catalog",
    }
    return answer_json(start_response, HTTPStatus.NOT_FOUND, body)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no annotations
    """gunicorn as production runs it: one worker with threads, here on the loopback interface alone."""

    def __init__(self, port: int, load: "Callable[[], WSGIApplication]") -> None:
        self._options = {
            "bind": f"127.0.0.1:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": 0,
            "graceful_timeout": GRACE,
            "keepalive": 30,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        """Sets gunicorn's options."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> "WSGIApplication":
        """The application, made in the worker."""
        return self._load()


def load(base_url: str) -> "WSGIApplication":
    """The gateway with all its functions; on the embedded backend with the files' URLs and the relay, too."""
    platform = process().platform
    extra: dict[str, WSGIApplication] = {}
    if isinstance(platform.files, EmbeddedFiles):
        extra[URL_PREFIX.strip("/")] = SignedFiles(platform.files)
    documents = platform.documents
    if isinstance(documents, MeteredDocuments) and isinstance(documents.store, EmbeddedDocuments):
        faults = FaultPanel()
        deliveries = Deliveries(base_url, faults)
        project, rows = process().settings.project or "local", catalog.rows().values()
        documents.store.watch(watcher(deliveries.offer, project, rows))
        follow(rows, platform.bus, deliveries, project)
        Ticker(rows, deliveries, project).start()
        extra["_relay"] = FaultSwitches(faults)
    return Gateway(load_functions(), extra)


def follow(rows: Iterable[catalog.Row], bus: Bus, deliveries: Deliveries, project: str) -> None:
    """Delivers the topics' messages to the functions that follow them, where the bus is the process's own."""
    assert isinstance(bus, EmbeddedBus)
    for row in followers(rows):
        assert row.trigger is not None
        assert row.trigger.topic is not None
        bus.create_subscription(row.name, row.trigger.topic, row.trigger.filter, ack_deadline=LONGEST_CALL * ATTEMPTS)
        Subscription(row, bus, deliveries, project).start()


def main() -> None:
    """Serves until SIGTERM or SIGINT; the settings are the functions' own, from the environment."""
    parser = argparse.ArgumentParser(prog="python -m local.gateway", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    Server(port, lambda: load(f"http://127.0.0.1:{port}")).run()


if __name__ == "__main__":
    main()
