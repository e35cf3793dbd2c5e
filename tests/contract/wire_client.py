"""Sends the wire examples' requests."""

from collections.abc import Mapping
from typing import Any

import requests

from local.sample_print import make_3mf
from local.simulator.jpeg import grey_blocks
from tests.cloud import Cloud, Site
from tests.contract.wire_examples import fill

PICTURE = grey_blocks([[0, 64], [128, 255]])
"""A small JPEG."""


def variables_of(cloud: Cloud, site: Site) -> dict[str, str]:
    """What the examples call the site and its keys."""
    return {
        "organization": site.organization,
        "organization_key": site.organization_key,
        "operator_key": cloud.operator_key,
        "agent_recipient": site.agent_recipient,
        "agent_key": site.agent_key,
        "lan_recipient": site.lan_recipient,
        "lan_key": site.lan_key,
    }


def send(cloud: Cloud, step: Mapping[str, Any], variables: Mapping[str, str], **other: Any) -> requests.Response:
    """The step's request: `json`, or a `form` with a print file (`file`) or a picture (`image`).

    The key is the example's, else the operator's; `key` in `other` overrules both.
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
    key = request.get("key", cloud.operator_key)
    return cloud.call(
        request["method"], request["path"], **{"key": key, "headers": request.get("headers"), **options, **other}
    )
