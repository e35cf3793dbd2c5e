"""The main job, as a customer's program would do it: upload a file, order the print, watch it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from local.children import StackError
from local.sample_print import make_3mf
from local.stack import Stack
from printpipe.domain.ports.documents import Query, Where

PRODUCT = "demo-cube"
LAYERS = 12
SLICED_SECONDS = 900
ENDED = frozenset({"completed", "failed", "cancelled"})
POLL = 0.2
STUCK_AFTER = 120.0
"""Seconds without any news of the job after which we stop waiting."""


class Refused(Exception):
    """The cloud did not take a call; the message is for people."""


@dataclass(frozen=True)
class Order:
    """A print that was ordered; `began` is when the upload began."""

    began: datetime
    file_id: str
    job_id: str
    command_id: str
    serial: str


@dataclass(frozen=True)
class Progress:
    """How the print stands: the job's status, the printer's percent and layers where it has told them."""

    status: str
    percent: int
    layer: int | None
    layers: int | None
    printer: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED

    def describe(self) -> str:
        """In a few words."""
        layers = f", layer {self.layer}/{self.layers}" if self.layers and self.layer else ""
        return f"job {self.status}, printer {self.printer}{layers}"


def order(stack: Stack, file: Path | None) -> Order:
    """Uploads the file, or a cube made here, and orders its print at the first printer. Raises `Refused`."""
    name, content = (file.name, file.read_bytes()) if file else ("cube.gcode.3mf", sample())
    serial = stack.printers[0].serial
    site = {"recipientId": stack.identity.agent.recipient_id, "productId": PRODUCT}
    began = datetime.now(UTC)
    uploaded = call(
        stack, "/upload", fields={**site, "file": (name, content, "application/octet-stream")}, content_type=None
    )
    wish = {**site, "printerSerial": serial, "fileId": uploaded["fileId"]}
    ordered = call(stack, "/api/print-jobs", json={**wish, "jobMetadata": {"fileId": uploaded["fileId"]}})
    return Order(began, uploaded["fileId"], ordered["jobId"], ordered["commandId"], serial)


def sample() -> bytes:
    """A sliced cube."""
    return make_3mf("Cube", layers=LAYERS, seconds=SLICED_SECONDS)


def call(stack: Stack, path: str, *, content_type: str | None = "application/json", **body: Any) -> Mapping[str, Any]:
    """POSTs as the operator. Raises `Refused` for any answer but 2xx."""
    headers = {"X-API-Key": stack.identity.operator_key}
    if content_type:
        headers["Content-Type"] = content_type
    try:
        answer = urllib3.request("POST", stack.base_url + path, headers=headers, timeout=120, retries=False, **body)
    except urllib3.exceptions.HTTPError as error:
        raise Refused(f"POST {path} got no answer: {error}") from error
    try:
        parsed = answer.json()
    except ValueError:
        parsed = None
    if not 200 <= answer.status < 300 or not isinstance(parsed, dict):
        told = parsed.get("message") if isinstance(parsed, dict) else answer.data[:200].decode(errors="replace")
        raise Refused(f"POST {path} answered {answer.status}: {told}")
    return parsed


def watch(stack: Stack, ordered: Order, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Every change, until the job has ended. Raises StackError where a part ends or no news comes."""
    last: Progress | None = None
    changed = clock()
    while last is None or not last.ended:
        now = look(stack, ordered)
        if now != last:
            yield now
            last, changed = now, clock()
        stack.check()
        if clock() - changed > STUCK_AFTER:
            raise StackError(f"no news of the print for {STUCK_AFTER:.0f} s ({now.describe()})")
        time.sleep(POLL)


def look(stack: Stack, ordered: Order) -> Progress:
    """How the print stands now."""
    documents = stack.platform.documents
    job = documents.get(f"print_jobs/{ordered.job_id}")
    printers = documents.query(Query("printers", [Where("serial", "==", ordered.serial)], limit=1))
    state: Mapping[str, Any] = (printers[0].data.get("state") or {}) if printers else {}
    told: Mapping[str, Any] = state.get("status") or {}
    status = str(job.data["status"]) if job else "queued"
    about_this = status in ("preparing", "printing", "paused")
    percent = 100 if status == "completed" else round(told.get("progress") or 0) if about_this else 0
    return Progress(
        status,
        percent,
        told.get("layer") if about_this else None,
        told.get("totalLayers") if about_this else None,
        str(told.get("state", "silent")),
    )


def why(stack: Stack, ordered: Order) -> str:
    """Why a print failed, as the stored job and its command tell."""
    documents = stack.platform.documents
    job = documents.get(f"print_jobs/{ordered.job_id}")
    command = documents.get(f"printer_commands/{ordered.command_id}")
    reasons = [
        job.data.get("reason") if job else None,
        command.data.get("errorMessage") if command else None,
        command.data.get("message") if command else None,
    ]
    return "; ".join(dict.fromkeys(str(reason) for reason in reasons if reason)) or "no reason was given"
