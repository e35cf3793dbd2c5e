"""What an executor is handed."""

from dataclasses import dataclass

from printpipe.domain.job_records import Job
from printpipe.domain.printer_records import Printer
from printpipe.domain.records import Command, Lease
from printpipe.services.files.files import FileTicket


@dataclass(frozen=True)
class Print:
    """What a start prints: the job and the printer, where they are known, and the file, with a link to its bytes."""

    file: FileTicket
    link: str | None
    job: Job | None
    printer: Printer | None


@dataclass(frozen=True)
class Claimed:
    """A command that was handed out, with the lease under which it may be executed, and its file where it has one.

    `begins` is the whole print, of a start whose file is one of ours.
    """

    command: Command
    lease: Lease
    file: FileTicket | None
    begins: Print | None = None
