"""Who may do what: each function what its row's `uses` say, and nobody more."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from printpipe.domain.messages import MODELS
from printpipe.domain.pubsub import service_account, subscription
from printpipe.runtime import catalog
from tests.terraform.grants import account, grants
from tests.terraform.workspace import Plan

pytestmark = pytest.mark.timeout(600)

ROWS = {row.name: row for row in catalog.rows().values()}
ROLES = {
    ("project", "roles/datastore.user"),
    ("project", "roles/logging.logWriter"),
    ("project", "roles/eventarc.eventReceiver"),
    ("project", "roles/eventarc.serviceAgent"),
    ("project", "roles/storage.objectViewer"),  # on the buckets that Cloud Functions keeps sources in, by a condition
    ("storage_bucket", "roles/storage.objectUser"),
    ("storage_bucket", "roles/storage.objectViewer"),
    ("kms_crypto_key", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
    ("pubsub_topic", "roles/pubsub.publisher"),
    ("pubsub_subscription", "roles/pubsub.subscriber"),
    ("secret_manager_secret", "roles/secretmanager.secretAccessor"),
    ("service_account", "roles/iam.serviceAccountTokenCreator"),
    ("service_account", "roles/iam.serviceAccountOpenIdTokenCreator"),
    ("artifact_registry_repository", "roles/artifactregistry.writer"),
    ("cloud_run_v2_service", "roles/run.invoker"),
}
"""Every role that anybody has, and on what kind of thing: a new one is a decision."""
SECRETS = {"FETCH_TOKEN_SECRET": "fetch-token-secret", "JWT_SECRET": "jwt-secret", "SMTP_PASSWORD": "smtp-password"}


def name_of(email: str) -> str:
    return email.partition("@")[0]


def test_nobody_has_a_role_that_is_not_on_the_list(plan: Plan) -> None:
    assert {(each.kind, each.role) for each in grants(plan)} <= ROLES


def test_what_is_granted_on_the_whole_project_is_bounded_by_a_condition(plan: Plan) -> None:
    bounded = {"roles/datastore.user", "roles/storage.objectViewer"}
    for each in plan.of("google_project_iam_member"):
        assert bool(each.values["condition"]) == (each.values["role"] in bounded), each.address


def test_what_others_were_granted_stays_and_no_key_leaves_the_project(plan: Plan) -> None:
    taking = ("_iam_binding", "_iam_policy")
    assert [each.address for each in plan.resources if each.type.endswith(taking)] == []
    assert plan.of("google_service_account_key", "google_storage_hmac_key", "google_apikeys_key") == []


def test_nobody_is_granted_the_same_twice(plan: Plan) -> None:
    assert [each for each, times in Counter(grants(plan)).items() if times > 1] == []


def test_a_function_may_do_what_its_row_uses_and_nothing_else(plan: Plan) -> None:
    everything = grants(plan)
    buckets = {each.values["name"] for each in plan.of("google_storage_bucket")}
    (files,) = (name for name in buckets if name.endswith("-files"))
    recipients = {name_of(each.values["account_id"]) for each in plan.of("google_service_account")}
    recipients = {name for name in recipients if name.startswith("pp-")}
    for each in plan.of("google_cloudfunctions2_function"):
        name, (config,) = each.values["name"], each.values["service_config"]
        email = config["service_account_email"]
        mine = {(grant.kind, grant.on, grant.role) for grant in everything if grant.member == account(email)}
        allowed = set(expected(name, files, email, config, recipients))
        assert {grant for grant in mine if grant[0] != "secret_manager_secret"} == allowed, name
        # Who shares a class of `uses` shares its account, and so the secrets that any of them mounts.
        read = {str(secret["secret"]).rpartition("/")[2] for secret in config["secret_environment_variables"] or ()}
        assert read <= {grant[1] for grant in mine if grant[0] == "secret_manager_secret"}, name


def expected(
    name: str, files: str, email: str, config: dict[str, Any], recipients: set[str]
) -> Iterator[tuple[str, str, str]]:
    """What a function's account is granted, its secrets left out."""
    uses = ROWS[name].uses
    yield "project", "", "roles/logging.logWriter"
    if "documents" in uses:
        yield "project", "", "roles/datastore.user"
    if "files" in uses:
        yield "storage_bucket", files, "roles/storage.objectUser"
        yield "service_account", email, "roles/iam.serviceAccountTokenCreator"  # signs its URLs as itself
    if "keys" in uses:
        key = config["environment_variables"]["KMS_KEY_PATH"]
        yield "kms_crypto_key", key.rpartition("/")[2], "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    if "bus" in uses:
        for topic in MODELS:
            yield "pubsub_topic", topic, "roles/pubsub.publisher"
    if "credentials" in uses:
        for recipient in recipients:
            address = f"{recipient}@{email.partition('@')[2]}"
            yield "service_account", address, "roles/iam.serviceAccountTokenCreator"


def test_a_secret_is_read_by_functions_that_mount_it_or_read_the_operators_keys(plan: Plan) -> None:
    readers = {(each.on, each.member) for each in grants(plan) if each.kind == "secret_manager_secret"}
    wanted = set()
    for each in plan.of("google_cloudfunctions2_function"):
        (config,) = each.values["service_config"]
        member = account(config["service_account_email"])
        for secret in config["secret_environment_variables"] or ():
            wanted.add((str(secret["secret"]).rpartition("/")[2], member))
        if path := config["environment_variables"].get("SECRET_MANAGER_API_KEYS_PATH"):
            wanted.add((path.split("/")[3], member))
    assert readers == wanted


def test_a_site_may_pull_its_two_subscriptions_and_nothing_else(prod: Plan) -> None:
    subscriptions = {each.values["name"]: each.values for each in prod.of("google_pubsub_subscription")}
    accounts = {each.values["account_id"] for each in prod.of("google_service_account")}
    everything = grants(prod)
    for number in range(100):
        site = f"site-{number:03}"
        assert service_account(site) in accounts
        mine = [each for each in everything if name_of(each.member) == f"serviceAccount:{service_account(site)}"]
        names = {lane: subscription(site, lane) for lane in ("normal", "priority")}
        assert {(each.kind, each.on, each.role) for each in mine} == {
            ("pubsub_subscription", name, "roles/pubsub.subscriber") for name in names.values()
        }
        for lane, name in names.items():
            assert subscriptions[name]["topic"].rpartition("/")[2] == "printer-commands"
            assert subscriptions[name]["filter"] == f'attributes.recipient = "{site}" AND attributes.lane = "{lane}"'
    assert len([name for name in accounts if name.startswith("pp-")]) == 100


def test_events_reach_the_functions_that_wait_for_them_and_no_other(plan: Plan) -> None:
    invokers = [each for each in grants(plan) if each.role == "roles/run.invoker" and each.member != "allUsers"]
    assert {name_of(each.member) for each in invokers} == {"serviceAccount:events"}
    assert sorted(each.on for each in invokers) == sorted(name for name, row in ROWS.items() if row.trigger)


def test_who_pushes_may_prove_to_be_the_events_account_alone(plan: Plan) -> None:
    lent = [each for each in grants(plan) if each.kind == "service_account" and "gcp-sa-" in each.member]
    assert {(name_of(each.on), each.role) for each in lent} == {
        ("events", "roles/iam.serviceAccountOpenIdTokenCreator")
    }


def test_the_list_names_no_grant_that_nobody_has(dev: Plan, prod: Plan) -> None:
    assert {(each.kind, each.role) for each in [*grants(dev), *grants(prod)]} == ROLES
