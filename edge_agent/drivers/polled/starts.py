"""Starting a print: fetch, upload, and one start request in the life of a command, never a second.

What makes the start recognisable is its file's name on the printer, which no other start shares. Where the answer is
lost the printer is asked, and where it cannot tell, a person has to look, because a second request could print once
more.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from edge_agent.command import Command, Outcome, completed, failed, unknown
from edge_agent.drivers.base import LineBroken, StorageFailed
from edge_agent.drivers.polled.device import Reply, Sending
from edge_agent.drivers.polled.looks import AT_REST, Look
from edge_agent.drivers.polled.stops import CANCELLED
from edge_agent.drivers.polled.workplace import Workplace
from edge_agent.execution import Refused, Run
from edge_agent.files import LocalFile
from edge_agent.jobs import LIVE, SENT_PHASES, Job, Phase
from edge_agent.steps import Step

UPLOAD_ATTEMPTS = 3
TITLE_LIMIT = 40
EXTERNAL_SLOTS = frozenset({254, 255})
"""Slots of an AMS mapping that are no AMS's."""


def file_on_printer(command: Command, extensions: tuple[str, ...]) -> str:
    """The file's name on the printer: the same whenever it is derived from the same command.

    Raises Refused for what the printer cannot print.
    """
    name = str(command.metadata.get("fileName") or "")
    extension = next((each for each in extensions if name.lower().endswith(each)), None)
    if extension is None:
        raise Refused(f"this printer prints {' and '.join(extensions[:2])} files only, sliced for it")
    digest = hashlib.sha256(command.command_id.encode()).hexdigest()
    title = re.sub(r"[^A-Za-z0-9-]+", "_", name[: -len(extension)]).strip("_")[:TITLE_LIMIT] or "print"
    return f"{title}_{digest[:8]}{extension}"


def require_plain(metadata: Mapping[str, Any]) -> None:
    """Raise Refused for wishes about filaments, of which a polled printer knows nothing."""
    mapping = metadata.get("amsMapping")
    slots = [each for each in mapping if type(each) is int and each >= 0] if isinstance(mapping, list) else []
    if metadata.get("useAms") or set(slots) - EXTERNAL_SLOTS:
        raise Refused("this printer has no AMS")
    if metadata.get("expectedFilaments"):
        raise Refused("the printer does not say which filaments are loaded")


class Starts:
    """Carries out start_print on one printer."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace

    def perform(self, run: Run) -> Outcome:
        """The start's outcome: completed when the printer shows the job."""
        name = file_on_printer(run.command, self._at.device.extensions)
        if run.may_have_been_sent and self._at.desk.known(name) is not None:
            return self._find_out(run, name)
        run.resume_before_publish()
        require_plain(run.command.metadata)
        try:
            with self._at.desk.gate:
                self._at.desk.ongoing = run
            self._prepare(run, name)
            run.intend()
            return self._send(run, name) or self._watch(run, name)
        finally:
            with self._at.desk.gate:
                self._at.desk.ongoing = None

    def _prepare(self, run: Run, name: str) -> None:
        """Everything that has no effect: the printer is free, the file is good and on the printer."""
        self._refuse_if_busy(run, self._rested(run))
        local, _ = run.file()
        self._bring(run, local, name)

    def _rested(self, run: Run) -> Look:
        """The printer, once it is known how its last job ended, so that this is not forgotten for the next one."""
        deadline = self._at.clock.monotonic() + 2 * self._at.timing.late_window
        while True:
            seen = self._at.contact.fresh(run, self._at.timing.printer_wait)
            if not self._at.desk.ending(seen) or self._at.clock.monotonic() >= deadline:
                return seen
            self._at.session.rest()

    def _refuse_if_busy(self, run: Run, seen: Look) -> None:
        job, wanted = self._at.desk.live_job, run.command.print_job_id
        pending = job is not None and (job.phase is Phase.ACTIVE or self._at.desk.starting())
        if job is not None and pending and wanted is not None and job.print_job_id == wanted:
            raise Refused("this job was sent to the printer before")
        if seen.has_job:
            raise Refused(f"the printer is busy: {seen.normal_state} {seen.file}".rstrip())
        if self._at.desk.starting():
            raise Refused("the printer is busy: another start was sent a moment ago")
        if seen.state not in AT_REST:
            raise Refused(f"the printer cannot print now: it is {seen.state}; look at its screen")

    def _bring(self, run: Run, local: LocalFile, name: str) -> None:
        """Upload the file, unless an earlier run did and it is still whole."""
        try:
            if run.progress.get("uploaded") == name and self._at.device.size_of(name) == local.size:
                run.reach(Step.UPLOADED)
                return
        except StorageFailed:
            run.check()
        for attempt in range(1, UPLOAD_ATTEMPTS + 1):
            run.authorise()
            run.reach(Step.UPLOADING)
            try:
                self._at.device.upload(local.path, name, run.check)
                break
            except StorageFailed as error:
                if attempt == UPLOAD_ATTEMPTS or not isinstance(error, LineBroken):
                    raise Refused(f"the upload to the printer failed: {error}") from None
                self._at.session.rest()
                self._at.contact.fresh(run, self._at.timing.printer_wait)
        run.note(uploaded=name)
        run.reach(Step.UPLOADED, size=local.size)

    def _send(self, run: Run, name: str) -> Outcome | None:
        """Send the request, once; None when the job may be there. Only what provably was not sent is tried again."""
        while True:
            seen = self._rested(run)
            with self._at.desk.gate:
                self._refuse_if_busy(run, seen)
                waits = self._at.desk.stopping
                if not waits:
                    run.publishing()
                    self._begin(run, name)
            if waits:
                self._at.session.rest()
                continue
            try:
                run.reach(Step.SENDING)
                reply = self._at.device.start(name)
                if reply.is_undone:
                    with self._at.desk.gate:
                        self._at.desk.refuse()
                        run.not_sent()
                        self._at.desk.ongoing = run
                    if reply.sending is Sending.SHUT_OUT:
                        raise Refused(reply.message)
                    self._at.session.rest()
                    continue
            finally:
                self._at.desk.in_flight = False
            run.reach(Step.HANDED_OVER)
            return self._answered(run, reply) if reply.is_answered else None

    def _begin(self, run: Run, name: str) -> None:
        """The job, on disk; with the gate held."""
        command = run.command
        self._at.desk.begin(
            Job(
                marker=name,
                printer=self._at.session.serial,
                command_id=command.command_id,
                print_job_id=command.print_job_id,
                file_name=str(command.metadata.get("fileName") or ""),
                published_at=self._at.desk.now(),
            )
        )
        self._at.desk.ongoing = None
        self._at.desk.in_flight = True

    def _answered(self, run: Run, reply: Reply) -> Outcome | None:
        run.published()
        if reply.is_taken:
            run.reach(Step.ACKNOWLEDGED)
            run.check_halted()  # the printer's next driver may have the job on its own desk by now
            self._at.desk.accept()
            return None
        if reply.sending is Sending.UNCLEAR:
            return None
        self._at.desk.refuse()
        return failed(f"the printer did not take the start: {reply.message}; look at its screen")

    def _watch(self, run: Run, name: str) -> Outcome:
        """Wait until the printer shows the job. From here on nothing is ever sent again."""
        deadline = self._at.clock.monotonic() + self._at.timing.start_timeout
        while self._at.clock.monotonic() < deadline:
            run.check_halted()
            self._at.session.look()
            outcome = self._shown(run, name)
            if outcome is not None:
                return outcome
            self._at.session.rest()
        return unknown(
            f"the start was sent, but the printer has not shown the job in {self._at.timing.start_timeout:.0f} s;"
            " look at the printer"
        )

    def _shown(self, run: Run, name: str) -> Outcome | None:
        """The outcome once the printer has shown the job, or a stop has ended it before that."""
        job = self._at.desk.known(name)
        if job is None or job.phase in SENT_PHASES:
            return None
        if job.phase is Phase.REFUSED:
            return failed("the printer did not take the job")
        if job.phase not in LIVE and not job.started_reported:
            return failed(CANCELLED if job.stop_command_id is not None else "the print did not begin")
        run.reach(Step.EFFECT_SEEN)
        return completed("the printer has the job")

    def _find_out(self, run: Run, name: str) -> Outcome:
        """An earlier run may have sent the start: let the printer say, and never send it again."""
        early = self._shown(run, name)
        if early is not None:
            return early
        try:
            self._at.contact.fresh(run, self._at.timing.printer_wait)
        except Refused:
            return self._open()
        job = self._at.desk.known(name)
        deadline = self._at.clock.monotonic() + self._at.timing.late_window
        while (job is not None and not self._at.desk.is_late(job)) or self._at.clock.monotonic() < deadline:
            run.check_halted()
            outcome = self._shown(run, name)
            if outcome is not None:
                return outcome
            self._at.session.rest()
            self._at.session.look()
        return self._shown(run, name) or self._open()

    def _open(self) -> Outcome:
        return unknown(
            "the agent was interrupted while it sent the start, and the printer does not show the job:"
            " could not confirm whether it will print; look at the printer"
        )
