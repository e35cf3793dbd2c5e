"""Members read what happens at their organization's printers; all else is for the functions alone."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from itertools import takewhile
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import PermissionDenied
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse

from printpipe.domain.policy import Collections
from tests.counts import SOAK
from tests.rules.readers import ATTEMPTS, READABLE, RULES, Database, Reader, members, query, strangers, text, where

PROJECT = "demo-rules"
FEW_STRANGERS = ("anonymous", "with a bare sub")
UNBUILT = ("webhooks", "processed_events", "anything")
COLLECTIONS = sorted({*map(str, astuple(Collections())), *UNBUILT})
MEMBERS = ("viewer", "operator", "admin", "of another organization")
STRANGERS = tuple(each.name for each in strangers(PROJECT))


def _tries(name: str) -> tuple[str, ...]:
    """Who tries what with a collection.

    At reduced counts an admin and few strangers try what no member may, and each other stranger what members may read
    in two collections: one function of the rules says it of all.
    """
    if SOAK:
        return (*MEMBERS, *STRANGERS)
    if name not in READABLE:
        return ("admin", *FEW_STRANGERS)
    place, third = READABLE.index(name), len(READABLE) // 2
    others = (each for each in STRANGERS if each not in FEW_STRANGERS)
    return (*MEMBERS, *FEW_STRANGERS, *(each for at, each in enumerate(others) if at % third == place % third))


READERS = {name: _tries(name) for name in COLLECTIONS}
"""By collection."""

pytestmark = pytest.mark.emulators


def _filled(host: str, project: str, collections: Iterable[str]) -> Database:
    """A database with documents of two organizations, of an empty one, of a list of them, and of none."""
    database = Database(host, project)
    owners: Mapping[str, Any] = {
        "of-org-1": {"organizationId": text("org-1")},
        "of-org-2": {"organizationId": text("org-2")},
        "of-the-empty": {"organizationId": text("")},
        "of-a-list": {"organizationId": {"arrayValue": {"values": [text("org-1")]}}},
        "of-nobody": {"status": text("idle")},
    }
    database.put({f"{each}/{name}": fields for each in collections for name, fields in owners.items()})
    return database


def _readers(project: str) -> dict[str, Reader]:
    other = members(project, "org-2")[-1]
    everybody = [*members(project, "org-1"), *strangers(project)]
    return {each.name: each for each in everybody} | {"of another organization": other}


READER = _readers(PROJECT)


@pytest.fixture(scope="module")
def database(emulators: Mapping[str, str]) -> Database:
    return _filled(emulators["firestore"], PROJECT, COLLECTIONS)


@pytest.fixture(scope="module")
def stored(database: Database) -> Mapping[str, Any]:
    """What stands in each collection."""
    return {collection: _stored(database, collection) for collection in COLLECTIONS}


def _stored(database: Database, collection: str) -> Any:
    return database.ask("GET", f"/{collection}", user="owner").json()


@pytest.mark.parametrize(
    ("collection", "reader"), [(each, who) for each, readers in READERS.items() for who in readers]
)
def test_a_member_reads_what_is_its_organizations_and_nobody_writes(
    database: Database, stored: Mapping[str, Any], collection: str, reader: str
) -> None:
    who = READER[reader]
    may = who.organization if collection in READABLE else None
    with ThreadPoolExecutor(4) as pool:
        told = pool.map(lambda attempt: attempt.run(database, collection, who.user), ATTEMPTS)
    answers = {attempt.name: answer for attempt, answer in zip(ATTEMPTS, told, strict=True)}
    expected = {each.name: 200 if may and each.reads == may else 403 for each in ATTEMPTS}
    assert {name: answer.status_code for name, answer in answers.items()} == expected
    for name, answer in answers.items():
        shown = {each for each in ("org-1", "org-2") if each in answer.text}
        assert shown <= ({who.organization} if answer.ok else set()), name
    assert _stored(database, collection) == stored[collection]


@pytest.mark.parametrize("operator", ["IN", "GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL", "NOT_EQUAL"])
def test_a_query_that_could_find_anothers_is_refused(database: Database, operator: str) -> None:
    viewer = members(PROJECT, "org-1")[0]
    for collection in READABLE:
        asked = query(collection, None, **where("org-1", operator))
        assert database.ask("POST", ":runQuery", asked, viewer.user).status_code == 403


def test_a_query_may_ask_for_more_than_the_organization(database: Database) -> None:
    viewer = members(PROJECT, "org-1")[0]
    order = [{"field": {"fieldPath": "__name__"}, "direction": "DESCENDING"}]
    answer = database.ask("POST", ":runQuery", query("print_jobs", "org-1", orderBy=order, limit=5), viewer.user)
    names = [each["document"]["name"] for each in answer.json()]
    assert (answer.status_code, names) == (200, [f"{database.name}/print_jobs/of-org-1"])


@pytest.mark.parametrize("collection", READABLE)
def test_what_lies_below_a_readable_document_is_not_readable(database: Database, collection: str) -> None:
    below = f"/{collection}/of-org-1/notes/of-org-1"
    database.put({below[1:]: {"organizationId": text("org-1")}})
    for reader in READER.values():
        assert database.ask("GET", below, user=reader.user).status_code == 403


@contextmanager
def _listening(database: Database, user: str | None, asked: Mapping[str, Any]) -> Iterator[Iterator[ListenResponse]]:
    """What a client is told that listens to a query, in a stream that is open for a minute at the most."""
    with grpc.insecure_channel(database.host) as channel:
        client = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))
        root = database.name.removesuffix("/documents")
        target = {"query": {"parent": database.name, "structured_query": asked}, "target_id": 1}
        wishes: SimpleQueue[ListenRequest | None] = SimpleQueue()
        wishes.put(ListenRequest(database=root, add_target=target))
        metadata = [("google-cloud-resource-prefix", root), *([("authorization", f"Bearer {user}")] if user else [])]
        try:
            yield iter(client.listen(requests=iter(wishes.get, None), metadata=metadata, timeout=60))
        finally:
            wishes.put(None)


def _names(told: Iterator[ListenResponse]) -> Iterator[str]:
    """The documents in the order in which they are told of; PermissionError once the target is refused."""
    for each in told:
        if each.target_change.cause.code == grpc.StatusCode.PERMISSION_DENIED.value[0]:
            raise PermissionError(each.target_change.cause.message)
        if each.document_change.document.name:
            yield each.document_change.document.name


def _listened(collection: str, organization: str | None) -> dict[str, Any]:
    condition = {
        "field_filter": {
            "field": {"field_path": "organizationId"},
            "op": "EQUAL",
            "value": {"string_value": organization},
        }
    }
    return {"from_": [{"collection_id": collection}], **({"where": condition} if organization else {})}


@pytest.mark.parametrize("collection", READABLE)
def test_a_member_is_told_what_changes(emulators: Mapping[str, str], collection: str) -> None:
    database = _filled(emulators["firestore"], f"demo-live-{collection.replace('_', '-')}", [collection])
    user = members(database.project, "org-1")[0].user
    with _listening(database, user, _listened(collection, "org-1")) as told:
        names, place = _names(told), f"{database.name}/{collection}"
        assert next(names) == f"{place}/of-org-1"
        database.put({f"{collection}/{name}": {"organizationId": text(name)} for name in ("org-2", "org-1")})
        assert {*takewhile(f"{place}/org-1".__ne__, names)} <= {f"{place}/of-org-1"}


@pytest.mark.parametrize("organization", [None, "org-2"])
def test_nobody_listens_to_more(database: Database, organization: str | None) -> None:
    for reader in (*members(PROJECT, "org-1"), *strangers(PROJECT)):
        with _listening(database, reader.user, _listened("printers", organization)) as told:
            assert _is_refused(told)


def _is_refused(told: Iterator[ListenResponse]) -> bool:
    try:
        next(_names(told))
    except (PermissionError, PermissionDenied):
        return True
    return False


def test_every_expression_of_the_rules_is_seen_both_ways(emulators: Mapping[str, str]) -> None:
    project = "demo-rules-coverage"
    database = _filled(emulators["firestore"], project, READABLE)
    for reader in _readers(project).values():
        for collection in READABLE:
            for attempt in ATTEMPTS[:4]:
                attempt.run(database, collection, reader.user)
    values: dict[tuple[int, int, int], set[str]] = {}
    for position, seen in _evaluations(database.coverage()):
        values.setdefault(position, set()).update(seen)
    assert len(values) > len(READABLE)
    rules = RULES.read_text().splitlines()
    unseen = [f"{line}:{column} {rules[line - 1].strip()}" for (line, column, _), seen in values.items() if not seen]
    one_way = [
        f"{line}:{column} only {seen}: {rules[line - 1].strip()}"
        for (line, column, _), seen in values.items()
        if seen & {"true", "false"} and not seen >= {"true", "false"}
    ]
    assert (unseen, one_way) == ([], [])


def _evaluations(report: Any) -> Iterator[tuple[tuple[int, int, int], set[str]]]:
    """The place of each expression, and what it came to: `true`, `false`, or something else."""
    for node in report:
        place = node["sourcePosition"]
        seen = {json.dumps(each["value"].get("boolValue", "other")) for each in node.get("values", ())}
        yield (place["line"], place["column"], place["endOffset"]), seen
        yield from _evaluations(node.get("children", ()))
