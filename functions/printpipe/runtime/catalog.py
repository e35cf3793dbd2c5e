"""The catalog's rows, as the functions themselves, the tools and the local stack read them."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from printpipe.domain.scopes import SCOPES

ROOT = Path(__file__).resolve().parents[2]
"""The folder of `main.py` and the catalog: a bundle's root, or `functions/` of the project."""

Use = Literal["documents", "files", "bus", "keys", "events"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(_Model):
    """An HTTP trigger: methods, and a path template such as `/fetch/{fetchToken}`."""

    methods: tuple[Literal["GET", "POST", "PUT", "DELETE"], ...]
    path: str


class Trigger(_Model):
    """An event trigger: a Firestore event type with the pattern of the documents it watches."""

    firestore: str
    document: str


class Row(_Model):
    """One deployed function. `files` are what its bundle carries besides code, by their names below `ROOT`.

    `keyless` says of `auth: optional` who is answered without a key.
    """

    name: str
    http: Http | None = None
    trigger: Trigger | None = None
    dialect: Literal["cloud"] | None = None
    auth: Literal["key", "token", "optional", "none"] | None = None
    keyless: Literal["all", "legacy"] = "all"
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
        if self.http and (self.dialect is None or self.auth is None):
            raise ValueError(f"{self.name}: an http row names its dialect and auth")
        if self.auth in ("key", "optional") and self.scope is None:
            raise ValueError(f"{self.name}: a keyed row names its scope")
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
        """The module that holds `handle`."""
        first, _, rest = self.entry_point.partition("_")
        return f"printpipe.triggers.{rest}" if self.trigger else f"printpipe.endpoints.{first}.{rest}"

    @property
    def requirement_set(self) -> str:
        """The name of the pinned set of packages that this function needs."""
        return "-".join(sorted(self.uses)) or "base"

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
