"""Starting a print: fetch, upload, and one start request in the life of a command, never a second.

What makes the start recognisable is its marker, the subtask's name, which no other start shares. After a crash in
the one moment that leaves it open whether the request went out, the printer is asked; where it cannot tell, a person
has to look, because a second request could print on top of the first.
"""

import hashlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.command import Command, Outcome, completed, failed, unknown
from edge_agent.config import Timing
from edge_agent.drivers.bambu.acks import DEVELOPER_MODE_ADVICE
from edge_agent.drivers.bambu.commands import Request, StartOptions, start_3mf, start_gcode, start_options
from edge_agent.drivers.bambu.contact import SLICE_SECONDS, Contact
from edge_agent.drivers.bambu.desk import JobDesk
from edge_agent.drivers.bambu.filaments import EXTERNAL, EXTERNAL_NAMES, Filament, slot_name
from edge_agent.drivers.bambu.ftps import size_on_printer
from edge_agent.drivers.bambu.hms import START_ERRORS, error_text
from edge_agent.drivers.bambu.identity import Target
from edge_agent.drivers.bambu.link import Ticket
from edge_agent.drivers.bambu.sent import Sent, send
from edge_agent.drivers.bambu.session import NotConnected, Session
from edge_agent.drivers.bambu.stops import CANCELLED
from edge_agent.drivers.bambu.storage import BambuStorage
from edge_agent.drivers.base import StorageFailed
from edge_agent.execution import Refused, Run
from edge_agent.files import LocalFile
from edge_agent.jobs import LIVE, SENT_PHASES, Job, Phase
from edge_agent.steps import Step
from edge_agent.timestamps import Clock

UPLOAD_ATTEMPTS = 3
TITLE_LIMIT = 40
LARGEST_ID = 2**31 - 1
"""Larger ids break P1S firmware."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What one start is known by on the printer: the same whenever it is derived from the same command."""

    marker: str
    subtask_id: str
    extension: str

    @property
    def file_name(self) -> str:
        """The file's name on the printer."""
        return self.marker + self.extension


def identity(command: Command, options: StartOptions) -> Identity:
    """The start's identity; raises Refused for a file the printer cannot print."""
    name = options.file_name.lower()
    extension = ".gcode.3mf" if name.endswith(".3mf") else ".gcode" if name.endswith(".gcode") else None
    if extension is None:
        raise Refused("the printer prints .3mf and .gcode files only")
    digest = hashlib.sha256(command.command_id.encode()).digest()
    stem = re.sub(r"(\.gcode)?(\.3mf)?$", "", options.file_name, flags=re.IGNORECASE)
    title = re.sub(r"[^A-Za-z0-9-]+", "_", stem).strip("_")[:TITLE_LIMIT] or "print"
    subtask_id = int.from_bytes(digest[4:8]) % (LARGEST_ID - 1) + 1
    return Identity(f"{title}_{digest.hex()[:8]}", str(subtask_id), extension)


def filament_fault(options: StartOptions, loaded: Sequence[Filament] | None) -> str | None:
    """Why the start must not be sent, as the printer is loaded now; None where nothing speaks against it.

    Without expectations only emptiness can be seen, and of the external spool, which need not be declared, nothing.
    """
    if loaded is None:
        return "the printer does not say which filaments are loaded" if options.expected_filaments else None
    by_slot = {filament.slot: filament for filament in loaded}
    for slot in sorted(options.slots):
        if slot not in by_slot:
            return f"{slot_name(slot)} is empty"
    for expected in options.expected_filaments:
        name = slot_name(expected.slot)
        there = by_slot.get(EXTERNAL if expected.slot in EXTERNAL_NAMES else expected.slot)
        if there is None:
            return f"{name} is empty; the print needs {expected.kind}"
        if there.kind.casefold() != expected.kind.strip().casefold():
            return f"{name} holds {there.kind}; the print needs {expected.kind}"
        if expected.color is not None and there.color != expected.color:
            return f"{name} holds {there.kind} in {there.color or 'no known colour'}; the print needs {expected.color}"
    return None


class Starts:
    """Carries out start_print on one printer."""

    def __init__(
        self,
        printer: Target,
        storage: BambuStorage,
        session: Session,
        contact: Contact,
        desk: JobDesk,
        timing: Timing,
        clock: Clock,
    ) -> None:
        self._printer = printer
        self._storage = storage
        self._session = session
        self._contact = contact
        self._desk = desk
        self._timing = timing
        self._clock = clock

    def perform(self, run: Run) -> Outcome:
        """The start's outcome: completed when the printer reports the job."""
        options = start_options(run.command)
        who = identity(run.command, options)
        if run.may_have_been_sent and self._desk.known(who.marker) is not None:
            return self._find_out(run, who)
        run.resume_before_publish()
        try:
            with self._desk.gate:
                self._desk.ongoing = run
            request = self._prepare(run, options, who)
            run.intend()
            ticket, error_before = self._send(run, options, request, who)
        finally:
            with self._desk.gate:
                self._desk.ongoing = None
        outcome = self._watch(run, ticket, who, error_before)
        self._session.done(ticket)
        return outcome

    def _prepare(self, run: Run, options: StartOptions, who: Identity) -> Request:
        """Everything that has no effect: the printer is free, the file is good and on the printer."""
        self._contact.fresh(run, self._timing.printer_wait)
        run.authorise()
        self._await_end_of_last(run)
        self._refuse_if_busy(run)
        self._refuse_wrong_filament(options)
        local, _ = run.file()
        if who.extension == ".gcode":
            if options.slots:
                raise Refused("a plain G-code file takes no AMS mapping; send the sliced .3mf")
            request = start_gcode(who.file_name)
        else:
            _require_plate(local, options.plate_file)
            request = start_3mf(options, who.file_name, who.marker, who.subtask_id, local.md5)
        self._bring(run, local, who.file_name)
        return request

    def _await_end_of_last(self, run: Run) -> None:
        """What ended the last job shows a little after its end; until then it is not forgotten for the next one."""
        deadline = self._clock.monotonic() + 2 * self._timing.late_window
        while self._desk.ending(self._session.picture) and self._clock.monotonic() < deadline:
            run.check()
            self._session.wait(lambda: not self._desk.ending(self._session.picture), SLICE_SECONDS)

    def _refuse_if_busy(self, run: Run) -> None:
        picture, job = self._session.picture, self._desk.live_job
        wanted = run.command.print_job_id
        pending = job is not None and (job.phase is Phase.ACTIVE or self._desk.starting())
        if job is not None and pending and wanted is not None and job.print_job_id == wanted:
            raise Refused("this job was sent to the printer before")
        if picture.active:
            raise Refused(f"the printer is busy: {picture.state} {picture.subtask_name or picture.gcode_file}".rstrip())
        if self._desk.starting():
            raise Refused("the printer is busy: another start was sent a moment ago")

    def _refuse_wrong_filament(self, options: StartOptions) -> None:
        fault = filament_fault(options, self._session.picture.filaments)
        if fault is not None:
            raise Refused(fault)

    def _bring(self, run: Run, local: LocalFile, name: str) -> None:
        """Upload the file, unless an earlier run did and it is still whole."""
        try:
            if run.progress.get("uploaded") == name and size_on_printer(self._printer, name) == local.size:
                run.reach(Step.UPLOADED)
                return
        except (OSError, StorageFailed):
            run.check()
        for attempt in range(1, UPLOAD_ATTEMPTS + 1):
            run.authorise()
            run.reach(Step.UPLOADING)
            try:
                self._storage.send_first(local.path, name, lambda _sent: run.check())
                break
            except (OSError, StorageFailed) as error:
                if attempt == UPLOAD_ATTEMPTS or isinstance(error, StorageFailed):
                    raise Refused(f"the upload to the printer failed: {error}") from None
                self._contact.fresh(run, self._timing.printer_wait)
        run.note(uploaded=name)
        run.reach(Step.UPLOADED, size=local.size)

    def _send(self, run: Run, options: StartOptions, request: Request, who: Identity) -> tuple[Ticket, int]:
        """Send the request, once. Only a send that provably did not happen is tried again."""
        while True:
            self._contact.fresh(run, self._timing.printer_wait)
            self._await_end_of_last(run)
            with self._desk.gate:
                self._refuse_if_busy(run)
                self._refuse_wrong_filament(options)
                run.publishing()
                command, picture = run.command, self._session.picture
                self._desk.begin(
                    Job(
                        marker=who.marker,
                        subtask_id=who.subtask_id,
                        printer=self._printer.serial,
                        command_id=command.command_id,
                        print_job_id=command.print_job_id,
                        file_name=options.file_name,
                        published_at=self._desk.now(),
                        layer_before=picture.layer,
                    )
                )
                try:
                    ticket = send(run, self._session, request)
                except NotConnected:
                    self._desk.refuse()
                    run.not_sent()
                    continue
                self._desk.ongoing = None
                return ticket, picture.print_error

    def _watch(self, run: Run, ticket: Ticket, who: Identity, error_before: int) -> Outcome:
        """Wait until the printer reports the job. From here on nothing is ever sent again."""
        deadline = self._clock.monotonic() + self._timing.start_timeout
        sent = Sent(run, ticket, self._clock)
        while self._clock.monotonic() < deadline:
            refusal = sent.note()
            if refusal is not None:
                self._desk.refuse()
                return failed(refusal)
            if ticket.ack is not None and ticket.ack.accepted:
                self._desk.accept()
            outcome = self._shown(run, who) or self._start_error(error_before)
            if outcome is not None:
                return outcome
            self._session.wait(lambda: sent.has_news or self._is_news_of(who), SLICE_SECONDS)
        if not sent.accepted and self._session.picture.refuses_unsigned:
            self._desk.refuse()
            return failed(DEVELOPER_MODE_ADVICE)
        return unknown(
            f"the start was sent, but the printer has not shown the job in {self._timing.start_timeout:.0f} s;"
            " look at the printer"
        )

    def _shown(self, run: Run, who: Identity) -> Outcome | None:
        """The outcome once the printer has shown the job, or a stop has ended it before that."""
        job = self._desk.known(who.marker)
        if job is None or job.phase in SENT_PHASES:
            return None
        if job.phase is Phase.REFUSED:
            return failed("the printer did not take the job")
        if job.phase not in LIVE and not job.started_reported:
            return failed(CANCELLED if job.stop_command_id is not None else "the print did not begin")
        run.reach(Step.EFFECT_SEEN)
        return completed("the printer has the job")

    def _start_error(self, error_before: int) -> Outcome | None:
        picture = self._session.picture
        reason = START_ERRORS.get(picture.print_error)
        if reason is None or picture.print_error == error_before or picture.active:
            return None
        self._desk.refuse()
        return failed(f"the print did not start: {reason} ({error_text(picture.print_error)})")

    def _find_out(self, run: Run, who: Identity) -> Outcome:
        """An earlier run may have sent the start: let the printer say, and never send it again."""
        early = self._shown(run, who)
        if early is not None:
            return early
        reachable = self._wait_ready(run)
        if reachable:
            self._contact.read_back()
        deadline = self._clock.monotonic() + self._settling(who)
        while reachable and self._clock.monotonic() < deadline:
            run.check_halted()
            outcome = self._shown(run, who)
            if outcome is not None:
                return outcome
            self._session.wait(lambda: self._is_news_of(who), SLICE_SECONDS)
        return self._shown(run, who) or unknown(
            "the agent was interrupted while it sent the start, and the printer does not show the job:"
            " could not confirm whether it will print; look at the printer"
        )

    def _wait_ready(self, run: Run) -> bool:
        deadline = self._clock.monotonic() + self._timing.printer_wait
        while not self._session.wait(lambda: self._session.ready, SLICE_SECONDS):
            run.check_halted()
            if self._clock.monotonic() >= deadline:
                return False
        return True

    def _settling(self, who: Identity) -> float:
        """Seconds until a job that was sent would have shown itself, counted from the send and from now."""
        job = self._desk.known(who.marker)
        age = 0.0 if job is None else (self._desk.now() - job.published_at).total_seconds()
        return self._timing.late_window + min(max(self._timing.late_window - age, 0.0), self._timing.late_window)

    def _is_news_of(self, who: Identity) -> bool:
        job = self._desk.known(who.marker)
        return job is not None and job.phase not in SENT_PHASES


def _require_plate(local: LocalFile, plate_file: str) -> None:
    try:
        with zipfile.ZipFile(local.path) as archive:
            archive.getinfo(plate_file)
    except KeyError:
        raise Refused(f"the file has no {plate_file}: it is not sliced, or has no such plate") from None
    except (zipfile.BadZipFile, OSError):
        raise Refused("the file is not a 3MF") from None
