"""What a deployment may set of its commands, and what it is told of a value that makes no sense."""

import pytest
from pydantic import ValidationError

from printpipe.runtime.settings import parse


def test_a_deployments_own_gcode_is_written_one_way() -> None:
    assert parse({"GCODE_ALLOWED": "M117, m0600,G29.1"}).policy().extra_gcode == {"M117", "M600", "G29.1"}
    assert parse({"GCODE_ALLOWED": ""}).policy().extra_gcode == frozenset()


def test_the_queues_cap_is_50_unless_set() -> None:
    assert parse({}).policy().queue_cap == 50
    assert parse({"COMMAND_QUEUE_CAP": "7"}).policy().queue_cap == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [("GCODE_ALLOWED", "M117,all"), ("GCODE_ALLOWED", "*"), ("COMMAND_QUEUE_CAP", "0"), ("COMMAND_QUEUE_CAP", "many")],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        parse({name: value})
