"""Every error has its words in every dialect."""

import pytest

from printpipe.dialects import cloud
from printpipe.domain import errors
from printpipe.domain.errors import DomainError, IndexMissing, RateLimited, Unavailable

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DomainError)]


def made(kind: type[DomainError]) -> DomainError:
    if kind is IndexMissing:
        return IndexMissing("https://console.firebase.google.com/x")
    return kind("Why", retry_after=7) if issubclass(kind, RateLimited | Unavailable) else kind("Why", field="name")


@pytest.mark.parametrize("kind", [each for each in KINDS if each is not DomainError])
def test_the_cloud_dialect_has_words_for_it(kind: type[DomainError]) -> None:
    error = made(kind)
    answer = cloud.failure(error)
    assert 400 <= answer.status < 600
    assert isinstance(answer.body, dict)
    assert answer.body.keys() - {"indexUrl"} == {"ok", "error_type", "message", "detail"}
    assert (answer.body["ok"], answer.body["message"]) == (False, error.message)
    assert ("indexUrl" in answer.body) == (kind is IndexMissing)
    assert ("Retry-After" in answer.headers) == isinstance(error, RateLimited | Unavailable)
