"""The broker mosquitto and its clients: those that are installed, or the distribution's packages, unpacked in a folder.

Nothing is installed: the packages are fetched once, by the distribution's own client, into `.local`.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".local" / "mosquitto"
PACKAGES = ("mosquitto", "mosquitto-clients", "libmosquitto1", "libcjson1", "libdlt2", "libwrap0")
PROGRAMS = ("mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_passwd")
PLACES = ("/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/sbin", "/opt/homebrew/bin")
FETCH_SECONDS = 60
BEGIN_SECONDS = 5.0


@dataclass(frozen=True)
class Missing:
    """Why there is none."""

    reason: str


@dataclass(frozen=True)
class Mosquitto:
    """The programs' paths by name, and what their environment needs besides."""

    programs: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, program: str, *arguments: str | Path, seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
        """The program's end. Raises subprocess.TimeoutExpired."""
        return subprocess.run(
            [self.programs[program], *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    @contextlib.contextmanager
    def broker(self, folder: Path, port: int, lines: list[str]) -> Iterator[Path]:
        """A broker with this configuration that listens on `port` of loopback; its log. Raises AssertionError."""
        settings, log = folder / "mosquitto.conf", folder / "mosquitto.log"
        settings.write_text("\n".join([*lines, ""]))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.programs["mosquitto"], "-c", settings, "-v"],
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + BEGIN_SECONDS
            while not _listens(port):
                assert process.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.02)
            yield log
        finally:
            process.terminate()
            process.wait(5)


def found() -> Mosquitto | Missing:
    """The programs, from wherever they can be had."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    installed = {name: where for name in PROGRAMS if (where := shutil.which(name, path=path)) is not None}
    if len(installed) == len(PROGRAMS):
        return Mosquitto(installed)
    root = FOLDER / "root"
    if not root.exists():
        reason = _unpack(root)
        if reason is not None:
            return Missing(f"mosquitto is not installed, and its packages cannot be had: {reason}")
    unpacked = {path.name: str(path) for part in ("usr/sbin", "usr/bin") for path in (root / part).glob("mosquitto*")}
    libraries = {str(path.parent) for path in root.rglob("*.so*")}
    mosquitto = Mosquitto(unpacked, {"LD_LIBRARY_PATH": os.pathsep.join(sorted(libraries))})
    if any(name not in unpacked for name in PROGRAMS) or "version" not in mosquitto.run("mosquitto", "-h").stdout:
        return Missing("the unpacked mosquitto does not run here")
    return mosquitto


def _unpack(root: Path) -> str | None:
    """Fetch and unpack the packages; why that cannot be done, if so."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "this is no Debian"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            subprocess.run(
                ["apt-get", "download", *PACKAGES], cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS
            )
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, folder / "root"], check=True, capture_output=True, timeout=30)
        except subprocess.SubprocessError as error:
            return type(error).__name__
        with contextlib.suppress(OSError):
            (folder / "root").rename(root)
    return None if root.exists() else "they cannot be unpacked"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
