"""An organization that leaves is refused everything, and leaves nothing behind; others keep all they have."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast, get_args

import pytest

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.domain import fetch_tokens
from printpipe.domain.commands import parse_order
from printpipe.domain.errors import Forbidden, Gone, InvalidInput, NotFound, Unauthenticated
from printpipe.domain.fetch_tokens import FetchToken
from printpipe.domain.ids import NO_KEY
from printpipe.domain.lifecycles import CommandStatus, JobStatus
from printpipe.domain.ports.documents import Create, Delete, Document, Documents, Put, Version, Write
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import NOBODY, SYSTEM, Caller
from printpipe.services.access.directory import Directory, digest_of
from printpipe.services.commands import commands
from printpipe.services.commands.commands import Target
from printpipe.services.context import Context
from printpipe.services.files import tickets
from printpipe.services.jobs import dispatch
from printpipe.services.live.hub import Attendance
from printpipe.services.live.reader import Ended
from printpipe.services.retention import erasure, leaving
from printpipe.services.store.retention_queries import Owned
from tests import tenants
from tests.farm import START, Farm, embedded_farm


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = embedded_farm(tmp_path)
    yield made
    cast(EmbeddedDocuments, made.documents).close()


def system(farm: Farm) -> Context:
    """The schedule's call, on an instance that remembers nothing."""
    context = replace(farm.context(), caller=SYSTEM)
    return replace(context, directory=Directory(context.platform, context.policy, lambda: 0.0))


def both(farm: Farm) -> tuple[dict[str, Document], set[str]]:
    """Two organizations, each with all that one can have: every document, and the leaving one's objects."""
    files = farm.context().platform.files
    tenants.furnish(farm.documents, files, "acme", farm.now)
    tenants.furnish(farm.documents, files, "zeta", farm.now)
    stored = tenants.everything(farm.documents)
    return stored, set(tenants.objects(tenants.belongings("acme", farm.now)))


def sweep_until_gone(farm: Farm, organization: str = "acme") -> int:
    """How many runs it took."""
    for number in range(1, 20):
        farm.later(minutes=5)
        erasure.sweep(system(farm))
        if farm.documents.get(f"organizations/{organization}") is None:
            return number
    raise AssertionError("it is not erased")


def test_every_collection_is_decided_upon() -> None:
    assert {*get_args(Owned), *erasure.SPARED} == set(tenants.NAMES), "decide what the erasure of a tenant does with it"


def test_the_tests_fill_every_collection() -> None:
    stored = tenants.belongings("acme", START)
    assert {path.split("/")[0] for path in stored} | tenants.HARDLY | {"organizations"} == set(tenants.NAMES)


def test_nothing_of_it_is_left_and_everything_of_another(farm: Farm) -> None:
    before, objects = both(farm)
    files = farm.context().platform.files
    assert all(files.stat(name) for name in objects)
    leaving.order(system(farm), "acme", "acme")
    assert sweep_until_gone(farm) == 2
    left = tenants.everything(farm.documents)
    assert {path for path, each in left.items() if tenants.concerns(each, "acme")} == {"audit_log/erased_acme"}
    assert not [name for name in objects if files.stat(name)]
    mine = {path: each for path, each in before.items() if not tenants.concerns(each, "acme")}
    assert mine == {path: each for path, each in left.items() if path in mine}
    assert all(files.stat(name) for name in tenants.objects(tenants.belongings("zeta", farm.now)))


def test_what_tells_of_it_names_nobody(farm: Farm) -> None:
    both(farm)
    leaving.order(replace(system(farm), address="192.0.2.9"), "acme", "acme")
    sweep_until_gone(farm)
    told = farm.documents.get("audit_log/erased_acme")
    assert told is not None
    expected = {"action": "organization.erased", "caller": "system", "keyId": None, "address": None}
    assert {name: told.data[name] for name in expected} == expected
    assert told.data["detail"].endswith("6 objects")


def test_it_must_be_confirmed(farm: Farm) -> None:
    both(farm)
    before = tenants.everything(farm.documents)
    with pytest.raises(InvalidInput, match="confirm") as refused:
        leaving.order(system(farm), "acme", "zeta")
    assert refused.value.field == "confirm"
    with pytest.raises(NotFound):
        leaving.order(system(farm), "nobody", "nobody")
    foreign = replace(system(farm), caller=Caller("admin", organization_id="zeta"))
    with pytest.raises(NotFound):
        leaving.order(foreign, "acme", "acme")
    narrow = replace(system(farm), caller=Caller("key", organization_id="acme", recipient_ids=frozenset({"hall"})))
    with pytest.raises(Forbidden):
        leaving.order(narrow, "acme", "acme")
    assert tenants.everything(farm.documents) == before


def test_a_repetition_tells_how_far_it_is(farm: Farm) -> None:
    both(farm)
    first = leaving.order(system(farm), "acme", "acme")
    farm.later(minutes=5)
    assert leaving.order(system(farm), "acme", "acme") == first
    erasure.sweep(system(farm))
    later = leaving.order(system(farm), "acme", "acme")
    assert later.leaving_since == first.leaving_since
    assert later.leaving is not None
    assert later.leaving.documents > 20
    assert later.leaving.objects == 6


def admitted(directory: Directory, key: str) -> bool:
    try:
        directory.admit(directory.authenticate(key, None))
    except Unauthenticated:
        return False
    return True


def test_its_credentials_are_refused_within_a_minute_and_ever_after(farm: Farm) -> None:
    both(farm)
    key = {"organizationId": "acme", "scopes": ["*"], "createdAt": farm.now}
    site = {"recipientId": "hall", "organizationId": "acme", "client": "agent"}
    farm.documents.commit(Put(f"api_keys/{digest_of('secret')}", key), Put("recipients/hall", site))
    context, seconds = system(farm), [0.0]
    known = Directory(context.platform, context.policy, lambda: seconds[0])
    member = Caller("user:ada", organization_id="acme", user_id="ada")
    assert admitted(known, "secret")
    assert known.recipient("hall") is not None
    leaving.order(context, "acme", "acme")
    seconds[0] += 60
    assert not admitted(known, "secret")
    assert known.recipient("hall") is None
    with pytest.raises(Unauthenticated):
        known.admit(member)
    sweep_until_gone(farm)
    with pytest.raises(Unauthenticated):
        Directory(context.platform, context.policy, lambda: 0.0).admit(member)
    known.admit(Caller("operator"))
    known.admit(Caller("user:bob", organization_id="zeta", user_id="bob"))


def test_nothing_more_is_begun(farm: Farm) -> None:
    """Commands that nobody has taken are cancelled at once, and the queue gives nothing to a printer any more."""
    tenants.furnish(farm.documents, farm.context().platform.files, farm.organization, farm.now)
    printer = farm.printer()
    waiting = farm.start(printer)
    leaving.order(system(farm), farm.organization, farm.organization)
    command = farm.documents.get(f"printer_commands/{waiting}")
    assert command is not None
    assert command.data["status"] == CommandStatus.CANCELLED.value
    queued = farm.order(farm.file(("PLA", "#FFFFFF")))
    farm.enqueue([queued])
    assert dispatch.serve(system(farm), farm.organization) == 0
    assert farm.job(queued).status == JobStatus.QUEUED


def test_what_quiets_a_printer_is_not_cancelled(farm: Farm) -> None:
    """A stop of the last minute is worth more than a clean end: its client may still take it."""
    tenants.furnish(farm.documents, farm.context().platform.files, farm.organization, farm.now)
    printer = farm.printer()
    target = Target(printer_id=printer)
    ordered = {
        kind: commands.queue(farm.context(), farm.site, target, parse_order(kind, {}, ()), None, NO_KEY).command_id
        for kind in ("stop", "light_on")
    }
    leaving.order(system(farm), farm.organization, farm.organization)
    farm.later(minutes=1)
    erasure.sweep(system(farm))
    stored = {kind: farm.documents.get(f"printer_commands/{command}") for kind, command in ordered.items()}
    assert {kind: document and document.data["status"] for kind, document in stored.items()} == {
        "stop": "pending",
        "light_on": "cancelled",
    }


def test_its_links_to_files_are_good_no_more(farm: Farm) -> None:
    """A token for one file is a credential as well."""
    both(farm)
    leaving.order(system(farm), "acme", "acme")
    context = replace(system(farm), caller=NOBODY)
    for organization, ends in (("acme", pytest.raises(Gone)), ("zeta", nullcontext())):
        claim = FetchToken(f"file-{organization}-0", 1, farm.now + timedelta(minutes=5))
        token = fetch_tokens.mint(claim, context.policy.fetch_token_secrets[0])
        with ends:
            tickets.fetch(context, token, metadata_only=True)


class StoreAlone:
    """A platform of which nothing but the documents is asked."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents


def test_nobody_looks_on_any_longer(farm: Farm) -> None:
    """A connection outlives the credential that it was opened with."""
    both(farm)
    ada = Caller("user:ada", organization_id="acme", user_id="ada")
    platform, seconds = cast(Platform, StoreAlone(farm.documents)), [0.0]
    directory = Directory(platform, farm.context().policy, lambda: seconds[0])
    context = replace(system(farm), caller=ada, platform=platform, directory=directory)
    attendance = Attendance(context, looks_every=0.0)
    while attendance.next(0.0) is not None:
        pass
    leaving.order(system(farm), "acme", "acme")
    seconds[0] += 60
    with pytest.raises(Ended):
        attendance.next(0.0)
    attendance.leave()


def test_it_must_be_whole_before_a_jobs_claims_are_forgotten(tmp_path: Path) -> None:
    """Nothing but the job leads to its claims."""
    documents = Mortal(tmp_path / "documents.db")
    files = EmbeddedFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=bytes(32))
    farm = Farm(documents, files)
    both(farm)
    runs = 500
    documents.commit(
        Put("print_jobs/long", tenants.job("acme", "long", farm.now, run=runs).data()),
        *(Put(f"claims/long_{run}", {"jobId": "long", "run": run}) for run in range(1, 300)),
    )
    documents.commit(*(Put(f"claims/long_{run}", {"jobId": "long", "run": run}) for run in range(300, runs + 1)))
    leaving.order(system(farm), "acme", "acme")
    farm.later(minutes=5)
    documents.dies_with = "claims/long_1"
    with suppress(Killed):
        erasure.sweep(system(farm))
    documents.dies_with = None
    sweep_until_gone(farm)
    assert [path for path in tenants.everything(documents) if path.startswith("claims/long_")] == []
    documents.close()


def test_it_waits_until_nobody_can_write_any_more(farm: Farm) -> None:
    both(farm)
    leaving.order(system(farm), "acme", "acme")
    farm.later(seconds=119)
    erasure.sweep(system(farm))
    assert farm.documents.get("memberships/member-acme-0") is not None
    farm.later(seconds=1)
    erasure.sweep(system(farm))
    assert farm.documents.get("memberships/member-acme-0") is None


def test_what_is_written_late_goes_too(farm: Farm) -> None:
    both(farm)
    leaving.order(system(farm), "acme", "acme")
    farm.later(minutes=5)
    erasure.sweep(system(farm))
    farm.documents.commit(Create("statistics/late", {"organizationId": "acme"}))
    sweep_until_gone(farm)
    assert farm.documents.get("statistics/late") is None


class Killed(BaseException):
    """The instance is gone in this moment."""


class Mortal(EmbeddedDocuments):
    """A store whose caller dies after so many commits that delete something."""

    deletions_left = 10**6
    dies_with: str | None = None
    """A path with whose deletion it dies."""

    def commit(self, *writes: Write) -> list[Version]:
        done = super().commit(*writes)
        if any(isinstance(write, Delete) and write.path == self.dies_with for write in writes):
            raise Killed
        if any(isinstance(write, Delete) for write in writes):
            self.deletions_left -= 1
            if self.deletions_left < 0:
                raise Killed
        return done


class MortalFiles:
    """A bucket whose caller dies after so many objects were removed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.deletions_left = 10**6

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def delete(self, name: str) -> None:
        self._files.delete(name)
        self.deletions_left -= 1
        if self.deletions_left < 0:
            raise Killed

    def put(self, name: str, source: BinaryIO, content_type: str) -> Any:
        return self._files.put(name, source, content_type)


@pytest.mark.parametrize("steps", [0, 1, 3, 7, 12])
def test_one_that_is_killed_between_its_steps_goes_on(tmp_path: Path, steps: int) -> None:
    documents = Mortal(tmp_path / "documents.db")
    files = MortalFiles(EmbeddedFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=bytes(32)))
    farm = Farm(documents, cast(Files, files))
    before, objects = both(farm)
    leaving.order(system(farm), "acme", "acme")
    farm.later(minutes=5)
    documents.deletions_left, files.deletions_left = steps, max(0, steps - 2)
    with pytest.raises(Killed):
        erasure.sweep(system(farm))
    for _ in range(3):
        documents.deletions_left, files.deletions_left = steps + 1, steps + 1
        with suppress(Killed):
            erasure.sweep(system(farm))
    documents.deletions_left = files.deletions_left = 10**6
    sweep_until_gone(farm)
    left = tenants.everything(documents)
    assert {path for path, each in left.items() if tenants.concerns(each, "acme")} == {"audit_log/erased_acme"}
    assert not [name for name in objects if files.stat(name)]
    assert {path for path, each in before.items() if tenants.concerns(each, "zeta")} <= set(left)
    documents.close()


def test_runs_that_find_nothing_write_nothing(farm: Farm) -> None:
    both(farm)
    before = tenants.everything(farm.documents)
    erasure.sweep(system(farm))
    assert tenants.everything(farm.documents) == before
    leaving.order(system(farm), "acme", "acme")
    sweep_until_gone(farm)
    before = tenants.everything(farm.documents)
    erasure.sweep(system(farm))
    assert tenants.everything(farm.documents) == before


def test_a_run_ends_in_time_and_the_next_goes_on(farm: Farm) -> None:
    both(farm)
    leaving.order(system(farm), "acme", "acme")
    farm.later(minutes=5)
    context = system(farm)

    def slow() -> Any:
        farm.later(seconds=20)
        return farm.now

    erasure.sweep(replace(context, clock=slow))
    begun = farm.documents.get("organizations/acme")
    assert begun is not None
    progress = cast(Mapping[str, int], begun.data["leaving"])
    assert 0 < progress["documents"] < 28
    sweep_until_gone(farm)


def test_its_name_can_be_taken_anew(farm: Farm) -> None:
    both(farm)
    leaving.order(system(farm), "acme", "acme")
    sweep_until_gone(farm)
    tenants.furnish(farm.documents, farm.context().platform.files, "acme", farm.now)
    member = Caller("user:ada", organization_id="acme", user_id="ada")
    system(farm).directory.admit(member)
    leaving.order(system(farm), "acme", "acme")
    sweep_until_gone(farm)
    with pytest.raises(Unauthenticated):
        system(farm).directory.admit(member)
