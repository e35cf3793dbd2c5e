"""The configuration file: read, or refused with a message that names the fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import AgentConfig, ConfigError, PrinterConfig, load

GOOD: dict[str, Any] = {
    "backend_url": "https://cloud.example/",
    "api_key": "secret-key",
    "recipient_id": "site-1",
    "printers": [
        {"serial": "01P00A1", "address": "192.0.2.7", "access_code": "12345678", "type": "bambu", "ca_file": "~/ca.pem"}
    ],
}


def write(path: Path, content: dict[str, Any] | str, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_a_good_file_is_read_with_the_production_times(tmp_path: Path) -> None:
    config = load(write(tmp_path / "config.json", GOOD))
    assert config.backend_url == "https://cloud.example"
    (printer,) = config.printers
    assert isinstance(printer, PrinterConfig)
    assert printer.mqtt_port == 8883
    assert config.timing.reconcile == 60
    assert config.state_dir == Path("~/.printmaster").expanduser()
    assert config.pubsub is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "config.json", GOOD, mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"backend_url": "cloud.example"}, "backend_url"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "secret-key\nX: y"}, "api_key"),
        ({"api_key": "secret-key\u20ac"}, "api_key"),
        ({"backend_url": "http://cloud.example"}, "backend_url: Value error, begins with https://"),
        ({"backend_url": "https://me:secret-key@cloud.example"}, "backend_url"),
        ({"backend_url": "https://cloud.example?key=secret-key"}, "backend_url"),
        ({"printers": [GOOD["printers"][0] | {"access_code": "12345678\n"}]}, "printers.0.access_code"),
        ({"recipient_id": None}, "recipient_id"),
        ({"printers": [{"serial": "x", "address": "y", "access_code": "z"}]}, "printers.0.ca_file"),
        ({"printers": [GOOD["printers"][0] | {"type": "fax"}]}, "printers.0.type"),
        ({"printers": [GOOD["printers"][0], GOOD["printers"][0]]}, "listed twice"),
        ({"printers": [{**GOOD["printers"][0], "serial": each} for each in ("01p00a", "01P00A")]}, "listed twice"),
        ({"timing": {"reconcile": 0}}, "timing.reconcile"),
    ],
)
def test_the_wrong_field_is_named_and_no_secret_is_shown(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = write(tmp_path / "config.json", GOOD | change)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert named in str(raised.value)
    assert "secret-key" not in str(raised.value)
    assert "12345678" not in str(raised.value)


def test_blanks_around_the_key_and_this_machines_own_cloud_do_no_harm(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:8080/api", "http://localhost:1", "http://[::1]:8080"):
        config = load(write(tmp_path / "config.json", GOOD | {"api_key": " secret-key\n", "backend_url": url}))
        assert (config.api_key, config.backend_url) == ("secret-key", url)


def test_a_missing_file_and_bad_json_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="not valid JSON"):
        load(write(tmp_path / "config.json", "{"))


def test_the_secrets_are_not_in_the_representation() -> None:
    config = AgentConfig.model_validate(GOOD)
    assert "secret-key" not in repr(config)
    assert "12345678" not in repr(config)
