"""Sends the wire examples' requests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests

from local.sample_print import make_3mf
from local.simulator.jpeg import grey_blocks
from tests.cloud import Cloud, Site
from tests.contract.wire_examples import examples, fill, saved

PICTURE = grey_blocks([[0, 64], [128, 255]])
"""A small JPEG."""


def variables_of(cloud: Cloud, site: Site, user: str = "user-1") -> dict[str, str]:
    """What the examples call the site, its keys and its user's tokens; `foreign_key` is another tenant's."""
    return {
        "organization": site.organization,
        "organization_key": site.organization_key,
        "operator_key": cloud.operator_key,
        "agent_recipient": site.agent_recipient,
        "agent_key": site.agent_key,
        "lan_recipient": site.lan_recipient,
        "lan_key": site.lan_key,
        "foreign_key": cloud.new_site().organization_key,
        **{f"{role}_token": cloud.token(site.organization, role, user) for role in ("viewer", "operator", "admin")},
        "homeless_token": cloud.token(None, None, "nobody"),
        "foreign_token": cloud.token(cloud.new_site().organization),
    }


def variables_before(cloud: Cloud, site: Site, name: str, step: Mapping[str, Any]) -> dict[str, str]:
    """Makes the calls that come before a step in its row's example; what the example calls things by then."""
    variables, steps = variables_of(cloud, site), examples(name)
    for earlier in steps[: steps.index(dict(step))]:
        answer = send(cloud, earlier, variables)
        variables |= saved(earlier, answer.json()) if "save" in earlier else {}
    return variables


def send(cloud: Cloud, step: Mapping[str, Any], variables: Mapping[str, str], **other: Any) -> requests.Response:
    """The step's request: `json`, or a `form` with a print file (`file`) or a picture (`image`); `put` goes before.

    The credential is the `api_key` among the data, or the example's `token` or `key`, else the operator's key; what
    `other` says overrules it. A `stream` is left unread, a redirection not followed.
    """
    request = fill(step["request"], variables)
    beside_the_data = _has_its_own_key(request)
    if beside_the_data and "key" in other:
        request = _with_key(request, other.pop("key"))
    options: dict[str, Any] = {}
    if "json" in request:
        options["json"] = request["json"]
    if "form" in request:
        options["data"] = request["form"]
    if "file" in request:
        sample = request["file"]
        content = make_3mf("cube", layers=sample["layers"], seconds=sample["seconds"])
        options["files"] = {"file": (sample["name"], content, "model/3mf")}
    if "image" in request:
        options["files"] = {"image": (request["image"]["name"], PICTURE, "image/jpeg")}
    if "put" in request and request["put"]["url"].startswith("http"):
        requests.put(request["put"]["url"], data=request["put"]["text"].encode(), timeout=10).raise_for_status()
    if request.get("stream"):
        options["stream"] = True
    options["token"] = request.get("token")
    alone = beside_the_data or options["token"] is not None
    options["key"] = request.get("key", None if alone else cloud.operator_key)
    options |= {"headers": request.get("headers"), "allow_redirects": False}
    return cloud.call(request["method"], request["path"], **{**options, **other})


def _has_its_own_key(request: Mapping[str, Any]) -> bool:
    """Whether a request carries its key among its data, as one dialect has it."""
    return "api_key" in request.get("json", {}) or "api_key" in dict(_query(request["path"]))


def _with_key(request: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """The request with that key among its data, or without any."""
    beside = {} if key is None else {"api_key": key}
    if "api_key" in request.get("json", {}):
        others = {name: value for name, value in request["json"].items() if name != "api_key"}
        return {**request, "json": others | beside}
    others = {name: value for name, value in _query(request["path"]) if name != "api_key"}
    return {**request, "path": "?".join(filter(None, [request["path"].partition("?")[0], urlencode(others | beside)]))}


def _query(path: str) -> list[tuple[str, str]]:
    return parse_qsl(path.partition("?")[2], keep_blank_values=True)
