"""Print jobs as they are stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from printpipe.domain.lifecycles import JobStatus, Priority
from printpipe.domain.records import Record, Stored


class Wish(Record):
    """A filament that a job's owner asks for in place of one of the file's; `slot` is its number there, from 1."""

    slot: int
    type: str | None = None
    color: str | None = None


class Run(Record):
    """One print of a job: one plate at one printer, begun by one command."""

    number: int
    status: JobStatus
    plate_index: int | None = None
    printer_id: str | None = None
    printer_serial: str | None = None
    command_id: str | None = None
    reason: str | None = None
    ordered_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Progress(Record):
    """How far a run is: percent, layers, seconds."""

    percent: float | None = None
    layer: int | None = None
    total_layers: int | None = None
    remaining_seconds: int | None = None


class Customer(Record):
    """For whom a job is printed."""

    order_id: str | None = None
    customer_name: str | None = None


class Cost(Record):
    """Money in 1/10,000 of the currency's unit; `fixed`: a person set it, and nothing computes it anew."""

    amount: int
    fixed: bool = False


class Costs(Record):
    """What a print costs, as far as it is known."""

    material: Cost | None = None
    power: Cost | None = None
    labor: Cost | None = None


class Consumption(Record):
    """What a print has used up: milligrams of a material, called as people call it."""

    material: str | None = None
    milligrams: int | None = None


class Shop(Record):
    """What a shop says of a print that it tracks: its own numbers and names."""

    print_queue_id: int
    product_id: int | None = None
    order_id: int | None = None


class Job(Stored):
    """`print_jobs/{jobId}`; `number` is its second, public id.

    One that is `external` was begun by others: it is tracked, never dispatched.

    A job of several plates has that many runs, one after the other; `run` is the number of the last that was begun.
    `turn` is its place in the queue, the first in front; None unless it waits for a printer to be chosen (`waits`), as
    is `deadline_at`, which is `wait_seconds` after `waits_since`; only a job that was sent to the queue has those.
    `wanted_printer_id` is the one printer that its owner wants; `printer_id` is where the last run was sent.
    `patience_seconds` is how long its owner lets it wait, where that was said when it was ordered.
    `use_ams` False means the external spool; `wishes` replace what the file says of its filaments. `costs` are what a
    person set, and once it has ended what was computed then; `consumption` likewise. `message` is what its client said
    last, `metrics` what that measured last.
    """

    job_id: str
    number: int
    organization_id: str
    recipient_id: str
    product_id: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    status: JobStatus
    run: int = 0
    printer_serial: str | None = None
    command_id: str | None = None
    claimed_by: str | None = None
    app_id: str | None = None
    reason: str | None = None
    created_at: datetime
    queued_at: datetime | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime
    seen_at: datetime | None = None
    external: bool = False
    late_result: Mapping[str, Any] | None = None
    product_name: str | None = None
    priority: Priority = Priority.NORMAL
    waits: bool = False
    waits_since: datetime | None = None
    turn: str | None = None
    wait_seconds: int | None = None
    patience_seconds: int | None = None
    deadline_at: datetime | None = None
    wanted_printer_id: str | None = None
    printer_id: str | None = None
    plate_index: int | None = None
    plates_requested: int = 1
    plates_completed: int = 0
    runs: tuple[Run, ...] = ()
    use_ams: bool | None = None
    wishes: tuple[Wish, ...] = ()
    progress: Progress | None = None
    ordered_at: datetime | None = None
    ordered_by: str | None = None
    cancel_requested_at: datetime | None = None
    deleted_at: datetime | None = None
    is_business: bool = False
    customer: Customer | None = None
    notes: str | None = None
    costs: Costs = Costs()
    consumption: Consumption | None = None
    shop: Shop | None = None
    message: str | None = None
    metrics: Mapping[str, Any] | None = None
    request_id: str
    traceparent: str = ""


class Claim(Stored):
    """`claims/{jobId}_{run}`: exists once a run of a job has been given to one printer or client."""

    job_id: str
    run: int
    claimed_by: str
    claimed_at: datetime
