"""Who is at the other end is proved before anything is said: by the maker's CA, or by the one pinned certificate."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import PrinterConfig, Timing
from edge_agent.drivers.bambu.certificates import Seen, common_name, fingerprint, shown_at
from edge_agent.drivers.bambu.entrance import reach
from edge_agent.drivers.bambu.ftps import NotVerified
from edge_agent.drivers.bambu.identity import context_for
from edge_agent.drivers.bambu.link import new_client
from edge_agent.drivers.bambu.probe import visit_broker, visit_files
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import ConnectionFailed
from edge_agent.drivers.problems import Problem
from edge_agent.timestamps import Clock
from local.simulator.authority import Authority
from local.simulator.farm import Farm, SimulatedPrinter
from tests.printer_sections import configured

TIMING = Timing(connect_timeout=3)


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.printers[0]


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A CA that has issued none of the printers' certificates."""
    return Authority(tmp_path / "strange").ca_file


def pin_of(printer: SimulatedPrinter) -> str:
    pem = (printer.ca_file.parent / f"{printer.serial}.pem").read_text()
    return fingerprint(ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :]))


def problem_of(section: PrinterConfig) -> Problem | None:
    client = new_client(section, 3.0)
    try:
        return reach(client, section, section.address, 3.0)
    finally:
        if (connection := client.socket()) is not None:
            connection.close()


def shake_hands(section: PrinterConfig, port: int) -> None:
    with socket.create_connection((section.address, port), 3.0) as plain, context_for(section).wrap_socket(plain):
        pass


def test_every_port_is_verified_the_same_way(printer: SimulatedPrinter, stranger: Path) -> None:
    good, unknown = configured(printer), configured(printer, ca_file=stranger)
    pinned = configured(printer, ca_file=stranger, pinned_certificate=pin_of(printer))
    wrong = configured(printer, pinned_certificate="00" * 32)
    for port in (printer.mqtt_port, printer.ftps_port, printer.camera_port):
        shake_hands(good, port)
        shake_hands(pinned, port)
        for section in (unknown, wrong):
            with pytest.raises(ssl.SSLCertVerificationError):
                shake_hands(section, port)


def test_a_pinned_certificate_is_enough_for_everything(printer: SimulatedPrinter, stranger: Path) -> None:
    with_colons = ":".join(pin_of(printer)[at : at + 2] for at in range(0, 64, 2)).upper()
    section = configured(printer, ca_file=stranger, pinned_certificate=with_colons)
    assert visit_broker(section, TIMING, lambda: None).serial == printer.serial
    visit_files(BambuStorage(section, Clock(), 5.0, lambda _name: False))


def test_another_certificate_than_the_pinned_one_is_told_no_code(printer: SimulatedPrinter) -> None:
    section = configured(printer, pinned_certificate="00" * 32)
    with pytest.raises(ConnectionFailed) as refused:
        visit_broker(section, TIMING, lambda: None)
    assert refused.value.code == "wrong_certificate"
    assert pin_of(printer) in str(refused.value)
    with pytest.raises(NotVerified):
        BambuStorage(section, Clock(), 5.0, lambda _name: False).test_login()
    assert printer.inspect()["clients"] == 0


def test_a_pin_does_not_stand_in_for_the_serial(printer: SimulatedPrinter) -> None:
    other = configured(printer, serial="01P00A000000999", pinned_certificate=pin_of(printer))
    problem = problem_of(other)
    assert problem is not None
    assert (problem.reason, problem.facts["serial"]) == ("wrong_serial", printer.serial)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(other, printer.ftps_port)


def test_an_unknown_ca_is_answered_with_how_to_pin(printer: SimulatedPrinter, stranger: Path) -> None:
    problem = problem_of(configured(printer, ca_file=stranger))
    assert problem is not None
    assert problem.reason == "wrong_certificate"
    assert f'"pinned_certificate": "{pin_of(printer)}"' in problem.text
    assert problem.facts == {"fingerprint": pin_of(printer)}


def test_nobody_is_advised_to_pin_whoever_announced_an_address(printer: SimulatedPrinter, stranger: Path) -> None:
    section = configured(printer, ca_file=stranger, address="192.0.2.7")
    client = new_client(section, 3.0)
    problem = reach(client, section, printer.host, 3.0)
    if (connection := client.socket()) is not None:
        connection.close()
    assert problem is not None
    assert (problem.reason, problem.facts) == ("wrong_certificate", {"fingerprint": pin_of(printer)})
    assert pin_of(printer) not in problem.text
    assert f"announced {printer.host} as its address" in problem.text


def test_another_printer_at_the_address_is_named(printer: SimulatedPrinter) -> None:
    problem = problem_of(configured(printer, serial="01P00A000000999"))
    assert problem is not None
    assert problem.reason == "wrong_serial"
    assert printer.serial in problem.text
    assert "pinned" not in problem.text


def test_a_good_printer_has_no_problem(printer: SimulatedPrinter) -> None:
    assert problem_of(configured(printer)) is None


def test_tls_is_capped_and_old_cas_are_taken(printer: SimulatedPrinter) -> None:
    for section in (configured(printer), configured(printer, pinned_certificate=pin_of(printer))):
        context = context_for(section)
        assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_2
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_what_is_shown_is_read_and_nobody_is_needed_for_it(printer: SimulatedPrinter) -> None:
    assert shown_at(printer.host, printer.mqtt_port, 3.0) == Seen(printer.serial, pin_of(printer))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert shown_at("127.0.0.1", deaf.getsockname()[1], 0.2) is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("subject", ["/CN=01P00A1", "/O=BBL/CN=01P00A1/OU=x"])
@pytest.mark.parametrize("is_v1", [True, False])
def test_the_name_is_read_from_every_version(tmp_path: Path, subject: str, is_v1: bool) -> None:
    key, request, made = tmp_path / "key", tmp_path / "request", tmp_path / "made"
    new: list[str | Path] = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject]
    subprocess.run([*new, "-keyout", key, "-out", request], check=True, capture_output=True)
    sign: list[str | Path] = [
        "openssl",
        "x509",
        "-req",
        "-in",
        request,
        "-signkey",
        key,
        "-out",
        made,
        "-outform",
        "DER",
    ]
    if not is_v1:
        extensions = tmp_path / "extensions"
        extensions.write_text("basicConstraints=CA:FALSE\n")
        sign += ["-extfile", extensions]
    subprocess.run(sign, check=True, capture_output=True)
    assert common_name(made.read_bytes()) == "01P00A1"


def test_what_is_no_certificate_has_no_name(printer: SimulatedPrinter) -> None:
    pem = (printer.ca_file.parent / f"{printer.serial}.pem").read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])
    assert common_name(der) == printer.serial
    assert common_name(b"") is None
    for end in range(len(der)):
        assert common_name(der[:end]) is None
    for at in range(len(der)):
        name = common_name(der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :])
        assert name is None or name.isprintable()
