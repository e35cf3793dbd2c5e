"""The simulated printer's downloads: slow ones, and one that breaks, once."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.simulator.farm import Farm, SimulatedPrinter
from tests.unit.simulator.clients import ImplicitFtps

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with Farm(["P1S"], state_dir=tmp_path, speed=20.0) as farm:
        (tmp_path / "printers" / farm.printers[0].serial / "big.3mf").write_bytes(CONTENT)
        yield farm.printers[0]


def download(printer: SimulatedPrinter, begin: int = 0) -> bytes:
    """What comes before the line ends, whether that is the file's end or not."""
    taken = io.BytesIO()
    ftps = ImplicitFtps(printer)
    try:
        ftps.retrbinary("RETR big.3mf", taken.write, rest=begin or None)
    except (OSError, EOFError):
        pass
    finally:
        ftps.close()
    return taken.getvalue()


def test_one_download_breaks_and_the_next_goes_on(printer: SimulatedPrinter) -> None:
    printer.set_faults(cut_download_after=300_000)
    first = download(printer)
    assert first == CONTENT[:300_000]
    assert first + download(printer, len(first)) == CONTENT
    assert printer.inspect()["faults"]["cut_download_after"] == 0


def test_a_download_takes_its_time(printer: SimulatedPrinter) -> None:
    printer.set_faults(download_rate=2_000_000)
    began = time.monotonic()
    assert download(printer) == CONTENT
    assert 0.4 < time.monotonic() - began < 5


def test_real_printers_know_no_mlsd(printer: SimulatedPrinter) -> None:
    with ImplicitFtps(printer) as ftps:
        with pytest.raises(Exception, match="500"):
            list(ftps.mlsd())
        printer.set_faults(answers_mlsd=True)
        assert "big.3mf" in [name for name, _ in ftps.mlsd()]
