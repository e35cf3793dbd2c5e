"""What PrusaLink is asked to do to a print. A job is stopped by its number alone, so that no stop hits another one.

A start is answered only after it took effect (protocol notes, section G).
"""

from collections.abc import Callable
from pathlib import Path

from edge_agent.drivers.polled.device import Reply, Sending
from edge_agent.drivers.prusalink.line import Broken, KeyRefused, Line, NotReachable
from edge_agent.drivers.prusalink.session import JOB
from edge_agent.drivers.prusalink.storage import FILES, UPLOADS, PrusaStorage


class Requests:
    """The requests that have an effect on what is printed."""

    brand = "PrusaLink"
    extensions = (".gcode", ".bgcode", ".gco")

    def __init__(self, line: Line, storage: PrusaStorage | None = None) -> None:
        """Without `storage` nothing can be uploaded."""
        self._line = line
        self._storage = storage

    def size_of(self, name: str) -> int:
        """The bytes of an uploaded file. Raises StorageFailed."""
        return self._files().find(f"{UPLOADS}/{name}").size

    def upload(self, source: Path, name: str, check: Callable[[], None]) -> None:
        """Write a start's file, before any other. Raises StorageFailed, LineBroken."""
        self._files().send_first(source, name, lambda _sent: check())

    def start(self, name: str) -> Reply:
        """Print an uploaded file."""
        return self._ask("POST", f"{FILES}{UPLOADS}/{name}")

    def stop(self, job: str) -> Reply:
        """End the job of this number."""
        return self._ask("DELETE", f"{JOB}/{job}")

    def pause(self, job: str) -> Reply:
        """Pause the job of this number."""
        return self._ask("PUT", f"{JOB}/{job}/pause")

    def resume(self, job: str) -> Reply:
        """Resume the job of this number."""
        return self._ask("PUT", f"{JOB}/{job}/resume")

    def _files(self) -> PrusaStorage:
        if self._storage is None:
            raise LookupError("there is no storage to upload to")
        return self._storage

    def _ask(self, method: str, path: str) -> Reply:
        try:
            answer = self._line.ask(method, path)
        except NotReachable as error:
            return Reply(Sending.NOT_SENT, str(error))
        except KeyRefused as error:
            return Reply(Sending.SHUT_OUT, str(error))
        except Broken as error:
            return Reply(Sending.UNANSWERED, str(error))
        if answer.is_good:
            return Reply(Sending.TAKEN)
        return Reply(Sending.UNCLEAR if answer.status >= 500 else Sending.REFUSED, answer.complaint)
