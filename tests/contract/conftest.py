"""The functions on each backend, one gateway for all tests of a process."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.backends import Backend, embedded, google
from tests.cloud import Cloud, Site, running


@contextmanager
def _functions(made: AbstractContextManager[Backend], folder: Path) -> Iterator[Cloud]:
    with made as backend, running(backend, folder) as functions:
        yield functions


@pytest.fixture(scope="session")
def embedded_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Every function behind the gateway, on the embedded backend."""
    folder = tmp_path_factory.mktemp("cloud-embedded")
    with _functions(embedded(folder), folder) as functions:
        yield functions


@pytest.fixture(scope="session")
def google_cloud(emulators: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The same on Google's emulators."""
    with _functions(google(emulators), tmp_path_factory.mktemp("cloud-google")) as functions:
        yield functions


@pytest.fixture(scope="session", params=["embedded", pytest.param("google", marks=pytest.mark.emulators)])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The functions on each backend in turn; both, once asked for, run until the end."""
    functions: Cloud = request.getfixturevalue(f"{request.param}_cloud")
    return functions


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
