"""Sends the wire examples' requests."""

from collections.abc import Mapping
from typing import Any

import requests

from local.sample_print import make_3mf
from local.simulator.jpeg import grey_blocks
from tests.cloud import Cloud, Site
from tests.contract.wire_examples import examples, fill

PICTURE = grey_blocks([[0, 64], [128, 255]])
"""A small JPEG."""


def variables_of(cloud: Cloud, site: Site) -> dict[str, str]:
    """What the examples call the site and its keys; `foreign_key` is another tenant's."""
    return {
        "organization": site.organization,
        "organization_key": site.organization_key,
        "operator_key": cloud.operator_key,
        "agent_recipient": site.agent_recipient,
        "agent_key": site.agent_key,
        "lan_recipient": site.lan_recipient,
        "lan_key": site.lan_key,
        "foreign_key": cloud.new_site().organization_key,
        **{f"{role}_token": cloud.token(site.organization, role) for role in ("viewer", "operator", "admin")},
        "homeless_token": cloud.token(None, None, "nobody"),
        "foreign_token": cloud.token(cloud.new_site().organization),
    }


def variables_before(cloud: Cloud, site: Site, name: str, step: Mapping[str, Any]) -> dict[str, str]:
    """Makes the calls that come before a step in its row's example; what the example calls things by then."""
    variables, steps = variables_of(cloud, site), examples(name)
    for earlier in steps[: steps.index(dict(step))]:
        answer = send(cloud, earlier, variables)
        variables |= {variable: str(answer.json()[field]) for field, variable in earlier.get("save", {}).items()}
    return variables


def send(cloud: Cloud, step: Mapping[str, Any], variables: Mapping[str, str], **other: Any) -> requests.Response:
    """The step's request: `json`, or a `form` with a print file (`file`) or a picture (`image`); `put` goes before.

    The credential is the example's `token` or `key`, else the operator's key; what `other` says overrules it.
    """
    request = fill(step["request"], variables)
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
    options["token"] = request.get("token")
    options["key"] = request.get("key", None if options["token"] else cloud.operator_key)
    return cloud.call(request["method"], request["path"], **{"headers": request.get("headers"), **options, **other})
