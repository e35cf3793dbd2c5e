"""Every operation of the API's document, with generated data that fit it and that do not: Schemathesis's checks hold.

Quick on the embedded backend; `SOAK=1` on Google's emulators, with many more examples and the systematic ones.
"""

import base64
import hashlib
import json
import re
import secrets
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis import Case, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import allow_header_conformance, ignored_auth, positive_data_acceptance

from tests.backends import embedded, google
from tests.cloud import Cloud, Site, running
from tests.contract.refusals import LIVE
from tests.contract.wire_client import PICTURE
from tests.counts import SOAK, count

Known = Mapping[str, list[Any]]
Tallies = Mapping[str, Mapping[str, Counter[int]]]
"""By operation and credential, how often it answered with each status."""

EXAMPLES = 200
MOST_COMMANDS = "1000"

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "functions/openapi.json").read_text())

BEYOND_A_SCHEMA = {
    "fileName": "needed where neither the bytes nor a URL come with the request",
    "file": "the bytes must be a print file's",
    "sha256": "must be the bytes' own",
    "md5": "must be the bytes' own",
    "gcodeUrl": "the host must be an allowed one",
    "commandType": "any spelling of a word of the vocabulary",
    "jobMetadata": "the file must have the plate",
    "metadata": "what it must hold depends on the command's type",
    "expiresAt": "lies ahead, by 24 hours at the most",
    "recipientIds": "a LAN client's key is for exactly one",
    "completedAt": "lies at hand",
    "status": "limits in bytes, in depth and over all levels",
    "statusData": "limits in bytes, in depth and over all levels",
    "errorData": "limits in bytes, in depth and over all levels",
    "printers": "each printer stands there once, and its data have limits in bytes",
    "printerSerial": "a printer is named by its serial or by its address",
    "recipientId": "may stand in the body or in the query",
    "image": "must be a JPEG in base64",
    "imageData": "must be a JPEG in base64",
    "cameraImage": "must be a JPEG in base64",
    "confirm": "must be the organization's id once more",
    "cursor": "must be one that a list gave",
    "timeZone": "one that there is",
    "scopes": "no key can have a scope that is none, or that its maker lacks",
}
"""Fields for which data that fit the document may be refused with 400, and why: a schema cannot say it."""

BEYOND_A_SCHEMA_WITH_A_TOKEN = {
    "ams_configuration": "each slot stands there once",
    "command_type": "any spelling of a word of the vocabulary",
    "confirm": "must be true",
    "cursor": "must be one that a list gave",
    "end_date": "comes with a start, not before it, by 366 days at the most, in a year from 2000 to 2100",
    "start_date": "comes with an end, in a year from 2000 to 2100",
    "period": "goes without a start and an end",
    "expires_at": "lies ahead, by 24 hours at the most",
    "gcode_url": "the host must be an allowed one",
    "is_active": "must not differ from active",
    "metadata": "what it must hold depends on the command's type",
    "page": "a list of jobs ends after so many",
    "plate_index": "the file must have the plate",
    "printer_id": "must not differ from printerId",
    "recipient_id": "needed where the organization has several sites",
    "serial_number": "must not differ from serial",
}
"""Likewise, of the dialects that are spoken with a token."""

BEYOND_A_SCHEMA_IN_PORTUGUESE = {
    "print_status_id": "at least one of the other fields is needed",
    "metrics": "limits in bytes",
}
"""Likewise, of the dialect with its key among the data."""

OPERATORS = {"POST /api/v1/organizations"}
"""What an organization's own key cannot do."""

ENDLESS = [
    path for path, methods in DOCUMENT["paths"].items() for each in methods.values() if each["x-function"] in LIVE
]
"""Where an answer has no end that could be waited for."""

KEY, TOKEN, BESIDE = "apiKey", "bearerToken", "apiKeyInTavernaQuery"
OPERATIONS: Mapping[str, Mapping[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def _schemes(operation: Mapping[str, Any]) -> list[str]:
    found = [each for each in (KEY, TOKEN, BESIDE) if {each: []} in operation["security"]]
    return found[:1] if len(operation["tags"]) == 1 and not SOAK else found


SCHEMES = {label: _schemes(operation) or [KEY] for label, operation in OPERATIONS.items()}
"""The credentials that each operation is called with; a key is sent even where none is needed.

Of those between which a caller may choose, at reduced counts one.
"""

VARIED = {
    f"{method.upper()} {path}"
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if operation.keys() & {"parameters", "requestBody"}
}
"""The others take nothing that examples could differ in."""

_SHARED = {
    label: DOCUMENT["paths"][label.partition(" ")[2]]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for label, operation in OPERATIONS.items()
    if len(operation["tags"]) > 1
}
BODIES = {
    label: {
        scheme: Draft202012Validator({**each, "components": DOCUMENT["components"]})
        for scheme, each in zip((KEY, TOKEN), schema["anyOf"], strict=True)
    }
    for label, schema in _SHARED.items()
}
"""Of the operations that two dialects share, which bodies fit which credential."""

SHARED_PATHS = {
    path
    for path, methods in DOCUMENT["paths"].items()
    if len({operation["x-function"] for operation in methods.values()}) > 1
} | {
    path
    for path in DOCUMENT["paths"]
    if any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", other), path) for other in DOCUMENT["paths"] if other != path)
}
"""Those of several functions, a path that is also another template's included."""


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


def _refuses_what_a_schema_cannot(case: Case[Any], answer: Response) -> bool:
    if answer.status_code not in (400, 422):
        return False
    told = answer.json()
    if "success" in told:
        words = set(re.findall(r"\w+", told["message"]))
        return not words.isdisjoint(BEYOND_A_SCHEMA_IN_PORTUGUESE) or _has_whole_float(case.body)
    if isinstance(told.get("error"), dict):
        field = str(told["error"]["details"].get("field")).partition(".")[0]
        return field in BEYOND_A_SCHEMA_WITH_A_TOKEN or _has_whole_float(case.body)
    if "error" in told:
        first, colon, _ = told["error"].partition(": ")
        named = {first.partition(".")[0]} if colon else set(told["error"].split())
        return not named.isdisjoint(BEYOND_A_SCHEMA_WITH_A_TOKEN)
    field = str(told["detail"]).partition(".")[0]
    return field in BEYOND_A_SCHEMA or _has_whole_float(case.body)  # 5.0 is an integer to a schema, and none to us


EXCUSES: Mapping[Any, Callable[[Case[Any], Response], bool]] = {
    positive_data_acceptance: _refuses_what_a_schema_cannot,
    # a function knows its own methods; that others share its path is the business of what stands in front of them
    allow_header_conformance: lambda case, answer: case.operation.path in SHARED_PATHS,
    # a printer that does not answer is no mistake of ours
    not_a_server_error: lambda case, answer: answer.status_code == 502,
    # a key that stands in the body is no credential that a document can describe
    ignored_auth: lambda case, answer: BESIDE in SCHEMES[case.operation.label],
}
"""When a check does not count."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {
            "mode": "all",
            "max-examples": count(EXAMPLES, quick=4),
            "database": "none",
            "deterministic": True,
            "with-security-parameters": False,
        },
        "phases": {"coverage": {"enabled": SOAK}},
        "checks": {
            # 302 besides: bytes lie elsewhere; 410: a token is used once; 502: a printer does not answer
            "positive_data_acceptance": {"expected-statuses": ["2xx", "302", "401", "403", "404", "409", "410", "502"]}
        },
    }
)
schema = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).exclude(path=ENDLESS)


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Every function behind the gateway, on one backend."""
    folder = tmp_path_factory.mktemp("schemathesis")
    made: Any = google(request.getfixturevalue("emulators")) if SOAK else embedded(folder)
    with made as backend, running(backend, folder, COMMAND_QUEUE_CAP=MOST_COMMANDS) as functions:
        yield functions


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Site:
    """The tenant whose key all calls carry."""
    return cloud.new_site()


@pytest.fixture(scope="module")
def known(cloud: Cloud, site: Site) -> Known:
    """By a field's name, values that lead somewhere."""
    recipients = (site.agent_recipient, site.lan_recipient)
    jobs = [cloud.upload(recipient, "PROD-56")["jobId"] for recipient in recipients]
    uploads = [cloud.upload(recipient) for recipient in recipients]
    files = [each["fileId"] for each in uploads]
    picture = base64.b64encode(PICTURE).decode()
    event = {"recipientId": site.lan_recipient, "printerSerial": "S", "eventType": "x", "eventStatus": "info"}
    reported = [cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event) for _ in range(4)]
    keys = [_create(cloud, site, "keys", {"name": "another", "scopes": ["app"]}) for _ in range(2)]
    members = [_create(cloud, site, "memberships", {"userId": f"user-{at}", "role": "viewer"}) for at in range(8)]
    tokens = {label: _known_to_tokens(cloud, site, label, files[0]) for label in SCHEMES if "/{id}" in label}
    numbers = [cloud.document(f"print_jobs/{each}").data["number"] for each in (*jobs, *files)]
    printers = [_printer(cloud, site) for _ in range(2)]
    return {
        **tokens,
        "GET /api/status/{id}": numbers,
        "job_id": numbers,
        "api_key": [site.organization_key],
        "recipient_id": list(recipients),
        "printer_id": printers,
        "printerId": printers,
        "file_id": files,
        "product_id": ["PROD-55"],
        "command_type": ["pause", "resume", "home_all"],
        "recipientId": list(recipients),
        "organizationId": [site.organization],
        "printerSerial": ["S"],
        "commandId": [cloud.queue(site.lan_recipient, "pause", printerSerial="S") for _ in range(8)],
        "commandType": ["pause", "resume", "home"],
        "metadata": [{}],
        "expiresAt": [(datetime.now(UTC) + timedelta(hours=1)).isoformat()],
        "fileId": [*files, _begin_upload(cloud, site)],
        "jobId": jobs,
        "printJobId": files,
        "productId": ["PROD-55"],
        "fetchToken": [each["fetchToken"] for each in uploads],
        "gcodeUrl": [f"https://storage.googleapis.com/{each['gcsBucket']}/{each['gcsPath']}" for each in uploads],
        "keyId": [each["keyId"] for each in keys],
        "membershipId": [each["membershipId"] for each in members],
        "eventId": [answer.json()["eventId"] for answer in reported],
        "scopes": [["commands.read"]],
        "image": [picture],
        "imageData": [picture],
        "cameraImage": [picture],
    }


def _create(cloud: Cloud, site: Site, kind: str, body: Mapping[str, Any]) -> Any:
    answer = cloud.call("POST", f"/api/v1/{kind}", key=site.organization_key, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _known_to_tokens(cloud: Cloud, site: Site, label: str, file: str) -> list[str]:
    """What the path's `id` may name, for one operation alone: others may end it."""
    made = count(8, quick=3)
    if "/printers/" in label:
        return [_printer(cloud, site) for _ in range(made)]
    if "/print-jobs/" in label:
        return [_order(cloud, site, "print-jobs", {"product_id": "PROD-55", "file_id": file}) for _ in range(made)]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    command = {"printer_id": _printer(cloud, site), "command_type": "pause", "expires_at": later}
    return [_order(cloud, site, "printer-commands", command) for _ in range(made)]


def _printer(cloud: Cloud, site: Site) -> str:
    return _order(
        cloud, site, "printers", {"recipient_id": site.lan_recipient, "name": "Left", "serial": secrets.token_hex(8)}
    )


def _order(cloud: Cloud, site: Site, kind: str, body: Mapping[str, Any]) -> str:
    answer = cloud.call("POST", f"/api/{kind}", token=cloud.token(site.organization), json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _begin_upload(cloud: Cloud, site: Site) -> str:
    """An upload that waits to be completed."""
    content = b"G28\nG1 X1 Y2 E0.1\n"
    told = {"fileName": "a.gcode", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    body = {"recipientId": site.lan_recipient, "productId": "PROD-57", **told}
    opened = cloud.call("POST", "/upload", key=site.organization_key, json=body).json()
    requests.put(opened["uploadUrl"], data=content, timeout=30).raise_for_status()
    return str(opened["fileId"])


@pytest.fixture(scope="module")
def tallies() -> Tallies:
    """What came of the calls so far."""
    return defaultdict(lambda: defaultdict(Counter))


@pytest.fixture(autouse=True)
def _tried_in_earnest(request: pytest.FixtureRequest, tallies: Tallies) -> Iterator[None]:
    """Checks afterwards that the operation was called as often as promised, and that calls also worked."""
    yield
    label = request.node.operation_label
    for scheme in SCHEMES[label]:
        tally = tallies[label][scheme]
        enough = EXAMPLES // len(SCHEMES[label])
        assert tally.total() >= (count(enough, quick=1) if label in VARIED else 1), tally
        assert not SOAK or any(200 <= status < 300 for status in tally), tally


@schema.parametrize()
def test_an_operation_keeps_to_its_description(
    case: Case[Any], cloud: Cloud, site: Site, known: Known, tallies: Tallies
) -> None:
    label = case.operation.label
    key = cloud.operator_key if label in OPERATORS else site.organization_key
    token = f"Bearer {cloud.token(site.organization, 'admin')}"
    headers = {KEY: {"X-API-Key": key}, TOKEN: {"Authorization": token}, BESIDE: {}}
    schemes = _fitting(case)
    _lead_somewhere(case, known, told_by_key=KEY in schemes)
    for scheme in schemes:
        params = {"api_key": key} if scheme == BESIDE and case.method == "GET" else None
        answer = case.call(base_url=cloud.base_url, headers=headers[scheme], params=params, timeout=30)
        tallies[label][scheme][answer.status_code] += 1
        if answer.status_code in (404, 414) and "X-Request-Id" not in answer.headers:
            return  # an address that the web server does not pass on to any function: too long, or with a line's end
        excluded = [check for check, excuse in EXCUSES.items() if excuse(case, answer)]
        case.validate_response(answer, excluded_checks=excluded)


def _fitting(case: Case[Any]) -> list[str]:
    """The credentials to call with: of two dialects that share an operation the one whose body it is, if it is any."""
    bodies = BODIES.get(case.operation.label, {})
    return [scheme for scheme, body in bodies.items() if body.is_valid(case.body)] or SCHEMES[case.operation.label]


def _lead_somewhere(case: Case[Any], known: Known, *, told_by_key: bool) -> None:
    """In three of four cases that fit the document, values are such as exist; and nobody waits for long."""
    body: Any = case.body
    number = zlib.crc32(repr((case.path_parameters, case.query, body)).encode())
    for values in (case.path_parameters, case.query, body):
        if not isinstance(values, dict):
            continue
        if _is_positive(case) and number % 4:
            if values is body and told_by_key:
                values |= {name: None for name in ("recipientId", "printerSerial") if name not in values}
            named = {name: known.get(case.operation.label if name == "id" else name) for name in values}
            values |= {name: found[number % len(found)] for name, found in named.items() if found}
            if case.media_type == "multipart/form-data" and "image" in values:
                values["image"] = PICTURE
        if values.get("wait"):
            values["wait"] = 0


def _is_positive(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive
