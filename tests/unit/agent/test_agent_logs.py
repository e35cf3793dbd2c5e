"""The log in a file: bounded, private, and never in the way."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent import logs

ROOT = Path(__file__).parents[3]
LINE = "x" * 1000


def logged(path: Path, lines: int, room: int = -1) -> subprocess.CompletedProcess[str]:
    """A program that keeps its log in `path` and writes so many long lines; the disk has room for so many bytes."""
    program = f"""
import os, pathlib, resource
from edge_agent import logs
os.umask(0)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
logs.keep(pathlib.Path({str(path)!r}))
for number in range({lines}):
    logs.log("counted", number=number, filler={LINE!r})
"""
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_file_has_what_is_printed_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "client.log"
    ended = logged(path, 3)
    assert path.read_text() == ended.stdout
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 1, 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "client.log"
    path.touch(mode=0o666)
    path.chmod(0o666)
    logged(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_files_are_bounded_and_the_newest_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "client.log"
    count = 30_000
    assert logged(path, count).returncode == 0
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["client.log", *(f"client.log.{number}" for number in range(1, 5))]
    assert max(file.stat().st_size for file in files) <= 5_000_000
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert json.loads(path.read_text().splitlines()[-1])["number"] == count - 1


def test_an_error_is_logged_without_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        "secret-key\u20ac".encode("latin-1")
    except UnicodeEncodeError as error:
        logs.log_exception("loop_failed", error)
    line = json.loads(capsys.readouterr().out)
    assert line["error"].startswith("UnicodeEncodeError: 'latin-1' codec can't encode")
    assert "secret" not in json.dumps(line["error"])


def test_a_full_disk_keeps_nobody_from_logging(tmp_path: Path) -> None:
    path = tmp_path / "client.log"
    ended = logged(path, 6, room=2500)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 6
    assert path.stat().st_size <= 2500
