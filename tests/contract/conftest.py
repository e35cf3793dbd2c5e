"""The functions on each backend, one gateway for all tests of a process."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.backends import embedded, google
from tests.cloud import Cloud, Site, running
from tests.counts import SOAK


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At reduced counts, what a module says has nothing to do with the backend runs on one of them."""
    if SOAK:
        return
    spared = [item for item in items if getattr(item, "module", None) and _needs_one_backend(item)]
    config.hook.pytest_deselected(items=spared)
    items[:] = [item for item in items if item not in set(spared)]


def _needs_one_backend(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    on_google = callspec is not None and callspec.params.get("cloud") == "google"
    return on_google and getattr(item.module, "ONE_BACKEND_AT_REDUCED_COUNTS", False)  # type: ignore[attr-defined]


@pytest.fixture(scope="session", params=["embedded", pytest.param("google", marks=pytest.mark.emulators)])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Every function behind the gateway."""
    folder = tmp_path_factory.mktemp(f"cloud-{request.param}")
    made: Any = embedded(folder) if request.param == "embedded" else google(request.getfixturevalue("emulators"))
    with made as backend, running(backend, folder) as functions:
        yield functions


@pytest.fixture(scope="session")
def keyless_cloud(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The same backend behind a gateway that allows keyless legacy clients."""
    folder = tmp_path_factory.mktemp("keyless")
    with running(cloud.backend, folder, ALLOW_KEYLESS_LEGACY_CLIENTS="true") as functions:
        yield functions


@pytest.fixture
def site(cloud: Cloud) -> Site:
    """A tenant of the test's own."""
    return cloud.new_site()
