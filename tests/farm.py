"""A farm without HTTP: the services over a document store, and printers that do what a test has them do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.adapters.metered import MeteredDocuments
from printpipe.domain.commands import parse_order
from printpipe.domain.file_records import Filament, Plate, StoredPrintFile
from printpipe.domain.ids import NO_KEY, new_id
from printpipe.domain.job_records import Job
from printpipe.domain.lifecycles import CommandStatus, JobStatus, Priority
from printpipe.domain.messages import TOPICS
from printpipe.domain.policy import Policy
from printpipe.domain.ports.documents import Create, Documents, Query, Update, Where, Write
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.platform import Platform
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command
from printpipe.domain.tenancy import Caller, Recipient
from printpipe.services import events
from printpipe.services.access.directory import Directory
from printpipe.services.commands import claiming, commands, execution, sweeping
from printpipe.services.commands.commands import Target
from printpipe.services.commands.execution import Result
from printpipe.services.context import Context
from printpipe.services.events import Happening
from printpipe.services.jobs import cancellation, dispatch, queue
from printpipe.services.jobs.jobs import queued
from printpipe.services.printers import status_reports
from printpipe.services.printers.status_reports import Report
from tests.published import CheckedBus

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLDER = "agent"


@dataclass
class _Ports:
    documents: Documents
    files: Files
    bus: CheckedBus = field(default_factory=CheckedBus)


def embedded_farm(folder: Path, mark: str = "") -> "Farm":
    """A farm on the embedded backend; `mark` is in its names."""
    files = EmbeddedFiles(folder / "files", "bucket", base_url="http://127.0.0.1", secret=bytes(32))
    return Farm(EmbeddedDocuments(folder / "documents.db"), files, mark)


class Farm:
    """One organization with one site of our agent; its clock stands still until it is moved."""

    def __init__(self, documents: Documents, files: Files, mark: str = "") -> None:
        self.documents, self.now = documents, START
        mark = mark or new_id()[:8]
        self._mark, self._count = mark, 0
        self.organization, self.site = f"org-{mark}", f"site-{mark}"
        self._ports = _Ports(documents, files)
        for topic in TOPICS:
            self._ports.bus.create_topic(topic)
        self._policy = Policy(fetch_token_secrets=[bytes(32)])
        self._directory = Directory(cast(Platform, self._ports), self._policy, lambda: 0.0)
        site = {"recipientId": self.site, "organizationId": self.organization, "client": "agent", "createdAt": START}
        documents.commit(Create(f"recipients/{self.site}", {**site, "name": "hall"}))

    @property
    def bus(self) -> CheckedBus:
        """The bus, which takes what the topics' schemas allow."""
        return self._ports.bus

    def context(self, user: str = "user-1") -> Context:
        """A call of a user's."""
        caller = Caller(f"user:{user}", organization_id=self.organization, user_id=user)
        platform = cast(Platform, self._ports)
        return Context(caller, new_id(), None, lambda: self.now, platform, self._policy, self._directory)

    def _id(self, kind: str) -> str:
        """A new id; ids sort as they were made, so that a farm behaves alike each time."""
        self._count += 1
        return f"{kind}-{self._mark}-{self._count:04}"

    def metered(self) -> Context:
        """A call of a user's whose reads and writes are counted."""
        ports = _Ports(MeteredDocuments(self.documents), self._ports.files, self._ports.bus)
        return replace(self.context(), platform=cast(Platform, ports))

    def later(self, **passed: float) -> None:
        """Time passes."""
        self.now += timedelta(**passed)

    def printer(self, model: str = "P1S", loaded: Sequence[tuple[str, str]] = (("PLA", "#FFFFFF"),)) -> str:
        """An idle printer with an AMS that holds these types and colours; its id."""
        printer_id = self._id("printer")
        record = Printer(
            printer_id=printer_id,
            organization_id=self.organization,
            recipient_id=self.site,
            serial=printer_id.upper(),
            model=model,
            active=True,
            created_at=self.now,
        )
        alias = {"printerId": printer_id, "organizationId": self.organization}
        name = f"printer_aliases/{self.organization}_serial_{record.serial}"
        self.documents.commit(Create(f"printers/{printer_id}", record.data()), Create(name, alias))
        self.reports(printer_id, "idle", loaded)
        return printer_id

    def reports(self, printer_id: str, state: str, loaded: Sequence[tuple[str, str]] | None = None) -> None:
        """The printer reports its state, with what is loaded if that is said."""
        printer = self.at(printer_id)
        trays = printer.state.status.get("loadedFilaments") if printer.state else None
        if loaded is not None:
            trays = [{"slot": slot, "type": kind, "color": color} for slot, (kind, color) in enumerate(loaded)]
        status = {"state": state, "loadedFilaments": trays, "nozzleDiameter": 0.4}
        status_reports.report(self.context(), self.site, Report(printer.serial, None, status, self.now))

    def file(self, *needed: tuple[str, str], model: str = "P1S", plates: int = 1, first: int = 1) -> str:
        """A stored print file whose plates, counted from `first`, need these types and colours; its id."""
        file_id = self._id("file")
        filament = tuple(Filament(type=kind, color=color, slot=slot) for slot, (kind, color) in enumerate(needed, 1))
        record = StoredPrintFile(
            file_id=file_id,
            organization_id=self.organization,
            recipient_id=self.site,
            product_id="product",
            file_name="model.3mf",
            gcs_bucket="bucket",
            gcs_path=f"files/{file_id}/print.3mf",
            content_type="model/3mf",
            created_at=self.now,
            status="uploaded",
            size=1000,
            sha256="0" * 64,
            md5="0" * 32,
            fetch_token="0" * 64,
            fetch_token_expiry=self.now,
            kind="3mf",
            plates=tuple(
                Plate(index=index, filament=filament, printer_model=model, nozzle_diameter=0.4)
                for index in range(first, first + plates)
            ),
        )
        self.documents.commit(Create(f"files/{file_id}", record.data()))
        return file_id

    def order(self, file_id: str, user: str = "user-1", priority: Priority = Priority.NORMAL, **more: Any) -> str:
        """A held job; its id."""
        job = self._job(file_id, user, priority, more)
        self.documents.commit(Create(f"print_jobs/{job.job_id}", job.data()))
        return job.job_id

    def orders(self, file_id: str, count: int, priorities: Sequence[Priority], users: int) -> list[str]:
        """Many held jobs, at once."""
        made = [self._job(file_id, f"user-{n % users}", priorities[n % len(priorities)], {}) for n in range(count)]
        writes: list[Write] = [Create(f"print_jobs/{job.job_id}", job.data()) for job in made]
        for begin in range(0, count, 100):
            self.documents.commit(*writes[begin : begin + 100])
        return [job.job_id for job in made]

    def _job(self, file_id: str, user: str, priority: Priority, more: Mapping[str, Any]) -> Job:
        return Job(
            job_id=self._id("job"),
            number=self._count,
            organization_id=self.organization,
            recipient_id=self.site,
            product_id="product",
            file_id=file_id,
            file_name="model.3mf",
            status=JobStatus.HELD,
            created_at=self.now,
            updated_at=self.now,
            priority=priority,
            ordered_at=self.now,
            ordered_by=user,
            request_id="test",
            **more,
        )

    def send(self, job_id: str, printer_id: str | None = None, patience: timedelta | None = None) -> Job:
        """Sends a job to the queue."""
        return queue.send(self.context(), job_id, printer_id, patience, NO_KEY)

    def enqueue(self, jobs: Sequence[str]) -> None:
        """Sends many jobs to the queue at once, without serving it."""
        for begin in range(0, len(jobs), 100):
            writes: list[Write] = []
            for job_id in jobs[begin : begin + 100]:
                job = self.job(job_id).model_copy(update={"wait_seconds": 43_200})
                changes = {**queued(job, self.now), "wait_seconds": 43_200}
                writes.append(Update(f"print_jobs/{job_id}", job.model_copy(update=changes).fields(changes)))
            self.documents.commit(*writes)

    def serve(self) -> int:
        """Distributes what waits."""
        return dispatch.serve(self.context(), self.organization)

    def sweep(self) -> None:
        """What the schedule does every minute."""
        sweeping.sweep(self.context())
        queue.sweep(self.context())

    def job(self, job_id: str) -> Job:
        """The job as it is stored."""
        document = self.documents.get(f"print_jobs/{job_id}")
        assert document is not None
        return Job.of(document)

    def at(self, printer_id: str) -> Printer:
        """The printer as it is stored."""
        document = self.documents.get(f"printers/{printer_id}")
        assert document is not None
        return Printer.of(document)

    def starts(self, printer_id: str | None = None) -> list[Command]:
        """Every start that was ever ordered, the oldest first."""
        where = [Where("organizationId", "==", self.organization)]
        found = map(Command.of, self.documents.query(Query("printer_commands", where)))
        mine = [each for each in found if each.type == "start_print" and printer_id in (None, each.printer_id)]
        return sorted(mine, key=lambda each: (each.created_at, str(each.job_id)))

    def take(self, command_id: str) -> None:
        """The agent claims a start and carries it out: the job is being prepared."""
        claiming.claim(self.context(), self.site, command_id, HOLDER, None)
        self.ends(command_id, CommandStatus.COMPLETED)

    def refuse(self, command_id: str) -> None:
        """The agent claims a start and does not carry it out."""
        claiming.claim(self.context(), self.site, command_id, HOLDER, None)
        self.ends(command_id, CommandStatus.FAILED)

    def ends(self, command_id: str, status: CommandStatus) -> None:
        """The agent reports a command's end."""
        execution.report(self.context(), self.site, command_id, Result(status, holder=HOLDER, fence=1))

    def happens(
        self, job_id: str, event_type: str, *, serial: str | None = None, command_id: str | None = None
    ) -> None:
        """The site's client tells of a job; unless it is said, of the start and the printer that the job has now."""
        job = self.job(job_id)
        told = Happening(
            recipient_id=self.site,
            client_id=new_id(),
            printer_serial=serial or job.printer_serial,
            printer_ip_address=None,
            command_id=command_id or (None if serial else job.command_id),
            event_type=event_type,
            event_status="info",
            print_job_id=job_id,
            error_data=None,
            status_data=None,
            message=None,
            occurred_at=self.now,
        )
        events.report(self.context(), told, NO_KEY)

    def clear(self, printer_id: str) -> None:
        """A person takes the print off the plate; the printer is idle."""
        self.later(seconds=1)
        self.reports(printer_id, "idle")
        self.clear_plate(printer_id)

    def clear_plate(self, printer_id: str) -> None:
        """A person takes the print off the plate."""
        cleared = {"plateCleared": True, "plateClearedAt": self.now}
        self.documents.commit(Update(f"printers/{printer_id}", cleared))

    def start(self, printer_id: str, file_name: str = "own.3mf") -> str:
        """Somebody starts a file that the printer has; the command's id."""
        order = parse_order("start_print", {"fileName": file_name}, ())
        return commands.queue(self.context(), self.site, Target(printer_id=printer_id), order, None, NO_KEY).command_id

    def cancel(self, job_id: str) -> None:
        """Somebody cancels a job."""
        cancellation.cancel(self.context(), job_id, None, NO_KEY)

    def use(self, printer_id: str, active: bool) -> None:
        """A printer is taken out of use, or into use again."""
        self.documents.commit(Update(f"printers/{printer_id}", {"active": active}))

    def stops(self) -> list[Command]:
        """The stops that wait for the agent."""
        where = [Where("organizationId", "==", self.organization), Where("type", "==", "stop")]
        found = map(Command.of, self.documents.query(Query("printer_commands", where)))
        return [each for each in found if each.status == CommandStatus.PENDING]

    def reasons(self, job_id: str) -> dict[str, list[str]]:
        """Why the job waits, by printer."""
        verdicts = dispatch.verdicts(self.context(), self.job(job_id))
        return {each.printer.printer_id: [reason.text for reason in each.reasons] for each in verdicts}

    def plate_of(self, job: Job) -> Plate:
        """What the job's next run prints."""
        document = self.documents.get(f"files/{job.file_id}")
        assert document is not None
        file = StoredPrintFile.of(document)
        return next(each for each in file.plates if each.index == dispatch.plate_of(job, file))

    @property
    def recipient(self) -> Recipient:
        """The site."""
        return Recipient(self.site, self.organization, "agent")
