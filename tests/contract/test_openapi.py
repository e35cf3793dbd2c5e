"""The API's document and its page, as a caller gets them, and the document's own examples, sent as they stand."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from local.messages import posted_event
from local.schedules import post
from printpipe.domain.dead_letters import SOURCE
from tests.cloud import Cloud
from tests.contract.described import MODEL, ORGANIZATION, RECIPIENT, SERIAL, Service, described_service
from tests.contract.refusals import LIVE
from tests.contract.wire_client import PICTURE

ONE_BACKEND_AT_REDUCED_COUNTS = True

WRITTEN = json.loads((Path(__file__).resolve().parents[2] / "functions/openapi.json").read_text())
VOID = {"meta"}
PLACES = ("path", "query")


class _Outline(HTMLParser):
    """What a page is made of. Fails on elements that are not closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = {name: value or "" for name, value in attrs}
        assert not [name for name in given if name.startswith("on") or name in ("src", "style")]
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        self.labels += given.get("aria-labelledby", "").split()
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_the_document_is_the_written_one_at_this_address(cloud: Cloud) -> None:
    answer = cloud.call("GET", "/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {**WRITTEN, "servers": [{"url": cloud.base_url}]}


def test_the_page_shows_every_operation_and_needs_nothing_else(cloud: Cloud) -> None:
    answer = cloud.call("GET", "/docs")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = answer.content.decode()
    outline = _Outline()
    outline.feed(page)
    names = {operation["operationId"] for methods in WRITTEN["paths"].values() for operation in methods.values()}
    assert names <= set(outline.ids)
    assert sorted(set(outline.ids)) == sorted(outline.ids)
    assert set(outline.labels) <= set(outline.ids)
    assert [
        link for link in outline.links if link != "/openapi.json" and link.removeprefix("#") not in outline.ids
    ] == []
    assert not {"script", "img", "link", "iframe", "form", "object"} & set(outline.tags)
    assert '<html lang="en">' in page
    assert f"{cloud.base_url}/control" in page


def test_a_browser_may_run_nothing_from_the_page(cloud: Cloud) -> None:
    headers = cloud.call("GET", "/docs").headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_wrong_method_is_told_the_right_ones(cloud: Cloud) -> None:
    answer = cloud.call("DELETE", "/control")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.json()["error_type"] == "ValidationError"


def _remote_file(service: Service) -> str:
    stored = service.upload()
    return f"https://storage.googleapis.com/{stored['gcsBucket']}/{stored['gcsPath']}"


def _product(service: Service) -> str:
    return str(service.upload()["productId"])


def _begun_upload(service: Service) -> str:
    content = b"G28\nG1 X1 Y2 E0.1\n"
    told = {"fileName": "a.gcode", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    body = {"recipientId": RECIPIENT, "productId": "PROD-55", **told}
    opened = service.call("POST", "/upload", json=body).json()
    requests.put(opened["uploadUrl"], data=content, timeout=30).raise_for_status()
    return str(opened["fileId"])


def _event(service: Service) -> str:
    body = {"recipientId": RECIPIENT, "printerSerial": SERIAL, "eventType": "hms_error", "eventStatus": "failed"}
    return str(service.call("POST", "/api/printer-events/report", json=body).json()["eventId"])


def _key(service: Service) -> str:
    return str(service.call("POST", "/api/v1/keys", json={"name": "another", "scopes": ["app"]}).json()["keyId"])


def _dead_letter(service: Service) -> str:
    attributes = {"organization": ORGANIZATION, SOURCE: "trigger-hms-followed", "eventId": secrets.token_hex(8)}
    at, message_id = datetime.now(UTC), secrets.token_hex(8)
    event = posted_event("trigger-dead-letter-stored", "local", "dead-letters", b"{}", attributes, message_id, at)
    post(service.cloud.base_url, event)
    return str(service.call("GET", "/api/v1/dead-letters").json()["deadLetters"][0]["deadLetterId"])


def _another_organization(service: Service) -> str:
    made = service.cloud.call("POST", "/api/v1/organizations", key=service.cloud.operator_key, json={"name": "Annex"})
    return str(made.json()["organizationId"])


def _enrollment_code(service: Service) -> str:
    """Of a site of its own, which is an agent's from then on."""
    made = service.call("POST", "/api/v1/recipients", json={"name": "Annex"}).json()
    code = service.call("POST", "/api/v1/agents/enrollment-codes", json={"recipientId": made["recipientId"]})
    return str(code.json()["code"])


def _membership(service: Service) -> str:
    body = {"userId": "another", "role": "viewer"}
    return str(service.call("POST", "/api/v1/memberships", json=body).json()["membershipId"])


def _printer(service: Service) -> str:
    token = service.cloud.token(ORGANIZATION, "admin")
    answer = service.cloud.call("POST", "/api/printers", token=token, json={"recipient_id": RECIPIENT, "name": "Left"})
    return str(answer.json()["id"])


def _job_number(service: Service) -> str:
    service.upload()
    return str(service.call("GET", "/api/v1/jobs").json()["jobs"][0]["id"])


def _tavern(service: Service) -> str:
    """The shop's printer, always the same one."""
    token = service.cloud.token(ORGANIZATION, "admin")
    entry = {"recipient_id": RECIPIENT, "serial": "01P00ATAVERN", "name": "Tavern"}
    answer = service.cloud.call("POST", "/api/printers", token=token, json=entry)
    assert answer.status_code in (201, 409), answer.text
    return entry["serial"]


def _tracked_print(service: Service) -> str:
    number = secrets.randbelow(10**12) + 1
    body = {"api_key": service.key, "printer_id": _tavern(service), "print_queue_id": number}
    return str(service.cloud.call("POST", "/api/status/start", json=body).json()["print_status_id"])


def _channel(service: Service) -> str:
    body = {"name": "Office", "kind": "email", "address": "office@example.org"}
    return str(service.call("POST", "/api/v1/notifications", json=body).json()["id"])


MADE: Mapping[str, Callable[[Service], str]] = {
    "https://storage.googleapis.com/bucket/file.gcode": _remote_file,
    "PROD-55": _product,
    "file-uuid-1234": lambda service: str(service.upload()["fileId"]),
    "token-abcd1234": lambda service: str(service.upload()["fetchToken"]),
    "cmd-uuid-5678": lambda service: service.cloud.queue(RECIPIENT, "pause", printerSerial=SERIAL),
    "event-uuid-3456": _event,
    "0c4f1a7d9b3e5f6081726354a5b6c7d8": _dead_letter,
    "key-uuid-2468": _key,
    "7K2M-Q9XD-4HTR": _enrollment_code,
    "member-uuid-1357": _membership,
    "printer-uuid-8642": _printer,
    "bambu_a1_001": _printer,
    "7d0c5f1e-93b2-4a86-8c47-2f6e1b9a0d35": _channel,
    "PRINTER001": _tavern,
    "238112345678902": _tracked_print,
    "f123": lambda service: str(service.upload()["fileId"]),
    "238112345678901": _job_number,
}
"""What the examples name, and the cloud gives a name of its own: it is made, and goes by that."""

MADE_FOR: Mapping[str, Mapping[str, Callable[[Service], str]]] = {
    "cloud_organization_erase_delete": {"org-uuid-here": _another_organization},
    "cloud_upload_complete_post": {"file-uuid-1234": _begun_upload},
}

BYTES = {"file": ("model.3mf", MODEL, "model/3mf"), "image": ("snapshot.jpg", PICTURE, "image/jpeg")}
OPERATORS = {"cloud_organization_create_post", "cloud_organization_list_get", "cloud_organization_erase_delete"}
"""What only the operator may do, or what the examples' own organization had better not."""

OF_AGENTS = {
    "cloud_agent_printers_get": 403,
    "cloud_agent_token_post": 403,
    "cloud_transfer_progress_post": 404,
    "cloud_transfer_url_post": 404,
    "printernizer_download_status_get": 404,
    "printernizer_file_download_post": 409,
    "printernizer_file_upload_post": 502,
}
"""What a site with the LAN client, as the examples' one is, has no use for, and how that is answered."""

REQUESTS = [
    pytest.param(
        method.upper(),
        path,
        media_type,
        dialect,
        id="-".join(filter(None, [operation["operationId"], media_type, dialect])),
    )
    for path, methods in WRITTEN["paths"].items()
    for method, operation in methods.items()
    if operation["x-function"] not in LIVE
    for media_type, content in operation.get("requestBody", {}).get("content", {"": {}}).items()
    for dialect in content.get("examples", [""])
]
"""Method, path and media type, and the dialect where each of two has its own example."""


@pytest.mark.parametrize(("method", "path", "media_type", "dialect"), REQUESTS)
def test_an_example_works_as_it_stands(cloud: Cloud, method: str, path: str, media_type: str, dialect: str) -> None:
    service = described_service(cloud)
    operation = WRITTEN["paths"][path][method.lower()]
    shown = [each for each in operation.get("parameters", ()) if "example" in each]
    places = {place: {each["name"]: each["example"] for each in shown if each["in"] == place} for place in PLACES}
    content = operation["requestBody"]["content"][media_type] if media_type else {"example": {}}
    body = content["examples"][dialect]["value"] if dialect else content["example"]
    told = {"path": path.format_map(places["path"]), "query": places["query"], "body": body}
    told = _with_real_names(service, told, {**MADE, **MADE_FOR.get(operation["operationId"], {})})
    if operation["tags"][0] == "taverna":  # whose key is among the data
        (told["query"] if method == "GET" else told["body"])["api_key"] = service.key
    options = {"params": told["query"], **_sent_as(media_type, told["body"])}
    if operation["operationId"] in OPERATORS:
        answer = cloud.call(method, told["path"], key=cloud.operator_key, **options)
    elif (dialect or operation["tags"][0]) == "printpro" and operation["security"]:
        answer = cloud.call(method, told["path"], token=cloud.token(ORGANIZATION, "admin"), **options)
    else:
        answer = service.call(method, told["path"], **options)
    if refusal := OF_AGENTS.get(operation["operationId"]):
        assert answer.status_code == refusal, answer.text
    else:
        assert answer.ok, answer.text
        assert answer.headers["Content-Type"] != "application/json" or answer.json().get("imageMessage") is None


def _with_real_names(service: Service, told: Any, made: Mapping[str, Callable[[Service], str]]) -> Any:
    text = json.dumps(told)
    for shown, make in made.items():
        text = text.replace(shown, make(service)) if shown in text else text
    return json.loads(text)


def _sent_as(media_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if media_type != "multipart/form-data":
        return {"json": body} if media_type else {}
    fields = {name: value for name, value in body.items() if name not in BYTES}
    return {"data": fields, "files": {name: BYTES[name] for name in body.keys() & BYTES}}
