"""Who a key belongs to: from the environment, the collection or Secret Manager, and how long that is believed."""

import dataclasses
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.secret_manager import SecretManager
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.secrets import EmbeddedSecrets
from printpipe.adapters.google.secrets import GoogleSecrets, crc32c
from printpipe.domain.errors import Forbidden, Unauthenticated, Unavailable
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Document, Put
from printpipe.domain.ports.secrets import SecretMissing, Secrets
from printpipe.domain.scopes import ORGANIZATION_SCOPES, PURPOSES
from printpipe.services.access.directory import Directory

SECRET = "projects/demo/secrets/api-keys"
LATEST = f"{SECRET}/versions/latest"


class CountingDocuments(EmbeddedDocuments):
    """The embedded store, which counts the documents that are asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads = 0
        self.after_read: Callable[[], None] = lambda: None

    def get_many(self, paths: Iterable[str]) -> dict[str, Document]:
        wanted = list(paths)
        self.reads += len(wanted)
        found = super().get_many(wanted)
        self.after_read()
        return found


@dataclasses.dataclass
class Ports:
    """What a directory asks; everything else is not there."""

    documents: CountingDocuments
    secrets: Secrets

    def __getattr__(self, name: str) -> Any:
        raise LookupError(f"{name} is not asked here")


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Lets them pass."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager() -> Iterator[SecretManager]:
    with SecretManager() as running:
        yield running


@pytest.fixture
def ports(tmp_path: Path, manager: SecretManager) -> Iterator[Ports]:
    documents = CountingDocuments(tmp_path / "documents.db")
    yield Ports(documents, GoogleSecrets(emulator_host=manager.host))
    documents.close()


@pytest.fixture
def directory(ports: Ports, clock: Clock) -> Callable[..., Directory]:
    def make(**policy: Any) -> Directory:
        return Directory(ports, Policy([b"s" * 32], **policy), clock)

    return make


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def store(ports: Ports, key: str, **fields: Any) -> None:
    data = {
        "organizationId": "org-1",
        "recipientIds": None,
        "scopes": ["*"],
        "createdAt": datetime.now(UTC),
        "revokedAt": None,
    }
    ports.documents.commit(Put(f"api_keys/{digest(key)}", {**data, **fields}))


def works(directory: Directory, key: str, scope: str | None = None) -> bool:
    try:
        directory.authenticate(key, scope)
    except Unauthenticated:
        return False
    return True


def test_with_no_key_anywhere_none_is_valid(directory: Callable[..., Directory]) -> None:
    for key in ("", None, "anything", "\udcff"):
        with pytest.raises(Unauthenticated):
            directory().authenticate(key, None)


def test_an_environments_key_is_the_operators_and_reads_nothing(
    directory: Callable[..., Directory], ports: Ports
) -> None:
    known = directory(operator_key_digests=frozenset({digest("first"), digest("second")}))
    for key in ("first", "second"):
        caller = known.authenticate(key, "organizations.write")
        assert (caller.name, caller.organization_id, caller.key_id) == ("operator", None, digest(key)[:16])
    assert ports.documents.reads == 0


def test_a_warm_call_reads_no_key_and_no_recipient(directory: Callable[..., Directory], ports: Ports) -> None:
    known = directory()
    store(ports, "key", scopes=["client"])
    ports.documents.commit(Put("recipients/site-1", {"organizationId": "org-1"}), Put("organizations/org-1", {}))
    for _ in range(50):
        caller = known.authenticate("key", "commands.read")
        known.admit(caller)
        assert caller.organization_id == "org-1"
        assert known.recipient("site-1") is not None
    assert ports.documents.reads == 3


@pytest.mark.parametrize("fields", [{"scopes": 7}, {"schemaVersion": 9}, {"schemaVersion": "1"}])
def test_a_key_that_cannot_be_read_is_not_valid(
    directory: Callable[..., Directory], ports: Ports, fields: dict[str, Any]
) -> None:
    store(ports, "key", **fields)
    assert not works(directory(), "key")


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_a_revoked_key_ends_within_the_memory_of_keys(
    directory: Callable[..., Directory], ports: Ports, clock: Clock, seconds: int
) -> None:
    known = directory(key_memory=timedelta(seconds=seconds))
    store(ports, "key")
    assert works(known, "key")
    store(ports, "key", revokedAt=datetime.now(UTC))
    clock.now += seconds
    assert not works(known, "key")


def test_what_is_remembered_counts_from_before_it_was_read(
    directory: Callable[..., Directory], ports: Ports, clock: Clock
) -> None:
    known = directory()
    ports.documents.after_read = lambda: clock.pass_by(8)
    store(ports, "key")
    assert works(known, "key")
    store(ports, "key", revokedAt=datetime.now(UTC))
    clock.now += 52
    assert not works(known, "key")


def test_an_unknown_key_is_read_once_in_five_seconds(
    directory: Callable[..., Directory], ports: Ports, clock: Clock
) -> None:
    known = directory()
    assert not any(works(known, "key") for _ in range(20))
    assert ports.documents.reads == 1
    store(ports, "key")
    clock.now += 5
    assert works(known, "key")


def test_guesses_drive_out_no_known_key(directory: Callable[..., Directory], ports: Ports) -> None:
    known = directory()
    store(ports, "key")
    assert works(known, "key")
    for number in range(2100):
        assert not works(known, f"guess {number}")
    before = ports.documents.reads
    assert works(known, "key")
    assert ports.documents.reads == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"organizationId": None},
        {"organizationId": ""},
        {"scopes": "*"},
        {"scopes": None},
        {"recipientIds": "site-1"},
        {"revokedAt": "yesterday"},
    ],
    ids=str,
)
def test_a_key_whose_document_is_wrong_is_none(
    directory: Callable[..., Directory], ports: Ports, wrong: dict[str, Any]
) -> None:
    store(ports, "key", **wrong)
    assert not works(directory(), "key")


@pytest.mark.parametrize("purpose", [*PURPOSES, "*", "jobs.read"])
def test_a_purpose_allows_its_scopes_and_no_other(
    directory: Callable[..., Directory], ports: Ports, purpose: str
) -> None:
    known = directory()
    store(ports, "key", scopes=[purpose])
    allowed = ORGANIZATION_SCOPES if purpose == "*" else PURPOSES.get(purpose, {purpose})
    for scope in sorted(ORGANIZATION_SCOPES | {"organizations.write"}):
        if scope in allowed:
            known.authenticate("key", scope)
        else:
            with pytest.raises(Forbidden):
                known.authenticate("key", scope)


def test_the_secrets_keys_are_the_operators_by_comma_or_line(
    directory: Callable[..., Directory], ports: Ports, manager: SecretManager
) -> None:
    manager.add(SECRET, b"first, second\r\n\nthird\n")
    known = directory(api_keys_secret=LATEST)
    for key in ("first", "second", "third"):
        assert known.authenticate(key, "organizations.write").organization_id is None
    assert not works(known, "fourth")
    assert manager.accesses == 1


def test_the_secret_is_asked_last(directory: Callable[..., Directory], ports: Ports, manager: SecretManager) -> None:
    known = directory(api_keys_secret=LATEST, operator_key_digests=frozenset({digest("operator")}))
    store(ports, "key")
    store(ports, "revoked", revokedAt=datetime.now(UTC))
    manager.add(SECRET, b"revoked")
    assert works(known, "operator")
    assert works(known, "key")
    assert not works(known, "revoked")
    assert manager.accesses == 0


def test_random_keys_cause_one_access_a_minute(
    directory: Callable[..., Directory], ports: Ports, clock: Clock, manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST)
    manager.add(SECRET, b"key")
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: works(known, secrets.token_hex()), range(200)))
    assert manager.accesses == 1
    clock.now += 60
    assert not works(known, "one more")
    assert manager.accesses == 2


def test_without_any_memory_of_keys_the_secret_is_still_read_once_a_second(
    directory: Callable[..., Directory], manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST, key_memory=timedelta(0))
    manager.add(SECRET, b"key")
    assert not any(works(known, secrets.token_hex()) for _ in range(50))
    assert manager.accesses == 1


def test_a_secret_that_changes_changes_the_keys_within_a_minute(
    directory: Callable[..., Directory], ports: Ports, clock: Clock, manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST)
    manager.add(SECRET, b"old,both")
    assert works(known, "both")
    clock.now += 40
    assert works(known, "old")
    manager.add(SECRET, b"both,new")
    clock.now += 20
    assert not works(known, "old"), "what was looked up late is believed no longer than the secret"
    assert works(known, "new")
    assert works(known, "both")


def test_a_warm_key_of_the_secret_reads_nothing(
    directory: Callable[..., Directory], ports: Ports, manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST)
    manager.add(SECRET, b"key")
    assert all(works(known, "key") for _ in range(50))
    assert (ports.documents.reads, manager.accesses) == (1, 1)


def test_an_outage_is_told_and_not_asked_again_at_once(
    directory: Callable[..., Directory], ports: Ports, clock: Clock, manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST, operator_key_digests=frozenset({digest("operator")}))
    manager.add(SECRET, b"key")
    manager.go_down()
    store(ports, "stored")
    began = time.monotonic()
    with pytest.raises(Unavailable):
        known.authenticate("key", None)
    assert time.monotonic() - began < 10
    asked = manager.accesses
    for _ in range(20):
        with pytest.raises(Unavailable):
            known.authenticate(secrets.token_hex(), None)
    assert manager.accesses == asked
    assert works(known, "operator")
    assert works(known, "stored")
    manager.come_back()
    clock.now += 5
    assert works(known, "key")


def test_a_secret_that_is_not_there_is_an_outage_too(
    directory: Callable[..., Directory], manager: SecretManager
) -> None:
    known = directory(api_keys_secret=LATEST)
    with pytest.raises(Unavailable):
        known.authenticate("key", None)
    assert manager.accesses == 1


def test_a_secret_out_of_reach_holds_nobody_longer_than_ten_seconds(
    directory: Callable[..., Directory], ports: Ports
) -> None:
    """Something that takes calls and never answers; those who wait together wait once."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(16)
        ports.secrets = GoogleSecrets(emulator_host=f"127.0.0.1:{mute.getsockname()[1]}")
        known = directory(api_keys_secret=LATEST)
        started, told = threading.Barrier(4), []

        def ask(number: int) -> None:
            started.wait()
            with pytest.raises(Unavailable):
                known.authenticate(f"key {number}", None)
            told.append(time.monotonic())

        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))
        assert max(told) - began < 10


def test_versions_and_damaged_answers(manager: SecretManager) -> None:
    store = GoogleSecrets(emulator_host=manager.host)
    manager.add(SECRET, b"one")
    manager.add(SECRET, b"two")
    assert (store.read(f"{SECRET}/versions/1"), store.read(LATEST)) == (b"one", b"two")
    manager.damage(answers=1)
    assert store.read(LATEST) == b"two"
    with pytest.raises(SecretMissing):
        store.read(f"{SECRET}/versions/3")


def test_the_checksum_is_googles() -> None:
    assert (crc32c(b""), crc32c(b"123456789")) == (0, 0xE3069283)


def test_the_embedded_store_keeps_secrets_in_files(tmp_path: Path) -> None:
    store = EmbeddedSecrets(tmp_path)
    with pytest.raises(SecretMissing):
        store.read(LATEST)
    (tmp_path / "api-keys").write_bytes(b"key")
    assert store.read(LATEST) == b"key"
