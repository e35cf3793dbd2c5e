"""Jobs that have ended, for statistics: how they are stored, and a plain reckoning of what they come to."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, cast
from zoneinfo import ZoneInfo

from printpipe.domain.file_records import Filament, Plate, StoredPrintFile
from printpipe.domain.ids import new_id, public_number
from printpipe.domain.job_records import Job, Run
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.messages import MODELS, Message
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import SYSTEM, Caller
from printpipe.services.access.directory import Directory
from printpipe.services.context import Context

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class Post:
    """A bus that keeps what is published until it is taken."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The message's number."""
        self._messages.append(MODELS[topic].model_validate_json(data))
        return str(len(self._messages))

    def taken(self) -> list[Message]:
        """What was published since it was asked last."""
        found, self._messages = self._messages, []
        return found


@dataclass(frozen=True)
class _Ports:
    documents: Documents
    bus: Post


def context_of(
    documents: Documents, clock: Callable[[], datetime], organization: str | None = None, bus: Post | None = None
) -> Context:
    """A call of an organization's, or an event's where there is none."""
    platform, policy = cast(Platform, _Ports(documents, bus or Post())), Policy(fetch_token_secrets=[bytes(32)])
    caller = Caller("key", organization_id=organization) if organization else SYSTEM
    return Context(caller, new_id(), None, clock, platform, policy, Directory(platform, policy, lambda: 0.0))


def print_file(organization: str, file_id: str, grams: float | None, filament: str = "PLA") -> StoredPrintFile:
    """A stored file of one plate."""
    plate = Plate(index=1, weight_g=grams, filament=(Filament(type=filament, used_g=grams),), estimated_seconds=60)
    return StoredPrintFile(
        file_id=file_id,
        organization_id=organization,
        recipient_id="site",
        product_id="PROD-55",
        file_name="part.3mf",
        gcs_bucket="bucket",
        gcs_path=file_id,
        content_type="model/3mf",
        created_at=EPOCH,
        status="uploaded",
        size=1000,
        sha256="0" * 64,
        md5="0" * 32,
        fetch_token="token",
        fetch_token_expiry=EPOCH,
        kind="3mf",
        plates=(plate,),
    )


def ended_job(
    organization: str,
    ended_at: datetime,
    *,
    seconds: int | None = 3600,
    status: JobStatus = JobStatus.COMPLETED,
    printer: str | None = None,
    file_id: str | None = None,
    **more: Any,
) -> Job:
    """A job of one run that has ended; without seconds nobody saw it begin."""
    started_at = None if seconds is None else ended_at - timedelta(seconds=seconds)
    run = Run(number=1, status=status, printer_id=printer, ordered_at=EPOCH, started_at=started_at, ended_at=ended_at)
    fields = {
        "job_id": new_id(),
        "number": public_number(ended_at),
        "organization_id": organization,
        "recipient_id": "site",
        "file_id": file_id,
        "status": status,
        "run": 1,
        "runs": (run,),
        "printer_id": printer,
        "plates_completed": int(status == JobStatus.COMPLETED),
        "created_at": EPOCH,
        "updated_at": ended_at,
        "started_at": started_at,
        "ended_at": ended_at,
        "request_id": new_id(),
    }
    return Job(**{**fields, **more})


def half_up(value: Fraction) -> int:
    """To the nearest whole number."""
    return int(value + Fraction(1, 2))


def reckoned(jobs: list[Mapping[str, Any]], zone: str) -> dict[str, tuple[dict[str, int], dict[str, tuple[int, int]]]]:
    """What stored jobs come to, job by job: for each day, printer's day and printer its counts and its materials.

    Materials by name: milligrams and jobs. The keys are the documents' ids behind the organization's.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    materials: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for job in jobs:
        if job["status"] not in ("completed", "failed", "cancelled") or job["deletedAt"] is not None:
            continue
        day, printer = job["endedAt"].astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d"), job["printerId"]
        runs = [each for each in job["runs"] if each["startedAt"]]
        money = {name: (job["costs"][name] or {"amount": 0})["amount"] for name in ("material", "power", "labor")}
        spent = job["consumption"] or {"material": None, "milligrams": None}
        own = {
            job["status"]: 1,
            "business" if job["isBusiness"] else "private": 1,
            "timed": int(bool(runs)),
            "seconds": sum((each["endedAt"] - each["startedAt"]) // timedelta(seconds=1) for each in runs),
            "milligrams": spent["milligrams"] or 0,
            **{f"{name}Cost": amount for name, amount in money.items()},
            "totalCost": sum(money.values()),
            "revenue": sum(money.values()) if job["isBusiness"] else 0,
        }
        for place in (day, f"{printer}_{day}", f"{printer}_total") if printer else (day,):
            counts[place].update(own)
            name = spent["material"] or ("unknown" if spent["milligrams"] else None)
            if name:
                milligrams, number = materials[place].get(name, (0, 0))
                materials[place][name] = milligrams + own["milligrams"], number + 1
    return {place: ({name: n for name, n in found.items() if n}, materials[place]) for place, found in counts.items()}


def counted(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[dict[str, int], dict[str, tuple[int, int]]]]:
    """What stored statistics hold, in the same form."""
    found = {}
    for name, data in documents.items():
        counts = {field: number for field, number in data["counts"].items() if number}
        used = {each["name"]: (each["milligrams"], each["jobs"]) for each in data["materials"].values() if each["jobs"]}
        if counts or used:
            found[name] = counts, used
    return found
