"""What a refusal may not tell: what a wire example has put into the cloud, so far as its request does not say it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from tests.contract.wire_examples import examples, fill

_TELLING = {
    "access_code",
    "fileName",
    "file_name",
    "ip_address",
    "model",
    "name",
    "printerIpAddress",
    "printerSerial",
    "productId",
    "product_id",
    "product_name",
    "serial",
    "userId",
}
"""Fields of the examples' requests whose values tell a stranger something."""


def until(name: str, step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row's example up to this step."""
    steps = examples(name)
    return steps[: steps.index(dict(step)) + 1]


def asked(step: Mapping[str, Any]) -> str:
    """The step's request as text, without its credential."""
    return json.dumps({name: value for name, value in step["request"].items() if name not in ("key", "token")})


def secrets_of(
    name: str, step: Mapping[str, Any], variables: Mapping[str, str], sent: Mapping[str, Any] | None = None
) -> set[str]:
    """What the example has put there, so far as the step's own request, or what was sent instead, does not say it."""
    own = fill(asked(sent or step), variables)
    requests_made = [fill(each["request"], variables) for each in until(name, step)]
    found = {each for made in requests_made for each in _telling(made)} | set(variables.values())
    return {each for each in found if each not in own}


def told(answer: requests.Response) -> str:
    """All that an answer says, its headers included."""
    return f"{answer.text} {answer.headers}"


def _telling(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name in _TELLING and isinstance(each, str))
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _telling(each)
