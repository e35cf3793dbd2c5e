"""Printers that make themselves known on the LAN, and whoever else sends datagrams."""

import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.discovery import GROUP, Ears, Found, Neighbours, look, read
from local.simulator.farm import Farm
from local.simulator.ssdp import Announcement, Announcer
from tests.counts import count
from tests.integration.agent_site import until

HOST = "127.0.0.1"
SAID = Announcement("01P00A000000001", "192.0.2.7", "P1S")
NOTIFIED = SAID.render("NOTIFY * HTTP/1.1", "NT")
HEARD = Found("01P00A000000001", "192.0.2.7", "C12", "P1S", "P1S 001", "lan", False)


def changed(old: bytes, new: bytes) -> bytes:
    assert old in NOTIFIED
    return NOTIFIED.replace(old, new)


def free_ports() -> tuple[int, int]:
    found = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
            each.bind((HOST, 0))
            found.append(each.getsockname()[1])
    return found[0], found[1]


def test_a_notification_and_an_answer_are_read_alike() -> None:
    assert read(NOTIFIED, "192.0.2.7") == HEARD
    assert read(SAID.render("HTTP/1.1 200 OK", "ST"), "192.0.2.7") == HEARD


@pytest.mark.parametrize(
    ("datagram", "wanted"),
    [
        (changed(b"DevBind.bambu.com: free", b"DevBind.bambu.com: occupied"), replace(HEARD, bound=True)),
        (changed(b"DevBind.bambu.com: free\r\n", b""), replace(HEARD, bound=None)),
        (changed(b"lan\r\n", b"moon\r\n"), replace(HEARD, connect=None)),
        (changed(b"DevModel.bambu.com: C12", b"devmodel.BAMBU.com:C12"), HEARD),
        (changed(b"DevModel.bambu.com: C12", b"DevModel.bambu.com: X99"), replace(HEARD, model_code="X99")),
        (changed(b"USN: 01P00A000000001", b"USN: uuid:01P00A000000001::thing"), HEARD),
        (changed(b"P1S 001", b"\x1b[2Jbad"), replace(HEARD, name=None)),
        (changed(b"P1S 001", "Büro links".encode()), replace(HEARD, name="Büro links")),
        (
            NOTIFIED.replace(b"01P00A000000001", b"ZZZ00A000000001").replace(b"C12", b""),
            replace(HEARD, serial="ZZZ00A000000001", model_code=None, model=None),
        ),
    ],
)
def test_what_is_not_said_well_is_left_out(datagram: bytes, wanted: Found) -> None:
    assert read(datagram, "192.0.2.7") == wanted


@pytest.mark.parametrize(
    "location",
    [b"", b"printer.local", b"http://192.0.2.7", b"224.0.0.1", b"0.0.0.0", b"127.0.0.1", b"::1", b"255.255.255.255"],
)
def test_where_no_printer_can_be_the_sender_counts(location: bytes) -> None:
    found = read(changed(b"Location: 192.0.2.7", b"Location: " + location), "192.0.2.99")
    assert found is not None
    assert found.address == "192.0.2.99"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00" * 2000,
        b"\xff\xfe\xfd",
        b"NOTIFY * HTTP/1.1\r\n\r\n",
        changed(b"NOTIFY * HTTP/1.1", b"M-SEARCH * HTTP/1.1"),
        changed(b"NOTIFY * HTTP/1.1", b"HTTP/1.1 404 Not Found"),
        changed(b"3dprinter:1", b"3dprinter:2"),
        changed(b"USN: 01P00A000000001", b"USN: 01p00a000000001"),
        changed(b"USN: 01P00A000000001", b"USN: ../../etc/passwd"),
        changed(b"USN: 01P00A000000001", b"USN: " + b"0" * 200),
        changed(b"USN: 01P00A000000001\r\n", b""),
        NOTIFIED.replace(b"\r\n", b"\r\n" + b"X: y\r\n" * 100, 1),
    ],
)
def test_everything_else_is_no_printer(datagram: bytes) -> None:
    assert read(datagram, "192.0.2.7") is None


def test_no_datagram_does_harm() -> None:
    dice = random.Random(7)
    for _ in range(count(20_000, quick=2_000)):
        mangled = bytearray(NOTIFIED)
        for _ in range(dice.randint(1, 20)):
            mangled[dice.randrange(len(mangled))] = dice.randrange(256)
        found = read(bytes(mangled[: dice.randrange(len(mangled) + 1)]), "192.0.2.7")
        if found is not None:
            assert found.serial.isalnum()
            assert found.name is None or found.name.isprintable()


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_ports()


def test_a_simulated_farm_is_found_and_the_wanted_printer_at_once(tmp_path: Path, ports: tuple[int, int]) -> None:
    with Farm(["P1S", "X1C"], state_dir=tmp_path, ssdp_ports=ports) as farm:
        found = look(1.5, ports=ports, address=HOST)
        assert [each.serial for each in found] == sorted(each.serial for each in farm.printers)
        assert {each.model for each in found} == {"P1S", "X1C"}
        wanted = farm.printers[0].serial
        assert wanted in [each.serial for each in look(60, ports=ports, address=HOST, wanted=wanted)]


@pytest.fixture
def announcer(ports: tuple[int, int]) -> Iterator[Announcer]:
    made = Announcer(ports)
    made.begin()
    yield made
    made.close()


def test_whoever_looks_is_told_and_nobody_else(announcer: Announcer, ports: tuple[int, int]) -> None:
    stopping = threading.Event()
    heard: list[Found] = []
    neighbours = Neighbours(stopping, ports=ports, address=HOST)
    announcer.announce(SAID)
    announcer.announce(replace(SAID, serial="01P00A000000002"))
    neighbours.seek("01P00A000000002", heard.append)
    until(lambda: bool(heard), 5)
    neighbours.seek(SAID.serial, heard.append)
    until(lambda: {each.serial for each in heard} == {SAID.serial, "01P00A000000002"}, 5)
    stopping.set()
    until(lambda: not any(thread.name == "discovery" for thread in threading.enumerate()), 5)


def test_a_flood_is_not_worked_off_but_a_printer_is_still_heard(announcer: Announcer, ports: tuple[int, int]) -> None:
    ended = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
            while not ended.wait(0.0005):
                mouth.sendto(b"\x00" * 1000, (GROUP, ports[0]))

    flooding = threading.Thread(target=flood)
    flooding.start()
    announcer.announce(SAID)
    try:
        assert [each.serial for each in look(20, ports=ports, address=HOST, wanted=SAID.serial)] == [SAID.serial]
    finally:
        ended.set()
        flooding.join()


def test_a_port_that_is_taken_leaves_the_other_one(ports: tuple[int, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((GROUP, ports[0]))
        with Ears(ports, HOST) as ears:
            assert list(ears.hear(0.01)) == []
        with pytest.raises(OSError, match="in use"), Ears(ports[:1], HOST):
            pass
