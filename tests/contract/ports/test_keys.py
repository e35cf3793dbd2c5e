"""The key port: the same behaviour on a key ring and on Cloud KMS."""

import pytest

from printpipe.domain.ports.keys import Keys, Undecipherable
from tests.backends import Backend

ASSOCIATED = b"org-1/file-1/v1"


@pytest.fixture
def keys(backend: Backend) -> Keys:
    return backend.keys


@pytest.mark.parametrize("plaintext", [b"x", b"\x00" * 100, "Schlüssel".encode(), b"m" * (64 << 10)])
def test_what_is_wrapped_unwraps(keys: Keys, plaintext: bytes) -> None:
    wrapped = keys.wrap(plaintext, ASSOCIATED)

    assert plaintext not in wrapped or len(plaintext) < 8
    assert keys.unwrap(wrapped, ASSOCIATED) == plaintext


def test_no_two_wrappings_are_alike(keys: Keys) -> None:
    assert len({keys.wrap(b"secret", ASSOCIATED) for _ in range(10)}) == 10


def test_more_than_the_limit_is_refused(keys: Keys) -> None:
    with pytest.raises(ValueError):
        keys.wrap(b"m" * ((64 << 10) + 1), ASSOCIATED)


def test_a_ciphertext_is_bound_to_its_associated_data(keys: Keys) -> None:
    wrapped = keys.wrap(b"secret", ASSOCIATED)

    for other in (b"org-2/file-1/v1", b"", ASSOCIATED + b"\x00"):
        with pytest.raises(Undecipherable):
            keys.unwrap(wrapped, other)


def test_a_changed_ciphertext_is_refused(keys: Keys) -> None:
    wrapped = keys.wrap(b"secret", ASSOCIATED)

    changed = [wrapped[:n] + bytes([wrapped[n] ^ 1]) + wrapped[n + 1 :] for n in range(0, len(wrapped), 7)]
    for bad in [*changed, wrapped[:-1], wrapped + b"\x00", b"", b"nonsense", b"\x00" * 64]:
        with pytest.raises(Undecipherable):
            keys.unwrap(bad, ASSOCIATED)


def test_a_rotated_key_still_unwraps_what_it_wrapped(backend: Backend) -> None:
    before = backend.keys.wrap(b"old", ASSOCIATED)

    backend.rotate_key()

    after = backend.keys.wrap(b"new", ASSOCIATED)
    assert backend.keys.unwrap(before, ASSOCIATED) == b"old"
    assert backend.keys.unwrap(after, ASSOCIATED) == b"new"
