"""The guide to event reporting, followed to the letter: its configuration, programs, shell lines and log lines.

`client` is read as `edge_agent`; addresses, keys and ids are those of a site of the test's own.
"""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud, Site
from tests.contract.described import curl

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT.parent / "shared").glob("*/*event_reporting*.md"))
TEXT = GUIDES[0].read_text() if GUIDES else ""
pytestmark = pytest.mark.skipif(not GUIDES, reason="the guide to event reporting is not beside the project")

INVENTED = "https://test-api.com"
BACKEND = "https://printpro3d-api-931368217793.europe-west1.run.app"
PRINTER, ADDRESS = "01P00A123", "192.168.1.100"
NOT_CONFIGURED = "Event reporting not configured (missing from config: backend_url, api_key, recipient_id)"
UNAUTHORIZED = "Failed to report event: 401 Unauthorized"
TIMED_OUT = "Failed to report event: Connection timeout"
BEFORE = """
from edge_agent.config_manager import get_config_manager
from edge_agent.event_reporter import EventReporter
_config_manager_available = True
"""
"""What the program has, of which the guide shows an extract."""


def blocks(language: str) -> list[str]:
    """The guide's blocks of code, with `client` read as `edge_agent`."""
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return [re.sub(r"\bclient\.(?=config_manager|event_reporter|tests)", "edge_agent.", block) for block in found]


def block(language: str, mark: str) -> str:
    """The one block with this in it."""
    (found,) = (each for each in blocks(language) if mark in each)
    return found


@dataclass(frozen=True)
class Desk:
    """A user's home with the configuration that the guide has one write."""

    home: Path
    cloud: Cloud
    site: Site

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / ".printmaster" / "config.json"

    def configure(self, **other: str) -> None:
        """Write the guide's configuration with the site's values, and protect it as the guide has it."""
        content: dict[str, str] = json.loads(block("json", "backend_url"))
        assert content.keys() == {"backend_url", "api_key", "recipient_id", "organization_id"}
        content = {
            "backend_url": self.cloud.base_url,
            "api_key": self.site.agent_key,
            "recipient_id": self.site.agent_recipient,
            "organization_id": self.site.organization,
            **other,
        }
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(json.dumps(content))
        self.shell(blocks("bash")[0])

    def shell(self, lines: str) -> str:
        """What the lines say."""
        return self._run("sh", "-ec", lines).stdout

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the guide; what the guide invents is out of reach."""
        return self._run(sys.executable, "-c", program.replace(INVENTED, "http://127.0.0.1:9"))

    def events(self) -> list[Mapping[str, Any]]:
        """What has arrived."""
        found = self.cloud.documents("printer_events", self.site.agent_recipient)
        return sorted((each.data for each in found), key=lambda event: event["createdAt"])

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=ROOT,
            env={"HOME": str(self.home), "PATH": path, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )


@pytest.fixture
def desk(embedded_cloud: Cloud, tmp_path: Path) -> Desk:
    return Desk(tmp_path, embedded_cloud, embedded_cloud.new_site())


@pytest.fixture
def silent_url() -> Iterator[str]:
    """An address where somebody takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_the_configuration_can_be_verified(desk: Desk) -> None:
    desk.configure()
    out = desk.python(block("python", "Is configured:")).stdout
    assert out.splitlines() == [
        f"Backend URL: {desk.cloud.base_url}",
        "API Key configured: True",
        f"Recipient ID: {desk.site.agent_recipient}",
        "Is configured: True",
    ]


@pytest.mark.parametrize("spoil", ["open", "absent", "broken", "no key"])
def test_a_configuration_that_cannot_be_used_is_none(desk: Desk, spoil: str) -> None:
    match spoil:
        case "open":
            desk.configure()
            desk.config.chmod(0o644)
        case "broken":
            desk.configure()
            desk.config.write_text("{")
        case "no key":
            desk.configure(api_key="")
    out = desk.python(block("python", "Is configured:")).stdout
    assert "API Key configured: False" in out
    assert "Is configured: False" in out


EXTRACT = "_config_manager_available"
HAPPENED = {
    "report_job_started": ["job_started", "job_completed", "job_failed"],
    "report_hms_error": ["hms_error"],
    "status_update": ["status_update"],
}


@pytest.mark.parametrize("mark", HAPPENED)
def test_what_is_reported_arrives(desk: Desk, mark: str) -> None:
    desk.configure()
    ended = desk.python(BEFORE + block("python", EXTRACT) + block("python", mark))
    events = desk.events()
    assert sorted(event["eventType"] for event in events) == sorted(HAPPENED[mark]), ended.stderr
    assert {event["printerSerial"] for event in events} == {PRINTER}
    assert {event["printerIpAddress"] for event in events} == {ADDRESS}
    by_type = {event["eventType"]: event for event in events}
    match mark:
        case "report_hms_error":
            assert by_type["hms_error"]["errorData"] == {
                "hmsCode": "0300_0300_0002_0003",
                "description": "Hotbed heating abnormal",
                "severity": "critical",
                "module": "hotbed",
            }
            assert by_type["hms_error"]["hms"]["severity"] == "critical"
        case "status_update":
            assert by_type["status_update"]["statusData"]["remainingTimeSeconds"] == 3600
        case _:
            assert by_type["job_started"]["printJobId"] == "job-uuid"
            assert by_type["job_failed"]["message"] == "Print failed: heater malfunction"


def test_an_event_of_ones_own_arrives_and_has_an_id(desk: Desk) -> None:
    desk.configure()
    ended = desk.python(block("python", "Send custom event"))
    assert re.search(r"^Event ID: [0-9a-f-]{36}$", ended.stdout, re.MULTILINE), ended.stdout
    (event,) = desk.events()
    assert (event["eventType"], event["message"]) == ("custom_event", "Custom event message")


def test_every_other_program_of_the_guide_runs(desk: Desk) -> None:
    desk.configure()
    marks = (EXTRACT, "Is configured:", "Send custom event", *HAPPENED)
    others = [each for each in blocks("python") if not any(mark in each for mark in marks)]
    assert len(others) == 3
    for program in others:
        desk.python(program)
    assert desk.events() == []


def test_without_a_configuration_the_log_says_what_is_missing(desk: Desk) -> None:
    assert NOT_CONFIGURED in TEXT
    ended = desk.python(BEFORE + block("python", EXTRACT) + block("python", "report_job_started"))
    assert NOT_CONFIGURED in ended.stderr.splitlines()


def test_with_a_wrong_key_the_log_says_so(desk: Desk) -> None:
    assert UNAUTHORIZED in TEXT
    desk.configure(api_key="your-api-key-here")
    ended = desk.python(block("python", "Send custom event"))
    assert UNAUTHORIZED in ended.stderr.splitlines()
    assert "your-api-key-here" not in ended.stdout + ended.stderr


def test_without_an_answer_the_log_says_so(desk: Desk, silent_url: str) -> None:
    assert TIMED_OUT in TEXT
    desk.configure(backend_url=silent_url)
    ended = desk.python(block("python", "Send custom event"))
    assert TIMED_OUT in ended.stderr.splitlines()


def test_the_shell_lines_work(desk: Desk) -> None:
    desk.configure()
    assert stat.S_IMODE(desk.config.stat().st_mode) == 0o600
    assert desk.shell(block("bash", "ls -la")).startswith("-rw------- ")
    desk.shell(block("bash", "config.json.backup"))
    assert desk.config.with_name("config.json.backup").read_bytes() == desk.config.read_bytes()


def test_the_unit_tests_pass(desk: Desk) -> None:
    lines = block("bash", "unittest")
    assert lines.count("edge_agent.tests.") == 2
    desk.shell(lines)


def test_the_connection_can_be_tried(desk: Desk) -> None:
    (line,) = re.findall(r"`(curl [^`]*)`", TEXT)
    assert BACKEND not in line
    answer = curl(desk.cloud, line, {}, {"X-API-Key": desk.site.agent_key})
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"


def test_what_must_stay_out_of_the_repository_is_ignored(desk: Desk) -> None:
    listed = (ROOT / ".gitignore").read_text().splitlines()
    (wanted,) = re.findall(r"```\n(\.printmaster/.*?)```", TEXT, re.DOTALL)
    assert set(wanted.split()) <= set(listed)
