"""The simulated printers' files and camera over the network, with ftplib and a viewer."""

import ftplib
import ssl
import struct

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import SimulatedPrinter
from tests.integration.simulated_printers import farm, p1s, printer, x1c
from tests.unit.simulator.clients import ImplicitFtps, upload, viewer

__all__ = ["farm", "p1s", "printer", "x1c"]


class TestFiles:
    def test_upload_list_size_read_and_delete(self, printer: SimulatedPrinter) -> None:
        content = make_3mf("cube")
        upload(printer, content)
        with ImplicitFtps(printer) as ftps:
            assert isinstance(ftps.sock, ssl.SSLSocket)
            assert ftps.sock.version() == "TLSv1.2"
            assert ftps.size("cube.gcode.3mf") == len(content)
            assert {"cube.gcode.3mf", "cache", "model", "timelapse"} <= set(ftps.nlst())
            lines: list[str] = []
            ftps.retrlines("LIST", lines.append)
            assert any("cube.gcode.3mf" in line for line in lines)
            back = bytearray()
            ftps.retrbinary("RETR cube.gcode.3mf", back.extend)
            assert back == content
            assert [(file["name"], file["size"]) for file in printer.inspect()["files"]] == [
                ("cube.gcode.3mf", len(content))
            ]
            ftps.delete("cube.gcode.3mf")
        assert printer.inspect()["files"] == []

    def test_each_printer_has_its_own_folder(self, p1s: SimulatedPrinter, x1c: SimulatedPrinter) -> None:
        upload(p1s, b"a", "a.txt")
        assert [file["name"] for file in p1s.inspect()["files"]] == ["a.txt"]
        assert x1c.inspect()["files"] == []

    def test_wrong_codes_and_a_full_disk(self, p1s: SimulatedPrinter) -> None:
        with pytest.raises(ftplib.error_perm, match="530"):
            ImplicitFtps(p1s, password="wrong")
        p1s.set_faults(disk_full=True)
        with pytest.raises(ftplib.error_perm, match="552"):
            upload(p1s, b"content", "a.txt")
        p1s.set_faults(disk_full=False)
        upload(p1s, b"content", "a.txt")
        p1s.set_faults(refuse_password=True)
        with pytest.raises(ftplib.error_perm, match="530"):
            ImplicitFtps(p1s)

    def test_a_large_upload_arrives_whole(self, p1s: SimulatedPrinter) -> None:
        content = bytes(range(256)) * 4096 * 8
        upload(p1s, content, "large.bin")
        with ImplicitFtps(p1s) as ftps:
            assert ftps.size("large.bin") == len(content)


class TestCamera:
    def test_pictures_come_with_their_headers(self, printer: SimulatedPrinter) -> None:
        with viewer(printer, printer.access_code) as stream:
            for _ in range(2):
                size, zero, one, last = struct.unpack("<IIII", stream.read(16))
                picture = stream.read(size)
                assert (zero, one, last) == (0, 1, 0)
                assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")

    def test_a_wrong_code_and_a_second_viewer_find_it_closed(self, p1s: SimulatedPrinter) -> None:
        with viewer(p1s, "wrong") as stream:
            assert stream.read(1) == b""
        with viewer(p1s, p1s.access_code) as first:
            assert first.read(16)
            with viewer(p1s, p1s.access_code) as second:
                assert second.read(1) == b""
