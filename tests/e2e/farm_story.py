"""A farm as its people see it: the web app's calls with their bearer tokens, hands at the printers, and a time line."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import requests

from local.log_files import records
from local.stack import PrinterAddress, Stack
from tests.e2e.stack import call, until

BEGINS_WITHIN = 15.0
"""Seconds from a cleared plate to the accepted start: dispatch, file, upload to the printer and all."""

CLEARED = "plate cleared"

_WORDS: Mapping[str, str] = {
    "job_sent": "sent to the queue",
    "job_dispatched": "given to the printer",
    "job_printing": "printing",
    "job_run_ended": "plate printed, more to come",
    "job_cancel_requested": "to be cancelled",
    "job_completed": "completed",
    "job_failed": "failed",
    "job_cancelled": "cancelled",
}
"""What the functions log of a job, for people."""


@dataclass(frozen=True)
class Entry:
    """A line of the time line; `job` or `printer` is empty where it is about the other alone."""

    at: datetime
    job: str
    event: str
    printer: str


@dataclass(frozen=True)
class Begun:
    """An accepted start as its printer has noted it; `job` is known by its file's name."""

    job: str
    at: datetime
    plate: int
    use_ams: bool
    ams_mapping: tuple[int, ...]


class Farm:
    """The farm of a running stack. Printers and jobs are called by their names."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.began = datetime.now(UTC)
        self._addresses: dict[str, PrinterAddress] = {}
        self.printer_ids: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._noted: list[Entry] = []

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, user: str = "user-0") -> Any:
        """A call of the web app on behalf of a user; what it answers. AssertionError for anything but 2xx."""
        said = {"userId": user, "organizationId": self.stack.identity.organization_id, "role": "operator"}
        token = jwt.encode({**said, "exp": int(time.time()) + 600}, self.stack.identity.jwt_secret, algorithm="HS256")
        headers = {"Authorization": f"Bearer {token}"}
        answer = call(self.stack, method, path, key=None, headers=headers, json=body)
        assert 200 <= answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    # Printers.

    def register(self, name: str, address: PrinterAddress, **fields: Any) -> None:
        """Enters the printer that its site's agent has reported."""
        entry = {"name": name, "serial": address.serial, "access_code": address.access_code, "brand": "Bambu Lab"}
        self._addresses[name] = address
        self.printer_ids[name] = self.ask("POST", "/api/printers", {**entry, **fields})["id"]

    def reported(self, serial: str) -> bool:
        """Whether the agent has told of a printer, which is not in use by that."""
        found = [each for each in self.ask("GET", "/api/printers")["printers"] if each["serial"] == serial]
        assert not any(each["is_active"] for each in found)
        return bool(found)

    def printer(self, name: str) -> dict[str, Any]:
        """The printer as the web app shows it."""
        return dict(self.ask("GET", f"/api/printers/{self.printer_ids[name]}"))

    def inspect(self, name: str) -> dict[str, Any]:
        """The simulated printer as it really is."""
        return self.stack.inspect(self._addresses[name].serial)

    def handle(self, name: str, what: str, event: str | None = None, /, **body: Any) -> None:
        """Does something at the simulated printer, and notes it as `event`."""
        if event:
            self.note(event, name)
        url = f"{self.stack.simulator_url}/printers/{self._addresses[name].serial}/{what}"
        requests.post(url, json=body, timeout=5).raise_for_status()

    def shows(self, name: str, *activities: str) -> None:
        """Waits until the printer does one of these."""
        until(lambda: self.printer(name)["status"] in activities, f"{name} {' or '.join(activities)}")

    def soil(self, name: str) -> None:
        """Says that something lies on the plate."""
        self._change(name, plate_cleared=False)
        self.note("plate in use", name)

    def clear(self, name: str) -> None:
        """A person, or a machine, takes the print off and says so, once the printer is seen to be done with it."""
        self.shows(name, "idle", "completed", "failed")
        assert not self.printer(name)["plate_cleared"], f"{name} takes its plate for empty"
        self.note(CLEARED, name)
        self._change(name, plate_cleared=True)

    def _change(self, name: str, **fields: Any) -> None:
        self.ask("PUT", f"/api/printers/{self.printer_ids[name]}", fields)

    # Jobs.

    def order(self, name: str, user: str, content: bytes, *, wanted: str | None = None, **wish: Any) -> None:
        """Uploads a file and orders its print; nothing begins by that."""
        part = {"file": (f"{name}.gcode.3mf", content, "model/3mf")}
        form = {"recipientId": self.stack.identity.agent.recipient_id, "productId": f"product-{name}"}
        uploaded = call(self.stack, "POST", "/upload", data=form, files=part)
        assert uploaded.status_code == 200, uploaded.text
        body = {"product_id": f"product-{name}", "file_id": uploaded.json()["fileId"], **wish}
        if wanted:
            body["printer_id"] = self.printer_ids[wanted]
        ordered = self.ask("POST", "/api/print-jobs", body, user)
        assert (ordered["status"], ordered["created_by"]) == ("pending", user), ordered
        self._jobs[name], self._users[name] = ordered["id"], user

    def send(self, name: str) -> None:
        """Its owner sends the job to the queue."""
        self.ask("POST", f"/api/print-jobs/{self._jobs[name]}/send", {}, self._users[name])

    def cancel(self, name: str) -> None:
        """Its owner cancels the job."""
        self.ask("POST", f"/api/print-jobs/{self._jobs[name]}/cancel", {}, self._users[name])

    def job(self, name: str) -> dict[str, Any]:
        """The job as the web app shows it."""
        return dict(self.ask("GET", f"/api/print-jobs/{self._jobs[name]}", user=self._users[name]))

    def jobs(self) -> dict[str, dict[str, Any]]:
        """All of them."""
        return {name: self.job(name) for name in self._jobs}

    def listed(self) -> int:
        """How many jobs the organization has."""
        return len(self.ask("GET", "/api/print-jobs?limit=100")["print_jobs"])

    def reaches(self, name: str, status: str, seconds: float = 40.0) -> dict[str, Any]:
        """The job, once it is in this state."""

        def there() -> dict[str, Any] | None:
            job = self.job(name)
            ended = job["status"] in ("completed", "failed", "cancelled")
            assert not ended or job["status"] == status, f"{name} is {job['status']}: {job['reason']}"
            return job if job["status"] == status else None

        return until(there, f"{name} {status}", seconds)

    def why(self, name: str) -> dict[str, list[str]]:
        """Why the job waits, for each printer."""
        waiting = self.job(name)["waiting"]
        assert waiting, f"{name} does not wait"
        names = {own: name for name, own in self.printer_ids.items()}
        return {names[each["printer_id"]]: each["reasons"] for each in waiting["printers"]}

    def begun(self, name: str) -> list[Begun]:
        """The starts that a printer has accepted, the first in front."""
        return [
            Begun(
                job=start["subtask_name"].rpartition("_")[0],
                at=datetime.fromisoformat(start["at"]),
                plate=start["plate"],
                use_ams=start["use_ams"],
                ams_mapping=tuple(start["ams_mapping"]),
            )
            for start in self.inspect(name)["starts"]
        ]

    def begins(self, name: str, printer: str, times: int = 1) -> None:
        """Waits until that printer has accepted the job's start, for the first or a further time."""

        def there() -> bool:
            return [each.job for each in self.begun(printer)].count(name) >= times

        until(there, f"{name} on {printer}", BEGINS_WITHIN)

    # The time line.

    def note(self, event: str, printer: str = "") -> None:
        """Something that people did."""
        self._noted.append(Entry(datetime.now(UTC), "", event, printer))

    def timeline(self) -> list[Entry]:
        """What people did, what the functions logged of the jobs, and the starts as the printers noted them."""
        starts = [
            Entry(each.at, each.job, f"started, plate {each.plate}, trays {list(each.ams_mapping)}", name)
            for name in self.printer_ids
            for each in self.begun(name)
        ]
        return sorted([*self._noted, *self._logged(), *starts], key=lambda entry: entry.at)

    def _logged(self) -> Iterator[Entry]:
        names = {own: name for name, own in self._jobs.items()}
        printers = {address.serial: name for name, address in self._addresses.items()}
        at: dict[str, str] = {}
        for record in records(self.stack.logs / "gateway.log"):
            job, word = names.get(str(record.get("printJobId"))), _WORDS.get(str(record.get("event")))
            if job is None or word is None:
                continue
            at[job] = printers.get(str(record.get("printerSerial")), at.get(job, ""))
            yield Entry(datetime.fromisoformat(str(record["time"])), job, word, at[job])

    def tell(self, say: Callable[[str], None]) -> None:
        """Shows the time line, in milliseconds since the farm was opened."""
        entries = self.timeline()
        jobs = max((len(entry.job) for entry in entries), default=0)
        printers = max((len(entry.printer) for entry in entries), default=0)
        for entry in entries:
            ms = round((entry.at - self.began).total_seconds() * 1000)
            say(f"{ms:>7,} ms  {entry.job:<{jobs}}  {entry.printer:<{printers}}  {entry.event}")
