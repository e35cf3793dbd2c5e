"""Trace contexts are carried whether spans are made or not; what is not traced does not pay for it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from printpipe.domain import tracing
from printpipe.domain.tracing import Kind, Span

PROJECT = Path(__file__).resolve().parents[2]
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

FUNCTIONS = """
from printpipe.runtime.entry import entry_point
for name in ("cloud_command_control", "trigger_command_created", "trigger_job_counted"):
    entry_point(name)
"""
AGENT = """
import edge_agent.agent
from edge_agent import config, tracing
tracing.begin(config.AgentConfig(backend_url="http://127.0.0.1", api_key="k", recipient_id="r").otlp_endpoint)
"""


def imported(program: str, **environment: str) -> set[str]:
    """The modules that a program has imported in a process of its own."""
    show = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    own = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program + show],
        env={**own, "PYTHONPATH": f"{PROJECT / 'functions'}:{PROJECT}", **environment},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("program", [FUNCTIONS, AGENT], ids=["functions", "agent"])
def test_what_is_not_traced_imports_neither_sdk_nor_exporter(program: str) -> None:
    found = imported(program)
    assert "edge_agent.tracing" in found or "printpipe.runtime.tracing" in found
    assert not [name for name in found if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert not [name for name in found if name.startswith("prometheus_client")]


@pytest.mark.parametrize("program", [FUNCTIONS, AGENT], ids=["functions", "agent"])
def test_the_standard_variable_switches_tracing_on(program: str) -> None:
    found = imported(program, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "opentelemetry.exporter.otlp.proto.http.trace_exporter" in found


@pytest.mark.parametrize(
    "offered",
    [
        None,
        "",
        "00",
        CALLER.upper(),
        CALLER + "-more",
        CALLER.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        CALLER + "\n",
        "x" * 100_000,
    ],
)
def test_what_is_no_trace_context_is_not_carried(offered: str | None) -> None:
    assert tracing.well_formed(offered) == ""


def test_without_a_tracer_the_callers_context_is_carried_as_it_came() -> None:
    assert tracing.here() == ""
    with tracing.span("request", "server", CALLER) as request:
        assert (request.traceparent, tracing.here()) == (CALLER, CALLER)
        with tracing.span("publish", "producer") as publish:
            assert publish.traceparent == CALLER
        with tracing.span("another's", parent="nonsense"):
            assert tracing.here() == ""
        assert tracing.here() == CALLER
    assert tracing.here() == ""


def test_what_is_sent_stays_in_the_trace_of_what_it_is_about() -> None:
    another = CALLER.replace("0af7", "1bf8")
    with tracing.span("trigger", "consumer", CALLER):
        assert tracing.nearest("") == CALLER
        assert tracing.nearest(CALLER.replace("b7ad", "c8be")) == CALLER
        assert tracing.nearest(another) == another
    assert tracing.nearest(another) == another


@dataclass
class _Numbered:
    """A tracer that numbers its spans, and remembers which is below which."""

    made: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str) -> Iterator[Span]:
        own = f"00-{'a' * 32}-{len(self.made) + 1:016x}-01"
        self.made[own] = parent
        yield _Noted(own)


@dataclass
class _Noted:
    traceparent: str

    def note(self, name: str, value: str | int) -> None: ...

    def fail(self, why: str) -> None: ...


def test_spans_are_below_the_one_that_is_open_or_the_one_that_is_named() -> None:
    tracer = _Numbered()
    tracing.use(tracer)
    try:
        with tracing.span("request", "server", CALLER), tracing.span("publish", "producer"):
            inner = tracing.here()
        with tracing.span("consumer", "consumer", inner):
            pass
    finally:
        tracing.use(None)
    first, second, third = tracer.made
    assert tracer.made == {first: CALLER, second: first, third: second}
