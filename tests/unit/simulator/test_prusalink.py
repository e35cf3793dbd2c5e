"""The simulated Prusa printer, as a client of its PrusaLink meets it."""

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.simulator.farm import Farm
from local.simulator.prusa_printer import SimulatedPrusa

GCODE = b"; estimated printing time (normal mode) = 10m 0s\nM104 S215\nM140 S60\nG1 X1 Y1\n"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with Farm(["CoreOne", "P1S"], speed=200, state_dir=tmp_path) as farm:
        yield farm


@pytest.fixture
def printer(farm: Farm) -> SimulatedPrusa:
    return farm.prusas[0]


def call(
    printer: SimulatedPrusa, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """One request with the right key, unless another is given; status and JSON."""
    named = {"X-Api-Key": printer.access_code} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        f"http://{printer.host}:{printer.http_port}{path}", data=body, headers=named, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def upload(printer: SimulatedPrusa, name: str = "cube of mine.gcode", **headers: str) -> int:
    return call(printer, "PUT", f"/api/v1/files/usb/{name.replace(' ', '%20')}", GCODE, **headers)[0]


def state(printer: SimulatedPrusa) -> str:
    return str(call(printer, "GET", "/api/v1/status")[1]["printer"]["state"])


def until(seen: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def test_the_printer_says_what_it_is(printer: SimulatedPrusa) -> None:
    assert call(printer, "GET", "/api/version")[1]["capabilities"] == {"upload-by-put": True}
    assert call(printer, "GET", "/api/v1/info")[1]["serial"] == printer.serial
    assert call(printer, "GET", "/api/v1/job") == (204, {})
    assert call(printer, "POST", "/api/v1/status")[0] == 405
    assert call(printer, "GET", "/api/v1/nothing")[0] == 404


def test_a_wrong_key_is_refused_and_a_digest_is_taken(printer: SimulatedPrusa) -> None:
    assert call(printer, "GET", "/api/v1/status", X_Api_Key="wrong")[0] == 401
    url = f"http://{printer.host}:{printer.http_port}/api/v1/status"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url, timeout=5)
    assert raised.value.code == 401
    assert 'realm="Printer API"' in raised.value.headers["WWW-Authenticate"]
    for password, admitted in ((printer.access_code, True), ("wrong", False)):
        keys = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        keys.add_password(None, url, "maker", password)
        opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(keys))
        if admitted:
            assert opener.open(url, timeout=5).status == 200
        else:
            with pytest.raises(urllib.error.HTTPError):
                opener.open(url, timeout=5)


def test_an_old_nonce_is_stale(printer: SimulatedPrusa) -> None:
    url = f"http://{printer.host}:{printer.http_port}/api/version"
    challenge = printer.doorkeeper.challenge({})
    nonce = challenge.split('nonce="')[1].split('"')[0]
    parts = [f"maker:Printer API:{printer.access_code}", "GET:/api/version"]
    secret, asked = (hashlib.md5(each.encode()).hexdigest() for each in parts)
    response = hashlib.md5(f"{secret}:{nonce}:{asked}".encode()).hexdigest()
    header = f'Digest username="maker", realm="Printer API", nonce="{nonce}", uri="/api/version", response="{response}"'
    request = urllib.request.Request(url, headers={"Authorization": header})
    assert urllib.request.urlopen(request, timeout=5).status == 200
    printer.doorkeeper.expire()
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=5)
    assert "stale=true" in raised.value.headers["WWW-Authenticate"]


def test_files_go_up_are_listed_by_both_names_and_come_down(printer: SimulatedPrusa) -> None:
    assert upload(printer) == 201
    assert upload(printer) == 409
    assert upload(printer, Overwrite="?1") == 201
    (entry,) = call(printer, "GET", "/api/v1/files/usb")[1]["children"]
    assert (entry["name"], entry["display_name"]) == ("CUBEOF~1.GCO", "cube of mine.gcode")
    assert "size" not in entry
    assert call(printer, "GET", "/api/v1/files/usb/CUBEOF~1.GCO")[1]["size"] == len(GCODE)
    request = urllib.request.Request(
        f"http://{printer.host}:{printer.http_port}{entry['refs']['download']}",
        headers={"X-Api-Key": printer.access_code, "Range": "bytes=5-"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert (answer.status, answer.read()) == (200, GCODE)
    assert call(printer, "DELETE", "/api/v1/files/usb/cube%20of%20mine.gcode")[0] == 204
    assert printer.inspect()["files"] == []


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("model.3mf", GCODE, 415),
        ("x" * 120 + ".gcode", GCODE, 431),
        ("a:b.gcode", GCODE, 422),
        ("empty.gcode", b"", 501),
    ],
)
def test_what_is_no_print_file_is_refused(printer: SimulatedPrusa, name: str, body: bytes, status: int) -> None:
    assert call(printer, "PUT", f"/api/v1/files/usb/{name}", body, Content_Length=str(len(body)))[0] == status
    assert printer.inspect()["files"] == []


def test_a_print_runs_from_preview_to_its_end(printer: SimulatedPrusa) -> None:
    printer.set_speed(1)
    upload(printer)
    assert call(printer, "POST", "/api/v1/files/usb/cube%20of%20mine.gcode")[0] == 204
    assert state(printer) == "IDLE"
    printer.set_speed(100)
    until(lambda: state(printer) == "PRINTING")
    job = call(printer, "GET", "/api/v1/job")[1]
    assert (job["file"]["display_name"], job["file"]["name"]) == ("cube of mine.gcode", "CUBEOF~1.GCO")
    assert call(printer, "POST", "/api/v1/files/usb/cube%20of%20mine.gcode")[0] == 409
    assert call(printer, "DELETE", "/api/v1/files/usb/cube%20of%20mine.gcode")[0] == 409
    printer.set_speed(2000)
    until(lambda: state(printer) == "FINISHED")
    assert "job" not in call(printer, "GET", "/api/v1/status")[1]
    printer.at_screen("dismiss")
    assert state(printer) == "IDLE"
    assert [start["origin"] for start in printer.inspect()["starts"]] == ["prusalink"]


def test_pause_resume_and_stop_are_for_one_job(printer: SimulatedPrusa) -> None:
    printer.set_speed(50)
    assert upload(printer, Print_After_Upload="?1") == 201
    until(lambda: state(printer) == "PRINTING")
    number = call(printer, "GET", "/api/v1/job")[1]["id"]
    assert call(printer, "PUT", f"/api/v1/job/{number + 1}/pause")[0] == 404
    assert call(printer, "PUT", f"/api/v1/job/{number}/resume")[0] == 409
    assert call(printer, "PUT", f"/api/v1/job/{number}/pause")[0] == 204
    assert state(printer) == "PAUSED"
    assert call(printer, "PUT", f"/api/v1/job/{number}/resume")[0] == 204
    until(lambda: state(printer) == "PRINTING")
    assert call(printer, "DELETE", f"/api/v1/job/{number}")[0] == 204
    assert state(printer) == "PRINTING"
    until(lambda: state(printer) == "STOPPED")
    assert call(printer, "DELETE", f"/api/v1/job/{number}")[0] == 409


def test_a_dialogue_is_a_pause_of_the_job_and_busy_hides_it(printer: SimulatedPrusa) -> None:
    printer.set_speed(20)
    upload(printer, Print_After_Upload="?1")
    until(lambda: state(printer) == "PRINTING")
    printer.set_faults(attention=True)
    assert state(printer) == "ATTENTION"
    assert call(printer, "GET", "/api/v1/job")[1]["state"] == "PAUSED"
    printer.set_faults(attention=False, busy=True)
    assert (state(printer), call(printer, "GET", "/api/v1/job")[0]) == ("BUSY", 204)
    printer.set_faults(busy=False)
    assert state(printer) == "PRINTING"
    printer.fail()
    assert state(printer) == "ERROR"


def test_faults_show_as_they_should(printer: SimulatedPrusa) -> None:
    printer.set_faults(disk_full=True)
    assert upload(printer) == 507
    printer.set_faults(disk_full=False, refuse_password=True)
    assert call(printer, "GET", "/api/v1/status")[0] == 401
    printer.set_faults(refuse_password=False, unreachable=True)
    with pytest.raises(OSError):
        call(printer, "GET", "/api/v1/status")
    printer.set_faults(unreachable=False)
    assert call(printer, "GET", "/api/v1/status")[0] == 200
    with pytest.raises(ValueError, match="unknown fault"):
        printer.set_faults(gremlins=True)


def test_a_start_whose_answer_is_lost_took_effect(printer: SimulatedPrusa) -> None:
    upload(printer)
    printer.set_faults(drop_after_start=True)
    with pytest.raises(OSError):
        call(printer, "POST", "/api/v1/files/usb/cube%20of%20mine.gcode")
    assert len(printer.inspect()["starts"]) == 1


def test_the_control_api_has_both_kinds_of_printers(farm: Farm) -> None:
    with urllib.request.urlopen(f"{farm.control_url}/printers", timeout=5) as answer:
        prusa, bambu = json.loads(answer.read())
    assert (prusa["type"], prusa["http_port"], prusa["state"]) == ("prusalink", farm.prusas[0].http_port, "IDLE")
    assert bambu["serial"] == farm.printers[0].serial
    body = json.dumps({"disk_full": True}).encode()
    request = urllib.request.Request(f"{farm.control_url}/printers/{prusa['serial']}/faults", data=body)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.loads(answer.read())["faults"]["disk_full"] is True
