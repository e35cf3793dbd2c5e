"""The dialect of Taverna da Impressão's status API: `api_key` beside the data, Portuguese, local times."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from printpipe.dialects import exchange
from printpipe.dialects.exchange import (
    LONGEST_MESSAGE,
    Answer,
    Occasion,
    Request,
    Shape,
    headers_of,
    is_unicode,
    shortened,
)
from printpipe.domain.errors import DomainError, Unauthenticated
from printpipe.domain.lifecycles import JobStatus

ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (400, "Requisição inválida"),
    "unauthenticated": (401, "Autenticação inválida"),
    "forbidden": (403, "Acesso negado"),
    "not_found": (404, "Recurso não encontrado"),
    "method_not_allowed": (405, "Método não permitido"),
    "conflict": (409, "Conflito"),
    "printer_busy": (409, "Impressora ocupada"),
    "gone": (410, "Recurso não disponível"),
    "too_large": (413, "Requisição grande demais"),
    "rate_limited": (429, "Requisições demais"),
    "index_missing": (500, "Erro no servidor"),
    "printer_offline": (502, "A impressora não responde"),
    "download_failed": (502, "Falha ao copiar o arquivo"),
    "unavailable": (503, "Serviço indisponível"),
}
"""The status of each kind of error, and what it is called."""

BROKEN = (500, "Erro no servidor")
"""Those of a mistake of ours."""

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "apiKeyInTavernaQuery": {"type": "apiKey", "in": "query", "name": "api_key"},
}
"""What `credential` reads, as OpenAPI's security schemes: a POST has it in its body, as its schema says."""

_KEY = "api_key"
Word = Literal["pending", "preparing", "printing", "paused", "completed", "failed", "canceled"]
"""What this dialect calls the state of a print."""

_WORDS: Mapping[JobStatus, Word] = {
    JobStatus.HELD: "pending",
    JobStatus.QUEUED: "pending",
    JobStatus.CLAIMED: "pending",
    JobStatus.PREPARING: "preparing",
    JobStatus.PRINTING: "printing",
    JobStatus.PAUSED: "paused",
    JobStatus.UNKNOWN: "printing",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "canceled",
}
STATUSES: Mapping[Word, JobStatus] = {
    "pending": JobStatus.CLAIMED,
    "preparing": JobStatus.PREPARING,
    "printing": JobStatus.PRINTING,
    "paused": JobStatus.PAUSED,
    "completed": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
}
"""What those words mean, of a print that a client tells of."""

_FORMATTED: Mapping[Word, str] = {
    "pending": "Pendente",
    "preparing": "Preparando",
    "printing": "Imprimindo",
    "paused": "Pausado",
    "completed": "Concluído",
    "failed": "Falhou",
    "canceled": "Cancelado",
}


_SAYINGS: Mapping[tuple[str, str | None], str] = {
    ("unauthenticated", None): "Autenticação inválida: informe uma api_key válida",
    ("forbidden", None): "Acesso negado: esta api_key não dá direito a esta operação",
    ("not_found", "id"): "Status de impressão não encontrado",
    ("not_found", "print_status_id"): "Status de impressão não encontrado nesta impressora",
    ("not_found", "printer_id"): "Impressora não encontrada",
    ("conflict", "print_queue_id"): "Já existe um status para este item da fila",
    ("conflict", "status"): "O status atual da impressão não permite esta mudança",
}
"""What is said of the errors that this dialect's callers see most, by code and field."""


class Model(Shape):
    """A request in this dialect: a body or a query; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Path(Shape):
    """A path's parameters in this dialect."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(exchange.Reply):
    """A part of an answer in this dialect."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Reply(Part):
    """The answer to a call that worked."""


class Failure(exchange.Reply):
    """The answer to a call that did not work; `message` names the field, where it is about one."""

    success: Literal[False] = False
    message: str
    traceback: str | None = Field(None, description="only where the deployment shows its errors")


def credential(request: Request) -> str | None:
    """The API key: `api_key` of the query of a GET, and of the body of a POST.

    A key in a POST's URL would stand in logs, and is `Unauthenticated`; so is what is no text.
    """
    if request.method == "GET":
        return request.query.get(_KEY) or None
    if _KEY in request.query:
        raise Unauthenticated("A api_key deve estar no corpo da requisição")
    try:
        body = json.loads(request.read_body(Shape.MAX_BYTES))
    except (ValueError, RecursionError):
        return None  # what is wrong with the body is told to those who may ask
    key = body.get(_KEY) if isinstance(body, dict) else None
    return key if isinstance(key, str) and is_unicode(key) and key else None


def failure(error: DomainError, occasion: Occasion) -> Answer:
    """The answer to a call that did not: what it is called, with the field and the cause where more is to be said."""
    status, title = ERRORS[error.code]
    cause = error.message
    if error.field and error.field not in cause:
        cause = f"{error.field}: {cause}"
    said = _SAYINGS.get((error.code, error.field), f"{title} ({cause})")
    return _failure(status, shortened(said, LONGEST_MESSAGE), occasion, headers_of(error))


def breakdown(occasion: Occasion) -> Answer:
    """The answer to a call that broke on a mistake of ours."""
    status, title = BROKEN
    return _failure(status, f"{title} (requisição {occasion.request_id})", occasion, {})


def job_status(status: JobStatus) -> Word:
    """A job's state in this dialect's words."""
    return _WORDS[status]


def formatted_status(status: JobStatus) -> str:
    """A job's state for people to read."""
    return _FORMATTED[_WORDS[status]]


def timestamp(moment: datetime, zone: str) -> str:
    """`YYYY-MM-DD HH:MM:SS` in a zone of the tz database."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def _failure(status: int, message: str, occasion: Occasion, headers: Mapping[str, str]) -> Answer:
    failure = Failure(message=message, traceback=occasion.traceback)
    return Answer(failure.model_dump(exclude_none=True), status, headers)
