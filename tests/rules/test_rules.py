"""The data is out of reach for everyone but the functions."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests

RULES = Path(__file__).resolve().parents[2] / "firestore.rules"
PROJECT = "demo-rules"
COLLECTIONS = ("printers", "print_jobs", "printer_commands", "files", "api_keys", "organizations", "anything")


def _user(**claims: object) -> str:
    now = int(time.time())
    body = {
        "sub": "somebody",
        "user_id": "somebody",
        "aud": PROJECT,
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "iat": now,
        "exp": now + 600,
        **claims,
    }
    parts = ({"alg": "none", "type": "JWT"}, body)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.fixture(scope="module")
def database(emulators: Mapping[str, str]) -> str:
    """The REST root of a database under the project's rules, with one document in each collection."""
    emulator = f"http://{emulators['firestore']}"
    rules = {"rules": {"files": [{"name": "security.rules", "content": RULES.read_text()}]}}
    requests.put(f"{emulator}/emulator/v1/projects/{PROJECT}:securityRules", json=rules, timeout=10).raise_for_status()
    root = f"{emulator}/v1/projects/{PROJECT}/databases/(default)/documents"
    for collection in COLLECTIONS:
        answer = requests.patch(
            f"{root}/{collection}/one",
            json={"fields": {"organizationId": {"stringValue": "org-1"}}},
            headers={"Authorization": "Bearer owner"},
            timeout=10,
        )
        answer.raise_for_status()
    return root


@pytest.mark.emulators
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("user", ["nobody", "somebody", "an admin"])
def test_no_client_reads_or_writes(database: str, collection: str, user: str) -> None:
    claims = {"organizationId": "org-1", "role": "admin"} if user == "an admin" else {}
    headers = {} if user == "nobody" else {"Authorization": f"Bearer {_user(**claims)}"}
    path, fields = f"{database}/{collection}/one", {"fields": {"status": {"stringValue": "completed"}}}
    answers = {
        "get": requests.get(path, headers=headers, timeout=10),
        "list": requests.get(f"{database}/{collection}", headers=headers, timeout=10),
        "update": requests.patch(path, json=fields, headers=headers, timeout=10),
        "create": requests.post(f"{database}/{collection}?documentId=two", json=fields, headers=headers, timeout=10),
        "delete": requests.delete(path, headers=headers, timeout=10),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 403)
