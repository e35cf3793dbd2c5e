"""The bundles: each holds its function's import closure and nothing else, and is the same to the byte everywhere."""

import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from printpipe.runtime import catalog
from tools import bundle

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
ROWS = {row.name: row for row in catalog.rows(FUNCTIONS).values()}
BESIDE_THE_CODE = {"catalog.json", "requirements.txt"}


def copy_of_functions(target: Path) -> Path:
    return Path(shutil.copytree(FUNCTIONS, target, ignore=shutil.ignore_patterns("__pycache__")))


@cache
def contents(file: Path) -> Mapping[str, bytes]:
    """What a bundle holds; it is built once, and looked into often."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def handler_files(row: catalog.Row) -> set[str]:
    modules = [face.module for face in row.faces] if row.http else [row.handler_module]
    return {f"{module.replace('.', '/')}.py" for module in modules}


_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_OURS = frozenset({"printpipe", "main", "google"})
"""Google's namespace is many packages: which of its clients are loaded is looked at where bundles are served."""


@cache
def imported(file: Path) -> set[str]:
    """The packages that one of our modules imports as soon as it is imported itself."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(file.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
            waiting += node.body
    return found - _OURS - sys.stdlib_module_names


@pytest.fixture(scope="module")
def installed() -> Mapping[str, list[str]]:
    """The distributions that each importable package comes from."""
    return packages_distributions()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every bundle."""
    out = tmp_path_factory.mktemp("bundles")
    bundle.build(FUNCTIONS, out)
    return out


def test_one_bundle_a_row_and_a_manifest_that_describes_them(built: Path) -> None:
    manifest = json.loads((built / bundle.MANIFEST).read_text())
    assert set(manifest) == set(ROWS)
    assert {file.name for file in built.iterdir()} == {f"{name}.zip" for name in ROWS} | {bundle.MANIFEST}
    for name, entry in manifest.items():
        packed = (built / entry["file"]).read_bytes()
        assert entry["file"] == f"{name}.zip"
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(packed).hexdigest(), len(packed))
        assert entry["entry_point"] == ROWS[name].entry_point
        code = {f"{module.replace('.', '/')}.py" for module in entry["modules"]}
        packages = {f"{module.replace('.', '/')}/__init__.py" for module in entry["modules"]}
        inside = set(contents(built / entry["file"])) - BESIDE_THE_CODE - set(ROWS[name].files)
        assert inside <= code | packages
        assert len(inside) == len(entry["modules"])


@pytest.mark.parametrize("name", ROWS)
def test_a_bundle_holds_its_own_handler_row_packages_and_adapters(built: Path, name: str) -> None:
    row, files = ROWS[name], contents(built / f"{name}.zip")
    inside = {file for file in files if not file.endswith("__init__.py")}
    handlers = inside & {file for each in ROWS.values() for file in handler_files(each)}
    dialects = {file for file in inside if file.startswith("printpipe/dialects/")}
    assert handlers == handler_files(row)
    faces = row.faces if row.http else ()
    assert dialects <= {
        "printpipe/dialects/exchange.py",
        *(f"printpipe/dialects/{face.dialect}.py" for face in faces),
    }
    takes_tokens = any(face.auth in ("jwt", "either", "ticket") for face in faces)
    assert ("printpipe/services/access/tokens.py" in inside) == takes_tokens

    halves = {"printpipe/runtime/http.py": bool(row.http), "printpipe/runtime/events.py": bool(row.trigger)}
    assert {half: half in inside for half in halves} == halves
    ports = {"documents", "files", "bus", "keys"}
    used = {f"printpipe/adapters/google/{use}.py" for use in row.uses & ports}
    unused = {f"printpipe/adapters/google/{use}.py" for use in ports - row.uses}
    assert used <= inside
    assert unused & inside == set()
    assert ("printpipe/adapters/remote.py" in inside) == ("files" in row.uses)
    assert ("printpipe/adapters/google/credentials.py" in inside) == ("credentials" in row.uses)
    for adapter in ("outbound", "mail"):
        assert (f"printpipe/adapters/{adapter}.py" in inside) == ("outbound" in row.uses)
    assert ("printpipe/adapters/google/secrets.py" in inside) == (row.auth in ("key", "either", "ticket", "optional"))

    assert not [file for file in files if "embedded" in file or file.startswith(("tools", "tests", "local"))]
    assert {file for file in files if not file.endswith(".py")} == BESIDE_THE_CODE | set(row.files)
    requirements = FUNCTIONS / "requirements" / f"{row.requirement_set}.txt"
    assert files["requirements.txt"] == requirements.read_bytes()


@pytest.mark.parametrize("name", ROWS)
def test_a_bundles_set_has_what_its_modules_import_first(
    built: Path, installed: Mapping[str, list[str]], name: str
) -> None:
    entry = json.loads((built / bundle.MANIFEST).read_text())[name]
    requirements = contents(built / entry["file"])["requirements.txt"].decode()
    pinned = {canonicalize_name(each) for each in _PIN.findall(requirements)}
    for module in entry["modules"]:
        file = FUNCTIONS / f"{module.replace('.', '/')}.py"
        for package in imported(file) if file.exists() else ():
            assert {canonicalize_name(each) for each in installed[package]} & pinned, (module, package)


@pytest.mark.parametrize("name", ROWS)
def test_a_bundles_row_is_the_catalogs_with_its_defaults(built: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "catalog.json").write_bytes(contents(built / f"{name}.zip")["catalog.json"])
    assert catalog.rows(tmp_path) == {ROWS[name].entry_point: ROWS[name]}


def test_a_bundle_is_the_same_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    outs = []
    for number, (zone, seed) in enumerate([("UTC", "1"), ("Pacific/Auckland", "2")]):
        root = copy_of_functions(tmp_path / f"checkout-{number}/functions")
        for file in root.rglob("*"):
            file.chmod(0o755 if number else 0o700)
            os.utime(file, (1_600_000_000 + number, 1_700_000_000 + number))
        out = tmp_path / f"out-{number}"
        environment = {**os.environ, "PYTHONPATH": str(root), "TZ": zone, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-m", "tools.bundle", "--out", str(out)]
        subprocess.run(command, cwd=root.parent, env=environment, check=True, timeout=60)
        outs.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert outs[0] == outs[1]
    assert len(outs[0]) == len(ROWS) + 1


def test_no_entry_depends_on_the_machine(built: Path) -> None:
    for name in ROWS:
        with zipfile.ZipFile(built / f"{name}.zip") as archive:
            entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {(entry.create_system, entry.external_attr >> 16) for entry in entries} == {(3, 0o100644)}
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


def test_a_change_in_a_handler_changes_that_bundle_alone(built: Path, tmp_path: Path) -> None:
    root = copy_of_functions(tmp_path / "functions")
    handler = root / "printpipe/endpoints/cloud/command_ack.py"
    handler.write_text(handler.read_text() + "\n# changed\n")
    after = bundle.build(root, tmp_path / "out")
    before = json.loads((built / bundle.MANIFEST).read_text())
    assert [name for name in before if after[name].sha256 != before[name]["sha256"]] == ["cloud-command-ack"]


def test_a_change_in_an_adapter_changes_the_bundles_that_use_it(built: Path, tmp_path: Path) -> None:
    root = copy_of_functions(tmp_path / "functions")
    adapter = root / "printpipe/adapters/google/files.py"
    adapter.write_text(adapter.read_text() + "\n# changed\n")
    after = bundle.build(root, tmp_path / "out")
    before = json.loads((built / bundle.MANIFEST).read_text())
    changed = {name for name in before if after[name].sha256 != before[name]["sha256"]}
    assert changed == {name for name, row in ROWS.items() if "files" in row.uses}


def test_a_row_brings_the_files_that_it_names(built: Path, tmp_path: Path) -> None:
    carriers = {name for name, row in ROWS.items() if "openapi.json" in row.files}
    assert carriers == {"cloud-openapi-show", "cloud-docs-show"}
    root = copy_of_functions(tmp_path / "functions")
    document = root / "openapi.json"
    assert {contents(built / f"{name}.zip")["openapi.json"] for name in carriers} == {document.read_bytes()}
    document.write_text("{}")
    after = bundle.build(root, tmp_path / "out")
    before = json.loads((built / bundle.MANIFEST).read_text())
    assert {name for name in before if after[name].sha256 != before[name]["sha256"]} == carriers
    document.unlink()
    with pytest.raises(bundle.Incomplete, match=r"cloud-openapi-show: .*openapi\.json is missing"):
        bundle.build(root, tmp_path / "out", only="cloud-openapi-show")


def test_one_row_can_be_built_alone_and_a_full_build_clears_what_is_stale(tmp_path: Path) -> None:
    first = bundle.build(FUNCTIONS, tmp_path, only="cloud-health-check")
    second = bundle.build(FUNCTIONS, tmp_path, only="cloud-command-ack")
    manifest = json.loads((tmp_path / bundle.MANIFEST).read_text())
    assert {name: entry["sha256"] for name, entry in manifest.items()} == {
        name: entry.sha256 for name, entry in {**first, **second}.items()
    }
    (tmp_path / "cloud-retired-thing.zip").write_bytes(b"")
    bundle.build(FUNCTIONS, tmp_path)
    assert {file.stem for file in tmp_path.glob("*.zip")} == set(ROWS)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(bundle.Incomplete, match="cloud-teapot-brew"):
        bundle.build(FUNCTIONS, tmp_path / "out", only="cloud-teapot-brew")
    root = copy_of_functions(tmp_path / "functions")
    (root / "printpipe/endpoints/cloud/command_ack.py").unlink()
    with pytest.raises(bundle.Incomplete, match=r"cloud-command-ack: .*printpipe\.endpoints\.cloud\.command_ack"):
        bundle.build(root, tmp_path / "out")
    (root / "requirements/documents.txt").unlink()
    with pytest.raises(bundle.Incomplete, match=r"documents\.txt is missing"):
        bundle.build(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_closure_follows_every_kind_of_import(tmp_path: Path) -> None:
    modules = {
        "main": "import json\nfrom printpipe.runtime.entry import serve",
        "printpipe.__init__": "",
        "printpipe.runtime.__init__": "import printpipe.runtime.early",
        "printpipe.runtime.early": "",
        "printpipe.runtime.entry": "from . import beside\nfrom .. import above\nfrom .near import name",
        "printpipe.runtime.beside": "def late():\n    from printpipe.domain import deep, Constant",
        "printpipe.runtime.near": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import printpipe.typed\n"
        "else:\n    import printpipe.real",
        "printpipe.above": "",
        "printpipe.domain.__init__": "Constant = 1",
        "printpipe.domain.deep": "",
        "printpipe.domain.unused": "",
        "printpipe.typed": "",
        "printpipe.real": "if not __debug__:\n    import printpipe.rare",
        "printpipe.rare": "import tools.bundle, printpiper, google.auth",
        "tools.bundle": "",
    }
    for name, source in modules.items():
        file = tmp_path / (name.replace(".", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    outside = {"printpipe.domain.unused", "printpipe.typed", "tools.bundle"}
    found = bundle.Sources(tmp_path).closure(["main"])
    assert found.keys() == {name.removesuffix(".__init__") for name in modules} - outside


def test_a_pack_reads_back() -> None:
    files = {"b/c.py": b"print()", "a.txt": "ä".encode()}
    with zipfile.ZipFile(io.BytesIO(bundle.pack(files))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
