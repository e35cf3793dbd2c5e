"""Which backend service a URL map sends a request to, by the rules that Google documents for it."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_MOST_WILDCARDS = 5


def service_of(url_map: Mapping[str, Any], host: str, method: str, path: str) -> str:
    """The backend service's name for a request; `url_map` is the planned resource, `path` has no query."""
    named = [rule["path_matcher"] for rule in url_map["host_rule"] if _host_matches(rule["hosts"], host)]
    if not named:
        return _name(url_map["default_service"])
    matcher = next(each for each in url_map["path_matcher"] if each["name"] == named[0])
    for rule in in_order(matcher):
        if any(_matches(match, method, path) for match in rule["match_rules"]):
            return _name(rule["service"])
    return _name(matcher["default_service"])


def in_order(matcher: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A path matcher's rules as they are tried: by their priority, whose numbers are all different."""
    rules = {int(rule["priority"]): rule for rule in matcher["route_rules"]}
    assert len(rules) == len(matcher["route_rules"]), "two rules have the same priority"
    return [rule for _, rule in sorted(rules.items())]


def _name(service: str) -> str:
    return service.rpartition("/")[2]


def _host_matches(hosts: list[str], host: str) -> bool:
    return any(each in ("*", host) or (each.startswith("*.") and host.endswith(each[1:])) for each in hosts)


def _matches(match: Mapping[str, Any], method: str, path: str) -> bool:
    """Whether the path and every header are as they should; of what there is, only what this map uses is known."""
    beyond = {"regex_match", "ignore_case", "metadata_filters", "query_parameter_matches"}
    assert not [each for each in beyond if match.get(each)], f"not known here: {match}"
    if template := match.get("path_template_match"):
        found = _expression(template).fullmatch(path) is not None
    elif full := match.get("full_path_match"):
        found = path == full
    else:
        found = path.startswith(match["prefix_match"])
    return found and all(_header_matches(each, method) for each in match.get("header_matches") or ())


def _header_matches(header: Mapping[str, Any], method: str) -> bool:
    assert header["header_name"] == ":method", "the catalog knows no other header"
    assert header["exact_match"], f"not known here: {header}"
    return bool((header["exact_match"] == method) != bool(header.get("invert_match")))


@cache
def _expression(template: str) -> re.Pattern[str]:
    """A path template as a regular expression: `*` is one segment that is not empty; `**` is not known here."""
    assert "**" not in template
    assert template.count("*") <= _MOST_WILDCARDS
    return re.compile("[^/]+".join(re.escape(part) for part in template.split("*")))
