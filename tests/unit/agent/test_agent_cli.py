"""The agent's subcommands at the terminal: what they show, what they write, and how they end."""

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent import VERSION
from edge_agent.cli import main
from edge_agent.cli.findings import Finding
from edge_agent.outbox import Kind, Outbox
from edge_agent.store import Store
from edge_agent.timestamps import Clock, render
from local.simulator.ssdp import Announcement, Announcer
from tests.unit.agent.stand_in_cloud import SITE, StandInCloud, stand_in_cloud

SERIAL = "01P00A381200434"
CODE = "87654321"
PRUSA = {"type": "prusalink", "serial": "10589-37", "address": "192.0.2.8", "access_code": "made-up"}


class Terminal:
    """A person at the terminal of a machine with a configuration file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "config.json"
        self.state = folder / "state"
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.out = self.err = ""

    def write(self, **more: Any) -> None:
        """Write the configuration."""
        content = {"backend_url": "http://127.0.0.1:9", "api_key": "secret-key", "recipient_id": SITE}
        self.path.touch(mode=0o600)
        self.path.write_text(json.dumps({**content, "state_dir": str(self.state), **more}))
        self.state.mkdir(exist_ok=True)

    def read(self) -> dict[str, Any]:
        """The configuration as it is."""
        content: dict[str, Any] = json.loads(self.path.read_text())
        return content

    def type(self, *words: str, typed: str = "") -> int:
        """One command; `typed` is its standard input. No secret is ever shown."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["--config", str(self.path), *words])
        self.out, self.err = self._capsys.readouterr()
        for secret in ("secret-key", CODE, "made-up"):
            assert secret not in self.out + self.err
        return code

    def shown(self) -> Any:
        """What was shown for programs."""
        return json.loads(self.out)

    def agent_writes(self, age: timedelta = timedelta(0), **more: Any) -> None:
        """The agent's status file, written so long ago."""
        now = datetime.now(UTC)
        printer = {"serial": SERIAL, "name": "left", "address": "192.0.2.7", "state": "printing", "connected": True}
        content = {
            "version": VERSION,
            "pid": os.getpid(),
            "recipient_id": SITE,
            "started_at": render(now - timedelta(hours=3, minutes=5)),
            "updated_at": render(now - age),
            "cloud": {"reachable": False, "since": render(now - timedelta(seconds=90)), "problem": "no route"},
            "clock_skew": -2.5,
            "outbox": {"result": 0, "event": 3, "status": 1, "bytes": 4096, "oldest": render(now)},
            "printers": [{**printer, "problem": "Developer Mode is off", "job": "job-1"}],
        }
        (self.state / "status.json").write_text(json.dumps({**content, **more}))


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal(tmp_path, capsys, monkeypatch)
    terminal.write()
    return terminal


def test_status_shows_the_running_agent_and_its_printers(terminal: Terminal) -> None:
    terminal.agent_writes()
    assert terminal.type("status") == 0
    assert f"Agent {VERSION} of {SITE}, process {os.getpid()}, up for 3 h 5 min" in terminal.out
    assert "Cloud: NOT REACHABLE for 1 min 30 s (no route)" in terminal.out
    assert "Clock: 2.5 s behind the cloud's" in terminal.out
    assert "3 event" in terminal.out
    (line,) = (line for line in terminal.out.splitlines() if line.startswith(SERIAL))
    assert line.split() == [SERIAL, "left", "192.0.2.7", "printing", "job-1", "Developer", "Mode", "is", "off"]


def test_a_disk_that_takes_no_writes_is_said(terminal: Terminal) -> None:
    terminal.agent_writes(store_problem="this machine's disk cannot be written: disk I/O error")
    assert terminal.type("status") == 0
    assert "Disk: this machine's disk cannot be written: disk I/O error; only stops are carried out" in terminal.out
    assert terminal.type("doctor") == 1
    assert "fail  store           this machine's disk cannot be written" in terminal.out


def test_status_for_programs(terminal: Terminal) -> None:
    terminal.agent_writes()
    assert terminal.type("status", "--json") == 0
    shown = terminal.shown()
    assert shown["running"] is True
    assert shown["cloud"]["reachable"] is False
    assert shown["outbox"]["event"] == 3
    assert shown["printers"][0]["problem"] == "Developer Mode is off"


@pytest.mark.parametrize("left", [{"age": timedelta(seconds=20)}, {"pid": 2**22 + 1}], ids=["stale", "killed"])
def test_status_says_when_the_agent_is_gone(terminal: Terminal, left: dict[str, Any]) -> None:
    terminal.agent_writes(**left)
    assert terminal.type("status") == 1
    assert terminal.out.startswith(f"The agent of {SITE} is not running.\nIt was last heard of ")
    assert terminal.type("status", "--json") == 1
    assert terminal.shown()["running"] is False


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b'{"pid": "one"}'])
def test_status_without_a_status_file(terminal: Terminal, content: bytes | None) -> None:
    if content is not None:
        (terminal.state / "status.json").write_bytes(content)
    assert terminal.type("status") == 1
    assert terminal.out == f"The agent of {SITE} is not running.\n"


def test_outbox_of_a_running_agent(terminal: Terminal) -> None:
    terminal.agent_writes()
    assert terminal.type("outbox") == 0
    assert terminal.out.splitlines()[:3] == ["KIND    WAITING", "event   3", "status  1"]
    assert "4.1 kB, the oldest from 0 s ago" in terminal.out


@pytest.mark.parametrize("is_killed", [False, True], ids=["closed in order", "killed"])
def test_outbox_of_a_stopped_agent_is_read_from_its_store(terminal: Terminal, is_killed: bool) -> None:
    store = Store(terminal.state / "agent.db")
    outbox = Outbox(store, Clock())
    outbox.put(Kind.EVENT, "e-1", {"eventType": "job_started"})
    outbox.put(Kind.EVENT, "e-2", {"eventType": "job_completed"})
    left = {file: file.read_bytes() for file in terminal.state.glob("agent.db*")}
    store.close()
    if is_killed:
        assert terminal.state / "agent.db-wal" in left
        for file, content in left.items():
            file.write_bytes(content)
    assert terminal.type("outbox", "--json") == 0
    shown = terminal.shown()
    assert (shown["running"], shown["event"]) == (False, 2)
    assert shown["oldest"]
    store = Store(terminal.state / "agent.db")
    assert Outbox(store, Clock()).first(Kind.EVENT) is not None
    store.close()


def test_outbox_before_the_first_run(terminal: Terminal) -> None:
    assert terminal.type("outbox") == 0
    assert terminal.out == "Nothing waits for the cloud.\n"


def test_outbox_of_a_damaged_store(terminal: Terminal) -> None:
    (terminal.state / "agent.db").write_bytes(b"no database" * 100)
    assert terminal.type("outbox") == 1
    assert "cannot be read" in terminal.err


def test_a_printer_is_added_and_the_rest_of_the_file_stays(terminal: Terminal) -> None:
    terminal.write(printers=[PRUSA], note="ours")
    words = ["add-printer", "--serial", SERIAL, "--address", "192.0.2.7", "--name", "left", "--ca-file", "/etc/ca.pem"]
    assert terminal.type(*words, "--access-code-stdin", "--no-test", typed=f"{CODE}\n") == 0
    content = terminal.read()
    assert content["note"] == "ours"
    assert content["printers"] == [
        PRUSA,
        {
            "type": "bambu",
            "serial": SERIAL,
            "address": "192.0.2.7",
            "access_code": CODE,
            "name": "left",
            "ca_file": "/etc/ca.pem",
        },
    ]
    assert stat.S_IMODE(terminal.path.stat().st_mode) == 0o600
    assert [each.name for each in terminal.path.parent.glob(".*")] == []


def test_a_further_printer_is_verified_like_the_others(terminal: Terminal) -> None:
    words = ["add-printer", "--access-code-stdin", "--no-test", "--address", "192.0.2.7"]
    terminal.type(*words, "--serial", SERIAL, "--ca-file", "/etc/ca.pem", typed=CODE)
    assert terminal.type(*words, "--serial", "01P00A2", typed=CODE) == 0
    assert terminal.read()["printers"][1]["ca_file"] == "/etc/ca.pem"


def test_what_the_flags_do_not_say_is_asked_for(terminal: Terminal) -> None:
    words = ["add-printer", "--type", "prusalink", "--access-code-stdin", "--no-test"]
    assert terminal.type(*words, typed="10589-37\n192.0.2.8\nmade-up\n") == 0
    assert terminal.read()["printers"] == [PRUSA]


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["--type", "voron", "--serial", "V1", "--address", "a"], "made-up", "printers.0.type: a printer is one of"),
        (["--serial", SERIAL, "--address", "a"], "\n", "printers.0.access_code"),
        (["--serial", SERIAL, "--address", "a", "--pin", "ab"], CODE, "printers.0.pinned_certificate"),
        (["--serial", SERIAL], "", "address: not given"),
        (["--serial", SERIAL, "--address", "a"], f"\x1b]0;{CODE}", "printers.0.access_code"),
    ],
)
def test_a_printer_that_cannot_be_is_not_added(terminal: Terminal, words: list[str], typed: str, said: str) -> None:
    before = terminal.path.read_bytes()
    assert terminal.type("add-printer", "--access-code-stdin", "--no-test", *words, typed=typed) == 2
    assert said in terminal.err
    assert terminal.path.read_bytes() == before


def test_no_access_code_stands_in_the_list_of_processes(terminal: Terminal) -> None:
    before = terminal.path.read_bytes()
    with pytest.raises(SystemExit) as end:
        terminal.type("add-printer", "--serial", SERIAL, "--address", "a", "--field", f"access_code={CODE}")
    assert (end.value.code, terminal.path.read_bytes()) == (2, before)


def test_the_enrolment_code_need_not_either(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.type("enroll", "--url", "http://127.0.0.1:9", typed="") == 2
    assert "code: not given" in terminal.err
    assert terminal.type("enroll", "--url", "http://127.0.0.1:9", typed=f"{CODE}\n") == 1
    assert "does not answer" in terminal.err


def test_what_others_say_gives_the_terminal_no_orders(terminal: Terminal) -> None:
    named = {"serial": SERIAL, "name": "a\x1b[2Jb", "address": "192.0.2.7", "state": "idle", "connected": True}
    terminal.agent_writes(printers=[{**named, "problem": "c\rd", "job": None}])
    assert terminal.type("status") == 0
    assert "a?[2Jb" in terminal.out
    assert "c?d" in terminal.out
    assert "\x1b" not in str(Finding("fail", "printer", "the printer says \x1b]0;x\x07"))


def test_a_listed_printer_is_replaced_only_on_demand(terminal: Terminal) -> None:
    terminal.write(printers=[PRUSA])
    words = ["add-printer", "--type", "prusalink", "--serial", "10589-37", "--address", "192.0.2.9"]
    words += ["--access-code-stdin", "--no-test"]
    assert terminal.type(*words, typed="made-up") == 2
    assert "--replace" in terminal.err
    assert terminal.read()["printers"] == [PRUSA]
    assert terminal.type(*words, "--replace", typed="made-up") == 0
    assert terminal.read()["printers"] == [PRUSA | {"address": "192.0.2.9"}]


def test_a_printer_that_does_not_answer_is_not_added(terminal: Terminal) -> None:
    terminal.write(timing={"connect_timeout": 1})
    before = terminal.path.read_bytes()
    words = ["--type", "prusalink", "--serial", "10589-37", "--address", "127.0.0.1"]
    assert terminal.type("add-printer", *words, "--access-code-stdin", typed="made-up") == 1
    assert "fail  " in terminal.out
    assert "Not added" in terminal.err
    assert terminal.path.read_bytes() == before


def test_without_a_configuration_every_subcommand_says_so(terminal: Terminal) -> None:
    terminal.path.unlink()
    for words in (["status"], ["outbox"], ["add-printer"], ["test-printer", SERIAL], ["run"], []):
        assert terminal.type(*words) == 2
        assert terminal.err == f"{terminal.path} does not exist\n"


def test_doctor_finds_nothing_wrong_but_that_the_agent_is_stopped(terminal: Terminal) -> None:
    with stand_in_cloud(StandInCloud) as cloud:
        _known(cloud, SERIAL)
        terminal.write(backend_url=cloud.url)
        assert terminal.type("doctor") == 0
    verdicts = dict(line.split(None, 2)[1::-1] for line in terminal.out.splitlines() if line[:4].strip())
    assert verdicts["configuration"] == verdicts["cloud"] == verdicts["clock"] == verdicts["store"] == "ok"
    assert verdicts["agent"] == "warn"
    assert f"the cloud also knows {SERIAL}" in terminal.out


def _known(cloud: StandInCloud, *serials: str) -> None:
    cloud.printers = [{"printerId": f"p-{serial}", "printerSerial": serial} for serial in serials]


def test_doctor_says_what_is_wrong_and_what_to_do(terminal: Terminal) -> None:
    with stand_in_cloud(StandInCloud) as cloud:
        cloud.refuse("printers", 401)
        bambu = {"type": "bambu", "serial": SERIAL, "address": "127.0.0.1", "access_code": CODE, "ca_file": "/no/ca"}
        terminal.write(backend_url=cloud.url, printers=[{**bambu, "mqtt_port": 1}])
        (terminal.state / "agent.db").write_bytes(b"no database" * 100)
        assert terminal.type("doctor") == 1
    assert "fail  api key         the cloud refuses it (401)" in terminal.out
    assert "or enroll this site anew" in terminal.out
    assert f"fail  printer         {SERIAL}: 127.0.0.1:1 does not answer" in terminal.out
    assert "there is no CA file /no/ca" in terminal.out
    assert "fail  store" in terminal.out


def test_doctor_without_a_cloud(terminal: Terminal) -> None:
    assert terminal.type("doctor") == 1
    assert "fail  cloud           http://127.0.0.1:9/health" in terminal.out
    assert "fail  api key" not in terminal.out


@pytest.mark.parametrize("spoil", ["mode", "content", "absence"])
def test_doctor_looks_at_the_file_first(terminal: Terminal, spoil: str) -> None:
    match spoil:
        case "mode":
            terminal.path.chmod(0o644)
        case "content":
            terminal.path.write_text("{")
        case _:
            terminal.path.unlink()
    assert terminal.type("doctor") == 1
    wanted = {"mode": "chmod 600", "content": "not valid JSON", "absence": "printpipe-agent enroll"}
    assert wanted[spoil] in terminal.out


def test_doctor_leaves_the_store_of_a_running_agent_alone(terminal: Terminal) -> None:
    store = Store(terminal.state / "agent.db")
    terminal.agent_writes()
    terminal.type("doctor")
    store.close()
    assert "is in use by the agent" in terminal.out
    assert f"runs as process {os.getpid()}" in terminal.out


def test_a_store_is_only_read(terminal: Terminal) -> None:
    Store(terminal.state / "agent.db").close()
    before = (terminal.state / "agent.db").read_bytes()
    terminal.type("doctor")
    terminal.type("outbox")
    assert (terminal.state / "agent.db").read_bytes() == before


def test_the_printer_to_test_must_be_listed(terminal: Terminal) -> None:
    terminal.write(printers=[PRUSA])
    assert terminal.type("test-printer", SERIAL) == 2
    assert "it lists 10589-37" in terminal.err


@pytest.fixture
def announcer() -> Iterator[Announcer]:
    announcer = Announcer()
    announcer.announce(Announcement(SERIAL, "127.0.0.2", "P1S"))
    announcer.begin()
    yield announcer
    announcer.close()


def test_discover_lists_what_announces_itself(terminal: Terminal, announcer: Announcer) -> None:
    words = ["discover", "--interface", "127.0.0.1", "--seconds", "2"]
    assert terminal.type(*words, "--json") == 0
    (found,) = (each for each in terminal.shown() if each["serial"] == SERIAL)
    assert (found["address"], found["model"]) == ("127.0.0.2", "P1S")
    listed = {"type": "bambu", "serial": SERIAL, "address": "127.0.0.3", "access_code": CODE, "ca_file": "/etc/ca.pem"}
    terminal.write(printers=[listed])
    assert terminal.type(*words) == 0
    (line,) = (line for line in terminal.out.splitlines() if line.startswith(SERIAL))
    assert line.endswith("127.0.0.2  lan      no             yes, at 127.0.0.3")


def test_discover_where_nothing_can_be_heard(terminal: Terminal) -> None:
    assert terminal.type("discover", "--interface", "192.0.2.1", "--seconds", "1") == 1
    assert terminal.err.startswith("Nothing can be heard: ")


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for name in ("run", "status", "enroll", "add-printer", "discover", "test-printer", "doctor", "outbox"):
        assert f"\n    {name}" in out
