"""What a signed-in member reads straight from the store: its organization's doings, without a secret among them."""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

from printpipe.domain.ports.documents import Query, Where
from tests.cloud import Cloud, Site
from tests.pictures import GOOD
from tests.rules.readers import READABLE, Database, members, query

SERIAL = "01P00A381200434"
HEADER = "Idempotency-Key"
UNBUILT = {"incidents", "statistics"}
CONTENT_HASHES = {"sha256"}
"""Names under which a picture's own hash may be seen."""

SUSPICIOUS = re.compile(r"digest|secret|token|sealed|encrypted|accesscode|password|signature|uploadurl", re.IGNORECASE)
BEARER_LINK = re.compile(r"https?://\S*(?:signature|token|sig|expires)=", re.IGNORECASE)


def _busy(cloud: Cloud, site: Site) -> str:
    """Everything that keyed calls leave behind at a printer with an access code; the code."""
    code, recipient, key = secrets.token_hex(4), site.agent_recipient, site.organization_key
    printer = {"recipientId": recipient, "printerSerial": SERIAL}
    told = {"accessCode": code, "camera": {"rtspUrl": f"rtsps://bblp:{code}@192.168.1.9:322/live"}, "authToken": code}
    picture = base64.b64encode(GOOD).decode()
    file_id = cloud.upload(recipient, key=key)["fileId"]
    start = {"fileName": "model.3mf", "fileId": file_id}
    error = {**printer, "errorType": "printer_error", "errorData": told, "image": picture}
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "/api/agent/printers",
            {"recipientId": recipient, "printers": [{"printerSerial": SERIAL, "accessCode": code}]},
        ),
        ("/printer-status", {**printer, "status": {"state": "idle", **told}}),
        ("/control", {**printer, "commandType": "pause"}),
        ("/control", {**printer, "commandType": "start_print", "metadata": start}),
        ("/api/printer-events/error", error),
        ("/api/printer-images/upload", {**printer, "imageType": "snapshot", "imageData": picture}),
    ]
    for path, body in calls:
        answer = cloud.call("POST", path, key=key, json=body, headers={HEADER: secrets.token_hex(8)})
        assert answer.ok, f"{path}: {answer.text}"
    poll = f"/control?recipientId={recipient}&claim=true&agentId=agent-1"
    assert len(cloud.call("GET", poll, key=site.agent_key).json()["commands"]) == 2
    return code


def _seen(cloud: Cloud, site: Site, collection: str) -> list[dict[str, Any]]:
    """The organization's documents in a collection; through the rules, where the backend has them."""
    if cloud.backend.embedded:
        own = Query(collection, [Where("organizationId", "==", site.organization)])
        return [json.loads(json.dumps(dict(each.data), default=str)) for each in cloud.backend.documents.query(own)]
    database = _database(cloud)
    viewer = members(database.project, site.organization)[0]
    answer = database.ask("POST", ":runQuery", query(collection, site.organization), viewer.user)
    assert answer.status_code == 200, answer.text
    return [
        {name: _plain(field) for name, field in each["document"]["fields"].items()}
        for each in answer.json()
        if "document" in each
    ]


def _database(cloud: Cloud) -> Database:
    environment = cloud.backend.environment
    return Database(environment["FIRESTORE_EMULATOR_HOST"], environment["GCP_PROJECT_ID"])


def _plain(value: dict[str, Any]) -> Any:
    ((kind, held),) = value.items()
    if kind == "mapValue":
        return {name: _plain(each) for name, each in held.get("fields", {}).items()}
    return [_plain(each) for each in held.get("values", ())] if kind == "arrayValue" else held


def _leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, *path, name)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, *path)
    else:
        yield path, str(value)


def test_a_member_sees_everything_but_what_is_secret(cloud: Cloud, site: Site) -> None:
    code = _busy(cloud, site)
    seen = {collection: _seen(cloud, site, collection) for collection in READABLE}
    assert {name for name, documents in seen.items() if not documents} == UNBUILT
    (printer,) = cloud.documents("printers", site.agent_recipient)
    ciphertext = cloud.document(f"printer_secrets/{printer.id}").data["accessCode"]
    (event,) = seen["printer_events"]
    assert event["image"]["gcsPath"].startswith("pictures/")
    assert {each["status"] for each in seen["printer_commands"]} == {"processing"}
    cameras = {value for path, value in _leaves(seen) if path[-1] == "rtspUrl"}
    assert cameras == {"rtsps://192.168.1.9:322/live"}
    for path, value in _leaves(seen):
        assert not SUSPICIOUS.search(path[-1]), path
        assert code not in value, path
        assert ciphertext not in value, path
        assert not re.match(r"[ke]1\.[A-Za-z0-9+/]{16}", value), path
        assert not BEARER_LINK.search(value), path
        assert path[-1] in CONTENT_HASHES or not re.search(r"[0-9a-f]{64}", value, re.IGNORECASE), path


def test_what_a_keyed_call_asked_for_is_kept_apart(cloud: Cloud, site: Site) -> None:
    _busy(cloud, site)
    marks = [data for path, data in cloud.stored(site.organization).items() if path.startswith("idempotency_keys/")]
    created = [each["created"].partition("/")[0] for each in marks]
    assert sorted(created) == ["printer_commands", "printer_commands", "printer_events", "printers", "recipients"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", each["requestDigest"]) for each in marks)
