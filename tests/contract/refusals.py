"""What a refusal may not tell: what a wire example has put into the cloud, so far as its request does not say it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from tests.contract.wire_examples import examples, fill

FORMS: Mapping[str, frozenset[str]] = {
    "cloud": frozenset({"ok", "error_type", "message", "detail"}),
    "printpro": frozenset({"error"}),
    "taverna": frozenset({"success", "message"}),
    "printernizer": frozenset({"error"}),
}
"""The fields of each dialect's answer to a call that did not work."""

_TROUBLE = {"code", "message", "details", "timestamp", "request_id"}

LIVE = {"printernizer-socket-open", "printernizer-event-stream"}
"""Faces whose answer does not end by itself: who may have it is shown where it is read."""

_OF_WHOEVER_ASKS = {
    "cloud-metrics-show",
    "printernizer-cleanup-run",
    "printernizer-notification-create",
    "printernizer-statistics-overview",
    "printernizer-system-show",
    "printernizer-ticket-create",
}

_TELLING = {
    "access_code",
    "address",
    "customer_name",
    "fileName",
    "file_name",
    "ip_address",
    "model",
    "name",
    "order_id",
    "printerIpAddress",
    "printerSerial",
    "productId",
    "product_id",
    "product_name",
    "serial",
    "serial_number",
    "userId",
}
"""Fields of the examples' requests whose values tell a stranger something."""


def is_of_whoever_asks(name: str) -> bool:
    """Whether a face answers everybody, each with what is the caller's own."""
    return name.endswith("-list") or name in _OF_WHOEVER_ASKS


def assert_is_refusal(answer: requests.Response, dialect: str, *statuses: int) -> None:
    """The answer has one of these statuses, and is in the dialect's form."""
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text}"
    body = answer.json()
    assert body.keys() == FORMS[dialect], answer.text
    assert body.get("ok", body.get("success", False)) is False
    assert dialect != "printernizer" or body["error"].keys() == _TROUBLE, answer.text
    assert message_of(answer)


def message_of(answer: requests.Response) -> str:
    """What a refusal tells people, in whichever dialect."""
    body = answer.json()
    told = body["message"] if "message" in body else body["error"]
    return str(told["message"] if isinstance(told, dict) else told)


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
