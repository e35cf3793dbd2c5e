"""`doctor`: looks at everything that the agent needs, and says what to do about what is wrong."""

import shutil
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from edge_agent.agent import DATABASE
from edge_agent.cli.cloud_checks import examine_cloud, examine_pubsub
from edge_agent.cli.examination import has_ffmpeg, needs_ffmpeg, reach
from edge_agent.cli.findings import Finding, show
from edge_agent.cli.state import Status, last_status, open_store
from edge_agent.cli.subcommand import Subcommand, configuration, no_arguments
from edge_agent.cli.text import duration, size
from edge_agent.config import AgentConfig, ConfigError, PrinterConfig
from edge_agent.timestamps import utc_now

OLDEST_PYTHON = (3, 11)
LEAST_BYTES = 200 * 1000**2
"""Below this the outbox and the files of prints may soon find no room."""


def _perform(arguments: Namespace) -> int:
    return 0 if show(_findings(arguments)) else 1


def _findings(arguments: Namespace) -> Iterator[Finding]:
    yield _python()
    path = arguments.config.expanduser()
    try:
        settings = configuration(arguments)
    except ConfigError as error:
        advice = "" if path.exists() else "printpipe-agent enroll CODE --url URL makes one."
        yield Finding("fail", "configuration", str(error), advice)
        return
    yield Finding("ok", "configuration", f"{path}, {len(settings.printers)} printers")
    running = last_status(settings)
    yield _agent(running)
    yield from examine_cloud(settings)
    yield from examine_pubsub(settings)
    yield _disk(settings.state_dir)
    yield _store(settings.state_dir / DATABASE, running)
    yield from _printers(settings)
    if any(needs_ffmpeg(printer) for printer in settings.printers):
        yield _ffmpeg()


def _python() -> Finding:
    version = f"{sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("fail", "python", version, "The agent needs Python 3.11 or later.")
    return Finding("ok", "python", version)


def _agent(running: Status | None) -> Finding:
    if running is None or not running.is_alive:
        return Finding("warn", "agent", "is not running", "systemctl start printpipe-agent, or printpipe-agent run")
    return Finding("ok", "agent", f"runs as process {running.pid}, for {duration(utc_now() - running.started_at)}")


def _disk(folder: Path) -> Finding:
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    text = f"{size(free)} free at {place}"
    if free < LEAST_BYTES:
        return Finding("fail", "disk", text, "Make room: events wait there for the cloud, and files for the printers.")
    return Finding("ok", "disk", text)


def _store(path: Path, running: Status | None) -> Finding:
    if running is not None and running.is_alive:
        if running.store_problem is not None:
            return Finding("fail", "store", running.store_problem, "Until it is mended only stops are carried out.")
        return Finding("ok", "store", f"{path} is in use by the agent")
    if not path.exists():
        return Finding("ok", "store", f"{path} will be made by the first run")
    try:
        with open_store(path) as store:
            store.execute("SELECT count(*) FROM outbox")
            verdict = store.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (OSError, sqlite3.Error) as error:
        return Finding("fail", "store", f"{path} cannot be read: {error}", "Does it belong to the agent's user?")
    if verdict != "ok":
        advice = "Look at the printers, then move it away: without it the agent does not know what it has done before."
        return Finding("fail", "store", f"{path} is damaged: {verdict}", advice)
    return Finding("ok", "store", f"{path} can be used")


def _printers(settings: AgentConfig) -> Iterator[Finding]:
    if not settings.printers:
        yield Finding("warn", "printers", "none are listed", "printpipe-agent add-printer")
    for printer in settings.printers:
        found = reach(printer, settings.timing.connect_timeout)
        yield Finding(found.verdict, "printer", f"{printer.serial}: {found.text}", found.advice)
        if isinstance(printer, PrinterConfig) and printer.pinned_certificate is None and not printer.ca_file.is_file():
            yield Finding("fail", "printer", f"{printer.serial}: there is no CA file {printer.ca_file}")


def _ffmpeg() -> Finding:
    if has_ffmpeg():
        return Finding("ok", "ffmpeg", "is installed")
    advice = "Without it there are no pictures from X1, H2 and P2S; apt install ffmpeg"
    return Finding("warn", "ffmpeg", "is not installed", advice)


COMMAND = Subcommand("doctor", "check everything that the agent needs", no_arguments, _perform)
