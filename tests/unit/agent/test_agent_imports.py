"""What the agent loads: on a small machine nothing heavy that the configuration has not asked for."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = ("google", "grpc", "opentelemetry", "printpipe", "requests", "rich", "yaml")


def test_the_agent_loads_neither_googles_clients_nor_opentelemetry_nor_the_functions() -> None:
    program = (
        "import json, sys; before = set(sys.modules); import edge_agent.agent;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "edge_agent.agent" in loaded
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
