"""The two deployments that the tests plan."""

import json

from tests.terraform.workspace import Plan

PROJECT_ID = "printpipe-plan"
_PROJECT = (f"-var=project={PROJECT_ID}", "-var=project_number=123456789012")
DEV = (*_PROJECT, "-var-file=env/dev.tfvars")
PROD = (*_PROJECT, "-var-file=env/prod.tfvars", "-var=domain=api.farm.example")
MARK = "never-to-be-seen-in-a-plan"
"""Part of every secret that is given by a variable."""
RENAMED = {"files": "prints", "printer_commands": "orders"}
SITES = [f"site-{number:03}" for number in range(100)]
LARGE = {
    "recipients": json.dumps(SITES),
    "collections": json.dumps(RENAMED),
    "settings": json.dumps({"SMTP_HOST": "mail.farm.example", "SMTP_USER": "farm", "SMTP_FROM": "farm@farm.example"}),
    "has_smtp_password": "true",
    "firestore_location": "eur3",
    "web_origins": json.dumps(["https://app.farm.example"]),
    "labels": json.dumps({"team": "printing"}),
    "alert_emails": json.dumps(["ops@farm.example", "night@farm.example"]),
    "budget": json.dumps({"billing_account": "0A1B2C-3D4E5F-678901", "amount": 250}),
    "secret_versions": "{}",
    **{name: f"{MARK}-{name}-{'x' * 40}" for name in ("api_keys", "jwt_secret", "fetch_token_secret", "smtp_password")},
}
"""Everything that can be told a deployment, at a farm with a hundred sites."""


def collection(name: str, plan: Plan) -> str:
    """A collection as this deployment calls it."""
    return str(plan.variables["collections"].get(name, name))
