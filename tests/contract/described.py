"""The printed API descriptions' examples: the site that they name, their curl lines, and what they show of answers."""

import argparse
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from local.sample_print import make_3mf
from printpipe.domain.ports.documents import Delete, Put
from tests.cloud import Cloud

RECIPIENT, ORGANIZATION, SERIAL = "RID123", "org-uuid-here", "01P00A381200434"
MODEL = make_3mf("model", layers=3, seconds=60)
_EMPTIED = ("files", "print_jobs", "printer_commands")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_VALUES = frozenset(
    {"status", "recipientId", "productId", "commandType", "printerSerial", "fileName", "message", "claimedBy", "type"}
)
"""Fields of which the descriptions mean the value, and not only the type."""

_CURL = argparse.ArgumentParser()
_CURL.add_argument("-X", default="GET")
_CURL.add_argument("-H", action="append", default=[])
_CURL.add_argument("-d")
_CURL.add_argument("-F", action="append", default=[])
_CURL.add_argument("url")


@dataclass(frozen=True)
class Service:
    """The functions, and the key of the site that the descriptions name."""

    cloud: Cloud
    key: str

    def call(self, method: str, path: str, *, key: bool = True, **options: Any) -> requests.Response:
        """A request as the descriptions show it: with `X-API-Key`, and JSON with its Content-Type."""
        return self.cloud.call(method, path, key=self.key if key else None, **options)

    def curl(self, line: str, found: Mapping[str, str] | None = None) -> requests.Response:
        """As `curl`, with the site's key."""
        return curl(self.cloud, line, found or {}, {"X-API-Key": self.key})

    def upload(self) -> dict[str, Any]:
        """A stored `model.3mf` of the product in the descriptions."""
        return self.cloud.upload(RECIPIENT, "PROD-55", key=self.key)


def curl(
    cloud: Cloud, line: str, found: Mapping[str, str], credentials: Mapping[str, str] | None = None
) -> requests.Response:
    """What the shell would send for a line of the descriptions.

    `found` are ids and what else earlier answers gave, by what the line shows; `credentials` are headers' real values.
    """
    for shown, actual in found.items():
        line = line.replace(shown, actual)
    parsed = _CURL.parse_args(shlex.split(line.replace("\\\n", " "))[1:])
    headers = dict(header.split(": ", 1) for header in parsed.H)
    headers |= {name: value for name, value in (credentials or {}).items() if name in headers}
    options: dict[str, Any] = {"headers": headers, "data": parsed.d.encode() if parsed.d else None}
    if parsed.F:
        fields = dict(part.split("=", 1) for part in parsed.F)
        files = {name: value[1:] for name, value in fields.items() if value.startswith("@")}
        options["data"] = {name: value for name, value in fields.items() if name not in files}
        options["files"] = {name: (file, MODEL, "application/octet-stream") for name, file in files.items()}
    url = urlsplit(parsed.url)
    return cloud.call(parsed.X, url.path, params=url.query, **options)


def described_service(cloud: Cloud) -> Service:
    """The site that the descriptions name, with nothing left of what was sent to it before."""
    now = datetime.now(UTC)
    site = {"recipientId": RECIPIENT, "organizationId": ORGANIZATION, "name": RECIPIENT, "client": "lan_client"}
    cloud.backend.documents.commit(
        Put(f"organizations/{ORGANIZATION}", {"organizationId": ORGANIZATION, "name": "PrintPro3D", "createdAt": now}),
        Put(f"recipients/{RECIPIENT}", {**site, "createdAt": now}),
        *(Delete(each.path) for collection in _EMPTIED for each in cloud.documents(collection, RECIPIENT)),
    )
    return Service(cloud, cloud.new_key(ORGANIZATION, None, ["*"]))


def check(answer: requests.Response, shown: Any, status: int = 200) -> Any:
    """The answer's body; it must hold every field that is shown, of its type."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert missing(shown, body) == []
    return body


def missing(shown: Any, actual: Any, where: str = "body") -> list[str]:
    """Where an answer falls short of what a description shows; None there stands for anything."""
    if shown is None:
        return []
    if isinstance(shown, dict) and isinstance(actual, dict):
        found = [f"{where}.{name} is missing" for name in shown.keys() - actual.keys()]
        for name in shown.keys() & actual.keys():
            if name in _VALUES and isinstance(shown[name], str) and shown[name] != actual[name]:
                found.append(f"{where}.{name}: {actual[name]!r} instead of {shown[name]!r}")
            found += missing(shown[name], actual[name], f"{where}.{name}")
        return found
    if isinstance(shown, list) and isinstance(actual, list):
        if shown and not actual:
            return [f"{where} is empty"]
        return [text for one, other in zip(shown, actual, strict=False) for text in missing(one, other, f"{where}[]")]
    if isinstance(shown, bool) or isinstance(actual, bool):
        return [] if shown is actual else [f"{where}: {actual!r} instead of {shown!r}"]
    if isinstance(shown, str) and _TIME.fullmatch(shown) and not (isinstance(actual, str) and _TIME.fullmatch(actual)):
        return [f"{where}: {actual!r} is no time"]
    kind = (int, float) if isinstance(shown, int | float) else type(shown)
    return [] if isinstance(actual, kind) else [f"{where}: {actual!r} is not like {shown!r}"]
