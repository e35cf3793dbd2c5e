"""A Bambu printer's files: what its file server says, and how it fails."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import AgentConfig, PrinterConfig, Timing
from edge_agent.drivers.bambu.listing import Item, fact_item, list_item
from edge_agent.drivers.bambu.probe import visit_broker, visit_files, visit_stranger
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import ConnectionFailed, LineBroken, Listing, StorageFailed, StoredFile, Stranger
from edge_agent.execution import Dropped, Refused
from edge_agent.timestamps import Clock
from local.simulator.authority import Authority
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.agent_site import until
from tests.printer_sections import configured

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMING = Timing(connect_timeout=2)


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["X1C"], state_dir=tmp_path, speed=20.0) as farm:
        yield farm.printers[0]


@pytest.fixture
def card(printer: SimulatedPrinter, tmp_path: Path) -> Path:
    """The folder that is the printer's storage."""
    return tmp_path / "printers" / printer.serial


def storage(printer: SimulatedPrinter, **changes: Any) -> BambuStorage:
    return BambuStorage(configured(printer, **changes), Clock(), 5.0, lambda _name: False)


def site(*printers: PrinterConfig) -> AgentConfig:
    """The configuration of a site with these printers."""
    url = "http://127.0.0.1:9"
    return AgentConfig(backend_url=url, api_key="k", recipient_id="site-1", printers=printers, timing=TIMING)


def fill(card: Path) -> set[str]:
    """Files of all sorts; the paths of those that can be printed."""
    for name in ("model/deep/er", "logs", "timelapse", ".hidden"):
        (card / name).mkdir(parents=True, exist_ok=True)
    wanted = {
        "/two  spaces and [brackets].3mf",
        "/Späne.gcode",
        "/cache/lid.gcode.3mf",
        "/model/deep/er/part.STL",
        "/-rf.3mf",
    }
    for path in (*wanted, "/readme.txt", "/logs/x.gcode", "/timelapse/x.3mf", "/.hidden/x.3mf", "/.x.3mf"):
        (card / path[1:]).write_bytes(path.encode())
    return wanted


@pytest.mark.parametrize("mlsd", [False, True])
def test_print_files_are_listed_by_either_command(printer: SimulatedPrinter, card: Path, mlsd: bool) -> None:
    wanted = fill(card)
    printer.set_faults(answers_mlsd=mlsd)
    listing = storage(printer).files(100, lambda: None)
    assert {file.path: file.size for file in listing.files} == {path: len(path.encode()) for path in wanted}
    assert not listing.truncated
    for file in listing.files:
        assert file.modified_at is not None
        assert abs((datetime.now(UTC) - file.modified_at).total_seconds()) < 120
    shorter = storage(printer).files(2, lambda: None)
    assert len(shorter.files) == 2
    assert shorter.truncated


def test_every_listed_file_can_be_read_from_any_byte(printer: SimulatedPrinter, card: Path) -> None:
    there = storage(printer)
    for path in fill(card):
        found = there.find(path)
        assert found.size == len(path.encode())
        assert found.modified_at is not None
        for offset in (0, 3, found.size):
            with there.read(path, offset) as reading:
                assert reading.offset == offset
                assert b"".join(reading.blocks) == path.encode()[offset:]


def test_a_cut_download_breaks_off(printer: SimulatedPrinter, card: Path) -> None:
    (card / "big.3mf").write_bytes(bytes(1_000_000))
    printer.set_faults(cut_download_after=400_000)
    with storage(printer).read("/big.3mf", 0) as reading:
        try:
            came = sum(map(len, reading.blocks))
        except LineBroken:
            return
    assert came == 400_000


@pytest.mark.parametrize("path", ["/gone.3mf", "/cache/../../../ca/ca.pem", "relative.3mf", "/a\r\nDELE b.3mf"])
def test_what_is_not_there_is_not_read(printer: SimulatedPrinter, path: str) -> None:
    there = storage(printer)
    with pytest.raises(StorageFailed) as found:
        there.find(path)
    with pytest.raises(StorageFailed) as read, there.read(path, 0):
        pass
    expected = "not_found" if path == "/gone.3mf" else "refused"
    assert (found.value.code, read.value.code) == (expected, expected)
    assert not isinstance(found.value, LineBroken)


def test_a_file_is_sent_whole_and_over_an_older_one(printer: SimulatedPrinter, card: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(300_000))
    (card / "part one.3mf").write_bytes(b"older")
    told: list[int] = []
    sent = storage(printer).send(source, "part one.3mf", told.append)
    assert (sent.path, sent.size) == ("/part one.3mf", 300_000)
    assert (card / "part one.3mf").read_bytes() == source.read_bytes()
    assert told == sorted(told)
    assert told[0] == 0


@pytest.mark.parametrize("reason", [Dropped("cancelled"), Refused("cancelled")])
def test_a_copy_that_is_given_up_leaves_nothing(
    printer: SimulatedPrinter, card: Path, tmp_path: Path, reason: Exception
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(300_000))

    def give_up(sent: int) -> None:
        if sent:
            raise reason

    with pytest.raises(type(reason)):
        storage(printer).send(source, "part.3mf", give_up)
    assert not (card / "part.3mf").exists()


def test_no_space_and_bad_names_are_told_apart(printer: SimulatedPrinter, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    printer.set_faults(disk_full=True)
    for name, code in (("part.3mf", "no_space"), ("a/b.3mf", "refused"), ("a\r\nb.3mf", "refused")):
        with pytest.raises(StorageFailed) as failed:
            storage(printer).send(source, name, lambda _sent: None)
        assert failed.value.code == code


def test_the_ways_in_are_told_apart(printer: SimulatedPrinter, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").ca_file
    cases: list[tuple[dict[str, Any], str]] = [
        ({"access_code": "wrong"}, "refused"),
        ({"serial": "00M00A999999999"}, "wrong_serial"),
        ({"ca_file": other}, "wrong_certificate"),
        ({"mqtt_port": 1, "ftps_port": 1}, "unreachable"),
    ]
    for changes, code in cases:
        with pytest.raises(ConnectionFailed) as broker:
            visit_broker(configured(printer, **changes), TIMING, lambda: None)
        with pytest.raises(ConnectionFailed) as files:
            visit_files(storage(printer, **changes))
        assert (broker.value.code, files.value.code) == (code, code)


def test_a_visit_learns_who_the_printer_is_and_leaves(printer: SimulatedPrinter) -> None:
    info = visit_broker(configured(printer), TIMING, lambda: None)
    assert (info.serial, info.model) == (printer.serial, "Bambu Lab X1-Carbon")
    assert info.firmware_version
    until(lambda: printer.inspect()["clients"] == 0)


def test_a_silent_printer_is_not_reachable(printer: SimulatedPrinter) -> None:
    printer.set_faults(silent=True)
    with pytest.raises(ConnectionFailed) as failed:
        visit_broker(configured(printer), TIMING, lambda: None)
    assert failed.value.code == "unreachable"


def test_a_code_is_shown_to_no_printer_that_cannot_be_verified(printer: SimulatedPrinter) -> None:
    stranger = Stranger(printer.serial, printer.host, printer.access_code)
    with pytest.raises(ConnectionFailed) as failed:
        visit_stranger(stranger, site(), Clock(), lambda: None)
    assert failed.value.code == "wrong_certificate"


def test_a_printer_that_is_not_configured_is_verified_like_its_kin(tmp_path: Path) -> None:
    with Farm(["P1S", "X1C"], state_dir=tmp_path, speed=20.0) as farm:
        known, new = farm.printers
        kin = configured(known, mqtt_port=new.mqtt_port, ftps_port=new.ftps_port)
        stranger = Stranger(new.serial, new.host, new.access_code)
        info = visit_stranger(stranger, site(kin), Clock(), lambda: None)
        assert (info.serial, info.model) == (new.serial, "Bambu Lab X1-Carbon")


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (
            "-rwxr-xr-x   1 root  root   1234567 Jan 31 12:34 my part.3mf",
            Item("my part.3mf", False, 1234567, datetime(2026, 1, 31, 12, 34, tzinfo=UTC)),
        ),
        (
            "-rw-r--r-- 1 103 107 1000 Dec 31 23:59  leading space.gcode",
            Item(" leading space.gcode", False, 1000, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        ),
        ("drwxrwxrwx 2 root 4096 Mar  1  2024 cache", Item("cache", True, 4096, datetime(2024, 3, 1, tzinfo=UTC))),
        ("-rw-r--r-- 1 a b 5 Feb 29 10:00 leap.3mf", Item("leap.3mf", False, 5, None)),
        ("lrwxrwxrwx 1 a b 5 Feb 20 10:00 link.3mf -> /etc/passwd", None),
        ("total 12", None),
        ("", None),
    ],
)
def test_lines_of_unix_lists(line: str, item: Item | None) -> None:
    assert list_item(line, NOW) == item


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (
            "type=file;size=12;modify=20260131123456.789;perm=r; my; part.3mf",
            Item("my; part.3mf", False, 12, datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)),
        ),
        ("Type=DIR;Modify=never; cache", Item("cache", True, 0, None)),
        ("type=cdir;modify=20260131123456; .", None),
        ("type=file; nosize.3mf", None),
        ("nonsense", None),
    ],
)
def test_facts(line: str, item: Item | None) -> None:
    assert fact_item(line) == item


def test_the_newest_come_first() -> None:
    times = [None, NOW, datetime(2025, 1, 1, tzinfo=UTC)]
    files = [StoredFile(f"/{place}.3mf", 1, time) for place, time in enumerate(times)]
    listing = Listing.newest(files, 2)
    assert [file.name for file in listing.files] == ["1.3mf", "2.3mf"]
    assert listing.truncated
