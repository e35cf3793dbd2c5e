"""A copy's way into the cloud: to a signed address, and then the cloud looks at what it has."""

import json
from pathlib import Path

from edge_agent.cloud import CloudFailed, CloudRefused, CloudUnavailable
from edge_agent.execution import Rooms, Run
from edge_agent.logs import log
from edge_agent.storage.copying import Copied
from edge_agent.storage.failures import Cancelled, TransferFailed
from edge_agent.storage.progress import CLAIMED, ENDED, Progress

UPLOADS = 10
"""How often the bytes are sent before the transfer fails; a cloud that does not answer at all is waited for."""
FAILURES = 20
"""How often the cloud may say that it has failed itself: it may never digest this file."""
VERDICTS = 3
"""How often the cloud may find that it holds something else."""
CONTENT_TYPES = {".3mf": "model/3mf"}


class Delivery:
    """One copy's delivery, for one transfer."""

    def __init__(self, run: Run, rooms: Rooms, transfer_id: str, progress: Progress) -> None:
        self._run = run
        self._rooms = rooms
        self._transfer = transfer_id
        self._progress = progress
        self._failures = 0

    def deliver(self, copy: Copied, source: Path, name: str) -> None:
        """Return when the cloud has the file. Raises TransferFailed, Cancelled, and what ends the run."""
        verdicts = 0
        while True:
            self._progress.uploading()
            self._upload(copy, source, name)
            self._run.note(uploaded=json.dumps([copy.size, copy.sha256, copy.md5]))
            refusal = self._refusal(copy)
            if refusal is None:
                return
            verdicts += 1
            if verdicts == VERDICTS:
                raise TransferFailed("cloud", f"the cloud did not take the file: {refusal}")
            log("upload_refused", "WARNING", commandId=self._run.command.command_id, reason=refusal)
            self._run.pause(verdicts)

    def delivered_before(self) -> Copied | None:
        """The copy that an earlier run of the agent delivered before it was interrupted, if the cloud has it."""
        noted = self._run.progress.get("uploaded")
        copy = None if noted is None else Copied(*json.loads(noted))
        return copy if copy is not None and self._refusal(copy) is None else None

    def _refusal(self, copy: Copied) -> str | None:
        """Let the cloud look at what it has, patiently: None where that is the file, or else what is wrong."""
        unanswered = 0
        while True:
            self._run.authorise()
            try:
                self._progress.done(copy.size, copy.sha256, copy.md5)
                return None
            except CloudRefused as error:
                return str(error)
            except CloudUnavailable as error:
                unanswered += 1
                self._wait(unanswered, error)

    def _upload(self, copy: Copied, source: Path, name: str) -> None:
        failures = unanswered = 0
        while True:
            self._run.authorise()
            fence = self._run.fence
            body = self._body(copy, name, fence)
            try:
                target = self._rooms.cloud.transfer_url(self._transfer, body, self._request_id)
            except CloudRefused as error:
                if error.detail == CLAIMED and self._run.is_renumbered(fence):
                    continue
                if error.status in ENDED:
                    raise Cancelled from None
                raise TransferFailed("cloud", f"the cloud does not take the file: {error}") from None
            except CloudUnavailable as error:
                unanswered += 1
                self._wait(unanswered, error)
                continue
            try:
                self._rooms.cloud.put(target, source, self._run.authorise)
                return
            except CloudUnavailable as error:
                failures += 1
                if failures == UPLOADS:
                    raise TransferFailed("cloud", f"the file could not be sent to the cloud: {error}") from None
                self._wait(failures, error)

    def _wait(self, attempt: int, error: CloudUnavailable) -> None:
        self._failures += isinstance(error, CloudFailed)
        if self._failures == FAILURES:
            raise TransferFailed("cloud", f"the cloud cannot take the file: {error}")
        if attempt == 1:
            log("upload_waits", "WARNING", commandId=self._run.command.command_id, reason=str(error))
        self._run.pause(attempt)

    @property
    def _request_id(self) -> str:
        return self._run.command.request_id

    def _body(self, copy: Copied, name: str, fence: int | None) -> dict[str, object]:
        suffix = Path(name).suffix.lower()
        return {
            "commandId": self._run.command.command_id,
            "fence": fence,
            "size": copy.size,
            "sha256": copy.sha256,
            "md5": copy.md5,
            "contentType": CONTENT_TYPES.get(suffix, "application/octet-stream"),
        }
