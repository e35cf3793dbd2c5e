"""Terraform's own checks, and what the Makefile does with it."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.counts import SOAK
from tests.terraform.deployments import DEV, PROD
from tests.terraform.workspace import PROJECT, Plan, Workspace

pytestmark = pytest.mark.timeout(600)


def test_it_is_formatted_and_valid(workspace: Workspace) -> None:
    workspace.run("fmt", "-check", "-recursive", "-diff")
    workspace.run("validate")


def test_its_own_tests_of_conditions_pass(workspace: Workspace) -> None:
    assert "0 failed" in workspace.run("test")


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
        assert len(outputs) >= 4
        assert not [name for name, output in outputs.items() if output["sensitive"]]


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
