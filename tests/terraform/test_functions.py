"""The functions of a plan: one per row of the catalog, as its row says."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import AliasChoices

from printpipe.domain.messages import TOPICS
from printpipe.runtime import catalog
from printpipe.runtime.settings import Settings
from tests.terraform.deployments import PROJECT_ID, collection
from tests.terraform.workspace import Plan, Resource, Workspace

pytestmark = pytest.mark.timeout(600)

ROWS = {row.name: row for row in catalog.rows().values()}
SECRETS = {
    "FETCH_TOKEN_SECRET": "printpipe.domain.fetch_tokens",
    "JWT_SECRET": "printpipe.services.access.tokens",
    "SMTP_PASSWORD": "printpipe.adapters.mail",
}
"""What is mounted, and the module that reads it."""
KNOWN = {"THREADS", "LOG_EXECUTION_ID"} | {
    str(name)
    for field in Settings.model_fields.values()
    for name in (
        field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [field.validation_alias]
    )
}
"""Variables that mean something to a function or to its server."""
API_KEYS = "printpipe.adapters.google.secrets"


def functions(plan: Plan) -> dict[str, Resource]:
    return {str(each.values["name"]): each for each in plan.of("google_cloudfunctions2_function")}


def service(plan: Plan, name: str) -> Mapping[str, Any]:
    (found,) = functions(plan)[name].values["service_config"]
    return dict(found)


def mounted(plan: Plan, name: str) -> set[str]:
    return {each["key"] for each in service(plan, name)["secret_environment_variables"] or ()}


@pytest.fixture(scope="module")
def modules(workspace: Workspace) -> Mapping[str, set[str]]:
    """The modules in each function's bundle."""
    manifest = json.loads((workspace.bundles / "manifest.json").read_text())
    return {name: set(entry["modules"]) for name, entry in manifest.items()}


def test_every_row_is_exactly_one_function(plan: Plan) -> None:
    assert len(plan.of("google_cloudfunctions2_function")) == len(ROWS)
    assert functions(plan).keys() == ROWS.keys()


def test_a_function_has_its_rows_size_and_entry_point(plan: Plan) -> None:
    for name, row in ROWS.items():
        (build,), config = functions(plan)[name].values["build_config"], service(plan, name)
        assert build["entry_point"] == row.entry_point
        assert build["runtime"].startswith("python3")
        assert config["available_memory"] == f"{row.memory}Mi"
        assert float(config["available_cpu"]) == row.cpu
        assert config["max_instance_request_concurrency"] == row.concurrency
        assert config["timeout_seconds"] == row.timeout
        assert config["min_instance_count"] == row.min_instances
        assert config["max_instance_count"] == row.max_instances
        assert config["environment_variables"]["THREADS"] == str(row.concurrency)


def test_a_functions_source_is_named_by_its_hash(plan: Plan, workspace: Workspace) -> None:
    manifest = json.loads((workspace.bundles / "manifest.json").read_text())
    objects = {each.values["name"]: each.values for each in plan.of("google_storage_bucket_object")}
    for name in ROWS:
        (build,) = functions(plan)[name].values["build_config"]
        (source,) = build["source"][0]["storage_source"]
        assert source["object"] == f"{name}/{manifest[name]['sha256']}.zip"
        assert objects[source["object"]]["bucket"] == source["bucket"]


def test_only_what_has_a_path_is_open_to_everybody(plan: Plan) -> None:
    grants = [each for each in plan.resources if each.values.get("member") in ("allUsers", "allAuthenticatedUsers")]
    assert {each.values["role"] for each in grants} == {"roles/run.invoker"}
    opened = [str(each.values["name"]) for each in grants]
    assert sorted(opened) == sorted(name for name, row in ROWS.items() if row.http)


def test_what_the_world_may_not_call_takes_no_traffic_from_it(dev: Plan, prod: Plan) -> None:
    for name, row in ROWS.items():
        for plan, outside in ((dev, "ALLOW_ALL"), (prod, "ALLOW_INTERNAL_AND_GCLB")):
            expected = outside if row.http else "ALLOW_INTERNAL_ONLY"
            assert service(plan, name)["ingress_settings"] == expected, name


def test_a_row_that_watches_documents_has_its_event_trigger_with_retries(plan: Plan) -> None:
    watching = {name: row.trigger for name, row in ROWS.items() if row.trigger and row.trigger.firestore}
    assert watching
    triggers = {name: each.values["event_trigger"] for name, each in functions(plan).items()}
    assert {name for name, trigger in triggers.items() if trigger} == watching.keys()
    for name, wanted in watching.items():
        (trigger,) = triggers[name]
        assert wanted.document
        watched, _, document = wanted.document.partition("/")
        filters = {(each["attribute"], each["value"], each["operator"] or "=") for each in trigger["event_filters"]}
        assert filters == {
            ("database", "(default)", "="),
            ("document", f"{collection(watched, plan)}/{document}", "match-path-pattern"),
        }
        assert trigger["event_type"] == wanted.firestore
        assert trigger["trigger_region"] == plan.one("google_firestore_database").values["location_id"]
        assert trigger["retry_policy"] == "RETRY_POLICY_RETRY"
        assert trigger["service_account_email"] == f"events@{PROJECT_ID}.iam.gserviceaccount.com"


def test_a_row_that_follows_a_topic_or_the_clock_has_its_subscription(plan: Plan) -> None:
    subscriptions = {each.values["name"]: each.values for each in plan.of("google_pubsub_subscription")}
    jobs = {each.values["name"]: each.values for each in plan.of("google_cloud_scheduler_job")}
    scheduled = set()
    for name, row in ROWS.items():
        if not row.trigger or row.trigger.firestore:
            assert name not in subscriptions
            continue
        subscription = subscriptions[name]
        (push,) = subscription["push_config"]
        (identity,) = push["oidc_token"]
        assert identity["service_account_email"] == f"events@{PROJECT_ID}.iam.gserviceaccount.com"
        assert min(600, row.timeout) <= subscription["ack_deadline_seconds"] <= 600
        topic = subscription["topic"].rpartition("/")[2]
        if row.trigger.topic:
            assert (topic, subscription["filter"] or "") == (row.trigger.topic, row.trigger.filter)
            continue
        scheduled.add(name)
        job = jobs[name]
        (target,) = job["pubsub_target"]
        assert (job["schedule"], job["time_zone"]) == (row.trigger.schedule, row.trigger.time_zone)
        assert target["topic_name"].rpartition("/")[2] == topic
        assert [f'attributes.{key} = "{value}"' for key, value in target["attributes"].items()] == [
            subscription["filter"]
        ]
    assert jobs.keys() == scheduled


def test_what_is_pushed_goes_to_the_function_itself(plan: Plan) -> None:
    """Its URL is not known before it is made; what it is taken from, is."""
    module = plan.content["configuration"]["root_module"]["module_calls"]["function"]["module"]
    (subscription,) = (each for each in module["resources"] if each["type"] == "google_pubsub_subscription")
    (push,) = subscription["expressions"]["push_config"]
    for url in (push["push_endpoint"], push["oidc_token"][0]["audience"]):
        assert url["references"][0] == "google_cloudfunctions2_function.this.service_config[0].uri"


def test_every_topic_of_the_bus_is_there_with_its_schema(plan: Plan) -> None:
    topics = {each.values["name"]: each.values for each in plan.of("google_pubsub_topic")}
    schemas = {each.values["name"]: each.values for each in plan.of("google_pubsub_schema")}
    assert set(TOPICS) <= topics.keys()
    for name in set(TOPICS) - {"dead-letters"}:
        (used,) = topics[name]["schema_settings"]
        assert used["encoding"] == "JSON"
        assert schemas[used["schema"].rpartition("/")[2]]["type"] == "PROTOCOL_BUFFER"


def test_a_secret_is_mounted_only_where_the_bundle_reads_it(plan: Plan, modules: Mapping[str, set[str]]) -> None:
    known = {str(each.values["secret_id"]) for each in plan.of("google_secret_manager_secret")}
    for name in ROWS:
        expected = {secret for secret, reader in SECRETS.items() if reader in modules[name]}
        if plan.variables.get("has_smtp_password") in (None, False, "false"):
            expected.discard("SMTP_PASSWORD")
        assert mounted(plan, name) == expected, name
        for each in service(plan, name)["secret_environment_variables"] or ():
            assert each["secret"].rpartition("/")[2] in known
        environment = service(plan, name)["environment_variables"]
        assert ("SECRET_MANAGER_API_KEYS_PATH" in environment) == (API_KEYS in modules[name]), name


def test_every_function_starts_with_the_settings_that_it_is_given(plan: Plan, modules: Mapping[str, set[str]]) -> None:
    for name, row in ROWS.items():
        environment = service(plan, name)["environment_variables"]
        given = {**environment, **dict.fromkeys(mounted(plan, name), "x" * 64)}
        if SECRETS["FETCH_TOKEN_SECRET"] not in modules[name]:
            given.setdefault("FETCH_TOKEN_SECRET", "x" * 64)  # asked for only where its reader is: here are all
        settings = Settings.model_validate(given)
        assert given.keys() <= KNOWN, name
        assert settings.project == PROJECT_ID
        assert bool(settings.bucket) == ("files" in row.uses), name
        assert bool(settings.kms_key) == ("keys" in row.uses), name
        assert settings.policy().api_keys_secret or API_KEYS not in modules[name]
        assert not settings.debug_errors
        assert settings.proxies == (2 if plan.variables.get("domain") else 1)
