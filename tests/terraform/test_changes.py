"""What is deployed again after a change: the functions that it concerns, and nothing where there was none."""

import shutil
from pathlib import Path

import pytest

from printpipe.runtime import catalog
from tests.counts import SOAK
from tests.terraform.deployments import DEV
from tests.terraform.workspace import PROJECT, Plan, Workspace
from tools import bundle

pytestmark = pytest.mark.timeout(600)

ROWS = {row.name: row for row in catalog.rows().values()}
HANDLER = "printpipe/endpoints/cloud/command_ack.py"
DIALECT = "printpipe/dialects/taverna.py"
OF_HANDLER = {"cloud-command-ack"}
OF_DIALECT = {name for name, row in ROWS.items() if row.http and "taverna" in {face.dialect for face in row.faces}}


def build_after(bundles: Path, folder: Path, *files: str) -> None:
    """Makes the bundles as they are after these files have changed, by way of a copy in `folder`."""
    functions = folder / "functions"
    shutil.copytree(PROJECT / "functions", functions, ignore=shutil.ignore_patterns("__pycache__"))
    for name in files:
        file = functions / name
        file.write_text(file.read_text() + "\n# changed\n")
    bundle.build(functions, bundles)


def sources(plan: Plan) -> dict[str, str]:
    """Each function's source."""
    return {
        str(each.values["name"]): each.values["build_config"][0]["source"][0]["storage_source"][0]["object"]
        for each in plan.of("google_cloudfunctions2_function")
    }


def test_a_handler_and_a_dialect_change_their_own_functions(workspace: Workspace, dev: Plan, tmp_path: Path) -> None:
    build_after(tmp_path / "bundles", tmp_path, HANDLER, DIALECT)
    after = workspace.plan("changed", *DEV, f"-var=bundles={tmp_path / 'bundles'}")
    before = sources(dev)
    assert {name for name, source in sources(after).items() if source != before[name]} == OF_HANDLER | OF_DIALECT
    others = ("google_storage_bucket_object", "google_cloudfunctions2_function")
    assert [each for each in after.resources if each.type not in others] == [
        each for each in dev.resources if each.type not in others
    ]


@pytest.fixture(scope="module")
def applied(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small deployment once it is applied, with placeholders for what the platform says: `state` and `bundles`."""
    if not workspace.stand_in:
        pytest.skip("nothing is applied where there is a cloud to apply it to")
    folder = tmp_path_factory.mktemp("applied")
    bundle.build(PROJECT / "functions", folder / "bundles")
    workspace.plan("applied", *DEV, f"-var=bundles={folder / 'bundles'}")
    workspace.simulate_apply("applied", folder / "state")
    return folder


@pytest.mark.skipif(not SOAK, reason="to apply it takes a minute of computing")
@pytest.mark.parametrize(
    ("files", "concerned"),
    [([], set()), ([HANDLER], OF_HANDLER), ([DIALECT], OF_DIALECT)],
    ids=["nothing", "handler", "dialect"],
)
def test_what_is_applied_changes_by_what_has_changed_alone(
    workspace: Workspace, applied: Path, tmp_path: Path, files: list[str], concerned: set[str]
) -> None:
    build_after(applied / "bundles", tmp_path, *files)
    name = "-".join(["again", *(Path(file).stem for file in files)])
    again = workspace.plan(name, *DEV, f"-var=bundles={applied / 'bundles'}", f"-state={applied / 'state'}")
    wanted: dict[str, list[str]] = {}
    for each in concerned:
        wanted[f'module.function["{each}"].google_storage_bucket_object.source'] = ["create", "delete"]
        wanted[f'module.function["{each}"].google_cloudfunctions2_function.this'] = ["update"]
    assert again.changed == wanted
