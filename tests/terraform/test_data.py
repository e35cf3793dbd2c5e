"""What holds data and messages: indexes, buckets, keys, subscriptions; and that no secret is in a plan."""

import json
from typing import Any

import pytest

from tests.terraform.deployments import MARK, collection
from tests.terraform.workspace import PROJECT, Plan

pytestmark = pytest.mark.timeout(600)

FILE = json.loads((PROJECT / "firestore.indexes.json").read_text())
NEVER = ""
"""As a subscription's expiration that is none is written."""


def kind(field: dict[str, Any]) -> str:
    """How a field is indexed: both the file's spelling and the provider's."""
    return str(
        field.get("order") or field.get("array_config") or field.get("arrayConfig") or f"vector {field.get('vector')}"
    )


def test_every_index_of_a_query_is_made_and_no_other(plan: Plan) -> None:
    made = sorted(
        (
            each.values["collection"],
            each.values.get("query_scope") or "COLLECTION",
            [(field["field_path"], kind(field)) for field in each.values["fields"]],
        )
        for each in plan.of("google_firestore_index")
    )
    assert made == sorted(
        (
            collection(each["collectionGroup"], plan),
            each["queryScope"],
            [(field["fieldPath"], kind(field)) for field in each["fields"]],
        )
        for each in FILE["indexes"]
    )


def test_what_expires_is_removed_and_free_payloads_are_not_indexed(plan: Plan) -> None:
    fields = {
        (each.values["collection"], each.values["field"]): each.values for each in plan.of("google_firestore_field")
    }
    wanted = {(collection(each["collectionGroup"], plan), each["fieldPath"]): each for each in FILE["fieldOverrides"]}
    assert fields.keys() == wanted.keys()
    for name, field in fields.items():
        assert bool(field["ttl_config"]) == wanted[name].get("ttl", False), name
        (config,) = field["index_config"]
        assert sorted(kind(each) for each in config["indexes"]) == sorted(
            kind(each) for each in wanted[name]["indexes"]
        ), name


def test_the_database_has_its_rules_and_in_production_what_saves_it(dev: Plan, prod: Plan) -> None:
    for plan in (dev, prod):
        database = plan.one("google_firestore_database").values
        assert (database["name"], database["type"]) == ("(default)", "FIRESTORE_NATIVE")
        (release,) = plan.of("google_firebaserules_release")
        assert release.values["name"] == "cloud.firestore"
        (source,) = plan.one("google_firebaserules_ruleset").values["source"]
        rules = (PROJECT / "firestore.rules").read_text()
        for name in ("files", "printer_commands", "printer_status_updates"):
            rules = rules.replace(f"match /{name}/", f"match /{collection(name, plan)}/")
        assert source["files"][0]["content"] == rules
    database = prod.one("google_firestore_database").values
    assert database["delete_protection_state"] == "DELETE_PROTECTION_ENABLED"
    assert prod.of("google_firestore_backup_schedule")
    assert database["point_in_time_recovery_enablement"] == "POINT_IN_TIME_RECOVERY_ENABLED"


def test_buckets_are_closed_to_the_public_and_the_files_have_our_key(plan: Plan) -> None:
    buckets = {each.values["name"]: each.values for each in plan.of("google_storage_bucket")}
    for bucket in buckets.values():
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["public_access_prevention"] == "enforced"
        assert any(rule["action"][0]["type"] == "AbortIncompleteMultipartUpload" for rule in bucket["lifecycle_rule"])
    (files,) = (bucket for name, bucket in buckets.items() if name.endswith("-files"))
    (encryption,) = files["encryption"]
    keys = {each.values["name"]: each.values for each in plan.of("google_kms_crypto_key")}
    assert encryption["default_kms_key_name"].rpartition("/")[2] in keys
    origins = plan.variables["web_origins"]
    assert [(each["origin"], "PUT" in each["method"]) for each in files["cors"]] == (
        [(origins, True)] if origins else []
    )
    for key in keys.values():
        assert 0 < int(key["rotation_period"].removesuffix("s")) <= 90 * 24 * 3600


def test_every_subscription_has_a_dead_letter_and_never_expires(plan: Plan) -> None:
    topics = {each.values["name"] for each in plan.of("google_pubsub_topic")}
    subscriptions = plan.of("google_pubsub_subscription")
    assert subscriptions
    (parked,) = (each.values for each in plan.of("google_pubsub_topic") if each.values["name"] == "dead-letters-parked")
    assert int(parked["message_retention_duration"].removesuffix("s")) >= 14 * 24 * 3600
    for each in subscriptions:
        (expiration,) = each.values["expiration_policy"]
        assert expiration["ttl"] == NEVER, each.address
        (dead_letter,) = each.values["dead_letter_policy"]
        assert dead_letter["dead_letter_topic"].rpartition("/")[2] in topics, each.address
        assert dead_letter["dead_letter_topic"] != each.values["topic"], each.address
        assert 5 <= dead_letter["max_delivery_attempts"] <= 100, each.address
        assert int(each.values["message_retention_duration"].removesuffix("s")) >= 24 * 3600, each.address


def test_a_topics_messages_that_are_given_up_can_be_forwarded(plan: Plan) -> None:
    """Pub/Sub itself moves them: it reads the subscription and writes the dead letters' topic."""
    agents: dict[str, set[str]] = {"pubsub_subscription": set(), "pubsub_topic": set()}
    for each in plan.of("google_pubsub_subscription_iam_member", "google_pubsub_topic_iam_member"):
        if "gcp-sa-pubsub" in each.values["member"]:
            what = each.values.get("subscription") or each.values["topic"]
            agents[each.type.removeprefix("google_").removesuffix("_iam_member")].add(what.rpartition("/")[2])
    subscriptions = {each.values["name"]: each.values for each in plan.of("google_pubsub_subscription")}
    assert agents["pubsub_subscription"] == subscriptions.keys()
    assert agents["pubsub_topic"] == {
        each["dead_letter_policy"][0]["dead_letter_topic"].rpartition("/")[2] for each in subscriptions.values()
    }


def test_a_secret_has_a_first_version_that_no_plan_shows(prod: Plan) -> None:
    secrets = {each.values["secret_id"] for each in prod.of("google_secret_manager_secret")}
    versions = prod.of("google_secret_manager_secret_version")
    assert len(versions) == len(secrets) == 4
    for each in versions:
        assert each.values.get("secret_data") is None
        assert each.values["secret_data_wo_version"] == "1"
    assert MARK not in json.dumps(prod.content)
