"""Terraform's own checks, and what the Makefile does with it."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from printpipe.runtime import catalog
from tests.counts import SOAK
from tests.terraform.deployments import DEV, PROD, PROJECT_ID, SITES
from tests.terraform.workspace import PROJECT, Plan, Workspace

pytestmark = pytest.mark.timeout(600)


def test_it_is_formatted_and_valid(workspace: Workspace) -> None:
    workspace.run("fmt", "-check", "-recursive", "-diff")
    workspace.run("validate")


def test_its_own_tests_of_conditions_pass(workspace: Workspace) -> None:
    assert re.search(r"\b[1-9]\d* passed, 0 failed", workspace.run("test"))


@pytest.mark.skipif(not SOAK, reason="two of the four are planned for the other tests")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("dev-domain", (*DEV, "-var=domain=api.farm.example")), ("prod-urls", PROD[:-1])],
)
def test_the_other_deployments_can_be_planned_too(workspace: Workspace, name: str, arguments: tuple[str, ...]) -> None:
    plan = workspace.plan(name, *arguments)
    assert bool(plan.of("google_compute_url_map")) == (name == "dev-domain")


def test_a_farm_with_a_hundred_sites_is_planned_in_a_minute(prod: Plan) -> None:
    print(f"{len(prod.resources)} resources planned in {prod.seconds:.0f} s")
    assert prod.seconds < 60


def test_what_can_be_addressed_is_put_out(dev: Plan, prod: Plan) -> None:
    for plan in (dev, prod):
        outputs = plan.content["planned_values"]["outputs"]
        assert not [name for name, output in outputs.items() if output["sensitive"]]
        prefix = f"https://europe-west1-{PROJECT_ID}.cloudfunctions.net"
        assert outputs["function_urls"]["value"] == {
            row.name: f"{prefix}/{row.name}" for row in catalog.rows().values() if row.http
        }
        assert outputs["base_url"]["value"] == (prefix if plan is dev else "https://api.farm.example")


def test_everything_that_can_have_labels_has_them(prod: Plan) -> None:
    labelled = [each for each in prod.resources if "effective_labels" in each.values]
    assert {"google_cloudfunctions2_function", "google_pubsub_topic"} <= {each.type for each in labelled}
    for each in labelled:
        wanted = {"app": "printpipe", "environment": "prod", "team": "printing"}
        assert wanted.items() <= each.values["effective_labels"].items(), each.address


def test_nothing_is_made_before_what_it_needs_of_the_platform(plan: Plan) -> None:
    """Services, their agents and these agents' rights come first, then everything else; functions after all rights."""
    root = plan.content["configuration"]["root_module"]
    modules = root["module_calls"]
    early = [name for name, each in modules.items() if "module.apis" not in each.get("depends_on", ())]
    assert early == ["apis"]
    assert "time_sleep.rights" in modules["function"]["depends_on"]
    waits = {each["address"]: set(each["depends_on"]) for each in root["resources"] if each["type"] == "time_sleep"}
    assert waits == {"time_sleep.rights": {"module.accounts", "module.secrets", "module.bus"}}
    (settled,) = (each for each in modules["apis"]["module"]["resources"] if each["type"] == "time_sleep")
    assert {"google_project_service.this", "google_project_iam_member.eventarc"} <= set(settled["depends_on"])
    assert min(int(each.values["create_duration"].removesuffix("s")) for each in plan.of("time_sleep")) >= 30


def test_the_readme_counts_what_there_is(prod: Plan) -> None:
    """The quotas that a farm must know of are compared with numbers that someone once counted."""
    readme = (PROJECT / "README.md").read_text()
    (url_map,) = (each.values for each in prod.of("google_compute_url_map") if each.values["path_matcher"])
    rules = url_map["path_matcher"][0]["route_rules"]
    templates = [match for rule in rules for match in rule["match_rules"] if match["path_template_match"]]
    indexes, fields = len(prod.of("google_firestore_index")), len(prod.of("google_firestore_field"))
    for row in (
        f"service accounts per project | {len(prod.of('google_service_account')) - len(SITES)}, and one",
        f"backend services, one for each HTTP function | {len(prod.of('google_compute_backend_service'))} |",
        f"groups (serverless) | {len(prod.of('google_compute_region_network_endpoint_group'))} |",
        f"(output `address`) | {len(rules)}, {len(templates)} |",
        f"Cloud Run services per region | {len(prod.of('google_cloudfunctions2_function'))} |",
        f"Firestore composite indexes, field settings | {indexes}, {fields} |",
    ):
        assert row in readme


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """A folder with a `terraform` that notes what it is called with, in `calls`."""
    script = tmp_path / "terraform"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "calls").touch()
    return tmp_path


def make(called: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment["PATH"] = f"{called}:{environment['PATH']}"
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("words", [["ENV=prod"], ["ENV=prod", "STATE=bucket"]])
def test_production_is_not_destroyed(called: Path, words: list[str]) -> None:
    done = make(called, "destroy", *words)
    assert done.returncode != 0
    assert "prod" in done.stderr
    assert (called / "calls").read_text() == ""


def test_a_deployment_is_named_with_its_state(called: Path) -> None:
    assert "STATE" in make(called, "destroy", "ENV=dev").stderr
    assert "ENV" in make(called, "destroy", "ENV=elsewhere", "STATE=bucket").stderr
    assert (called / "calls").read_text() == ""
    make(called, "destroy", "ENV=dev", "STATE=bucket")
    first, second = (called / "calls").read_text().splitlines()
    assert "init" in first
    assert "-backend-config=bucket=bucket" in first
    assert "destroy -var-file=env/dev.tfvars" in second


def test_bundles_are_made_before_they_are_deployed() -> None:
    done = subprocess.run(
        ["make", "-n", "deploy", "ENV=dev", "STATE=bucket"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert 0 < done.stdout.index("tools.bundle") < done.stdout.index("apply")
