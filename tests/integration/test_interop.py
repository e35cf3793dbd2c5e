"""Other people's programs with the simulated printer, on the ports of a real one; and the agent with a real broker."""

import importlib
import io
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.simulator.farm import STANDARD_CAMERA, STANDARD_FTPS, STANDARD_MQTT, Farm, SimulatedPrinter
from tests.integration.agent_site import SHORT, AgentSite, agent, until
from tests.mosquitto import Missing, Mosquitto, found
from tests.unit.simulator.clients import Client, upload

NAME = "cube.gcode.3mf"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Two printers, each at an address of its own, with the ports that a printer has."""
    made = Farm(["P1S", "X1C"], state_dir=tmp_path_factory.mktemp("farm"), speed=150, standard_ports=True)
    try:
        made.open()
    except OSError as error:
        pytest.skip(f"the printers' own ports cannot be had: {error}")
    yield made
    made.close()


@pytest.fixture
def printer(farm: Farm) -> SimulatedPrinter:
    return farm.printers[0]


@pytest.fixture(scope="module")
def mosquitto() -> Mosquitto:
    programs = found()
    if isinstance(programs, Missing):
        pytest.skip(programs.reason)
    return programs


def state(printer: SimulatedPrinter) -> str:
    return str(printer.inspect()["gcode_state"])


def test_every_printer_has_an_address_and_the_ports_of_a_real_one(farm: Farm) -> None:
    hosts = [printer.host for printer in farm.printers]
    assert hosts == ["127.0.0.11", "127.0.0.12"]
    for printer in farm.printers:
        ports = (printer.mqtt_port, printer.ftps_port, printer.camera_port)
        assert ports == (STANDARD_MQTT, STANDARD_FTPS, STANDARD_CAMERA) == (8883, 990, 6000)


def test_paho_prints(printer: SimulatedPrinter) -> None:
    upload(printer, SHORT, NAME)
    with Client(printer) as client:
        client.ask("pushing", "pushall")
        client.wait(lambda body: body.get("msg") == 0)
        client.start(NAME)
        assert client.reply("project_file")["result"] == "success"
        client.until(lambda: "FINISH" in client.states(), 30)
        assert client.tls_version == "TLSv1.2"


# mosquitto's clients.


def subscription(printer: SimulatedPrinter, password: str = "") -> list[str | Path]:
    """What tells mosquitto's clients of the printer; they cannot be told by which name to verify it."""
    return [
        *("-h", printer.host, "-p", str(printer.mqtt_port), "-V", "mqttv311", "--tls-version", "tlsv1.2"),
        *("--cafile", printer.ca_file, "--insecure", "-u", "bblp", "-P", password or printer.access_code),
    ]


def test_mosquitto_sub_hears_the_reports(printer: SimulatedPrinter, mosquitto: Mosquitto) -> None:
    topic = f"device/{printer.serial}/report"
    heard = mosquitto.run("mosquitto_sub", *subscription(printer), "-t", topic, "-C", "3", "-W", "10")
    assert heard.returncode == 0, heard.stderr
    messages = [json.loads(line) for line in heard.stdout.splitlines()]
    assert len(messages) == 3
    assert messages[0]["print"]["msg"] == 0
    assert messages[0]["print"]["command"] == "push_status"


def test_mosquitto_pub_switches_the_light(printer: SimulatedPrinter, mosquitto: Mosquitto) -> None:
    for mode in ("off", "on"):
        request = {"sequence_id": "1", "command": "ledctrl", "led_node": "chamber_light", "led_mode": mode}
        sent = mosquitto.run(
            "mosquitto_pub",
            *subscription(printer),
            *("-t", f"device/{printer.serial}/request", "-q", "1", "-m", json.dumps({"system": request})),
        )
        assert sent.returncode == 0, sent.stderr
        until(lambda mode=mode: printer.inspect()["light"] == mode, 5)  # type: ignore[misc]


def test_a_wrong_code_and_a_wrong_ca_are_refused(
    farm: Farm, printer: SimulatedPrinter, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    topic = f"device/{printer.serial}/report"
    wrong_code = mosquitto.run("mosquitto_sub", *subscription(printer, "00000000"), "-t", topic, "-C", "1", "-W", "10")
    assert wrong_code.returncode != 0
    assert "not authori" in wrong_code.stderr.lower()
    with Farm(["P1S"], state_dir=tmp_path) as strange:
        arguments = subscription(printer)
        arguments[arguments.index(printer.ca_file)] = strange.printers[0].ca_file
        wrong_ca = mosquitto.run("mosquitto_sub", *arguments, "-t", topic, "-C", "1", "-W", "10")
    assert wrong_ca.returncode != 0
    assert wrong_ca.stdout == ""


# curl.


def curl(printer: SimulatedPrinter, *arguments: str | Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """curl's end; the printer's certificate is verified, by its serial."""
    serial, port = printer.serial, printer.ftps_port
    return subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", "15", "--tls-max", "1.2"),
            *("--cacert", printer.ca_file, "--resolve", f"{serial}:{port}:{printer.host}"),
            *("--user", f"bblp:{printer.access_code}", *arguments, f"ftps://{serial}:{port}/{path}"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("mode", ["--disable-epsv", "--ftp-pasv"])
def test_curl_uploads_lists_and_measures(printer: SimulatedPrinter, tmp_path: Path, mode: str) -> None:
    content = bytes(range(256)) * 8000
    source = tmp_path / "source"
    source.write_bytes(content)
    name = f"by_curl{mode}.gcode"
    sent = curl(printer, mode, "--upload-file", source, path=name)
    assert sent.returncode == 0, sent.stderr
    stored = {file["name"]: file["size"] for file in printer.inspect()["files"]}
    assert stored[name] == len(content)
    listed = curl(printer, mode, "--list-only")
    assert name in listed.stdout.split()
    assert f"Content-Length: {len(content)}" in curl(printer, mode, "--head", path=name).stdout
    fetched = curl(printer, mode, "--output", tmp_path / "fetched", path=name)
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "fetched").read_bytes() == content


# bambulabs-api.


@pytest.fixture
def library() -> Any:
    """The package; it verifies nobody, and has no types that hold."""
    return pytest.importorskip("bambulabs_api", reason="bambulabs-api is not installed")


@pytest.fixture
def theirs(library: Any, printer: SimulatedPrinter) -> Iterator[Any]:
    """Their printer, connected by MQTT."""
    made = library.Printer(printer.host, printer.access_code, printer.serial)
    made.mqtt_start()
    try:
        until(made.mqtt_client_ready, 10)
        yield made
    finally:
        made.mqtt_client._client.disconnect()
        made.mqtt_stop()


def test_bambulabs_api_prints_pauses_resumes_and_stops(theirs: Any, printer: SimulatedPrinter) -> None:
    states = importlib.import_module("bambulabs_api").GcodeState
    printer.set_speed(1)
    try:
        before = len(printer.inspect()["starts"])
        assert theirs.upload_file(io.BytesIO(SHORT), NAME).startswith("226")
        assert theirs.start_print(NAME, 1, use_ams=False)
        printer.set_speed(20)
        until(lambda: theirs.get_state() == states.RUNNING, 15)
        printer.set_speed(1)
        assert len(printer.inspect()["starts"]) == before + 1
        assert theirs.pause_print()
        until(lambda: state(printer) == "PAUSE" and theirs.get_state() == states.PAUSE, 10)
        assert theirs.resume_print()
        until(lambda: theirs.get_state() == states.RUNNING, 10)
        assert theirs.stop_print()
        until(lambda: theirs.get_state() in (states.FAILED, states.IDLE), 10)
        assert state(printer) in ("FAILED", "IDLE")
    finally:
        printer.set_speed(150)


def test_bambulabs_api_reads_and_heats(theirs: Any, printer: SimulatedPrinter) -> None:
    assert theirs.set_bed_temperature(55)
    until(lambda: printer.inspect()["bed_target"] == 55, 5)
    until(lambda: 50 < theirs.get_bed_temperature() < 60, 10)
    assert theirs.set_bed_temperature(41)
    assert theirs.wifi_signal().endswith("dBm")
    assert theirs.nozzle_diameter() == 0.4
    assert theirs.print_error_code() == 0


def test_bambulabs_api_sees_the_camera(library: Any, printer: SimulatedPrinter) -> None:
    camera = library.client.PrinterCamera(printer.host, printer.access_code)
    camera.start()
    try:
        until(lambda: camera.last_frame is not None, 10)
        assert bytes(camera.last_frame).startswith(b"\xff\xd8")
    finally:
        camera.alive = False


# A real broker between the agent and the printer.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_the_agent_prints_by_a_real_broker(site: AgentSite, mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The broker has the printer's certificate and its user, and is a client of the printer's own broker."""
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=150) as farm:
        (printer,) = farm.printers
        identity, passwords, port = (
            printer.ca_file.parent / f"{printer.serial}.pem",
            tmp_path / "passwords",
            free_port(),
        )
        made = mosquitto.run("mosquitto_passwd", "-b", "-c", passwords, "bblp", printer.access_code)
        assert made.returncode == 0, made.stderr
        settings = [
            *("user root", "allow_anonymous false", f"password_file {passwords}", "persistence false"),
            *(f"listener {port} 127.0.0.1", f"cafile {printer.ca_file}", f"certfile {identity}", f"keyfile {identity}"),
            *("tls_version tlsv1.2", "connection printer", f"address {printer.host}:{printer.mqtt_port}"),
            *(f"bridge_cafile {printer.ca_file}", "bridge_insecure true", "bridge_tls_version tlsv1.2"),
            *("bridge_protocol_version mqttv311", "try_private false", "notifications false", "cleansession true"),
            *("remote_username bblp", f"remote_password {printer.access_code}", "restart_timeout 1"),
            f"topic device/{printer.serial}/report in 0",
            f"topic device/{printer.serial}/request out 1",
        ]
        with mosquitto.broker(tmp_path, port, settings) as log:
            until(lambda: printer.inspect()["clients"] == 1, 5)
            printer.mqtt_port = port
            with agent(site.write_config([printer], tmp_path / "agent")):
                job = site.start(printer, SHORT)
                site.saw(job, "job_completed", 30)
                site.assert_ended_once(job, "job_completed")
                assert site.ended(site.queue("light_off", printer)) == "completed"
                assert printer.inspect()["light"] == "off"
            assert printer.inspect()["clients"] == 1, "the agent is a client of the real broker alone"
            assert "u'bblp'" in log.read_text()
