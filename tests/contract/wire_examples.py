"""Reads the wire examples, and compares an answer with one as a whole."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "wire"
_VARIABLE = re.compile(r"\{\{(?:int:)?(\w+)\}\}")
_NUMBER = re.compile(r"\{\{int:(\w+)\}\}")


def _matches(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_base64(value: Any) -> bool:
    try:
        return bool(base64.b64decode(value, validate=True))
    except (TypeError, binascii.Error):
        return False


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "<uuid>": _matches(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "<time>": _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "<moment>": _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "<time or null>": lambda value: value is None or KINDS["<time>"](value),
    "<local time>": _matches(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    "<token>": _matches(r"[A-Za-z0-9_-]{40,}"),
    "<code>": _matches(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}"),
    "<sha256>": _matches(r"[0-9a-f]{64}"),
    "<md5>": _matches(r"[0-9a-f]{32}"),
    "<url>": _matches(r"https?://[^\s]+"),
    "<text>": _matches(r"(?s).+"),
    "<number>": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "<base64>": _is_base64,
    "<any>": lambda _: True,
}


def examples(name: str) -> list[dict[str, Any]]:
    """The steps of one row's example, in order."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: list[dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return loaded


def keyed_example(name: str, method: str, path: str) -> dict[str, Any]:
    """The first step of a row's example that a key in the header allows: the request that strangers are denied."""
    template = re.compile("[^/?]+".join(map(re.escape, re.split(r"{\w+}", path))) + r"(\?.*)?")
    for step in examples(name):
        request = step["request"]
        fits = request["method"] == method and template.fullmatch(request["path"]) and "apiKey=" not in request["path"]
        if fits and step["response"]["status"] < 400:
            return step
    raise AssertionError(f"{name} has no example of {method} that works")


def saved(step: Mapping[str, Any], answer: Any) -> dict[str, str]:
    """What later steps call parts of an answer: `save` has their places, as `id` or `jobs.0.id`, and their names."""
    return {name: str(reduce(_part, place.split("."), answer)) for place, name in step.get("save", {}).items()}


def _part(value: Any, step: str) -> Any:
    return value[int(step)] if isinstance(value, list) else value[step]


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with `{{name}}` replaced throughout; a text that is `{{int:name}}` alone becomes a number."""
    if isinstance(value, str):
        if number := _NUMBER.fullmatch(value):
            return int(variables[number[1]])
        return _VARIABLE.sub(lambda found: variables[found[1]], value)
    if isinstance(value, list):
        return [fill(each, variables) for each in value]
    if isinstance(value, dict):
        return {name: fill(each, variables) for name, each in value.items()}
    return value


def differences(expected: Any, actual: Any, where: str = "body") -> list[str]:
    """Where the answer is not as the example says; a kind such as `<time>` stands for any value of its form."""
    if isinstance(expected, str) and expected in KINDS:
        return [] if KINDS[expected](actual) else [f"{where}: {actual!r} is no {expected}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = [f"{where}.{name}: missing" for name in expected.keys() - actual.keys()]
        found += [f"{where}.{name}: {actual[name]!r} is not in the example" for name in actual.keys() - expected.keys()]
        for name in expected.keys() & actual.keys():
            found += differences(expected[name], actual[name], f"{where}.{name}")
        return found
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = zip(expected, actual, strict=True)
        return [text for at, (one, other) in enumerate(pairs) for text in differences(one, other, f"{where}[{at}]")]
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{where}: {actual!r} instead of {expected!r}"]
