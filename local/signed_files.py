"""The embedded file store's signed URLs, served as Cloud Storage serves its own: GET an object, PUT a new one."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, cast
from wsgiref.util import FileWrapper

from werkzeug.wrappers import Request

from local.wsgi import answer_json
from printpipe.adapters.embedded.files import URL_PREFIX, EmbeddedFiles, UrlRefused
from printpipe.domain.ports.files import FileExists, FileMissing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CHUNK = 1 << 16


class SignedFiles:
    """The WSGI application behind `URL_PREFIX`."""

    def __init__(self, files: EmbeddedFiles) -> None:
        self._files = files

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """200 with the object, 201 for a new one, 403 for a URL that is forged or expired, 404, 405, 412."""
        request = Request(environ)
        name = request.path.removeprefix(URL_PREFIX)
        parameters = dict(request.args.items())
        try:
            if request.method == "GET":
                return self._get(name, parameters, start_response)
            if request.method == "PUT":
                stored = self._files.put_signed(name, parameters, cast(BinaryIO, request.stream))
                return answer_json(start_response, HTTPStatus.CREATED, {"name": stored.name, "size": stored.size})
        except UrlRefused as refusal:
            return answer_json(start_response, HTTPStatus.FORBIDDEN, {"error": str(refusal)})
        except FileMissing:
            return answer_json(start_response, HTTPStatus.NOT_FOUND, {"error": "there is no such object"})
        except FileExists:
            return answer_json(start_response, HTTPStatus.PRECONDITION_FAILED, {"error": "the object exists"})
        return answer_json(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"error": "GET or PUT"})

    def _get(self, name: str, parameters: dict[str, str], start_response: "StartResponse") -> Iterable[bytes]:
        download = self._files.open_signed(name, parameters)
        headers = [
            ("Content-Type", download.file.content_type),
            ("Content-Length", str(download.file.size)),
            ("Content-Disposition", download.disposition),
        ]
        start_response("200 OK", headers)
        return FileWrapper(download.stream, _CHUNK)
