"""What services bring about belongs to the trace that asked for it."""

from pathlib import Path

from printpipe.domain import tracing
from tests.farm import embedded_farm


def test_a_start_from_the_queue_belongs_to_its_jobs_trace(tmp_path: Path) -> None:
    farm, caller = embedded_farm(tmp_path), f"00-{'a' * 32}-{'b' * 16}-01"
    farm.bus.create_subscription("agent", "printer-commands")
    with tracing.span("sweep", "consumer", f"00-{'c' * 32}-{'d' * 16}-01"):
        farm.printer()
        farm.send(farm.order(farm.file(("PLA", "#FFFFFF")), traceparent=caller))
    (start,) = farm.starts()
    assert start.traceparent == caller
    (received,) = farm.bus.pull("agent", 1, 0)
    assert received.attributes["traceparent"] == caller


def test_what_a_call_stores_carries_the_callers_context(tmp_path: Path) -> None:
    farm, caller = embedded_farm(tmp_path), f"00-{'a' * 32}-{'b' * 16}-01"
    printer = farm.printer()
    with tracing.span("request", "server", caller):
        command = farm.start(printer)
    (start,) = farm.starts()
    assert (start.command_id, start.traceparent) == (command, caller)
    farm.start(printer)
    assert sorted(each.traceparent for each in farm.starts()) == ["", caller]
