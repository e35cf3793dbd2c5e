"""What a simulated camera can be told to do wrong."""

import pytest

from local.simulator.faults import CAMERA_FAULTS, Faults


@pytest.mark.parametrize("fault", CAMERA_FAULTS)
def test_a_cameras_fault_has_a_name(fault: str) -> None:
    faults = Faults()
    faults.update({"camera": fault, "live_view": False})
    assert (faults.camera, faults.live_view) == (fault, False)


@pytest.mark.parametrize("wrong", ["blind", 1, None])
def test_another_fault_is_not_taken_and_changes_nothing(wrong: object) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match="camera"):
        faults.update({"live_view": False, "camera": wrong})
    assert faults == Faults()
