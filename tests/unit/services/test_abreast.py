"""Long lists ask the services behind them about several things at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.adapters.embedded.keys import EmbeddedKeys
from printpipe.domain.errors import Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Create
from printpipe.domain.records import Event, StoredPicture
from printpipe.domain.tenancy import Caller
from printpipe.services import events
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context
from printpipe.services.printers import registration
from printpipe.services.store import abreast
from tests.unused_ports import UnusedPorts

SITE = "site-1"
PRINTERS = 2 * abreast.AT_ONCE
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Company:
    """A call that ends only in the company of as many others as should run at the same time."""

    def __init__(self) -> None:
        self._gate = Barrier(abreast.AT_ONCE, timeout=10)

    def wait(self) -> None:
        """Returns once the others are there. Raises `Unavailable` where they do not come."""
        try:
            self._gate.wait()
        except BrokenBarrierError:
            raise Unavailable("The others did not come") from None


class SociableKeys(EmbeddedKeys):
    """A key service that unwraps in company."""

    company: Company | None = None

    def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
        if self.company:
            self.company.wait()
        return super().unwrap(ciphertext, associated)


class SociableFiles(EmbeddedFiles):
    """A file store that signs in company."""

    company: Company | None = None

    def sign_get(self, name: str, lifetime: timedelta, file_name: str) -> str:
        if self.company:
            self.company.wait()
        return super().sign_get(name, lifetime, file_name)


@dataclass(frozen=True)
class Ports(UnusedPorts):
    """The embedded ports, two of which answer in company."""

    documents: EmbeddedDocuments
    files: SociableFiles
    bus: EmbeddedBus
    keys: SociableKeys


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Ports]:
    documents = EmbeddedDocuments(tmp_path / "documents.db")
    files = SociableFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=b"s" * 32)
    documents.commit(Create(f"recipients/{SITE}", {"organizationId": "org-1", "client": "agent"}))
    yield Ports(documents, files, EmbeddedBus(), SociableKeys(tmp_path / "keyring"))
    documents.close()


@pytest.fixture
def context(ports: Ports) -> Context:
    policy = Policy([b"s" * 32])
    directory = Directory(ports, policy, lambda: 0.0)
    return Context(Caller("operator"), "request-1", None, lambda: NOW, ports, policy, directory)


def test_an_agents_list_opens_several_codes_at_once(context: Context, ports: Ports) -> None:
    entries = [registration.Entry(f"S{number:02}", access_code=f"code-{number:02}") for number in range(PRINTERS)]
    registration.register(context, SITE, entries, Once("test", None, ""))
    ports.keys.company = Company()
    listed = registration.credentials(context, SITE)
    assert [(each.printer.serial, each.access_code) for each in listed] == [
        (entry.serial, entry.access_code) for entry in entries
    ]


def test_a_list_of_events_has_several_links_signed_at_once(context: Context, ports: Ports) -> None:
    ports.files.company = Company()
    found = events.image_urls(context, [_event(number, pictured=True) for number in range(PRINTERS)])
    assert [f"pictures/{number}.jpg" in (url or "") for number, url in enumerate(found)] == [True] * PRINTERS


def test_an_event_without_a_picture_has_no_link(context: Context) -> None:
    found = events.image_urls(context, [_event(0, pictured=False), _event(1, pictured=True)])
    assert [url is None for url in found] == [True, False]
    assert events.image_urls(context, []) == []


def test_an_outage_of_the_key_service_is_told(context: Context, ports: Ports) -> None:
    registration.register(context, SITE, [registration.Entry("S1", access_code="code")], Once("test", None, ""))

    class Away(SociableKeys):
        def unwrap(self, ciphertext: bytes, associated: bytes) -> bytes:
            raise Unavailable("The key service does not answer")

    away = replace(ports, keys=Away(Path("unused")))
    with pytest.raises(Unavailable):
        registration.credentials(replace(context, platform=away), SITE)


def _event(number: int, *, pictured: bool) -> Event:
    picture = StoredPicture(
        gcs_path=f"pictures/{number}.jpg", sha256="0" * 64, size=1, type=events.EVENT_PICTURE, taken_at=NOW
    )
    return Event(
        event_id=f"event-{number}",
        organization_id="org-1",
        recipient_id=SITE,
        event_type="connect",
        event_status="info",
        image=picture if pictured else None,
        occurred_at=NOW,
        created_at=NOW,
        request_id="request-1",
    )
