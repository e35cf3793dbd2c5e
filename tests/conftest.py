"""What every test may ask for: a backend, fresh and of its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from local.emulators import Missing, environment_of
from tests.backends import Backend, embedded, google, set_environment, shared_emulators
from tests.counts import SOAK


def pytest_sessionstart(session: pytest.Session) -> None:
    """Each of several workers begins its imports at another place, and finds the others' modules compiled.

    Where nothing is compiled yet, each would else compile everything: the assertions are what takes long.
    """
    number, workers = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    folders = [session.config.rootpath / argument for argument in session.config.args]
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    begin = len(files) * int(number.removeprefix("gw") or 0) // workers
    for file in (*files[begin:], *files[:begin]) if workers > 1 else ():
        with suppress(Exception, pytest.skip.Exception):  # it is told where the file is collected
            import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At reduced counts, what has nothing to do with the backend runs on one of them.

    A module says so with `ONE_BACKEND_AT_REDUCED_COUNTS = True`, a test with the mark `one_backend`; they have the
    backend from `cloud` or `stack`.
    """
    if SOAK:
        return
    spared = [item for item in items if getattr(item, "module", None) and _needs_one_backend(item)]
    config.hook.pytest_deselected(items=spared)
    left_out = set(spared)
    items[:] = [item for item in items if item not in left_out]


def _needs_one_backend(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    on_google = callspec is not None and "google" in (callspec.params.get("cloud"), callspec.params.get("stack"))
    whole = getattr(item.module, "ONE_BACKEND_AT_REDUCED_COUNTS", False)  # type: ignore[attr-defined]
    return on_google and (whole or item.get_closest_marker("one_backend") is not None)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The emulators' hosts (`firestore`, `pubsub`, `storage`, `kms`), one set for the whole run.

    Skips where there are none; with `CI` set that fails.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with shared_emulators(folder) as hosts:
        if isinstance(hosts, Missing):
            message = f"{hosts.reason}; {hosts.how_to_get}"
            if os.environ.get("CI"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
        undo = set_environment(environment_of(hosts))
        yield hosts
        undo()


@pytest.fixture(params=["embedded", pytest.param("google", marks=pytest.mark.emulators)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Each backend in turn, with nothing in it."""
    fixture: Any = embedded(tmp_path) if request.param == "embedded" else google(request.getfixturevalue("emulators"))
    with fixture as made:
        yield made


@pytest.fixture
def embedded_backend(tmp_path: Path) -> Iterator[Backend]:
    """The embedded backend, with nothing in it."""
    with embedded(tmp_path) as made:
        yield made


@pytest.fixture
def google_backend(emulators: Mapping[str, str]) -> Iterator[Backend]:
    """Google's clients on the emulators, with nothing in them."""
    with google(emulators) as made:
        yield made
