"""Sites of our agent on either backend, and printers for them; see `agent_site`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.backends import embedded, google
from tests.integration.agent_site import LEASE_SECONDS, AgentSite, sites

NewSite = Callable[[], AgentSite]


@pytest.fixture(scope="module")
def google_sites(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewSite]:
    """Commands come over Pub/Sub, and the poll makes up for what is lost."""
    folder = tmp_path_factory.mktemp("google")
    with (
        google(request.getfixturevalue("emulators")) as backend,
        sites(backend, folder, COMMAND_LEASE_SECONDS=str(LEASE_SECONDS)) as new_site,
    ):
        yield new_site


@pytest.fixture(scope="module")
def embedded_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewSite]:
    """Commands come by the long poll alone."""
    folder = tmp_path_factory.mktemp("embedded")
    with (
        embedded(folder) as backend,
        sites(backend, folder, COMMAND_LEASE_SECONDS=str(LEASE_SECONDS)) as new_site,
    ):
        yield new_site


@pytest.fixture
def site(request: pytest.FixtureRequest) -> AgentSite:
    """A site of the test's own, on Google's backend unless the test says otherwise."""
    new_site: NewSite = request.getfixturevalue(f"{getattr(request, 'param', 'google')}_sites")
    return new_site()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["P1S", "X1C"], speed=150, state_dir=tmp_path / "farm") as farm:
        yield farm


@pytest.fixture
def printer(farm: Farm) -> SimulatedPrinter:
    return farm.printers[0]
