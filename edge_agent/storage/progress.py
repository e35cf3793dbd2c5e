"""Tells the cloud how far a transfer is, at most once a second; learns that it is not wanted any more."""

from edge_agent.cloud import CloudRefused, CloudUnavailable
from edge_agent.execution import Rooms, Run
from edge_agent.logs import log
from edge_agent.storage.failures import Cancelled

INTERVAL_SECONDS = 1.0
ANSWER_SECONDS = 5.0
UNANSWERED_SECONDS = 10.0
"""How long a transfer goes on in silence after a report that had no answer."""
VERDICT_SECONDS = 120.0
"""How long the cloud may look at a whole file."""
COMPLETED = "completed"
"""What the cloud says of a transfer that it has completed; an answer to that may have been lost."""
CLAIMED = "claimed"
"""What the cloud says where it knows the command under another lease."""
ENDED = frozenset({404, 409})
"""The transfer is not this command's any more."""


class Progress:
    """The reports of one run. An attempt is a copy from the first byte on; within one, the bytes never become fewer.

    The number of the attempt outlives the agent: one that was killed begins its next.
    """

    def __init__(self, run: Run, rooms: Rooms, transfer_id: str) -> None:
        self._run = run
        self._rooms = rooms
        self._transfer = transfer_id
        self._attempt = int(run.progress.get("attempt", "0"))
        self._bytes = 0
        self._total: int | None = None
        self._not_before = float("-inf")

    def begin(self, total: int | None) -> None:
        """The next attempt begins at its first byte; `total` is the size in bytes, where it is known."""
        self._attempt += 1
        self._bytes, self._total = 0, total
        self._run.note(attempt=str(self._attempt))
        self._tell()

    def moved(self, bytes_done: int) -> None:
        """So many bytes of this attempt have come or gone. Raises Cancelled."""
        self._bytes = max(self._bytes, bytes_done)
        if self._rooms.clock.monotonic() >= self._not_before:
            self._tell()

    def uploading(self) -> None:
        """The copy is whole and on its way into the cloud. Raises Cancelled."""
        self._tell("uploading")

    def done(self, size: int, sha256: str, md5: str) -> None:
        """The file is in the cloud. Raises CloudRefused with the reason where it is not, CloudUnavailable."""
        self._bytes = self._total = size
        fence = self._run.fence
        body = {**self._body("done", fence), "size": size, "sha256": sha256, "md5": md5}
        cloud, request_id = self._rooms.cloud, self._run.command.request_id
        try:
            cloud.transfer_progress(self._transfer, body, request_id, VERDICT_SECONDS)
        except CloudRefused as error:
            if error.detail == CLAIMED and self._run.is_renumbered(fence):
                self.done(size, sha256, md5)
            elif error.detail != COMPLETED:
                raise

    def _tell(self, state: str = "copying") -> None:
        cloud, request_id = self._rooms.cloud, self._run.command.request_id
        rest, fence = INTERVAL_SECONDS, self._run.fence
        try:
            answer = cloud.transfer_progress(self._transfer, self._body(state, fence), request_id, ANSWER_SECONDS)
        except CloudUnavailable:
            rest = UNANSWERED_SECONDS
        except CloudRefused as error:
            if error.detail == CLAIMED and self._run.is_renumbered(fence):
                self._tell(state)
                return
            if error.status in ENDED:
                raise Cancelled from None
            log("progress_refused", "WARNING", commandId=self._run.command.command_id, reason=str(error))
            rest = UNANSWERED_SECONDS
        else:
            if answer.cancelled:
                raise Cancelled
        self._not_before = self._rooms.clock.monotonic() + rest

    def _body(self, state: str, fence: int | None) -> dict[str, object]:
        return {
            "commandId": self._run.command.command_id,
            "fence": fence,
            "attempt": self._attempt,
            "bytes": self._bytes,
            "total": self._total,
            "state": state,
        }
