"""Who may do what by a plan: its IAM resources as one kind of line."""

from dataclasses import dataclass

from tests.terraform.workspace import Plan, Resource

_TARGETS = {
    "google_project_iam_member": "project",
    "google_storage_bucket_iam_member": "bucket",
    "google_kms_crypto_key_iam_member": "crypto_key_id",
    "google_pubsub_topic_iam_member": "topic",
    "google_pubsub_subscription_iam_member": "subscription",
    "google_secret_manager_secret_iam_member": "secret_id",
    "google_service_account_iam_member": "service_account_id",
    "google_artifact_registry_repository_iam_member": "repository",
    "google_cloud_run_v2_service_iam_member": "name",
}
"""Each type's attribute that says on what; of bindings and policies, which take from others what they had, none."""


@dataclass(frozen=True, order=True)
class Grant:
    """A role on one thing: `on` is the last part of the thing's name, or empty for the project as a whole."""

    kind: str
    """The thing: `project`, `storage_bucket`, `pubsub_topic` and so on."""
    on: str
    role: str
    member: str


def grants(plan: Plan) -> list[Grant]:
    """Every grant of the plan."""
    return sorted(_grant(each) for each in plan.resources if "_iam_" in each.type)


def _grant(resource: Resource) -> Grant:
    kind = resource.type.removeprefix("google_").removesuffix("_iam_member")
    on = str(resource.values[_TARGETS[resource.type]]).rpartition("/")[2]
    role, member = str(resource.values["role"]), str(resource.values["member"])
    if kind == "project":
        on = ""
    return Grant(kind, on, role.rpartition("/")[2] if role.startswith("projects/") else role, member)


def account(email: str) -> str:
    """A service account as a grant's member."""
    return f"serviceAccount:{email}"
