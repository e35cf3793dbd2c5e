"""Compiles the deployed sets of packages: `python -m tools.requirements`.

For each distinct set that the catalog's rows need, `functions/requirements/<set>.txt`: pinned, with hashes, from the
dependency groups of `pyproject.toml`, at the versions of `local/requirements.txt`, so that what is tested is deployed.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from printpipe.runtime import catalog

MOST_SETS = 8
"""More sets than this would be more to patch and to test than small images are worth."""

PYTHON = "3.11"


class TooManySets(Exception):
    """The catalog's rows combine what they use in more than `MOST_SETS` ways."""


def requirement_sets(rows: Iterable[catalog.Row]) -> Mapping[str, tuple[str, ...]]:
    """The dependency groups of each set, by the set's name. Raises `TooManySets`."""
    sets = {row.requirement_set: ("base", *row.packages) for row in rows}
    if len(sets) > MOST_SETS:
        raise TooManySets(f"{len(sets)} sets of packages, at most {MOST_SETS}: {', '.join(sorted(sets))}")
    return sets


def compile_set(project: Path, groups: Iterable[str], target: Path) -> None:
    """Pins the groups of the project's `pyproject.toml` into `target`, within the versions of the whole lock."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", PYTHON]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "--constraints", "local/requirements.txt"]
    command += [argument for group in groups for argument in ("--group", group)]
    subprocess.run([*command, "--output-file", str(target)], cwd=project, check=True)


def main() -> None:
    """The command line: compiles every set and removes the files of sets that are no more."""
    try:
        sets = requirement_sets(catalog.rows().values())
    except TooManySets as reason:
        sys.exit(str(reason))
    folder = catalog.ROOT / "requirements"
    folder.mkdir(exist_ok=True)
    for name, groups in sorted(sets.items()):
        compile_set(catalog.ROOT.parent, groups, folder / f"{name}.txt")
        print(folder / f"{name}.txt")
    for stale in folder.glob("*.txt"):
        if stale.stem not in sets:
            stale.unlink()


if __name__ == "__main__":
    main()
