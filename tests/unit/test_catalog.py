"""The catalog: every row is whole, follows the naming, and has what belongs to it."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from printpipe.runtime import catalog
from printpipe.runtime.binding import operations
from tools import requirements, schema

PROJECT = Path(__file__).resolve().parents[2]
FUNCTIONS = PROJECT / "functions"
ROWS = list(catalog.rows(FUNCTIONS).values())
SETS = requirements.requirement_sets(ROWS)
SIZE = {"memory": 256, "cpu": 1, "concurrency": 80, "timeout": 60, "min_instances": 0, "max_instances": 20}
HTTP_ROW = {"name": "cloud-teapot-brew", "http": {"methods": ["POST"], "path": "/brew"}, "dialect": "cloud"}
WHOLE_ROW = {**HTTP_ROW, "auth": "key", "scope": "files.write", "uses": ["documents"]}
CREATED = {"firestore": "google.cloud.firestore.document.v1.created", "document": "teapots/{teapotId}"}
TRIGGER_ROW = {"name": "trigger-teapot-rinse", "uses": ["documents"]}


def read(folder: Path, *rows: dict[str, Any]) -> list[catalog.Row]:
    """The rows of a catalog that is written into an empty folder."""
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"defaults": SIZE, "functions": list(rows)}))
    return list(catalog.rows(folder).values())


def pins(file: Path) -> dict[str, str]:
    """Package → version of a requirements file."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", file.read_text(), re.MULTILINE))


def test_names_are_dialect_noun_verb_and_occur_once() -> None:
    names = [row["name"] for row in yaml.safe_load((FUNCTIONS / "catalog.yaml").read_text())["functions"]]
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+){2,}", name)] == []
    assert [row.name for row in ROWS if row.http and not row.name.startswith(f"{row.dialect}-")] == []


def test_no_two_rows_answer_one_call() -> None:
    calls = [
        (method, re.sub(r"{\w+}", "{}", path))
        for row in ROWS
        if row.http
        for method in row.http.methods
        for path in row.http.paths
    ]
    assert sorted(set(calls)) == sorted(calls)


def test_every_keyed_method_has_a_scope() -> None:
    for row in ROWS:
        if row.http and row.auth not in ("none", "token"):
            assert all(row.scope_for(method) for method in row.http.methods), row.name


def test_every_row_has_its_handler_and_every_handler_its_row() -> None:
    served = [row.handler_module for row in ROWS] + [face.module for row in ROWS if row.http for face in row.faces]
    known = {module.replace(".", "/") + ".py" for module in served}
    rooms = [*(FUNCTIONS / "printpipe/endpoints").glob("*/*.py"), *(FUNCTIONS / "printpipe/triggers").glob("*.py")]
    entrance = re.compile(r"^def (handle|get|post|put|delete)\(", re.MULTILINE)
    handlers = {file.relative_to(FUNCTIONS).as_posix() for file in rooms if entrance.search(file.read_text())}
    assert handlers == known


def test_every_endpoint_serves_the_methods_of_its_row() -> None:
    for row in ROWS:
        for face in row.faces if row.http else ():
            assert row.http is not None
            assert set(operations(row, face)) == set(row.http.methods), face.name


def test_every_row_has_its_wire_example() -> None:
    wire = PROJECT / "tests/contract/wire"
    names = [row.name for row in ROWS] + [face.name for row in ROWS if row.http for face in row.faces]
    assert [name for name in names if not (wire / f"{name}.yaml").is_file()] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory": "plenty"},
        {"colour": "green"},
        {"uses": ["documents", "telepathy"]},
        {"auth": "handshake"},
        {"scope": None},
        {"scope": "tea.write"},
        {"scope": {"POST": "tea.write"}},
        {"dialect": None},
        {"http": {"methods": ["BREW"], "path": "/brew"}},
        {"trigger": CREATED},
    ],
    ids=str,
)
def test_a_wrong_row_is_refused_by_its_name(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cloud-teapot-brew"):
        read(tmp_path, {**WHOLE_ROW, "name": "cloud-teapot-list"}, {**WHOLE_ROW, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"trigger": {}},
        {"trigger": {**CREATED, "firestore": "created"}},
        {"trigger": {**CREATED, "document": "teapots"}},
        {"trigger": {**CREATED, "document": "rooms/{roomId}/teapots/{teapotId}"}},
        {"trigger": {"firestore": CREATED["firestore"]}},
        {"trigger": {**CREATED, "schedule": "* * * * *"}},
        {"trigger": {**CREATED, "topic": "job-events"}},
        {"trigger": {**CREATED, "filter": 'attributes.type = "green"'}},
        {"trigger": {"topic": "teapots"}, "uses": ["documents"]},
        {"trigger": {"topic": "job-events"}, "uses": ["bus"]},
        {"trigger": {"document": "teapots/{teapotId}", "schedule": "* * * * *"}},
        {"trigger": {"schedule": "every 5 minutes"}},
        {"trigger": {"schedule": "60 * * * *"}},
        {"trigger": CREATED, "uses": ["files"]},
    ],
    ids=str,
)
def test_a_wrong_trigger_is_refused_by_its_rows_name(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="trigger-teapot-rinse"):
        read(tmp_path, WHOLE_ROW, {**TRIGGER_ROW, **wrong})


@pytest.mark.parametrize("kind", ["created", "updated", "deleted", "written"])
def test_a_trigger_is_any_firestore_event_a_topic_or_a_schedule(tmp_path: Path, kind: str) -> None:
    watching = {**CREATED, "firestore": f"google.cloud.firestore.document.v1.{kind}"}
    scheduled = {"schedule": "*/5 6-22 * * MON-FRI", "time_zone": "Europe/Berlin"}
    following = {"topic": "job-events", "filter": 'attributes.type = "green"'}
    rows = read(
        tmp_path,
        {**TRIGGER_ROW, "trigger": watching},
        {**TRIGGER_ROW, "name": "trigger-tea-brew", "trigger": scheduled},
        {**TRIGGER_ROW, "name": "trigger-tea-pour", "trigger": following},
    )
    assert [row.trigger.model_dump(exclude_none=True) for row in rows if row.trigger] == [
        {**watching, "filter": "", "time_zone": "UTC"},
        {**scheduled, "filter": ""},
        {**following, "time_zone": "UTC"},
    ]
    assert [row.handler_module.rpartition(".")[2] for row in rows] == ["teapot_rinse", "tea_brew", "tea_pour"]


def test_every_schedules_zone_is_one() -> None:
    assert [row.name for row in ROWS if row.trigger and not ZoneInfo(row.trigger.time_zone)] == []


def test_what_goes_out_takes_the_files_packages_and_no_set_of_its_own(tmp_path: Path) -> None:
    [row] = read(tmp_path, {**WHOLE_ROW, "uses": ["outbound"]})
    assert (row.packages, row.requirement_set) == (("files",), "files")
    (tmp_path / "more").mkdir()
    [row] = read(tmp_path / "more", {**WHOLE_ROW, "uses": ["bus", "documents", "files", "keys", "outbound"]})
    assert row.requirement_set == "bus-documents-files-keys"


def test_the_bus_brings_the_documents_packages(tmp_path: Path) -> None:
    [row] = read(tmp_path, {**WHOLE_ROW, "uses": ["bus"]})
    assert row.uses == {"bus"}
    assert (row.packages, row.requirement_set) == (("bus", "documents"), "bus-documents")


def test_credentials_take_the_documents_packages_and_no_set_of_their_own(tmp_path: Path) -> None:
    [row] = read(tmp_path, {**WHOLE_ROW, "uses": ["credentials"]})
    assert (row.packages, row.requirement_set) == (("documents",), "documents")


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cloud-teapot-brew"):
        read(tmp_path, WHOLE_ROW, WHOLE_ROW)


def test_a_row_overrides_the_defaults(tmp_path: Path) -> None:
    [row] = read(tmp_path, {**WHOLE_ROW, "memory": 512})
    assert (row.memory, row.timeout) == (512, 60)
    assert (row.entry_point, row.handler_module) == ("cloud_teapot_brew", "printpipe.endpoints.cloud.teapot_brew")


def test_the_written_schema_is_the_models() -> None:
    assert (FUNCTIONS / schema.FILE).read_text() == schema.text(), "`python -m tools.schema` writes it"


def test_the_catalog_meets_its_schema() -> None:
    written = json.loads((FUNCTIONS / schema.FILE).read_text())
    table = yaml.safe_load((FUNCTIONS / "catalog.yaml").read_text())
    jsonschema.validate(table, written)
    table["functions"][0]["memory"] = "plenty"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(table, written)


def test_the_requirement_files_are_those_of_the_sets() -> None:
    assert {file.stem for file in (FUNCTIONS / "requirements").glob("*.txt")} == set(SETS)
    assert len(SETS) <= requirements.MOST_SETS


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_set_pins_what_its_groups_name_at_the_locked_versions(name: str) -> None:
    file = FUNCTIONS / "requirements" / f"{name}.txt"
    pinned, locked = pins(file), pins(PROJECT / "local/requirements.txt")
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
    for requirement in (Requirement(line) for group in SETS[name] for line in groups[group]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
    assert {package: locked.get(package) for package in pinned} == pinned


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_set_is_hashed_names_no_host_and_holds_no_yaml_reader(name: str) -> None:
    text = (FUNCTIONS / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "pyyaml" not in text


def test_packages_that_a_row_does_not_use_are_not_in_its_set() -> None:
    clients = {"documents": "firestore", "files": "storage", "bus": "pubsub", "keys": "kms"}
    for name, groups in SETS.items():
        pinned = pins(FUNCTIONS / "requirements" / f"{name}.txt")
        assert {use for use, client in clients.items() if f"google-cloud-{client}" in pinned} == set(groups) & set(
            clients
        )


def test_too_many_sets_are_refused(tmp_path: Path) -> None:
    uses = [[], ["documents"], ["files"], ["bus"], ["keys"], ["bus", "keys"], ["bus", "files"], ["documents", "keys"]]
    rows = [{**WHOLE_ROW, "name": f"cloud-teapot-{chr(97 + i)}", "uses": use} for i, use in enumerate(uses)]
    (tmp_path / "eight").mkdir()
    (tmp_path / "nine").mkdir()
    assert len(requirements.requirement_sets(read(tmp_path / "eight", *rows))) == 8
    nine = read(tmp_path / "nine", *rows, {**WHOLE_ROW, "uses": ["keys", "files"]})
    with pytest.raises(requirements.TooManySets, match="files-keys"):
        requirements.requirement_sets(nine)
