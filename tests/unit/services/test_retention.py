"""What had its time goes, with all that belongs to it; what is in use, or not old enough, stays."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from printpipe.domain.lifecycles import JobStatus, UploadStatus
from printpipe.domain.policy import Policy, Retention
from printpipe.domain.ports.documents import Create, Put, Query, Update
from printpipe.domain.tenancy import SYSTEM
from printpipe.runtime.settings import parse
from printpipe.services.context import Context
from printpipe.services.retention import sweep as sweeping
from printpipe.services.retention.rules import RULES, Rule
from printpipe.services.retention.sweep import LONGEST, Swept, sweep
from tests import tenants
from tests.farm import START, Farm, embedded_farm

KEPT = Retention()
DAY = timedelta(days=1)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = embedded_farm(tmp_path)
    yield made
    made.documents.close()  # type: ignore[attr-defined]


def system(farm: Farm, **policy: Any) -> Context:
    """The schedule's call."""
    context = farm.context()
    return replace(context, caller=SYSTEM, policy=replace(context.policy, **policy))


def objects(farm: Farm, names: Iterator[str]) -> set[str]:
    files = farm.context().platform.files
    return {name for name in names if files.stat(name) is not None}


def furnished(farm: Farm, age: timedelta) -> dict[str, Mapping[str, Any]]:
    """An organization's things of that age; what it has of them."""
    files = farm.context().platform.files
    tenants.furnish(farm.documents, files, "acme", farm.now - age)
    return tenants.belongings("acme", farm.now - age)


def gone(farm: Farm, age: timedelta) -> set[str]:
    """The collections from which something of that age goes."""
    before = furnished(farm, age)
    sweep(system(farm))
    left = tenants.everything(farm.documents)
    return {path.split("/")[0] for path in before if path not in left}


SOON = {"enrollment_codes", "idempotency_keys", "socket_tickets"}
EXPIRING = SOON | {"notification_deliveries", "processed_events"}
ENDED = {"dead_letters", "incidents", "printer_commands", "printer_events", "printer_status_updates", "transfers"}
OF_JOBS = {"print_jobs", "claims", "job_aliases", "statistics_entries"}


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=1), set()),
        (4 * DAY, SOON),
        (29 * DAY, SOON | {"processed_events"}),
        (31 * DAY, SOON | {"printer_status_updates", "processed_events"}),
        (89 * DAY, EXPIRING | {"printer_status_updates"}),
        (91 * DAY, EXPIRING | ENDED | {"uploads"}),
        (366 * DAY, EXPIRING | ENDED | {"uploads", "audit_log"}),
        (731 * DAY, EXPIRING | ENDED | OF_JOBS | {"uploads", "audit_log"}),
    ],
    ids=lambda value: f"{value.days}d" if isinstance(value, timedelta) else "",
)
def test_everything_goes_when_it_is_old_enough(farm: Farm, age: timedelta, expected: set[str]) -> None:
    assert gone(farm, age) == expected


def test_the_periods_are_settings(farm: Farm) -> None:
    before = furnished(farm, 10 * DAY)
    week = 7 * DAY
    sweep(system(farm, retention=Retention(history=week, events=week, files=week, jobs=week, audit=week)))
    left = {path.split("/")[0] for path in tenants.everything(farm.documents) if path in before}
    assert left == {
        *("api_keys", "files", "memberships", "notification_channels", "notification_deliveries", "printer_aliases"),
        *("printer_secrets", "printer_storages", "printers", "processed_events", "recipients", "statistics"),
    }


def test_objects_go_with_the_documents_that_name_them(farm: Farm) -> None:
    before = furnished(farm, 91 * DAY)
    sweep(system(farm))
    assert objects(farm, tenants.objects(before)) == {"pictures/acme/printer-0.jpg"}
    file = farm.documents.get("files/file-acme-0")
    assert file is not None
    assert (file.data["status"], file.data["deletedAt"]) == ("deleted", farm.now)
    farm.later(days=729)
    sweep(system(farm))
    assert farm.documents.get("files/file-acme-0") is not None
    farm.later(days=2)
    sweep(system(farm))
    assert farm.documents.get("files/file-acme-0") is None


def test_a_second_run_does_nothing(farm: Farm) -> None:
    furnished(farm, 800 * DAY)
    assert sweep(system(farm)).gone
    before = tenants.everything(farm.documents)
    assert sweep(system(farm)) == Swept({}, complete=True)
    assert tenants.everything(farm.documents) == before


def a_file(farm: Farm, **more: Any) -> str:
    """A file of 200 days ago."""
    file = tenants.print_file(farm.organization, "file-1", farm.now - 200 * DAY, **more)
    farm.documents.commit(Create("files/file-1", file.data()))
    farm.context().platform.files.put(file.gcs_path, io.BytesIO(b"bytes"), "model/3mf")
    return file.gcs_path


def a_job(farm: Farm, status: JobStatus, age: timedelta, **more: Any) -> None:
    """A job of that file, and when it changed last."""
    when = farm.now - age
    made = tenants.job(farm.organization, "job-1", farm.now - 200 * DAY, status=status, updated_at=when, **more)
    farm.documents.commit(Create("print_jobs/job-1", made.data()))


def a_transfer(farm: Farm, active: bool, age: timedelta) -> None:
    """The file's way to a printer, and when it changed last."""
    fields = {"organizationId": farm.organization, "fileId": "file-1", "kind": "send", "active": active}
    dates = {"createdAt": farm.now - 200 * DAY, "updatedAt": farm.now - age}
    status = "copying" if active else "completed"
    farm.documents.commit(Create("transfers/one", {**fields, **dates, "status": status}))


IN_USE: Mapping[str, Callable[[Farm], None]] = {
    "was looked at": lambda farm: farm.documents.commit(
        Update("files/file-1", {"accessedAt": farm.now - 89 * DAY})
    ).clear(),
    "was printed": lambda farm: a_job(farm, JobStatus.COMPLETED, 89 * DAY, ended_at=farm.now - 89 * DAY),
    "is printed": lambda farm: a_job(farm, JobStatus.PRINTING, 199 * DAY, ended_at=None),
    "waits": lambda farm: a_job(farm, JobStatus.QUEUED, 199 * DAY, ended_at=None),
    "was ordered": lambda farm: a_job(farm, JobStatus.HELD, 199 * DAY, ended_at=None, ordered_at=farm.now, run=0),
    "was chosen again": lambda farm: a_job(farm, JobStatus.HELD, 1 * DAY, ended_at=None, run=0, runs=()),
    "nobody knows": lambda farm: a_job(farm, JobStatus.UNKNOWN, 199 * DAY, ended_at=None),
    "is on its way": lambda farm: a_transfer(farm, active=True, age=199 * DAY),
}
OUT_OF_USE: Mapping[str, Callable[[Farm], None]] = {
    "nothing": lambda _: None,
    "was looked at": lambda farm: farm.documents.commit(
        Update("files/file-1", {"accessedAt": farm.now - 91 * DAY})
    ).clear(),
    "was printed": lambda farm: a_job(farm, JobStatus.FAILED, 91 * DAY, ended_at=farm.now - 91 * DAY),
    "nobody wanted it": lambda farm: a_job(farm, JobStatus.HELD, 199 * DAY, ended_at=None, run=0, runs=()),
    "was sent": lambda farm: a_transfer(farm, active=False, age=91 * DAY),
}


@pytest.mark.parametrize("why", IN_USE)
def test_a_file_in_use_stays_whatever_its_age(farm: Farm, why: str) -> None:
    name = a_file(farm)
    IN_USE[why](farm)
    sweep(system(farm))
    file = farm.documents.get("files/file-1")
    assert file is not None
    assert file.data["deletedAt"] is None
    assert farm.context().platform.files.stat(name) is not None


@pytest.mark.parametrize("why", OUT_OF_USE)
def test_a_file_goes_when_its_last_use_is_long_ago(farm: Farm, why: str) -> None:
    name = a_file(farm)
    OUT_OF_USE[why](farm)
    sweep(system(farm))
    file = farm.documents.get("files/file-1")
    assert file is not None
    assert file.data["deletedAt"] == farm.now
    assert farm.context().platform.files.stat(name) is None
    if why == "nobody wanted it":
        assert farm.job("job-1").status == JobStatus.CANCELLED


def test_an_upload_that_nobody_completed_has_failed(farm: Farm) -> None:
    upload = tenants.upload(farm.organization, "upload-1", farm.now)
    farm.documents.commit(Create("uploads/upload-1", upload.data()))
    files = farm.context().platform.files
    files.put(upload.gcs_path, io.BytesIO(b"bytes"), "model/3mf")
    farm.later(hours=6, minutes=59)
    sweep(system(farm))
    assert files.stat(upload.gcs_path) is not None
    farm.later(minutes=2)
    sweep(system(farm))
    failed = farm.documents.get("uploads/upload-1")
    assert failed is not None
    assert (failed.data["status"], failed.data["uploadUrl"]) == (UploadStatus.FAILED.value, None)
    assert files.stat(upload.gcs_path) is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("print_jobs/x", {"status": "printing"}),
        ("printer_commands/x", {"status": "pending"}),
        ("printer_commands/x", {"status": "processing"}),
        ("transfers/x", {"status": "copying"}),
        ("incidents/x", {"status": "open"}),
    ],
)
def test_what_is_not_over_stays_whatever_its_age(farm: Farm, path: str, fields: dict[str, Any]) -> None:
    old = farm.now - 3000 * DAY
    base = tenants.job("acme", "x", old).data() if path.startswith("print_jobs") else {"createdAt": old}
    farm.documents.commit(Put(path, {**base, "updatedAt": old, **fields}))
    assert sweep(system(farm)) == Swept({}, complete=True)
    assert farm.documents.get(path) is not None


def commands(farm: Farm, statuses: str) -> None:
    """Old commands, one for each letter: completed, or processing, which stay."""
    words = {"c": "completed", "p": "processing"}
    old = farm.now - 100 * DAY
    writes = [
        Put(f"printer_commands/{number:04}", {"status": words[each], "createdAt": old + timedelta(seconds=number)})
        for number, each in enumerate(statuses)
    ]
    for begin in range(0, len(writes), 400):
        farm.documents.commit(*writes[begin : begin + 400])


ONLY_COMMANDS = [rule for rule in RULES if rule.name == "printer_commands"]


def test_what_stays_keeps_nothing_else_back(farm: Farm) -> None:
    commands(farm, "p" * 450 + "c" * 50)
    assert sweep(system(farm), ONLY_COMMANDS) == Swept({"printer_commands": 50}, complete=True)
    assert farm.documents.count(Query("printer_commands")) == 450


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next(farm: Farm) -> None:
    commands(farm, "p" * 450 + "c" * 50)

    class Clock:
        """Each look at it takes long."""

        def __call__(self) -> datetime:
            farm.now += LONGEST * 0.3
            return farm.now

    slow = replace(system(farm), clock=Clock())
    runs: list[Swept] = []
    while not (runs and runs[-1].complete):
        runs.append(sweep(slow, ONLY_COMMANDS))
        assert len(runs) < 10
    assert len(runs) > 1
    assert sum(run.gone.get("printer_commands", 0) for run in runs) == 50
    assert farm.documents.query(Query("bookmarks"))[0].data["after"] is None


def test_a_rule_that_fails_keeps_no_other_back(farm: Farm) -> None:
    commands(farm, "ccc")

    def broken(*_: Any) -> Query:
        raise RuntimeError("the index is missing")

    failing = Rule("failing", lambda kept: kept.events, broken, "createdAt", lambda *_: None)
    assert sweep(system(farm), [failing, *ONLY_COMMANDS]) == Swept({"printer_commands": 3}, complete=False)


def test_one_document_that_cannot_be_read_keeps_nothing_back(farm: Farm) -> None:
    commands(farm, "ccc")
    farm.documents.commit(Update("printer_commands/0001", {"status": "melting"}))
    assert sweep(system(farm), ONLY_COMMANDS).gone == {"printer_commands": 2}


def test_what_is_written_into_the_history_goes_by_the_setting(farm: Farm) -> None:
    printer = farm.printer()
    farm.reports(printer, "printing")
    samples = farm.documents.query(Query("printer_status_updates"))
    assert samples
    assert all(each.data["expiresAt"] == each.data["createdAt"] + 30 * DAY for each in samples)
    assert Policy(()).retention == KEPT


def test_no_rule_reads_without_bound() -> None:
    assert sweeping.MOST_EACH <= 10_000
    queries = [rule.find(Policy(()).collections, START, None, 100) for rule in RULES]
    assert all(query.limit == 100 and query.order for query in queries)


def test_a_deployment_sets_the_periods_in_days() -> None:
    names = ("HISTORY", "EVENTS", "FILES", "JOBS", "AUDIT")
    told = {f"RETENTION_{name}_DAYS": str(number) for number, name in enumerate(names, 1)}
    assert parse(told).policy().retention == Retention(DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY)
    assert parse({}).policy().retention == KEPT
    with pytest.raises(ValidationError):
        parse({"RETENTION_AUDIT_DAYS": "0"})
