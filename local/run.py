"""`make run`: starts the stack, prints a file on it, shows how it went, then keeps serving.

Options come by environment: ONCE=1 ends after the job, FILE=path prints that file, BACKEND=google|embedded forces one,
PORT (8080), KEEP=1 keeps the data from run to run, SPEED is the printers' time against real time (60), STATE_DIR is the
stack's folder (.local).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import rich.progress
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from rich.console import Console

from local.children import ROOT, StackError
from local.demo import Order, Progress, Refused, order, watch, why
from local.stack import Stack
from local.timeline import Step, read_timeline, render
from printpipe.domain.errors import DomainError

_OFF = ("", "0", "no", "false")

Switch = Annotated[bool, BeforeValidator(lambda text: str(text).lower() not in _OFF)]


class Options(BaseModel):
    """What the environment asks for; an empty variable counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    once: Switch = Field(False, validation_alias="ONCE")
    file: Path | None = Field(None, validation_alias="FILE")
    backend: Literal["auto", "google", "embedded"] = Field("auto", validation_alias="BACKEND")
    port: int = Field(8080, ge=0, le=65535, validation_alias="PORT")
    keep: Switch = Field(False, validation_alias="KEEP")
    speed: float = Field(60, gt=0, le=10_000, validation_alias="SPEED")
    state_dir: Path = Field(ROOT / ".local", validation_alias="STATE_DIR")

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Options":
        """The options that an environment holds. Raises pydantic's ValidationError."""
        return cls.model_validate({name: value for name, value in environment.items() if value})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the main job: the JSON line of ONCE=1."""

    ok: bool
    job_id: str | None = None
    backend: str
    status: str
    timeline: Sequence[Step] = ()
    seconds: float = 0.0
    error: str | None = None


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def main() -> int:
    """The exit code: 0 when the print completed, or when we were told to stop serving."""
    console = Console(highlight=False)
    try:
        options = Options.of(os.environ)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            console.print(f"{problem['loc'][0]}: {problem['msg']}", markup=False)
        return 2
    if options.file and not options.file.is_file():
        console.print(f"FILE: {options.file} is not a file", markup=False)
        return 2
    with _signals():
        try:
            outcome = _run(options, console)
        except (StackError, Refused, DomainError) as error:
            console.print(str(error), markup=False, style="red")
            outcome = Outcome(ok=False, backend=options.backend, status="not run", error=str(error))
        except Stopped:
            return 130
    if options.once:
        print(json.dumps({name: value for name, value in asdict(outcome).items() if name != "error" or value}))
    return 0 if outcome.ok else 1


def _run(options: Options, console: Console) -> Outcome:
    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    began = time.monotonic()
    say("Starting the stack …")
    stack = Stack(
        options.state_dir,
        backend=options.backend,
        port=options.port,
        keep=options.keep,
        speed=options.speed,
        say=say,
    )
    with stack, _unhurried():
        say(f"Ready after {time.monotonic() - began:.1f} s on the {stack.backend} backend: {stack.base_url}")
        printing = time.monotonic()
        ordered = order(stack, options.file)
        say(f"Uploaded and ordered: job {ordered.job_id} at printer {ordered.serial}")
        status = _show(stack, ordered, console)
        seconds = round(time.monotonic() - printing, 3)
        timeline = read_timeline(stack.logs, ordered.began, ordered.job_id, ordered.command_id)
        say(f"\nThe job is {status} after {seconds:.1f} s:")
        render(timeline, say)
        error = None if status == "completed" else why(stack, ordered)
        if error:
            say(f"Why: {error}")
        if not options.once:
            _serve(stack, ordered, console)
    return Outcome(
        ok=status == "completed",
        job_id=ordered.job_id,
        backend=stack.backend,
        status=status,
        timeline=timeline,
        seconds=seconds,
        error=error,
    )


def _show(stack: Stack, ordered: Order, console: Console) -> str:
    """Shows the progress until the job has ended; its last status."""
    status = ""
    if not console.is_terminal:
        for progress in _coarse(watch(stack, ordered)):
            console.print(f"{progress.percent:3d} %  {progress.describe()}", markup=False)
            status = progress.status
        return status
    columns = (
        rich.progress.BarColumn(bar_width=40),
        rich.progress.TaskProgressColumn(),
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("job queued", total=100)
        for progress in watch(stack, ordered):
            bar.update(task, completed=progress.percent, description=progress.describe())
            status = progress.status
    return status


def _coarse(changes: Iterator[Progress]) -> Iterator[Progress]:
    """Only the changes worth a line of a log: of a state, or by ten percent."""
    shown: tuple[str, str, int] | None = None
    for progress in changes:
        mark = (progress.status, progress.printer, progress.percent // 10)
        if mark != shown:
            shown = mark
            yield progress


def _serve(stack: Stack, ordered: Order, console: Console) -> None:
    """Keeps serving until Ctrl-C, SIGTERM, or the end of a part."""
    agent = stack.identity.agent.recipient_id
    target = {"recipientId": agent, "printerSerial": ordered.serial}
    again = {**target, "productId": "demo-cube", "fileId": ordered.file_id}
    post = f"curl -s -X POST -H \"X-API-Key: $KEY\" -H 'Content-Type: application/json' {stack.base_url}"
    ordering = post.replace("X-API-Key: $KEY", "Authorization: Bearer $TOKEN") + "/api/print-jobs"
    file = stack.state_dir / "stack.json"
    lines = [
        "",
        f"Serving at {stack.base_url} until Ctrl-C; keys, tokens and ports are in {file}. Some calls to try:",
        f"  KEY=$({sys.executable} -c \"import json; print(json.load(open('{file}'))['operator_key'])\")",
        f"  {post}/control -d '{json.dumps({**target, 'commandType': 'light_off'})}'",
        f"  {post}/api/print-jobs -d '{json.dumps(again)}'",
        f'  curl -s -H "X-API-Key: $KEY" "{stack.base_url}/recipients/{agent}/pending"',
        f"  TOKEN=$({sys.executable} -c \"import json; print(json.load(open('{file}'))['tokens']['operator'])\")",
        f'  curl -s -H "Authorization: Bearer $TOKEN" {stack.base_url}/api/printers',
        f"  {ordering} -d '{json.dumps({'product_id': 'demo-cube', 'priority': 'high'})}'",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    try:
        while True:
            time.sleep(1)
            stack.check()
    except Stopped:
        console.print("Stopping …")


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM become `Stopped`."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _unhurried() -> Iterator[None]:
    """Once this block is left, a second Ctrl-C does not disturb the ending of the parts."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
