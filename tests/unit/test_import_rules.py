"""The import rules of `.importlinter`: the tree keeps them, and each of them bites."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counts import SOAK

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("functions/printpipe", "functions/tools", "edge_agent", "local")

LAYERS = "The rooms of printpipe import downwards"
FORBIDDEN = [
    ("functions/printpipe/domain", "import printpipe.services", LAYERS),
    ("functions/printpipe/services", "import printpipe.dialects", LAYERS),
    ("functions/printpipe/services", "import printpipe.endpoints", LAYERS),
    ("functions/printpipe/endpoints", "import printpipe.triggers", LAYERS),
    ("functions/printpipe/endpoints/cloud", "import printpipe.runtime", LAYERS),
    ("functions/printpipe/attic", "import printpipe.domain", LAYERS),
    ("functions/printpipe/adapters/google", "import printpipe.services", "Adapters know the domain alone"),
    (
        "functions/printpipe/services",
        "import printpipe.adapters.embedded",
        "Only runtime and the local stack know which adapter stands behind a port",
    ),
    (
        "functions/printpipe/adapters/google",
        "import printpipe.adapters.embedded",
        "Google's adapters and the embedded ones stand alone",
    ),
    (
        "functions/printpipe/dialects/esperanto",
        "import printpipe.dialects.volapuk",
        "Dialects never import each other",
    ),
    (
        "functions/printpipe/services",
        "def late() -> None:\n    from google.cloud import firestore",
        "Only Google's adapters, and the decoding of its events, import Google's packages",
    ),
    ("edge_agent", "import local", "What is deployed imports neither the local stack nor the tools"),
    ("functions/printpipe/runtime", "import tools", "What is deployed imports neither the local stack nor the tools"),
    ("edge_agent", "import printpipe.domain", "The edge agent and the functions share no code"),
    ("functions/tools", "import printpipe.services", "A tool reads the catalog, and beyond it only what it is about"),
]


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(project / "functions"), str(project)]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_tree_keeps_the_rules() -> None:
    result = lint(PROJECT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(PROJECT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    for dialect in ("esperanto", "volapuk"):
        (tmp_path / "functions/printpipe/dialects" / f"{dialect}.py").touch()
    return tmp_path


def add(project: Path, importer: str, statement: str) -> None:
    module = project / importer
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    with file.open("a") as source:
        source.write(f"\n{statement}\n")


@pytest.mark.skipif(not SOAK, reason="each alone at full counts; all together below")
@pytest.mark.parametrize(("importer", "statement", "rule"), FORBIDDEN)
def test_a_forbidden_import_is_found(copy: Path, importer: str, statement: str, rule: str) -> None:
    add(copy, importer, statement)
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{rule} BROKEN" in result.stdout


def test_forbidden_imports_are_all_found_and_named(copy: Path) -> None:
    for importer, statement, _ in FORBIDDEN:
        add(copy, importer, statement)
    told = lint(copy).stdout
    for importer, statement, rule in FORBIDDEN:
        assert f"{rule} BROKEN" in told
        section = told.partition(f"\n{rule}\n---")[2].partition("\n---")[0]
        module = importer.removeprefix("functions/").replace("/", ".")
        imported = "google" if "google.cloud" in statement else statement.split()[-1]
        named = module if module.endswith("attic") else f"{module} -> {imported} (l."
        assert re.search(rf"^- +{re.escape(named)}", section, re.MULTILINE), (named, section)
