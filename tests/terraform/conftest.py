"""One workspace and one set of plans for the whole run, whichever files and processes share them."""

import os

import pytest

from tests.terraform.deployments import DEV, LARGE, PROD
from tests.terraform.workspace import Missing, Plan, Workspace, make_workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The copy, initialized. Skips where there is no Terraform or no provider; with `CI` set that fails."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        return make_workspace(folder / "terraform")
    except Missing as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def dev(workspace: Workspace) -> Plan:
    """A small deployment: each function has a URL of its own."""
    return workspace.plan("dev", *DEV)


@pytest.fixture(scope="session")
def prod(workspace: Workspace) -> Plan:
    """A large one: one address for all, a hundred sites, and every setting that can be made."""
    return workspace.plan("prod", *PROD, *(f"-var={name}={value}" for name, value in LARGE.items()))


@pytest.fixture(params=["dev", "prod"])
def plan(request: pytest.FixtureRequest) -> Plan:
    """Each of the two."""
    found: Plan = request.getfixturevalue(request.param)
    return found
