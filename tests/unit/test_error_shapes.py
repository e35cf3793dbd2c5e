"""Every error has its words in every dialect."""

import json
from datetime import UTC, datetime
from types import ModuleType

import pytest

from printpipe.dialects import cloud, printernizer, printpro, taverna
from printpipe.dialects.exchange import Occasion
from printpipe.domain import errors
from printpipe.domain.errors import (
    DomainError,
    IndexMissing,
    InvalidInput,
    NotFound,
    PrinterOffline,
    RateLimited,
    Unavailable,
)

NOW = datetime(2025, 9, 3, 14, 30, tzinfo=UTC)
OCCASION = Occasion("request-1", NOW)
DIALECTS = [cloud, printpro, taverna, printernizer]

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DomainError)]
KINDS.remove(DomainError)


def made(kind: type[DomainError]) -> DomainError:
    if kind is IndexMissing:
        return IndexMissing("https://console.firebase.google.com/x")
    if kind is PrinterOffline:
        return PrinterOffline("Why", printer_id="printer-1", last_seen=NOW)
    return kind("Why", retry_after=7) if issubclass(kind, RateLimited | Unavailable) else kind("Why", field="name")


@pytest.mark.parametrize("kind", KINDS)
def test_the_cloud_dialect_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = cloud.failure(error, OCCASION)
    assert 400 <= answer.status < 600
    assert isinstance(answer.body, dict)
    assert answer.body.keys() - {"indexUrl"} == {"ok", "error_type", "message", "detail"}
    assert (answer.body["ok"], answer.body["message"]) == (False, error.message)
    assert ("indexUrl" in answer.body) == (kind is IndexMissing)
    assert ("Retry-After" in answer.headers) == isinstance(error, RateLimited | Unavailable)


@pytest.mark.parametrize("kind", KINDS)
def test_the_dialect_printpro_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = printpro.failure(error, OCCASION)
    assert answer.status == cloud.failure(error, OCCASION).status
    named = f"{error.field}: " if error.field else ""
    assert answer.body == {"error": f"{named}{error.message}"}
    assert answer.headers == cloud.failure(error, OCCASION).headers


@pytest.mark.parametrize("kind", KINDS)
def test_the_dialect_taverna_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = taverna.failure(error, OCCASION)
    assert answer.status == cloud.failure(error, OCCASION).status
    assert isinstance(answer.body, dict)
    assert answer.body.keys() == {"success", "message"}
    assert answer.body["success"] is False
    assert error.message in answer.body["message"]
    assert (error.field or "") in answer.body["message"]
    assert answer.headers == cloud.failure(error, OCCASION).headers


@pytest.mark.parametrize("kind", KINDS)
def test_the_dialect_printernizer_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = printernizer.failure(error, OCCASION)
    assert isinstance(answer.body, dict)
    trouble = answer.body["error"]
    assert trouble.keys() == {"code", "message", "details", "timestamp", "request_id"}
    assert (trouble["message"], trouble["timestamp"]) == (error.message, "2025-09-03T14:30:00Z")
    assert (trouble["request_id"], answer.headers) == ("request-1", cloud.failure(error, OCCASION).headers)
    assert answer.status == (422 if kind is InvalidInput else cloud.failure(error, OCCASION).status)


def test_the_dialect_printernizer_tells_causes_apart() -> None:
    def told(error: DomainError) -> tuple[int, str, object]:
        answer = printernizer.failure(error, OCCASION)
        assert isinstance(answer.body, dict)
        return answer.status, answer.body["error"]["code"], answer.body["error"]["details"]

    assert told(InvalidInput("Why", field="body")) == (400, "VALIDATION_ERROR", {"field": "body"})
    assert told(InvalidInput("Why", field="limit")) == (422, "VALIDATION_ERROR", {"field": "limit"})
    assert told(InvalidInput("Why", field="type")) == (422, "INVALID_PRINTER_CONFIG", {"field": "type"})
    assert told(NotFound("Why", field="file_id")) == (404, "FILE_NOT_FOUND", {"field": "file_id"})
    silent = {"printer_id": "printer-1", "last_seen": "2025-09-03T14:30:00Z", "connection_attempts": None}
    assert told(made(PrinterOffline)) == (502, "PRINTER_OFFLINE", silent)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_field_of_any_length_is_told_in_short(dialect: ModuleType) -> None:
    answer = dialect.failure(InvalidInput("Why", field="x" * 100_000), OCCASION)
    assert len(json.dumps(answer.body)) < 1000


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_mistake_of_ours_names_its_request_alone(dialect: ModuleType) -> None:
    answer = dialect.breakdown(OCCASION)
    assert (answer.status, "request-1" in json.dumps(answer.body), "traceback" in answer.body) == (500, True, False)
