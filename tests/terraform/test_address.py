"""The one address: its URL map sends each request where the local gateway sends it."""

import re
from collections.abc import Callable, Iterator

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from local.gateway import url_map as gateway_map
from printpipe.runtime import catalog
from tests.counts import count
from tests.terraform.url_map import in_order, service_of
from tests.terraform.workspace import Plan

pytestmark = pytest.mark.timeout(600)

HTTP_ROWS = {row.name: row.http for row in catalog.rows().values() if row.http}
TEMPLATES = sorted({path for http in HTTP_ROWS.values() for path in http.paths})
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
HOST = "api.farm.example"
DEFAULT = "cloud-health-check"
"""What no function has a path for is that function's, which answers 404."""

Sent = Callable[[str, str], str]


@pytest.fixture(scope="module")
def sent(prod: Plan) -> Sent:
    """The function that the URL map sends a method and a path to."""
    url_map = next(each.values for each in prod.of("google_compute_url_map") if each.values["path_matcher"])
    services = {each.values["name"]: each for each in prod.of("google_compute_backend_service")}
    groups = {each.key: each.values for each in prod.of("google_compute_region_network_endpoint_group")}

    def function(method: str, path: str) -> str:
        (group,) = groups[services[service_of(url_map, HOST, method, path)].key]["cloud_run"]
        return str(group["service"])

    return function


@pytest.fixture(scope="module")
def gateway() -> Sent:
    """The function that the local gateway calls."""
    paths = gateway_map().bind(HOST)

    def function(method: str, path: str) -> str:
        try:
            return str(paths.match(path, method=method)[0])
        except MethodNotAllowed as other:
            return str(paths.match(path, method=min(other.valid_methods or ()))[0])
        except NotFound:
            return DEFAULT

    return function


def filled(template: str, value: str = "5f0c-9a.b~c") -> str:
    return re.sub(r"\{\w+\}", value, template)


def crossings() -> Iterator[str]:
    """Paths that fit two templates or nearly do: a parameter whose value is another template's literal part."""
    words = sorted({part for template in TEMPLATES for part in template.split("/") if part and "{" not in part})
    for template in TEMPLATES:
        if "{" in template:
            yield from (filled(template, word) for word in words)


def no_routes() -> Iterator[str]:
    """Paths that are nearly some template's."""
    for template in TEMPLATES:
        path = filled(template).rstrip("/")
        yield from (f"{path}/", f"{path}//", f"{path}/more", f"/v2{path}", f"{path}.json", path.upper() or "/A")
        yield from (path.rpartition("/")[0] or "/none", path.replace("/", "//")[1:] + "//", f"/printpipe{path}")


def differing(sent: Sent, gateway: Sent, paths: Iterator[str] | list[str]) -> dict[tuple[str, str], tuple[str, str]]:
    asked = [(method, path) for path in paths for method in METHODS]
    answers = {each: (sent(*each), gateway(*each)) for each in asked}
    return {each: (to, wanted) for each, (to, wanted) in answers.items() if to != wanted}


def test_every_route_of_the_catalog_is_sent_to_its_function(sent: Sent) -> None:
    for name, http in HTTP_ROWS.items():
        for path in http.paths:
            for method in {*http.methods, *(["HEAD"] if "GET" in http.methods else [])}:
                assert sent(method, filled(path)) == name, (method, path)


def test_every_method_of_every_path_goes_where_the_gateway_sends_it(sent: Sent, gateway: Sent) -> None:
    paths = [filled(template, value) for template in TEMPLATES for value in ("5f0c-9a.b~c", "a%20b", "none", "-")]
    assert differing(sent, gateway, paths) == {}


def test_a_parameter_may_look_like_a_literal_part_of_another_path(sent: Sent, gateway: Sent) -> None:
    assert sent("GET", "/api/status/update") == "taverna-status-show"
    paths = list(crossings())
    assert differing(sent, gateway, paths[:: count(1, quick=10)]) == {}


def test_what_is_no_route_goes_where_the_gateway_says(sent: Sent, gateway: Sent) -> None:
    paths = [
        path for path in dict.fromkeys(no_routes()) if not path.startswith("//")
    ]  # the gateway drops these slashes
    none = [path for path in paths if gateway("GET", path) == DEFAULT and path != "/"]
    assert len(none) >= 200
    assert differing(sent, gateway, none) == {}
    assert {sent("GET", path) for path in none} == {DEFAULT}


def test_every_request_is_counted_and_encrypted(prod: Plan) -> None:
    policy = prod.one("google_compute_security_policy").values
    for each in prod.of("google_compute_backend_service"):
        assert each.values["security_policy"].endswith(f"/securityPolicies/{policy['name']}"), each.address
    counted = [rule for rule in policy["rule"] if rule["action"] == "throttle"]
    assert [rule["match"][0]["config"][0]["src_ip_ranges"] for rule in counted] == [["*"]]
    (limit,) = counted[0]["rate_limit_options"]
    assert (limit["enforce_on_key"], limit["exceed_action"]) == ("IP", "deny(429)")
    assert limit["rate_limit_threshold"] == [{"count": 1200, "interval_sec": 60}]
    assert not any(rule["preview"] for rule in policy["rule"])
    assert prod.one("google_compute_ssl_policy").values["min_tls_version"] == "TLS_1_2"
    assert prod.one("google_compute_managed_ssl_certificate").values["managed"][0]["domains"] == [HOST]
    (redirect,) = (each.values for each in prod.of("google_compute_url_map") if not each.values["path_matcher"])
    assert redirect["default_url_redirect"][0]["https_redirect"] is True
    ports = sorted(each.values["port_range"] for each in prod.of("google_compute_global_forwarding_rule"))
    assert ports == ["443", "443", "80", "80"]


def test_what_is_refused_by_its_ending_is_no_route(prod: Plan) -> None:
    rules = prod.one("google_compute_security_policy").values["rule"]
    expressions = [each["expression"] for rule in rules for match in rule["match"] for each in match["expr"]]
    (ending,) = (found[1] for each in expressions if (found := re.search(r"matches\('([^']+)'\)", each)))
    assert re.search(ending, "/wp-login.php")
    assert not [path for path in TEMPLATES if re.search(ending, filled(path).lower())]


def test_the_map_keeps_to_the_platforms_limits(prod: Plan) -> None:
    for each in prod.of("google_compute_url_map"):
        for matcher in each.values["path_matcher"]:
            assert len(in_order(matcher)) <= 1000
