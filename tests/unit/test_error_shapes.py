"""Every error has its words in every dialect."""

import json
from types import ModuleType

import pytest

from printpipe.dialects import cloud, printpro
from printpipe.domain import errors
from printpipe.domain.errors import DomainError, IndexMissing, InvalidInput, RateLimited, Unavailable

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DomainError)]
KINDS.remove(DomainError)


def made(kind: type[DomainError]) -> DomainError:
    if kind is IndexMissing:
        return IndexMissing("https://console.firebase.google.com/x")
    return kind("Why", retry_after=7) if issubclass(kind, RateLimited | Unavailable) else kind("Why", field="name")


@pytest.mark.parametrize("kind", KINDS)
def test_the_cloud_dialect_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = cloud.failure(error)
    assert 400 <= answer.status < 600
    assert isinstance(answer.body, dict)
    assert answer.body.keys() - {"indexUrl"} == {"ok", "error_type", "message", "detail"}
    assert (answer.body["ok"], answer.body["message"]) == (False, error.message)
    assert ("indexUrl" in answer.body) == (kind is IndexMissing)
    assert ("Retry-After" in answer.headers) == isinstance(error, RateLimited | Unavailable)


@pytest.mark.parametrize("kind", KINDS)
def test_the_dialect_printpro_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = printpro.failure(error)
    assert answer.status == cloud.failure(error).status
    named = "" if isinstance(error, RateLimited | Unavailable | IndexMissing) else "name: "
    assert answer.body == {"error": f"{named}{error.message}"}
    assert answer.headers == cloud.failure(error).headers


@pytest.mark.parametrize("dialect", [cloud, printpro])
def test_a_field_of_any_length_is_told_in_short(dialect: ModuleType) -> None:
    answer = dialect.failure(InvalidInput("Why", field="x" * 100_000))
    assert len(json.dumps(answer.body)) < 1000


@pytest.mark.parametrize("dialect", [cloud, printpro])
def test_a_mistake_of_ours_names_its_request_alone(dialect: ModuleType) -> None:
    answer = dialect.breakdown("request-1")
    assert (answer.status, "request-1" in json.dumps(answer.body), "traceback" in answer.body) == (500, True, False)
