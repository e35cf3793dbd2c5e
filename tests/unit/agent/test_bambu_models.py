"""The table of models: it agrees with the cloud's, and a stranger is taken for the least of them."""

import pytest

from edge_agent.drivers.bambu.models import MODELS, UNKNOWN, capabilities
from printpipe.domain.printer_models import MACHINES, model_of

LISTED = {machine.name: machine for machine in MACHINES}


@pytest.mark.parametrize("prefix", MODELS)
def test_the_cloud_knows_the_same_machine(prefix: str) -> None:
    here = MODELS[prefix]
    assert here.volume == LISTED[here.name].volume
    found = model_of(here.name, "Bambu Lab")
    assert found is not None
    assert found.machines == {here.name}


def test_every_machine_of_the_maker_that_has_a_serial_is_here() -> None:
    makers = {machine.name for machine in MACHINES if machine.maker == "Bambu Lab"}
    assert makers - {each.name for each in MODELS.values()} == {"X1"}


def test_a_stranger_has_no_more_than_every_model_has() -> None:
    stranger = capabilities("XYZ00A000000001")
    assert stranger is UNKNOWN
    assert stranger.chamber_heater is None
    for model in MODELS.values():
        assert stranger.nozzle_limit <= model.nozzle_limit
        assert stranger.bed_limit <= model.bed_limit
        assert all(mine <= theirs for mine, theirs in zip(stranger.volume, model.volume, strict=True))
        assert stranger.fans.items() <= model.fans.items()
        assert stranger.calibrations <= model.calibrations
        assert set(stranger.lights) <= set(model.lights)


def test_a_printer_is_known_by_its_serial() -> None:
    assert [capabilities(f"{prefix}00A").name for prefix in ("01P", "00M", "030", "094")] == [
        "P1S",
        "X1C",
        "A1 mini",
        "H2D",
    ]
    assert capabilities("").name == "unknown"
