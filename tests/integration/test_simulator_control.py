"""The simulated printers' control API, and the simulator's command line."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.simulated_printers import control, farm, fetched, p1s, printer, x1c
from tests.unit.simulator.clients import PATIENCE, Client, upload

__all__ = ["farm", "p1s", "printer", "x1c"]


class TestControl:
    def test_looking_into_the_printers(self, farm: Farm, p1s: SimulatedPrinter) -> None:
        listed = fetched(f"{farm.control_url}/printers")
        assert [(entry["serial"], entry["model"]) for entry in listed] == [(p.serial, p.model) for p in farm.printers]
        shown = fetched(f"{farm.control_url}/printers/{p1s.serial}")
        assert shown["mqtt_port"] == p1s.mqtt_port
        promised = {
            *("serial", "model", "gcode_state", "percent", "layer", "total_layers", "subtask_name", "nozzle"),
            *("nozzle_target", "bed", "bed_target", "light", "speed_level", "fans", "files", "homed", "starts"),
            *("commands", "clients"),
        }
        assert promised <= shown.keys()

    def test_faults_and_speed_over_the_api(self, farm: Farm, p1s: SimulatedPrinter) -> None:
        assert control(farm, p1s, "faults", {"silent": True, "drop_acks": 2})["faults"]["drop_acks"] == 2
        assert control(farm, p1s, "speed", {"speed": 600})["speed"] == 600
        assert p1s.inspect()["faults"]["silent"] is True

    def test_spools_are_changed_over_the_api(self, farm: Farm, printer: SimulatedPrinter) -> None:
        spool = {"slot": 5, "type": "ABS", "color": "#D32941", "remain": 30}
        with Client(printer) as client:
            client.wait(lambda m: m.get("msg") == 0)
            shown = control(farm, printer, "filaments", {"units": [0, 1], "loaded": [spool], "nozzle_diameter": 0.6})
            assert shown["filaments"] == {"units": [0, 1], "loaded": [spool], "nozzle_diameter": 0.6}
            report = client.wait(lambda m: m.get("nozzle_diameter") == "0.6")
            trays = [tray for unit in report["ams"]["ams"] for tray in unit["tray"]]
            assert [tray.get("tray_type") for tray in trays] == [None, None, None, None, None, "ABS", None, None]

    @pytest.mark.parametrize(
        ("action", "body", "status"),
        [
            ("faults", {"unknown": True}, 400),
            ("faults", {"silent": "yes"}, 400),
            ("faults", {"silent": True, "drop_acks": -1.5}, 400),
            ("faults", [], 400),
            ("hms", {"entries": [{"attr": 1}]}, 400),
            ("filaments", {"loaded": [{"slot": 0}]}, 400),
            ("filaments", {"units": [[0]]}, 400),
            ("filaments", {"spools": []}, 400),
            ("speed", {"speed": 0}, 400),
            ("speed", {}, 400),
            ("screen", {"action": "dance"}, 400),
            ("screen", {"action": "start"}, 400),
            ("fail", {}, 400),
            ("nothing", {}, 404),
        ],
    )
    def test_bad_requests_change_nothing(
        self, farm: Farm, p1s: SimulatedPrinter, action: str, body: object, status: int
    ) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            control(farm, p1s, action, body)
        assert caught.value.code == status
        assert "error" in json.load(caught.value)
        assert p1s.inspect()["faults"]["silent"] is False


class TestCommandLine:
    def test_it_says_when_it_is_ready_and_ends_at_once(self, tmp_path: Path) -> None:
        with simulator("--printers", "3", "--speed", "60", "--state-dir", str(tmp_path)) as (process, ready):
            assert ready["event"] == "simulator_ready"
            assert [entry["model"] for entry in ready["printers"]] == ["P1S", "X1C", "P1S"]
            assert Path(ready["printers"][0]["ca_file"]).is_relative_to(tmp_path)
            assert len(fetched(f"{ready['control_url']}/printers")) == 3
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert time.monotonic() - began < 2

    def test_the_state_folder_keeps_the_ca_from_run_to_run(self, tmp_path: Path) -> None:
        kept = []
        for _ in range(2):
            with Farm(["P1S"], state_dir=tmp_path) as farm:
                kept.append((farm.printers[0].ca_file.read_bytes(), farm.printers[0].access_code))
        assert kept[0] == kept[1]

    def test_printers_are_loaded_as_they_are_told(self, tmp_path: Path) -> None:
        spool = {"slot": 254, "type": "TPU", "color": "#101010", "remain": -1}
        setup = {"units": [], "loaded": [spool], "nozzle_diameter": 0.4}
        options = ("--state-dir", str(tmp_path), "--filaments", json.dumps({"1": setup}))
        with simulator(*options) as (_, ready):
            loaded = {each["model"]: each["filaments"] for each in fetched(f"{ready['control_url']}/printers")}
        assert loaded["X1C"] == setup
        assert [each["slot"] for each in loaded["P1S"]["loaded"]] == [0, 1, 2, 254]

    def test_filaments_for_no_printer_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="does not exist"):
            Farm(["P1S"], state_dir=tmp_path, filaments={1: {}})

    def test_bad_options_end_with_a_sentence(self, tmp_path: Path) -> None:
        run = subprocess.run(
            [sys.executable, "-m", "local.simulator", "--models", "K1", "--state-dir", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert run.returncode == 1
        assert "unknown printer model 'K1'" in run.stderr

    def test_standard_ports(self, tmp_path: Path) -> None:
        try:
            for number in (8883, 990, 6000):
                socket.create_server(("127.0.0.11", number)).close()
        except OSError as error:
            pytest.skip(f"the standard ports cannot be had here: {error}")
        with Farm(["P1S"], state_dir=tmp_path, standard_ports=True) as farm:
            printer = farm.printers[0]
            assert (printer.host, printer.mqtt_port, printer.ftps_port, printer.camera_port) == (
                *("127.0.0.11", 8883),
                *(990, 6000),
            )
            upload(printer, make_3mf("cube"))
            with Client(printer) as client:
                client.wait(lambda m: m.get("msg") == 0)


@contextlib.contextmanager
def simulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    command = [sys.executable, "-m", "local.simulator", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
