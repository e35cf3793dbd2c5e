"""What the audit log holds is created in one place, never changed, and removed by age or with its organization."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "functions/printpipe"
NAME = "audit_log"
USES = {
    ("domain/policy.py", "Collections"),
    ("services/access/directory.py", "tombstone_path"),
    ("services/retention/erasure.py", "sorted"),
    ("services/retention/rules.py", "_dated"),
    ("services/store/audit.py", "Create"),
    ("services/store/queries.py", "Query"),
    ("services/store/retention_queries.py", ""),
}
"""Where the collection may be named, and within which call, function or class.

Its name, a new entry, the list; whether an organization was erased; and what is removed with it, or when it is old.
"""

WRITES = {"Create", "Put", "Update", "Delete", "commit", "commit_new"}
READERS = {"audit_entries", "AuditRecord", "audit_trail"}


def uses(tree: ast.AST, within: str = "") -> Iterator[str]:
    """In which call, else in which class or function, each mention of the collection stands; docstrings aside."""
    for node in ast.iter_child_nodes(tree):
        inner = within
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)) if NAME in name:
                yield within
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Call(func=ast.Name(id=name)):
                inner = name
        yield from uses(node, inner)


def names(tree: ast.AST) -> set[str]:
    """Every name that a module uses or imports."""
    found = set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
    return found


def modules() -> Iterator[tuple[str, ast.AST]]:
    for file in sorted(SOURCES.rglob("*.py")):
        yield file.relative_to(SOURCES).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def test_one_function_writes_it_and_only_creates() -> None:
    assert {(path, within) for path, tree in modules() for within in uses(tree)} == USES


def test_who_reads_it_writes_nothing() -> None:
    readers = {path: names(tree) & WRITES for path, tree in modules() if names(tree) & READERS}
    assert {path: found for path, found in readers.items() if found} == {"services/store/audit.py": {"Create"}}


@pytest.mark.parametrize("write", ["Update(f'{names.audit_log}/1')", "Delete('audit_log/1')", "Put(it.audit_log)"])
def test_another_write_would_be_found(write: str) -> None:
    assert list(uses(ast.parse(f"def tidy():\n    commit({write})"))) == [write.partition("(")[0]]
