"""The agent as a package of its own, and as a service of the system."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from edge_agent import VERSION

ROOT = Path(__file__).resolve().parents[3]
AGENT = ROOT / "edge_agent"
UNIT = AGENT / "printpipe-agent.service"
MOST_EXPOSURE = 15
"""In tenths; a service without any protection has 96."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the package, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=AGENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_package_is_the_agent_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        metadata = next(content.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert wheel.name.startswith(f"printpipe_agent-{VERSION}-py3-none-any")
    sources = {f"edge_agent/{path.relative_to(AGENT)}" for path in AGENT.rglob("*.py")}
    packed = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert packed == sources | {"edge_agent/py.typed", "edge_agent/printpipe-agent.service"}
    needed = {line.split(":")[1].split("~")[0].strip() for line in metadata.splitlines() if _is_needed(line)}
    assert needed == {"paho-mqtt", "pydantic", "urllib3"}


def _is_needed(line: str) -> bool:
    return line.startswith("Requires-Dist:") and "extra ==" not in line


def test_the_installed_command_works_without_the_project(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as content:
        content.extractall(installed)
    program = f"""
import sys
sys.path[:] = [{str(installed)!r}, *(path for path in sys.path if path and path != {str(ROOT)!r})]
import edge_agent.cli
assert edge_agent.__file__.startswith({str(installed)!r})
for name in sys.modules:
    assert name.split(".")[0] not in ("printpipe", "tools", "local", "tests"), name
sys.argv = ["printpipe-agent", *sys.argv[1:]]
sys.exit(edge_agent.cli.main())
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for word, said in (("--help", "test-printer"), ("--version", VERSION)):
        ended = subprocess.run(
            [sys.executable, "-P", "-c", program, word],
            cwd=tmp_path,
            env={**environment, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        assert said in ended.stdout


def test_what_the_package_needs_is_what_the_project_pins() -> None:
    package = tomllib.loads((AGENT / "pyproject.toml").read_text())["project"]
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["agent"]
    extras = [each for group in package["optional-dependencies"].values() for each in group]
    assert sorted([*package["dependencies"], *extras]) == sorted(pinned)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a command that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert "ExecStart=/opt/printpipe-agent/bin/printpipe-agent run" in text
    path.write_text(text.replace("/opt/printpipe-agent/bin/printpipe-agent run", "/bin/true"))
    return path


def test_the_service_is_understood(unit: Path) -> None:
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_service_is_confined(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={MOST_EXPOSURE}"]
    confined = subprocess.run([*words, unit], capture_output=True, text=True, timeout=60)
    assert confined.returncode == 0, confined.stdout + confined.stderr


def test_the_service_can_ask_on_every_interface_and_leaves_no_memory_behind() -> None:
    lines = UNIT.read_text().splitlines()
    (families,) = [line for line in lines if line.startswith("RestrictAddressFamilies=")]
    assert "AF_NETLINK" in families.split(), "the interfaces are asked of the kernel with it"
    assert "LimitCORE=0" in lines
