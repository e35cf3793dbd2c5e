"""A write that was made though its answer was lost: the caller is not told to try again, for that would double it."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.sample_print import make_3mf
from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.adapters.embedded.keys import EmbeddedKeys
from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Unavailable
from printpipe.domain.ids import Once, public_number
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Create, Document, Query, Version, Write
from printpipe.domain.tenancy import Caller
from printpipe.services.access import api_keys
from printpipe.services.access.api_keys import Wish
from printpipe.services.access.directory import Directory
from printpipe.services.commands import commands
from printpipe.services.context import Context
from printpipe.services.files import tickets, uploads
from printpipe.services.files.uploads import Incoming, Purpose
from printpipe.services.jobs import prints, starts
from tests.unused_ports import UnusedPorts

SITE = "site-1"


class ForgetfulDocuments(EmbeddedDocuments):
    """The embedded store, whose next answer to a write can be lost: after the write, or before it.

    After a write whose answer is lost, `silence` reads are not answered either.
    """

    lose: str | None = None
    silence = deaf = 0

    def get(self, path: str) -> Document | None:
        if self.deaf:
            self.deaf -= 1
            raise Unavailable("The store does not answer")
        return super().get(path)

    def commit(self, *writes: Write) -> list[Version]:
        manner, self.lose = self.lose, None
        if manner == "before":
            raise Unavailable("The store does not answer")
        versions = super().commit(*writes)
        if manner == "after":
            self.deaf = self.silence
            raise Unavailable("The store does not answer")
        return versions


@dataclasses.dataclass(frozen=True)
class Ports(UnusedPorts):
    """The embedded ports, without files behind URLs."""

    documents: ForgetfulDocuments
    files: EmbeddedFiles
    bus: EmbeddedBus
    keys: EmbeddedKeys


ONCE = Once("test", None, "")
KEYED = Once("test", "order-1", "what is asked")


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Ports]:
    documents = ForgetfulDocuments(tmp_path / "documents.db")
    files = EmbeddedFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=b"s" * 32)
    bus = EmbeddedBus()
    documents.commit(Create(f"recipients/{SITE}", {"organizationId": "org-1", "client": "lan_client"}))
    yield Ports(documents, files, bus, EmbeddedKeys(tmp_path / "keyring"))
    documents.close()


@pytest.fixture
def context(ports: Ports) -> Context:
    policy = Policy([b"s" * 32])
    clock = lambda: datetime.now(UTC)  # noqa: E731
    return Context(Caller("operator"), "request-1", None, clock, ports, policy, Directory(ports, policy, lambda: 0.0))


def _upload(context: Context, path: Path) -> str:
    path.write_bytes(make_3mf("cube", layers=2, seconds=60))
    with path.open("rb") as content:
        incoming = Incoming("cube.3mf", "model/3mf", content)
        return uploads.store(context, Purpose(SITE, "PROD"), incoming, ONCE).file.file_id


def _wish(file_id: str) -> prints.Requisition:
    return prints.Requisition(SITE, commands.Target("S1"), "PROD", file_id, None, None)


def _commands(ports: Ports) -> int:
    return len(ports.documents.query(Query("printer_commands")))


def test_a_queued_command_is_answered(context: Context, ports: Ports) -> None:
    ports.documents.lose = "after"
    commands.queue(context, SITE, commands.Target("S1"), parse_order("home", {}, ()), None, ONCE)
    assert _commands(ports) == 1


def test_a_new_key_is_shown(context: Context, ports: Ports) -> None:
    ports.documents.commit(Create("organizations/org-1", {"organizationId": "org-1"}))
    ports.documents.lose = "after"
    issued = api_keys.create(context, "org-1", Wish("Client", ["client"], [SITE]), Once("keys", "again", "digest"))
    assert context.directory.authenticate(issued.key, "commands.read").recipient_ids == frozenset({SITE})
    again = api_keys.create(context, "org-1", Wish("Client", ["client"], [SITE]), Once("keys", "again", "digest"))
    assert again == issued


def test_a_started_job_is_answered(context: Context, ports: Ports, tmp_path: Path) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    ports.documents.lose = "after"
    command, _ = prints.create(context, _wish(file_id), ONCE)
    assert command.job_id == file_id
    assert _commands(ports) == 1


@pytest.mark.parametrize("lost", [None, "after", "before"])
def test_a_start_that_is_ordered_again_is_the_first(
    context: Context, ports: Ports, tmp_path: Path, lost: str | None
) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    ports.documents.lose = lost
    if lost == "before":
        with pytest.raises(Unavailable):
            prints.create(context, _wish(file_id), KEYED)
        assert _commands(ports) == 0
    started = [prints.create(context, _wish(file_id), KEYED)[0] for _ in range(3)]
    assert {(command.command_id, command.job_id) for command in started} == {(started[0].command_id, file_id)}
    assert (_commands(ports), len(ports.documents.query(Query("print_jobs")))) == (1, 1)


@pytest.mark.parametrize("asked", ["start_print", "home"])
def test_a_command_whose_sender_heard_nothing_is_queued_once(
    context: Context, ports: Ports, tmp_path: Path, asked: str
) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    order = parse_order(asked, {"fileName": "cube.3mf", "jobId": file_id}, ())

    def ask() -> str:
        return commands.queue(context, SITE, commands.Target("S1"), order, None, KEYED).command_id

    ports.documents.lose, ports.documents.silence = "after", 1
    with pytest.raises(Unavailable):
        ask()
    assert _commands(ports) == 1
    assert ask() == ask()
    assert _commands(ports) == 1


def test_a_claim_is_answered_to_its_owner(context: Context, ports: Ports, tmp_path: Path) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    ports.documents.lose = "after"
    assert starts.claim(context, SITE, file_id, "printer-1", "app", ONCE).claimed_by == "printer-1"


def test_a_number_that_another_job_has_is_no_refusal(context: Context, ports: Ports, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    still = dataclasses.replace(context, clock=lambda: now)
    file_id = _upload(context, tmp_path / "cube.3mf")
    prints.create(context, _wish(file_id), ONCE)
    first = public_number(now) >> 12 << 12
    ports.documents.commit(*[Create(f"job_aliases/number_{first + each}", {"jobId": "other"}) for each in range(2**12)])
    for _ in range(2):
        with pytest.raises(Unavailable):
            prints.create(still, _wish(file_id), ONCE)
        with pytest.raises(Unavailable):
            _upload(still, tmp_path / "cube.3mf")
    assert _commands(ports) == 1
    command, _ = prints.create(context, _wish(file_id), ONCE)
    assert command.job_id != file_id


def test_what_was_not_written_is_said_to_be_unavailable(context: Context, ports: Ports, tmp_path: Path) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    ports.documents.lose = "before"
    with pytest.raises(Unavailable):
        prints.create(context, _wish(file_id), ONCE)
    assert _commands(ports) == 0
    command, _ = prints.create(context, _wish(file_id), ONCE)
    assert command.job_id == file_id


def test_a_token_is_not_used_up_for_bytes_that_cannot_be_had(context: Context, ports: Ports, tmp_path: Path) -> None:
    file_id = _upload(context, tmp_path / "cube.3mf")
    ticket = tickets.ticket(context, file_id)
    assert ticket is not None
    ports.documents.lose = "before"
    with pytest.raises(Unavailable):
        tickets.fetch(context, ticket.token, metadata_only=False)
    assert tickets.fetch(context, ticket.token, metadata_only=False).data
