"""Writes one zip per row of the catalog: `python -m tools.bundle [--out build/bundles] [--only NAME]`.

A bundle holds `main.py`, the row as `catalog.json`, the row's pinned `requirements.txt`, the import closure of its
handler and the files that the row names; nothing else. It is the same to the byte on every machine, so that its hash
changes when its function does: entries are sorted, their times and rights fixed, and stored uncompressed (what deflate
writes differs between builds of zlib). Compiled bytecode stays out: it belongs to one minor version of Python, and the
platform's build compiles.
"""

import argparse
import ast
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from printpipe.runtime import catalog

PACKAGE = "printpipe"
PORTS = ("documents", "files", "bus", "keys")
MANIFEST = "manifest.json"
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
_UNIX, _RIGHTS = 3, 0o100644
_HOLDS_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)


class Incomplete(Exception):
    """A bundle cannot be built: a file is missing. The message says which."""


@dataclass(frozen=True)
class Bundle:
    """A built bundle as the manifest shows it: size in bytes, SHA-256 in lower hex."""

    file: str
    sha256: str
    size: int
    entry_point: str
    modules: tuple[str, ...]


def choices(row: catalog.Row) -> Mapping[str, bool]:
    """The modules that `runtime` imports late or by a name that it makes, and whether this row has it do so."""
    faces = row.faces if row.http else ()
    tokens = any(face.auth in ("jwt", "either", "ticket") for face in faces)
    return {
        **({row.handler_module: True} if row.trigger else {}),
        **{module: True for face in faces for module in (face.module, f"{PACKAGE}.dialects.{face.dialect}")},
        f"{PACKAGE}.runtime.http": row.http is not None,
        f"{PACKAGE}.runtime.events": row.trigger is not None,
        f"{PACKAGE}.adapters.remote": "files" in row.uses,
        f"{PACKAGE}.adapters.outbound": "outbound" in row.uses,
        f"{PACKAGE}.adapters.mail": "outbound" in row.uses,
        f"{PACKAGE}.services.access.tokens": tokens,
        f"{PACKAGE}.services.access.rate_limits": row.limit is not None or row.auth == "ticket",
        f"{PACKAGE}.runtime.sockets": row.auth == "ticket",
        f"{PACKAGE}.runtime.tickets": row.auth == "ticket",
        f"{PACKAGE}.adapters.web_keys": tokens,
        f"{PACKAGE}.adapters.google.secrets": row.auth in ("key", "either", "ticket", "optional"),
        f"{PACKAGE}.adapters.google.credentials": "credentials" in row.uses,
        **{f"{PACKAGE}.adapters.google.{port}": port in row.uses for port in PORTS},
    }


class Sources:
    """The modules below a folder as they are now: each is looked for, read and searched for imports once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, Path | None] = {}
        self._contents: dict[Path, bytes] = {}
        self._imported: dict[str, tuple[str, ...]] = {}

    def closure(self, starts: Iterable[str], left_out: Container[str] = ()) -> dict[str, Path]:
        """The modules, by name, that importing `starts` may load: `main` and our own package alone.

        Imports inside functions count; those for type checkers and of what is left out do not. Raises `Incomplete`.
        """
        found: dict[str, Path] = {}
        waiting = list(starts)
        while waiting:
            name = waiting.pop()
            if name in found or name in left_out:
                continue
            file = self._file(name)
            if file is None:
                raise Incomplete(f"no module {name} in {self._root}")
            found[name] = file
            if name not in self._imported:
                self._imported[name] = tuple(dict.fromkeys(self._imports_of(name, file)))
            waiting.extend(self._imported[name])
        return dict(sorted(found.items()))

    def read(self, file: Path) -> bytes:
        """A file's content."""
        if file not in self._contents:
            self._contents[file] = file.read_bytes()
        return self._contents[file]

    def _file(self, name: str) -> Path | None:
        if name not in self._files:
            module = self._root.joinpath(*name.split("."))
            candidates = (module / "__init__.py", module.with_suffix(".py"))
            self._files[name] = next((file for file in candidates if file.is_file()), None)
        return self._files[name]

    def _imports_of(self, name: str, file: Path) -> Iterator[str]:
        """What a module imports of ours, and the package that it is in."""
        if "." in name:
            yield name.rpartition(".")[0]
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in _imports(self.read(file)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if _ours(alias.name))
            else:
                above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                if _ours(source):
                    yield source
                    members = (f"{source}.{alias.name}" for alias in node.names)
                    yield from (member for member in members if self._file(member))


@cache
def _imports(source: bytes) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """A module's import statements, inside functions too."""
    return tuple(node for node in _statements(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement except the bodies of `if TYPE_CHECKING:`."""
    yield node
    skipped = node.body if isinstance(node, ast.If) and _is_type_checking(node.test) else []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _HOLDS_STATEMENTS) and child not in skipped:
            yield from _statements(child)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def pack(files: dict[str, bytes]) -> bytes:
    """A zip of the files by their names, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system, entry.external_attr = _UNIX, _RIGHTS << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def bundle(root: Path, row: catalog.Row, sources: Sources) -> tuple[Bundle, bytes]:
    """A row's bundle from the `sources` in `root`, and the zip itself. Raises `Incomplete`."""
    requirements = root / "requirements" / f"{row.requirement_set}.txt"
    if not requirements.is_file():
        raise Incomplete(f"{row.name}: {requirements} is missing; `python -m tools.requirements` writes it")
    chosen = [name for name, needed in choices(row).items() if needed]
    left_out = choices(row).keys() - chosen
    try:
        modules = sources.closure(["main", *chosen], left_out)
    except Incomplete as missing:
        raise Incomplete(f"{row.name}: {missing}") from None
    table = {"functions": [row.model_dump(mode="json", exclude_none=True) | {"uses": sorted(row.uses)}]}
    files = {file.relative_to(root).as_posix(): sources.read(file) for file in modules.values()}
    files["catalog.json"] = f"{json.dumps(table, indent=2, sort_keys=True)}\n".encode()
    files["requirements.txt"] = requirements.read_bytes()
    for name in row.files:
        if not (root / name).is_file():
            raise Incomplete(f"{row.name}: {root / name} is missing")
        files[name] = (root / name).read_bytes()
    packed = pack(files)
    digest = hashlib.sha256(packed).hexdigest()
    return Bundle(f"{row.name}.zip", digest, len(packed), row.entry_point, tuple(modules)), packed


def build(root: Path, out: Path, only: str | None = None) -> dict[str, Bundle]:
    """Writes the bundles of all rows, or of one, with the manifest into `out`; gives those written, by name.

    A full build leaves no other zip in `out`; a build of one row keeps the others and their lines of the manifest.
    Raises `Incomplete` before anything is written.
    """
    chosen = [row for row in catalog.rows(root).values() if only in (None, row.name)]
    if not chosen:
        raise Incomplete(f"the catalog has no row {only}")
    sources = Sources(root)
    built = {row.name: bundle(root, row, sources) for row in chosen}
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / MANIFEST
    table = json.loads(manifest.read_text()) if only and manifest.exists() else {}
    for name, (entry, packed) in built.items():
        (out / entry.file).write_bytes(packed)
        table[name] = asdict(entry)
    for stale in {file.name for file in out.glob("*.zip")} - {entry["file"] for entry in table.values()}:
        (out / stale).unlink()
    manifest.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")
    return {name: entry for name, (entry, _) in built.items()}


def main() -> None:
    """The command line; exits 1 with the reason where a bundle cannot be built."""
    parser = argparse.ArgumentParser(prog="tools.bundle", description="Writes a zip per row of the catalog.")
    parser.add_argument("--out", type=Path, default=Path("build/bundles"), help="the folder (default: %(default)s)")
    parser.add_argument("--only", metavar="NAME", help="build this row alone")
    arguments = parser.parse_args()
    try:
        built = build(catalog.ROOT, arguments.out, arguments.only)
    except Incomplete as reason:
        sys.exit(str(reason))
    for entry in built.values():
        print(f"{entry.sha256[:12]}  {entry.size:8,}  {len(entry.modules):3} modules  {arguments.out / entry.file}")


if __name__ == "__main__":
    main()
