"""From an HTTP request to its handler and back."""

import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from io import BytesIO
from typing import IO, Any, Protocol

from flask import Request as FlaskRequest
from flask import Response, current_app, has_app_context
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from printpipe.adapters.metered import billed
from printpipe.dialects.exchange import (
    LONGEST_MESSAGE,
    Answer,
    EventStream,
    Form,
    NamesOrganization,
    Occasion,
    Picture,
    Reply,
    Request,
    Upgrade,
    UploadedFile,
    shortened,
    validate,
)
from printpipe.domain.errors import (
    DomainError,
    Forbidden,
    IndexMissing,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from printpipe.domain.log import log, log_failure
from printpipe.domain.scopes import ROLES
from printpipe.domain.tenancy import NOBODY, Caller
from printpipe.domain.tracing import Span
from printpipe.endpoints.call import Call
from printpipe.runtime import logs, tracing
from printpipe.runtime.binding import Operation, operations, organizations
from printpipe.runtime.catalog import Face, Row
from printpipe.runtime.process import Process, process

MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""What a function accepts, as the platform does."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_LARGER = "a print file of that size is uploaded in parts: POST /upload with its size instead of its bytes"
_MAX_FORM_FIELD_BYTES = 512 * 1024
_MAX_FORM_PARTS = 32
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PARAMETER = re.compile(r"\{(\w+)\}")


class Dialect(Protocol):
    """What a dialect's module offers the runtime."""

    def credential(self, request: Request) -> str | None:
        """The API key, or in a dialect of tokens the bearer token, that the request carries."""

    def token(self, request: Request) -> str | None:
        """The bearer token, in a dialect that takes either."""

    def failure(self, error: DomainError, occasion: Occasion) -> Answer:
        """The answer to a call that did not work."""

    def breakdown(self, occasion: Occasion) -> Answer:
        """The answer to a call that broke on a mistake of ours."""


@dataclass(frozen=True)
class _Side:
    """A face of the function: the dialect and the operations that it offers."""

    face: Face
    dialect: Dialect
    operations: Mapping[str, Operation]


def server(row: Row) -> Callable[[FlaskRequest], Response]:
    """The plain function that functions-framework serves for a row."""
    sides = [_side(row, face) for face in row.faces]
    assert row.http is not None
    patterns = [_pattern(path) for path in row.http.paths]

    logs.set_up()
    tracing.set_up()
    _admit_sockets(sides)

    def serve(request: FlaskRequest) -> Response:
        began, request_id = time.monotonic(), _request_id(request.headers.get("X-Request-Id"))
        side = sides[-1] if _comes_with_a_token_alone(request) else sides[0]
        with logs.bound(requestId=request_id, function=row.name), billed() as bill:
            told: dict[str, str] = {}
            with _span(row, request) as span:
                answer = _answer(row, patterns, side, request, request_id, told)
                span.note("http.response.status_code", answer.status)
                if answer.status >= 500:
                    span.fail(f"answered {answer.status}")
            _note_request(row, request, answer, began)
            if cost := bill.lines():
                log("request_billed", **cost)
        headers = {"Content-Type": answer.MEDIA_TYPE, **_HEADERS, **told, **answer.headers, "X-Request-Id": request_id}
        return _response(request, answer, headers)

    return serve


def _note_request(row: Row, request: FlaskRequest, answer: Answer, began: float) -> None:
    """Logs what was asked and answered. The platform's own line, whose URL may hold a credential, is not kept then."""
    milliseconds = round((time.monotonic() - began) * 1000)
    method, route = _operation(row, request)
    log("request_served", method=method, route=route, status=answer.status, milliseconds=milliseconds)


def _span(row: Row, request: FlaskRequest) -> AbstractContextManager[Span]:
    """The span of a request, below the caller's."""
    method, route = _operation(row, request)
    about = {"http.request.method": method, "http.route": route, "faas.name": row.name}
    return tracing.invocation(f"{method} {route}", "server", request.headers.get("traceparent", ""), about)


def _operation(row: Row, request: FlaskRequest) -> tuple[str, str]:
    """What is told of a request: its method, and the route instead of the path, which may hold a token."""
    assert row.http is not None
    return request.method if request.method in row.http.methods else "_OTHER", row.http.path


def _response(request: FlaskRequest, answer: Answer, headers: Mapping[str, str]) -> Response:
    match answer:
        case Picture():
            return Response(answer.content, answer.status, headers)
        case EventStream():
            from printpipe.runtime import sockets  # only rows whose answers last carry it

            return Response(sockets.stream(request, answer.chunks), answer.status, headers)
        case Upgrade():
            from printpipe.runtime import sockets

            return sockets.upgrade(request, answer, headers)
    return Response(_text(answer.body), answer.status, headers)


def _side(row: Row, face: Face) -> _Side:
    dialect: Any = import_module(f"printpipe.dialects.{face.dialect}")
    return _Side(face, dialect, operations(row, face))


def _comes_with_a_token_alone(request: FlaskRequest) -> bool:
    key = request.headers.get("X-API-Key") or request.args.get("apiKey")
    return bool(request.headers.get("Authorization")) and not key


def _answer(
    row: Row,
    patterns: Sequence[re.Pattern[str]],
    side: _Side,
    request: FlaskRequest,
    request_id: str,
    told: dict[str, str],
) -> Answer:
    """What a function answers; `told` is filled with what any answer's headers say besides."""
    debug, dialect = False, side.dialect
    try:
        running = process()
        debug = running.settings.debug_errors
        trace = logs.trace_of(request.headers.get("X-Cloud-Trace-Context"), running.settings.project)
        with logs.bound(**{"logging.googleapis.com/trace": trace}):
            exchanged = _exchange(row, patterns, request)
            operation, scope = side.operations[exchanged.method], row.scope_for(exchanged.method)
            address = _address(request, running.settings.proxies)
            if token := _token(side, exchanged):
                identity = running.tokens.verify(token)
                user = Caller("", None, identity.organization_id, user_id=identity.user_id)
                _count(row, running, user.client(address), told)
                given = operation.read(exchanged)
                caller = running.members.caller(identity, _named(exchanged, operation, given), scope)
            else:
                caller = _authorize(row, dialect, exchanged, running)
                _count(row, running, caller.client(address), told)
                given = operation.read(exchanged)
            running.directory.admit(caller)
            if Upgrade in operation.replies:
                _check_handshake(request)
            context = running.context(caller, request_id, address)
            return _rendered(operation.handle(Call(exchanged, context), **given))
    except IndexMissing as error:
        log("index_missing", level=logging.ERROR, indexUrl=error.url)
        return dialect.failure(error, _occasion(request_id, debug))
    except DomainError as error:
        why, field = shortened(error.message, LONGEST_MESSAGE), shortened(error.field or "") or None
        log("request_refused", code=error.code, why=why, field=field)
        failure = dialect.failure(error, _occasion(request_id, debug))
        allowed = {"Allow": ", ".join(side.operations)} if isinstance(error, MethodNotAllowed) else {}
        return replace(failure, headers={**failure.headers, **allowed})
    except Exception:
        log_failure("request_broke")
        return dialect.breakdown(_occasion(request_id, debug))


def _occasion(request_id: str, debug: bool) -> Occasion:
    return Occasion(request_id, datetime.now(UTC), traceback.format_exc() if debug else None)


def _token(side: _Side, request: Request) -> str | None:
    """The bearer token, where the face takes one. Raises `Unauthenticated` where it takes nothing else."""
    if side.face.auth in ("either", "ticket"):
        return side.dialect.token(request)
    if side.face.auth != "jwt":
        return None
    token = side.dialect.credential(request)
    if token is None:
        raise Unauthenticated("A token is needed, as Authorization: Bearer <token>")
    return token


def _named(request: Request, operation: Operation, given: Mapping[str, Any]) -> str | None:
    """The organization that the caller says it acts for, in the query or in the body; it may say so twice.

    It counts wherever it stands: also in a body that the operation has no other use for.
    """
    asked = [validate(request.query, NamesOrganization, strict=False)]
    if operation.body is None and request.media_type == "application/json" and request.has_body:
        asked.append(request.json(NamesOrganization))
    names = organizations([*given.values(), *asked])
    if len(names) > 1:
        raise Forbidden("organizationId: the query and the body name different organizations", field="organizationId")
    return next(iter(names), None)


def _rendered(reply: Reply | Answer) -> Answer:
    if isinstance(reply, Answer):
        return reply
    return Answer(reply.model_dump(mode="json", by_alias=True), reply.STATUS)


def _text(body: Mapping[str, Any] | str) -> str:
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _address(request: FlaskRequest, proxies: int) -> str | None:
    """Where the call came from: each proxy in front of us appends the address that it saw."""
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    return seen[-proxies][:64] if 0 < proxies <= len(seen) and seen[-proxies] else request.remote_addr


def _count(row: Row, running: Process, client: str, told: dict[str, str]) -> None:
    """Counts a call where the row has a limit. Raises `RateLimited`."""
    if row.limit is None:
        return
    allowance, refusal = running.limits.take(client, row.limit)
    told |= allowance.headers
    if refusal is not None:
        raise refusal


def _authorize(row: Row, dialect: Dialect, request: Request, running: Process) -> Caller:
    if row.auth not in ("key", "either", "ticket", "optional"):
        return NOBODY
    key, scope = dialect.credential(request), row.scope_for(request.method)
    if row.auth == "ticket" and key is None and (ticket := request.query.get("ticket")):
        from printpipe.runtime import tickets  # only rows that take tickets carry it

        return tickets.redeem(running, ticket, scope)
    if key is None and row.auth in ("either", "ticket") and running.policy.anonymous_organization:
        return _anonymous(running.policy.anonymous_organization, scope)
    if key is None and row.auth == "optional" and _takes_keyless(row, running):
        return NOBODY
    try:
        return running.directory.authenticate(key, scope)
    except (Unauthenticated, Forbidden):
        if row.keyless == "any":
            return NOBODY
        raise


def _admit_sockets(sides: Sequence[_Side]) -> None:
    """Has the application that is being made around the function let its WebSockets through."""
    if has_app_context() and any(Upgrade in each.replies for side in sides for each in side.operations.values()):
        from printpipe.runtime import sockets

        sockets.admit(current_app)


def _check_handshake(request: FlaskRequest) -> None:
    """Raises `InvalidInput` for a request that opens no WebSocket."""
    from printpipe.runtime import sockets

    sockets.check(request)


def _anonymous(organization_id: str, scope: str | None) -> Caller:
    """Whoever comes without a credential where the deployment lets such callers act for an organization."""
    caller = Caller(NOBODY.name, organization_id=organization_id, scopes=ROLES["operator"])
    if scope is not None and not caller.may(scope):
        raise Unauthenticated("An API key or a bearer token is needed")
    return caller


def _takes_keyless(row: Row, running: Process) -> bool:
    """Whether a call without a key has an answer here, before anything of its body is read."""
    return row.keyless in ("all", "any") or running.policy.allow_keyless_legacy_clients


def _exchange(row: Row, patterns: Sequence[re.Pattern[str]], request: FlaskRequest) -> Request:
    assert row.http is not None
    matched = next((found for each in patterns if (found := each.fullmatch(request.path))), None)
    if matched is None:
        raise NotFound("No such path")
    if request.method not in row.http.methods:
        raise MethodNotAllowed(f"This path takes {', '.join(row.http.methods)}")
    body = _Body(request)
    return Request(
        method=request.method,
        params=matched.groupdict(),
        query=_query(request),
        headers={name.lower(): value for name, value in request.headers.items()},
        read_body=body.read,
        read_form=body.form,
    )


def _query(request: FlaskRequest) -> dict[str, str]:
    """The query's parameters, of which none may contradict itself."""
    for name, values in request.args.lists():
        if len(set(values)) > 1:
            raise InvalidInput(f"{shortened(name)}: is given more than once", field=shortened(name))
    return request.args.to_dict()


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)
    names = parts[1::2]
    literals = [re.escape(part) for part in parts[::2]]
    found = "".join(
        literal + (f"(?P<{name}>[^/]+)" if name else "") for literal, name in zip(literals, [*names, ""], strict=True)
    )
    return re.compile(found)


def _request_id(offered: str | None) -> str:
    return offered if offered and _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


class _Body:
    """Reads a request's body within the limits, also one that does not say its length.

    What lies beyond the limit is not read; the framework, which empties every request, finds it ended.
    """

    def __init__(self, request: FlaskRequest) -> None:
        self._request = request
        self._read: bytes | None = None
        self._stated = (request.content_length or 0) > MAX_REQUEST_BYTES
        if self._stated:
            request.environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
        self._stream = _Limited(request.environ["wsgi.input"], MAX_REQUEST_BYTES)
        request.environ["wsgi.input"] = self._stream

    def read(self, limit: int) -> bytes:
        """The body, or as much of it as shows that it is larger than the limit; the same again when asked again."""
        self._check_size()
        if self._read is None or len(self._read) <= limit:
            self._read = (self._read or b"") + self._request.stream.read(limit + 1 - len(self._read or b""))
        self._check_size()
        return self._read

    def form(self) -> Form:
        self._check_size()
        self._request.max_form_memory_size = _MAX_FORM_FIELD_BYTES
        self._request.max_form_parts = _MAX_FORM_PARTS
        try:
            fields, files = self._request.form, self._request.files
        except RequestEntityTooLarge:
            raise TooLarge("The form has too many or too large fields") from None
        except (ValueError, ClientDisconnected):
            self._check_size()
            raise InvalidInput("The form cannot be read", field="body") from None
        self._check_size()
        found = {
            name: UploadedFile(part.filename or "", part.mimetype, part.stream)  # type: ignore[arg-type]
            for name, part in files.items()
        }
        return Form(_texts(fields), found)

    def _check_size(self) -> None:
        if self._stated or self._stream.over:
            raise TooLarge(f"The request is larger than {MAX_REQUEST_BYTES} bytes; {_LARGER}")
        if self._stream.broken:
            raise InvalidInput("The body cannot be read", field="body")


class _Limited:
    """A stream that ends at a limit or where it breaks, and says so."""

    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source, self._left = source, limit
        self.over = False
        self.broken = False

    def read(self, size: int = -1) -> bytes:
        return self._take(self._source.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._take(self._source.readline, size)

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self.over or self.broken:
            return b""
        try:
            chunk = read(self._left + 1 if size < 0 else min(size, self._left + 1))
        except Exception:  # each server has its own for a client that hangs up or sends chunks that are none
            self.broken = True
            return b""
        self._left -= len(chunk)
        self.over = self._left < 0
        return b"" if self.over else chunk


def _texts(fields: Mapping[str, str]) -> dict[str, str]:
    for name, value in fields.items():
        if "\ufffd" in value:
            raise InvalidInput(f"{shortened(name)}: is not valid UTF-8", field=shortened(name))
    return dict(fields.items())
