"""The relay's switches over HTTP, for where the relay lives inside the gateway: GET and POST `/_relay/faults`."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import ValidationError
from werkzeug.wrappers import Request

from local.faults import FaultPanel
from local.wsgi import answer_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class FaultSwitches:
    """The WSGI application."""

    def __init__(self, faults: FaultPanel) -> None:
        self._faults = faults

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """200 with all switches, 400 for a wrong one, 404."""
        request = Request(environ)
        if request.path != "/_relay/faults" or request.method not in ("GET", "POST"):
            return answer_json(start_response, HTTPStatus.NOT_FOUND, {"error": "GET or POST /_relay/faults"})
        if request.method == "POST":
            try:
                self._faults.set(request.get_data())
            except ValidationError as error:
                return answer_json(start_response, HTTPStatus.BAD_REQUEST, error.json(include_url=False))
        return answer_json(start_response, HTTPStatus.OK, self._faults.now.model_dump_json())
