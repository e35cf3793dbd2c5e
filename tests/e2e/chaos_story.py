"""What happens at a busy site, told over HTTP, and what is stored of it in the end, but for what is there by chance."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from local.sample_print import make_3mf
from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.documents import Document, Query, Where
from printpipe.domain.ports.platform import Platform
from tests.counts import count
from tests.e2e.stack import until
from tools.bootstrap import OrganizationKey, Wishes, bootstrap
from tools.bootstrap import Site as NewSite

PRINTERS = count(500, quick=6)
"""As many as jobs: a printer takes one after the other."""

THREADS = 8
LONGEST_PRINT = timedelta(seconds=count(60, quick=3))
PATIENCE = 180.0
"""Seconds that a call is repeated, in which its function is killed, paused and made to fail."""

OUTCOMES = ("completed", "completed", "completed", "failed", "cancelled")
HMS = ("0300_0300_0002_0003", "0C00_0100_0001_0001")
BOX = make_3mf("box", layers=3, seconds=60)
_GENERATED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}")


@dataclass(frozen=True)
class Told:
    """How much happens."""

    jobs: int
    commands: int


class Workshop:
    """An organization with one polling client and its printers; its calls are repeated until they are answered."""

    def __init__(self, base_url: str, operator_key: str, platform: Platform, name: str) -> None:
        self.name, self._url, self._platform = name, base_url, platform
        wishes = Wishes(name, None, [NewSite("hall")], [OrganizationKey("owner", "admin")])
        made = bootstrap(base_url, operator_key, wishes)
        self.organization = made.organization_id
        self.recipient = str(made.recipients["hall"]["recipientId"])
        self._client, self._owner = str(made.recipients["hall"]["key"]), str(made.keys["owner"])
        self.jobs: dict[str, str] = {}
        self.commands: dict[str, str] = {}
        self.printers: dict[str, str] = {}

    def open(self, mail: Iterable[str]) -> None:
        """Enters the printers, and a channel for each e-mail address."""
        for number in range(PRINTERS):
            body = {"name": f"Printer {number}", "type": "bambu_lab", "access_code": "12345678"}
            body |= {"serial_number": self.serial(number), "ip_address": f"10.0.{number // 250}.{number % 250 + 1}"}
            made = self._post(self._owner, "/api/v1/printers", body, f"printer-{number}")
            self.printers[str(made["id"])] = self.serial(number)
        for address in mail:
            channel = {"name": address, "kind": "email", "address": address, "picture": False}
            self._post(self._owner, "/api/v1/notifications", channel, f"channel-{address}")

    def serial(self, number: int) -> str:
        """The number-th printer's."""
        return f"01P00A{number % PRINTERS:09d}"

    def live(self, told: Told) -> None:
        """Everything happens, at several printers at once.

        What is told of a print is timed from when it was ordered, so that it takes equally long each time.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            for number, job in enumerate(threads.map(self._order, range(told.jobs))):
                self.jobs[job] = f"P-{number}"
            ordered = {self.jobs[each.id]: each.data["runs"][-1]["orderedAt"] for each in self._documents("print_jobs")}
            until(lambda: datetime.now(UTC) > max(ordered.values()) + LONGEST_PRINT, "it is time", PATIENCE)
            prints = [threads.submit(self._print, job, name, ordered[name]) for job, name in self.jobs.items()]
            list(threads.map(self._command, range(told.commands)))
            for each in prints:
                each.result()

    def _order(self, number: int) -> str:
        """A file is uploaded, and its print ordered; the job's id."""
        order = {"recipientId": self.recipient, "printerSerial": self.serial(number), "productId": f"P-{number}"}
        order["fileId"] = self._upload(number)
        return str(self._post(self._owner, "/api/print-jobs", order, f"order-{number}")["jobId"])

    def _print(self, job: str, name: str, ordered: datetime) -> None:
        """A print begins, has an error that flaps now and then, and ends."""
        number = int(name.removeprefix("P-"))
        serial, outcome, part = self.serial(number), OUTCOMES[number % len(OUTCOMES)], LONGEST_PRINT / 100
        began = ordered + part * (1 + number % 10)
        self._event(serial, job, "job_started", "info", began, number)
        if number % 3 == 0:
            for flap in range(3):
                error = {"hmsCode": HMS[number % len(HMS)]}
                at = began + part * (1 + 2 * flap)
                self._event(serial, job, "hms_error", "warning", at, number, error)
                self._event(serial, job, "hms_cleared", "info", at + part, number, error)
        ended = began + part * (10 + number % 80)
        status = "success" if outcome == "completed" else "failed"
        self._event(serial, job, f"job_{outcome}", status, ended, number)

    def _event(
        self,
        serial: str,
        job: str,
        kind: str,
        status: str,
        at: datetime,
        number: int,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        body = {"recipientId": self.recipient, "printerSerial": serial, "printJobId": job, "eventType": kind}
        body |= {"eventStatus": status, "occurredAt": at.isoformat(), "eventId": f"{number}-{kind}-{at:%H%M%S%f}"}
        self._post(self._client, "/api/printer-events/report", {**body, "errorData": error} if error else body, None)

    def _command(self, number: int) -> None:
        """A command is queued, taken and carried out, or fails."""
        order: dict[str, Any] = {"recipientId": self.recipient, "printerSerial": self.serial(number)}
        order |= {"commandType": "set_speed", "metadata": {"percent": 50 + number % 100}}
        command = str(self._post(self._owner, "/control", order, f"command-{number}")["commandId"])
        self.commands[command] = f"C-{number}"
        named = {"commandId": command, "recipientId": self.recipient}
        self._post(self._client, "/control/ack", {**named, "status": "processing", "agentId": "client"}, None)
        ended = {"status": "failed", "errorMessage": "no"} if number % 5 == 0 else {"status": "completed"}
        self._post(self._client, "/control/result", {**named, **ended, "agentId": "client"}, None)

    def _post(self, key: str, path: str, body: Mapping[str, Any], repeat_key: str | None) -> dict[str, Any]:
        """The answer to a call that is repeated until there is one. AssertionError for a refusal."""
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        if repeat_key is not None:
            headers["Idempotency-Key"] = repeat_key
        return self._repeated(
            lambda: requests.post(f"{self._url}{path}", data=json.dumps(body), headers=headers, timeout=30)
        )

    def _upload(self, number: int) -> str:
        def send() -> requests.Response:
            files = {"file": ("box.3mf", BOX, "model/3mf")}
            data = {"recipientId": self.recipient, "productId": f"P-{number}"}
            headers = {"X-API-Key": self._owner, "Idempotency-Key": f"upload-{number}"}
            return requests.post(f"{self._url}/upload", data=data, files=files, headers=headers, timeout=30)

        return str(self._repeated(send)["fileId"])

    def _repeated(self, call: Callable[[], requests.Response]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            problem = ""
            try:
                answer = call()
            except requests.RequestException as error:
                problem = type(error).__name__
            else:
                if answer.status_code < 300:
                    body: dict[str, Any] = answer.json()
                    return body
                problem = f"{answer.status_code} {answer.text}"
                assert answer.status_code in (429, 500, 502, 503), problem
            assert time.monotonic() < deadline, problem
            time.sleep(0.2)

    def outcome(self) -> Mapping[str, Any]:
        """What is stored in the end, by names that do not depend on chance, without times of the telling itself."""
        jobs = {self._name(each.id): self._job_of(each) for each in self._documents("print_jobs")}
        commands = {self._name(each.id): self._kept(each, _COMMAND) for each in self._documents("printer_commands")}
        incidents = sorted(json.dumps(self._incident(each), sort_keys=True) for each in self._documents("incidents"))
        statistics = {self._name(each.id): self._kept(each, _STATISTIC) for each in self._documents("statistics")}
        deliveries = sorted(self._delivery(each) for each in self._documents("notification_deliveries"))
        events = sorted(str(each.data["eventType"]) for each in self._documents("printer_events"))
        return {
            "jobs": jobs,
            "commands": {name: fields for name, fields in commands.items() if name.startswith("C-")},
            "starts": sorted(str(fields["status"]) for name, fields in commands.items() if not name.startswith("C-")),
            "incidents": incidents,
            "statistics": statistics,
            "deliveries": deliveries,
            "events": events,
        }

    def unsettled(self, told: Told) -> str | None:
        """What is still to come, or None; also that the store is too busy to say."""
        try:
            return self._unsettled(told)
        except Unavailable as error:
            return error.message

    def _unsettled(self, told: Told) -> str | None:
        ended = [each.id for each in self._documents("print_jobs") if each.data["endedAt"] is not None]
        counted = {each.id for each in self._documents("statistics_entries") if each.data["counted"] is not None}
        if len(ended) < told.jobs:
            return f"{told.jobs - len(ended)} jobs have not ended"
        if late := set(ended) - counted:
            return f"{len(late)} jobs are not counted"
        errors = [each for each in self._documents("printer_events") if each.data["eventType"].startswith("hms_")]
        notes = [each.data["consumer"] for each in self._documents("processed_events")]
        if unfollowed := len(errors) - notes.count("trigger-hms-followed"):
            return f"{unfollowed} errors are not followed"
        open_deliveries = [
            each
            for each in self._documents("notification_deliveries")
            if each.data["status"] not in ("sent", "dropped")
        ]
        return f"{len(open_deliveries)} notifications are not sent" if open_deliveries else None

    def dead_letters(self) -> list[Mapping[str, Any]]:
        """What five attempts did not take."""
        return [each.data for each in self._documents("dead_letters") if each.data["status"] == "dead"]

    def _documents(self, collection: str) -> list[Document]:
        query = Query(collection, [Where("organizationId", "==", self.organization)])
        return self._platform.documents.query(query)

    def _name(self, identity: str) -> str:
        name = identity.replace(self.organization, "ORGANIZATION")
        for known in (self.jobs, self.commands, self.printers):
            for each, called in known.items():
                name = name.replace(each, called)
        return name

    def _kept(self, document: Document, fields: Iterable[str]) -> dict[str, Any]:
        told = json.dumps({name: document.data.get(name) for name in fields}, default=str, sort_keys=True)
        kept: dict[str, Any] = json.loads(_GENERATED.sub("…", self._name(told)))
        return kept

    def _job_of(self, document: Document) -> dict[str, Any]:
        job = document.data
        since = {name: str(job[name] - job["runs"][-1]["orderedAt"]) for name in ("startedAt", "endedAt")}
        return {**self._kept(document, _JOB), **since}

    def _incident(self, document: Document) -> dict[str, Any]:
        incident = document.data
        since = {name: str(incident[name] - incident["firstSeenAt"]) for name in ("lastSeenAt", "resolvedAt")}
        return {**self._kept(document, _INCIDENT), **since}

    def _delivery(self, document: Document) -> str:
        notice = document.data["notice"]
        about = self._name(str(notice["jobId"] or notice["printerName"]))
        return f"{notice['eventType']} {about} {document.data['status']}"


_JOB = ("status", "run", "costs", "consumption", "productId", "printerSerial")
_COMMAND = ("status", "type", "errorMessage", "metadata", "printerSerial")
_INCIDENT = ("printerSerial", "code", "status", "count", "severity", "module", "printError")
_STATISTIC = ("counts", "materials", "day")
