"""People who reach into the database past the functions, and what they ask of it over REST."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

RULES = Path(__file__).resolve().parents[2] / "firestore.rules"
ROLES = ("viewer", "operator", "admin")
READABLE = ("printers", "print_jobs", "printer_commands", "printer_events", "statistics", "incidents")
"""The collections that members may read."""

_SESSION = requests.Session()
_SESSION.trust_env = False


def token(project: str, /, **claims: Any) -> str:
    """An Identity Platform user's token as the emulator takes it: unsigned, an hour old, good for ten more minutes.

    A claim that is None is left out.
    """
    now = int(time.time())
    standard = {
        "sub": "somebody",
        "user_id": "somebody",
        "aud": project,
        "iss": f"https://securetoken.google.com/{project}",
        "auth_time": now - 3600,
        "iat": now - 3600,
        "exp": now + 600,
    }
    body = {name: value for name, value in {**standard, **claims}.items() if value is not None}
    return ".".join([*(_part(each) for each in ({"alg": "none", "type": "JWT"}, body)), ""])


def bare_token(**claims: Any) -> str:
    """A token of these claims alone."""
    return ".".join([*(_part(each) for each in ({"alg": "none", "type": "JWT"}, claims)), ""])


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


class Database:
    """A project's database in the emulator, under the rules as they stand."""

    def __init__(self, host: str, project: str) -> None:
        self.host, self.project = host, project
        self._emulator = f"http://{host}"
        self.name = f"projects/{project}/databases/(default)/documents"
        self._admin = f"{self._emulator}/emulator/v1/projects/{project}"
        rules = {"rules": {"files": [{"name": "security.rules", "content": RULES.read_text()}]}}
        _SESSION.put(f"{self._admin}:securityRules", json=rules, timeout=10).raise_for_status()

    def ask(
        self, method: str, path: str, body: Any = None, user: str | None = None, **options: Any
    ) -> requests.Response:
        """One request below the database's root; `user` is a token, or `owner`, whom no rule binds."""
        headers = {"Authorization": f"Bearer {user}"} if user else {}
        return _SESSION.request(
            method, f"{self._emulator}/v1/{self.name}{path}", json=body, headers=headers, timeout=10, **options
        )

    def put(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Stores documents by path, their fields in the wire's own form."""
        writes = [{"update": {"name": f"{self.name}/{path}", "fields": each}} for path, each in documents.items()]
        self.ask("POST", ":commit", {"writes": writes}, "owner").raise_for_status()

    def coverage(self) -> list[dict[str, Any]]:
        """How the rules' expressions have been evaluated so far."""
        answer = _SESSION.get(f"{self._admin}:ruleCoverage", timeout=10)
        answer.raise_for_status()
        report: list[dict[str, Any]] = answer.json()["report"]
        return report


def text(value: str) -> dict[str, Any]:
    """A text on the wire."""
    return {"stringValue": value}


def where(organization: str, operator: str = "EQUAL") -> dict[str, Any]:
    """The condition on the organization."""
    value = text(organization)
    if operator in ("IN", "NOT_IN"):
        value = {"arrayValue": {"values": [value, text("org-2")]}}
    field = {"fieldPath": "organizationId"}
    return {"where": {"fieldFilter": {"field": field, "op": operator, "value": value}}}


def query(collection: str, organization: str | None, **more: Any) -> dict[str, Any]:
    """A query of an organization's documents, or of all."""
    condition = {} if organization is None else where(organization)
    return {"structuredQuery": {"from": [{"collectionId": collection}], **condition, **more}}


@dataclass(frozen=True)
class Reader:
    """Somebody with a token, or nobody; `organization` is the one whose documents he may read."""

    name: str
    user: str | None
    organization: str | None = None


def members(project: str, organization: str) -> list[Reader]:
    """A member of each role."""
    claims = {"organizationId": organization}
    return [Reader(role, token(project, **claims, role=role), organization) for role in ROLES]


def strangers(project: str) -> list[Reader]:
    """Those who may read nothing of anybody, though they claim org-1 as best they can."""
    now = int(time.time())
    of_org = {"organizationId": "org-1"}
    admin = {**of_org, "role": "admin"}
    tokens = {
        "anonymous": None,
        "without a role": token(project, **of_org),
        "with an unknown role": token(project, **of_org, role="owner"),
        "with an empty role": token(project, **of_org, role=""),
        "with a role of another case": token(project, **of_org, role="Admin"),
        "with a list of roles": token(project, **of_org, role=["admin"]),
        "without an organization": token(project, role="admin"),
        "with an empty organization": token(project, organizationId="", role="admin"),
        "with a list of organizations": token(project, organizationId=["org-1"], role="admin"),
        "expired": token(project, **admin, exp=now - 1),
        "expired by its text": token(project, **admin, exp=str(now + 600)),
        "without an expiry": token(project, **admin, exp=None),
        "with a bare sub": bare_token(sub="somebody"),
        "with a bare sub and claims": bare_token(sub="somebody", **admin),
    }
    return [Reader(name, user) for name, user in tokens.items()]


@dataclass(frozen=True)
class Attempt:
    """Something that a reader tries with a collection; `reads` is whose documents it reads, where it only reads."""

    name: str
    run: Callable[[Database, str, str | None], requests.Response]
    reads: str | None = None


def _commit(database: Database, collection: str, user: str | None, **more: Any) -> requests.Response:
    name = f"{database.name}/{collection}/of-org-1"
    write = {"update": {"name": name, "fields": {"organizationId": text("org-1")}}, "updateMask": {"fieldPaths": ["a"]}}
    return database.ask("POST", ":commit", {"writes": [write], **more}, user)


def _transaction(database: Database, collection: str, user: str | None) -> requests.Response:
    begun = database.ask("POST", ":beginTransaction", {}, user)
    return _commit(database, collection, user, transaction=begun.json()["transaction"]) if begun.ok else begun


def _count(collection: str, organization: str | None) -> dict[str, Any]:
    counted = {**query(collection, organization), "aggregations": [{"alias": "n", "count": {}}]}
    return {"structuredAggregationQuery": counted}


NEW = {"fields": {"organizationId": text("org-1")}}
ATTEMPTS = (
    Attempt("get", lambda db, name, user: db.ask("GET", f"/{name}/of-org-1", user=user), "org-1"),
    Attempt("get of a missing one", lambda db, name, user: db.ask("GET", f"/{name}/missing", user=user)),
    Attempt(
        "batch get",
        lambda db, name, user: db.ask("POST", ":batchGet", {"documents": [f"{db.name}/{name}/of-org-1"]}, user),
        "org-1",
    ),
    Attempt("list", lambda db, name, user: db.ask("POST", ":runQuery", query(name, "org-1"), user), "org-1"),
    Attempt("list another's", lambda db, name, user: db.ask("POST", ":runQuery", query(name, "org-2"), user), "org-2"),
    Attempt("list nobody's", lambda db, name, user: db.ask("POST", ":runQuery", query(name, ""), user)),
    Attempt("list all", lambda db, name, user: db.ask("POST", ":runQuery", query(name, None), user)),
    Attempt("list plainly", lambda db, name, user: db.ask("GET", f"/{name}", user=user)),
    Attempt(
        "count", lambda db, name, user: db.ask("POST", ":runAggregationQuery", _count(name, "org-1"), user), "org-1"
    ),
    Attempt("count all", lambda db, name, user: db.ask("POST", ":runAggregationQuery", _count(name, None), user)),
    Attempt(
        "collection group",
        lambda db, name, user: db.ask(
            "POST",
            ":runQuery",
            query(name, "org-1", **{"from": [{"collectionId": name, "allDescendants": True}]}),
            user,
        ),
    ),
    Attempt("create", lambda db, name, user: db.ask("POST", f"/{name}?documentId=new", NEW, user)),
    Attempt("update", lambda db, name, user: db.ask("PATCH", f"/{name}/of-org-1", NEW, user)),
    Attempt("delete", lambda db, name, user: db.ask("DELETE", f"/{name}/of-org-1", user=user)),
    Attempt("batch write", _commit),
    Attempt("transaction", _transaction),
)
