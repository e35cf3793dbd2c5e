"""A PrusaLink printer in the configuration file, beside those of Bambu Lab."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import AgentConfig, ConfigError, PrinterConfig, PrusaLinkConfig, load

BAMBU = {"serial": "01P00A1", "address": "192.0.2.7", "access_code": "12345678", "ca_file": "~/ca.pem"}
PRUSA = {"serial": "10589-37", "address": "192.0.2.8", "access_code": "made-up", "type": "prusalink"}


def read(folder: Path, *printers: dict[str, Any]) -> AgentConfig:
    path = folder / "config.json"
    path.touch(mode=0o600)
    content = {"backend_url": "https://cloud.example", "api_key": "secret-key", "recipient_id": "site-1"}
    path.write_text(json.dumps(content | {"printers": printers}))
    return load(path)


def test_both_kinds_of_printers_stand_in_one_file(tmp_path: Path) -> None:
    bambu, named, prusa = read(tmp_path, BAMBU, BAMBU | {"serial": "01P00A2", "type": "bambu"}, PRUSA).printers
    assert isinstance(bambu, PrinterConfig)
    assert isinstance(named, PrinterConfig)
    assert isinstance(prusa, PrusaLinkConfig)
    assert (bambu.mqtt_port, prusa.http_port) == (8883, 80)
    assert "made-up" not in repr(prusa)


@pytest.mark.parametrize(
    ("printer", "named"),
    [
        (PRUSA | {"http_port": 0}, "printers.0.http_port"),
        (PRUSA | {"access_code": ""}, "printers.0.access_code"),
        (PRUSA | {"type": "prusa"}, "printers.0.type: a printer is one of bambu, prusalink"),
        (PRUSA | {"type": "bambu"}, "printers.0.ca_file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, printer: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, printer)
    assert named in str(raised.value)
    assert "made-up" not in str(raised.value)
