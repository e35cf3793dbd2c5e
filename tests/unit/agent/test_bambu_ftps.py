"""Uploads to file servers with the ways of real printers: the size on the printer decides, whatever it answers."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import PrinterConfig
from edge_agent.drivers.bambu.ftps import login, size_on_printer, upload
from edge_agent.drivers.base import LineBroken, StorageFailed
from edge_agent.execution import Refused
from local.simulator.authority import Authority
from local.simulator.farm import Farm, SimulatedPrinter
from local.simulator.faults import Faults
from local.simulator.ftps import FtpsService

CONTENT = bytes(range(256)) * 12_000
REPLY = 5.0


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["X1C"], state_dir=tmp_path / "farm", speed=20.0) as farm:
        yield farm.printers[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def configured(printer: SimulatedPrinter) -> PrinterConfig:
    return PrinterConfig(
        serial=printer.serial,
        address=printer.host,
        access_code=printer.access_code,
        mqtt_port=printer.mqtt_port,
        ftps_port=printer.ftps_port,
        ca_file=printer.ca_file,
    )


def stored(printer: SimulatedPrinter) -> dict[str, int]:
    return {file["name"]: file["size"] for file in printer.inspect()["files"]}


def ignore(_sent: int) -> None:
    """Nobody looks at the progress."""


@pytest.mark.parametrize(
    "faults", [{}, {"complains_of_uploads": True}, {"wrong_data_host": True}], ids=["healthy", "426", "wrong host"]
)
def test_a_file_that_is_there_whole_is_there(printer: SimulatedPrinter, source: Path, faults: dict[str, Any]) -> None:
    printer.set_faults(**faults)
    seen: list[int] = []
    upload(configured(printer), source, "part.3mf", seen.append, REPLY)
    assert stored(printer) == {"part.3mf": len(CONTENT)}
    assert seen == sorted(seen)
    assert size_on_printer(configured(printer), "part.3mf") == len(CONTENT)


def test_a_file_that_is_cut_short_is_removed_whatever_the_answer(printer: SimulatedPrinter, source: Path) -> None:
    printer.set_faults(upload_kept=1000)
    with pytest.raises(LineBroken, match=f"1000 of {len(CONTENT)}"):
        upload(configured(printer), source, "part.3mf", ignore, REPLY)
    assert stored(printer) == {}
    upload(configured(printer), source, "part.3mf", ignore, REPLY)
    assert stored(printer) == {"part.3mf": len(CONTENT)}


def test_what_was_refused_before_the_first_byte_removes_nothing(printer: SimulatedPrinter, source: Path) -> None:
    upload(configured(printer), source, "part.3mf", ignore, REPLY)
    printer.set_faults(disk_full=True)
    with pytest.raises(StorageFailed) as refused:
        upload(configured(printer), source, "part.3mf", ignore, REPLY)
    assert refused.value.code == "no_space"
    assert stored(printer) == {"part.3mf": len(CONTENT)}


def test_what_is_cancelled_in_between_is_removed(printer: SimulatedPrinter, source: Path) -> None:
    def cancelled(sent: int) -> None:
        if sent:
            raise Refused("cancelled by stop")

    with pytest.raises(Refused):
        upload(configured(printer), source, "part.3mf", cancelled, REPLY)
    assert stored(printer) == {}


@pytest.mark.parametrize("name", ["a\r\nDELE b", "a\nb", "up/../a"])
def test_a_name_that_would_be_a_command_is_not_sent(printer: SimulatedPrinter, source: Path, name: str) -> None:
    with pytest.raises(StorageFailed):
        upload(configured(printer), source, name, ignore, REPLY)
    assert stored(printer) == {}


@pytest.fixture
def a1(tmp_path: Path) -> Iterator[tuple[PrinterConfig, Faults]]:
    """The file server of an A1, and its faults."""
    authority, service, faults = Authority(tmp_path / "ca"), FtpsService(), Faults()
    serial = "03900A000000001"
    port = service.add(
        ("127.0.0.1", 0),
        access_code="12345678",
        certificate=authority.leaf(serial),
        root=tmp_path / "card",
        faults=faults,
    )
    service.begin()
    section = {"serial": serial, "address": "127.0.0.1", "access_code": "12345678", "ca_file": authority.ca_file}
    yield PrinterConfig.model_validate({**section, "ftps_port": port}), faults
    service.close()


def test_an_a1_without_tls_for_data_gets_its_files_all_the_same(
    a1: tuple[PrinterConfig, Faults], source: Path, tmp_path: Path
) -> None:
    section, faults = a1
    for clear in (False, True, False):
        faults.data_in_clear = clear
        ftp = login(section)
        assert isinstance(ftp.sock, ssl.SSLSocket), "the access code is never in clear"
        assert ftp.has_secure_data is not clear
        ftp.close()
        upload(section, source, f"{clear}.3mf", ignore, REPLY)
        assert (tmp_path / "card" / f"{clear}.3mf").read_bytes() == CONTENT


def test_another_model_is_not_believed_that_it_has_no_tls_for_data(printer: SimulatedPrinter, source: Path) -> None:
    printer.set_faults(data_in_clear=True)
    with pytest.raises(StorageFailed):
        upload(configured(printer), source, "part.3mf", ignore, REPLY)
    assert stored(printer) == {}
