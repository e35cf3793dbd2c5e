"""The catalog's rows, as the functions themselves, the tools and the local stack read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from printpipe.domain.messages import Topic
from printpipe.domain.scopes import SCOPES
from printpipe.runtime.cron import Cron

ROOT = Path(__file__).resolve().parents[2]
"""The folder of `main.py` and the catalog: a bundle's root, or `functions/` of the project."""

Use = Literal["documents", "files", "bus", "keys", "outbound", "credentials"]
FirestoreEvent = Literal[
    "google.cloud.firestore.document.v1.created",
    "google.cloud.firestore.document.v1.updated",
    "google.cloud.firestore.document.v1.deleted",
    "google.cloud.firestore.document.v1.written",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(_Model):
    """An HTTP trigger: methods, and a path template such as `/fetch/{fetchToken}`; `also` are further paths of it."""

    methods: tuple[Literal["GET", "POST", "PUT", "DELETE"], ...]
    path: str
    also: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return (self.path, *self.also)


class Trigger(_Model):
    """An event trigger: a Firestore event type with the pattern of the documents it watches, a topic, or a schedule.

    `filter` says which of a topic's messages are wanted, by their attributes, as a subscription's filter does; the
    subscription has the function's name. `schedule` is unix-cron, in the time of a zone of the tz database.
    """

    firestore: FirestoreEvent | None = None
    document: str | None = Field(None, pattern=r"^\w+/\{\w+\}$")
    topic: Topic | None = None
    filter: str = ""
    schedule: str | None = None
    time_zone: str = "UTC"

    @model_validator(mode="after")
    def _complete(self) -> "Trigger":
        if [self.firestore, self.topic, self.schedule].count(None) != 2:
            raise ValueError("a trigger is either a firestore event, a topic or a schedule")
        if self.filter and self.topic is None:
            raise ValueError("a filter is for a topic")
        if (self.firestore is None) != (self.document is None):
            raise ValueError("a firestore event, and no schedule, names the documents that it watches")
        if self.schedule is not None:
            Cron.parse(self.schedule)
        return self


Dialect = Literal["cloud", "printpro", "taverna", "printernizer"]
Auth = Literal["key", "jwt", "either", "ticket", "token", "optional", "none"]
Limit = Literal["general", "status"]


@dataclass(frozen=True)
class Face:
    """How a function shows itself to a kind of caller: the endpoint that serves it, named `dialect-noun-verb`."""

    name: str
    auth: Auth

    @property
    def dialect(self) -> str:
        """The dialect's name."""
        return self.name.partition("-")[0]

    @property
    def module(self) -> str:
        """The endpoint's module."""
        first, _, rest = self.name.replace("-", "_").partition("_")
        return f"printpipe.endpoints.{first}.{rest}"


class Row(_Model):
    """One deployed function. `files` are what its bundle carries besides code, by their names below `ROOT`.

    `keyless` says of `auth: optional` who is answered without a key: everybody (`all`), everybody and whoever comes
    with a key that is none (`any`), or `legacy` clients where the deployment has some. `bearer` names the endpoint that
    serves whoever comes with a bearer token to a path that two dialects share. `limit` is how often a client may call.
    """

    name: str
    http: Http | None = None
    trigger: Trigger | None = None
    dialect: Dialect | None = None
    auth: Auth | None = None
    bearer: str | None = None
    keyless: Literal["all", "any", "legacy"] = "all"
    limit: Limit | None = None
    scope: str | Mapping[str, str] | None = None
    uses: frozenset[Use]
    files: tuple[str, ...] = ()
    memory: int
    cpu: float
    concurrency: int
    timeout: int
    min_instances: int
    max_instances: int

    @model_validator(mode="after")
    def _complete(self) -> "Row":
        if (self.http is None) == (self.trigger is None):
            raise ValueError(f"{self.name}: needs either http or trigger")
        if self.trigger and self.trigger.firestore and "documents" not in self.packages:
            raise ValueError(f"{self.name}: who reads Firestore's events uses documents or bus")
        if self.trigger and self.trigger.topic and "documents" not in self.uses:
            raise ValueError(f"{self.name}: who takes a topic's messages uses documents, to note what it has done")
        if self.http and (self.dialect is None or self.auth is None):
            raise ValueError(f"{self.name}: an http row names its dialect and auth")
        if self.auth in ("key", "jwt", "either", "ticket", "optional") and self.scope is None:
            raise ValueError(f"{self.name}: a row with a credential names its scope")
        if self.bearer is not None and self.auth != "key":
            raise ValueError(f"{self.name}: bearer is for a row whose auth is key")
        if self.keyless != "all" and self.auth != "optional":
            raise ValueError(f"{self.name}: keyless is for a row whose auth is optional")
        named = {self.scope} if isinstance(self.scope, str) else {*(self.scope or {}).values()}
        if unknown := named - SCOPES:
            raise ValueError(f"{self.name}: there is no scope {', '.join(sorted(unknown))}")
        return self

    @property
    def entry_point(self) -> str:
        """The function's Python name."""
        return self.name.replace("-", "_")

    @property
    def handler_module(self) -> str:
        """The module of its own endpoint or trigger."""
        if self.http:
            return self.faces[0].module
        return f"printpipe.triggers.{self.entry_point.partition('_')[2]}"

    @property
    def faces(self) -> tuple[Face, ...]:
        """How an HTTP function shows itself: its own first."""
        assert self.auth is not None
        own = Face(self.name, self.auth)
        return (own, Face(self.bearer, "jwt")) if self.bearer else (own,)

    @property
    def packages(self) -> tuple[str, ...]:
        """The dependency groups that this function has besides the base, sorted.

        The bus comes with the documents' packages, and with the keys also the files', though not with their adapters:
        fewer sets, at a size that is small. What goes out to others takes the HTTP client that is among the files', and
        what gives credentials the one that is among the documents'.
        """
        beside = {"documents"} if {"bus", "credentials"} & self.uses else set[str]()
        beside |= {"files"} if {"bus", "keys"} <= self.uses or "outbound" in self.uses else set()
        return tuple(sorted({*self.uses, *beside} - {"outbound", "credentials"}))

    @property
    def requirement_set(self) -> str:
        """The name of the pinned set of packages that this function needs."""
        return "-".join(self.packages) or "base"

    def scope_for(self, method: str) -> str | None:
        """The scope that a key needs to call this row by this method."""
        return self.scope if isinstance(self.scope, str) or self.scope is None else self.scope[method]


@cache
def rows(root: Path = ROOT) -> Mapping[str, Row]:
    """Every row by its entry point: a bundle's own single row, or the project's whole table."""
    bundled = root / "catalog.json"
    if bundled.exists():
        table: dict[str, Any] = json.loads(bundled.read_text())
    else:
        import yaml  # a bundle carries its row as JSON and no YAML reader

        table = yaml.safe_load((root / "catalog.yaml").read_text())
    found: dict[str, Row] = {}
    for fields in table["functions"]:
        try:
            row = Row.model_validate({**table.get("defaults", {}), **fields})
        except ValidationError as error:
            raise ValueError(f"catalog row {fields.get('name')}: {error}") from None
        if found.setdefault(row.entry_point, row) is not row:
            raise ValueError(f"catalog row {row.name}: occurs twice")
    return found
