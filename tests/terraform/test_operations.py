"""What operators see and are told, and what they must never find in a log: held to what the functions write."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

import pytest

from printpipe.domain.measures import Measure
from printpipe.runtime import catalog
from tests.terraform.deployments import LARGE, PROJECT_ID, SITES
from tests.terraform.workspace import PROJECT, Plan

pytestmark = pytest.mark.timeout(600)

ROWS = {row.name: row for row in catalog.rows().values()}
FUNCTIONS_HOST = f"europe-west1-{PROJECT_ID}.cloudfunctions.net"
ASKED_FOR = {"errors", "dead_letters", "queue", "silent", "offline", "backlog", "parked"}
"""What somebody is told of, by the alerts' keys; besides the budget and the uptime check."""
OPENAPI = json.loads((PROJECT / "functions" / "openapi.json").read_text())
IN_QUERIES = sorted(
    each["name"] for each in OPENAPI["components"]["securitySchemes"].values() if each.get("in") == "query"
)
"""Parameters that are credentials, by the API's own document."""
IN_PATHS = [row.http.path for row in ROWS.values() if row.http and row.auth == "token"]


@cache
def calls() -> tuple[ast.Call, ...]:
    """The functions' calls that write a line of the log."""
    trees = [ast.parse(file.read_text()) for file in (PROJECT / "functions" / "printpipe").rglob("*.py")]
    return tuple(
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("log", "log_failure", "measured")
        and isinstance(node.args[0], ast.Constant)
    )


def written(*by: str) -> dict[str, set[str]]:
    """What these functions write: by the line's name, the fields that it has."""
    lines: dict[str, set[str]] = defaultdict(set)
    for call in calls():
        if isinstance(call.func, ast.Name) and call.func.id in by:
            assert isinstance(call.args[0], ast.Constant)
            lines[str(call.args[0].value)] |= {each.arg for each in call.keywords if each.arg}
    return lines


def said(filter_: str, field: str) -> str | None:
    """What a filter wants in a field of the line."""
    found = re.search(rf'jsonPayload\.{field}="([^"]*)"', filter_)
    return found[1] if found else None


def queries(plan: Plan) -> Iterator[str]:
    """Every question that alerts and the dashboard ask."""
    for alert in plan.of("google_monitoring_alert_policy"):
        for condition in alert.values["conditions"]:
            yield from (each["query"] for each in condition["condition_prometheus_query_language"])
    for tile in json.loads(plan.one("google_monitoring_dashboard").values["dashboard_json"])["mosaicLayout"]["tiles"]:
        yield from (each["timeSeriesQuery"]["prometheusQuery"] for each in tile["widget"]["xyChart"]["dataSets"])


def query(plan: Plan, key: str) -> str:
    """The question of one alert."""
    (alert,) = (each for each in plan.of("google_monitoring_alert_policy") if each.key == key)
    return str(alert.values["conditions"][0]["condition_prometheus_query_language"][0]["query"])


def test_every_measure_is_a_metric_with_the_fields_of_its_lines(plan: Plan) -> None:
    metrics = {said(each.values["filter"], "name"): each.values for each in plan.of("google_logging_metric")}
    dead_letters = metrics.pop(None)
    assert metrics.keys() == set(get_args(Measure))
    for name, fields in written("measured").items():
        metric = metrics[name]
        assert said(metric["filter"], "event") == "metric"
        assert metric["value_extractor"] == "EXTRACT(jsonPayload.seconds)"
        assert metric["label_extractors"] == {field: f"EXTRACT(jsonPayload.{field})" for field in fields}, name
        assert {each["key"] for each in metric["metric_descriptor"][0]["labels"]} == fields, name
    assert set(dead_letters["label_extractors"]) <= written("log")[str(said(dead_letters["filter"], "event"))]


def test_what_is_asked_for_is_alerted_of(dev: Plan, prod: Plan) -> None:
    for plan in (dev, prod):
        assert {each.key for each in plan.of("google_monitoring_alert_policy")} == {None, *ASKED_FOR}
    assert {
        each.values["labels"]["email_address"] for each in prod.of("google_monitoring_notification_channel")
    } == set(json.loads(LARGE["alert_emails"]))
    assert dev.of("google_billing_budget") == []
    (amount,) = prod.one("google_billing_budget").values["amount"][0]["specified_amount"]
    assert (amount["units"], amount["currency_code"]) == ("250", "EUR")


def test_an_alert_of_a_line_waits_for_one_that_is_written(plan: Plan) -> None:
    lines = written("log", "log_failure")
    for alert in plan.of("google_monitoring_alert_policy"):
        for condition in alert.values["conditions"]:
            for each in condition["condition_matched_log"]:
                assert set(each["label_extractors"]) <= lines[str(said(each["filter"], "event"))], alert.address
        named = re.findall(r'"(\w+_\w+)"', alert.values["documentation"][0]["content"])
        assert set(named) <= lines.keys(), alert.address


def test_questions_are_about_metrics_and_things_that_there_are(plan: Plan) -> None:
    metrics = {
        f"user_{re.sub(r'[^a-z_]', '_', each.values['name'])}": each for each in plan.of("google_logging_metric")
    }
    asked = {name for each in queries(plan) for name in re.findall(r"logging_googleapis_com:(\w+)", each)}
    assert {name.removesuffix("_bucket") for name in asked} == metrics.keys()
    for name in (found for each in queries(plan) for found in re.findall(r'service_name=~"([^"]+)"', each)):
        assert all(re.fullmatch(name, function) for function in ROWS)
    subscriptions = {each.values["name"] for each in plan.of("google_pubsub_subscription")}
    sites = {name for name in subscriptions if name.startswith("printer-commands-")}
    assert len(sites) == 2 * len(plan.variables["recipients"])
    for key, wanted in (("backlog", subscriptions - sites), ("silent", sites)):
        (pattern,) = set(re.findall(r'subscription_id=~"([^"]+)"', query(plan, key)))
        assert {name for name in subscriptions if re.fullmatch(pattern, name)} == wanted
    (parked,) = re.findall(r'subscription_id="([^"]+)"', query(plan, "parked"))
    assert parked in subscriptions


def test_the_dashboards_charts_lie_side_by_side(plan: Plan) -> None:
    layout = json.loads(plan.one("google_monitoring_dashboard").values["dashboard_json"])["mosaicLayout"]
    taken = [
        (x, y)
        for tile in layout["tiles"]
        for x in range(tile.get("xPos", 0), tile.get("xPos", 0) + tile["width"])
        for y in range(tile.get("yPos", 0), tile.get("yPos", 0) + tile["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < layout["columns"]


def test_health_is_asked_for_from_outside_where_it_is_answered(dev: Plan, prod: Plan) -> None:
    http = ROWS["cloud-health-report"].http
    assert http
    assert "GET" in http.methods
    for plan, host, path in (
        (dev, FUNCTIONS_HOST, f"/cloud-health-report{http.path}"),
        (prod, "api.farm.example", http.path),
    ):
        check = plan.one("google_monitoring_uptime_check_config").values
        assert check["monitored_resource"][0]["labels"]["host"] == host
        (asked,) = check["http_check"]
        assert (asked["path"], asked["use_ssl"], asked["validate_ssl"]) == (path, True, True)


def excluded(filter_: str, request: Mapping[str, str]) -> bool:
    """Whether an exclusion takes a request's line, by its conditions on the request alone."""
    conditions: list[tuple[str, str]] = re.findall(r'httpRequest\.(\w+)=~"([^"]+)"', filter_)
    assert {field for field, _ in conditions} == {"requestUrl", "referer"}
    return any(re.search(pattern, request.get(field, "")) for field, pattern in conditions)


def test_a_request_log_has_no_credential(dev: Plan, prod: Plan) -> None:
    assert {"apiKey", "api_key", "ticket"} <= set(IN_QUERIES)
    credentials = [f"/control?recipientId=a&{name}=k" for name in IN_QUERIES]
    credentials += [f"/ws?{name}=k&a=b" for name in ("TICKET", "api%4Bey", "%61pi_key")]
    for path in (re.sub(r"\{\w+\}", "secret", template) for template in IN_PATHS):
        credentials += [path, f"/cloud-file-fetch{path}", f"/{path}/more"]
    harmless = ["/health", "/control?recipientId=hall", "/api/v1/keys?limit=5&cursor=a%3Db", "/api/status?id=a%20b"]
    for plan, logs in ((dev, ["run.googleapis.com/requests"]), (prod, ["requests", "run.googleapis.com/requests"])):
        filters = sorted(str(each.values["filter"]) for each in plan.of("google_logging_project_exclusion"))
        assert [re.findall(r'log_id\("([^"]+)"\)', each) for each in filters] == [[name] for name in logs]
        for each in filters:
            for url in (f"https://{FUNCTIONS_HOST}{path}" for path in credentials):
                assert excluded(each, {"requestUrl": url}), url
            assert excluded(each, {"requestUrl": "/", "referer": "https://app.farm.example/?ticket=k"})
            for url in (f"https://{FUNCTIONS_HOST}{path}" for path in harmless):
                assert not excluded(each, {"requestUrl": url, "referer": url}), url


def test_an_image_is_kept_for_a_way_back_and_not_for_ever(plan: Plan) -> None:
    policies: dict[str, Any] = {
        each["action"]: each for each in plan.one("google_artifact_registry_repository").values["cleanup_policies"]
    }
    assert policies["KEEP"]["most_recent_versions"][0]["keep_count"] == 5
    assert policies["DELETE"]["condition"][0]["older_than"]


def test_sites_are_listed_with_what_their_agents_need(prod: Plan) -> None:
    recipients = prod.content["planned_values"]["outputs"]["recipients"]["value"]
    assert sorted(recipients) == SITES
    for site, told in recipients.items():
        assert told["account"].endswith(f"@{PROJECT_ID}.iam.gserviceaccount.com")
        assert told["subscriptions"] == {lane: f"printer-commands-{site}-{lane}" for lane in ("normal", "priority")}
