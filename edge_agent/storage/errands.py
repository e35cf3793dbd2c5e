"""The commands about a printer's files, connection and camera: each is an errand, and ends with a result."""

import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from edge_agent.camera import snapshot
from edge_agent.cloud import CloudRefused, CloudUnavailable
from edge_agent.command import ListedPrinter, Outcome, Wire, completed
from edge_agent.drivers.base import (
    CameraFailed,
    ConnectionFailed,
    Driver,
    LineBroken,
    PrinterInfo,
    Probe,
    Storage,
    StorageFailed,
    StoredFile,
    Stranger,
    is_print_file,
)
from edge_agent.execution import Refused, Rooms, Run
from edge_agent.storage.copying import ATTEMPTS, copied
from edge_agent.storage.delivering import Delivery
from edge_agent.storage.failures import Cancelled, TransferFailed, failure
from edge_agent.storage.progress import Progress
from edge_agent.timestamps import render

LISTED = 2_000
LONGEST_PATH = 1_000
"""Bytes: longer paths the cloud does not take, nor a list that has one."""
LISTED_BYTES = 600_000
"""How long a list may be on the wire; what is beyond is left out."""
UNANSWERED = 5
"""How often the cloud is asked for a printer before the errand fails."""

Name = Annotated[str, Field(min_length=1)]


class _Fetch(Wire):
    transfer_id: Name
    path: Name
    file_name: Name


class _Send(Wire):
    transfer_id: Name
    file_name: Name


class Errands:
    """Carries them out, for printers that have a driver and, as far as that goes, for others."""

    def __init__(self, rooms: Rooms, drivers: Callable[[], Sequence[Driver]], probe: Probe, folder: Path) -> None:
        """`folder` is for copies under way; what an earlier run of the agent left there is removed."""
        self._rooms = rooms
        self._drivers = drivers
        self._probe = probe
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in folder.iterdir():
            leftover.unlink()

    def performer(self, driver: Driver) -> Callable[[Run], Outcome]:
        """Carries out a command with this driver's printer."""
        return lambda run: self._perform(run, driver)

    def perform_unrouted(self, run: Run) -> Outcome:
        """Carry out a command that names no printer of the configuration by its serial."""
        listed = self._listed(run)
        if listed is None:
            return _unknown(run)
        serial = run.command.printer_serial or listed.printer_serial
        for driver in self._drivers():
            if driver.serial == serial or (not serial and driver.address == listed.printer_ip_address):
                return self._perform(run, driver)
        if run.command.kind != "test_connection" or not listed.printer_ip_address:
            return _unknown(run)
        stranger = Stranger(
            serial=serial,
            address=listed.printer_ip_address,
            access_code=listed.access_code,
            brand=listed.brand,
            model=listed.model,
        )
        return _tested(lambda: self._probe(stranger, run.authorise))

    def _perform(self, run: Run, driver: Driver) -> Outcome:
        try:
            match run.command.kind:
                case "test_connection":
                    return _tested(lambda: driver.test_connection(run.authorise))
                case "snapshot":
                    return snapshot.taken(run, driver, self._rooms)
                case "list_files":
                    return _listing(run, driver.storage)
                case "fetch_file":
                    return self._fetch(run, driver.storage, _Fetch.model_validate(run.command.metadata))
                case _:
                    return self._send(run, driver.storage, _Send.model_validate(run.command.metadata))
        except ValidationError as error:
            fields = ", ".join(str(item["loc"][0]) for item in error.errors(include_input=False) if item["loc"])
            return failure("refused", f"the command is incomplete: {fields}")
        except (StorageFailed, TransferFailed, CameraFailed) as error:
            return failure(error.code, str(error))
        except Cancelled as reason:
            return failure("interrupted", str(reason))

    def _fetch(self, run: Run, storage: Storage, order: _Fetch) -> Outcome:
        if not is_print_file(order.path):
            return failure("refused", "only print files are fetched")
        progress = Progress(run, self._rooms, order.transfer_id)
        delivery = Delivery(run, self._rooms, order.transfer_id, progress)
        copy = delivery.delivered_before()
        if copy is None:
            target = self._folder / f"{uuid.uuid4().hex}.copy"
            try:
                copy = copied(run, storage, order.path, target, progress)
                delivery.deliver(copy, target, order.file_name)
            finally:
                target.unlink(missing_ok=True)
        result = {"size": copy.size, "sha256": copy.sha256, "md5": copy.md5}
        return completed(f"{order.file_name} is in the cloud: {copy.size} bytes", result)

    def _send(self, run: Run, storage: Storage, order: _Send) -> Outcome:
        if not is_print_file(order.file_name):
            return failure("refused", "only print files are sent")
        try:
            local, _ = run.file()
        except Refused as reason:
            return failure("cloud", str(reason))
        progress = Progress(run, self._rooms, order.transfer_id)

        def moved(bytes_done: int) -> None:
            run.authorise()
            progress.moved(bytes_done)

        for attempt in range(1, ATTEMPTS + 1):
            run.authorise()
            progress.begin(local.size)
            try:
                sent = storage.send(local.path, order.file_name, moved)
                break
            except LineBroken:
                if attempt == ATTEMPTS:
                    raise
                run.pause(attempt)
        return completed(f"{sent.name} is on the printer: {sent.size} bytes", {"path": sent.path, "size": sent.size})

    def _listed(self, run: Run) -> ListedPrinter | None:
        """The command's printer as the cloud knows it."""
        command = run.command
        for attempt in range(1, UNANSWERED + 1):
            run.authorise()
            try:
                printers = self._rooms.cloud.printers()
            except CloudUnavailable:
                run.pause(attempt)
                continue
            except CloudRefused:
                return None
            for printer in printers:
                by_id = bool(command.printer_id) and printer.printer_id == command.printer_id
                if by_id or (command.printer_serial and printer.printer_serial == command.printer_serial):
                    return printer
            return None
        return None


def _unknown(run: Run) -> Outcome:
    code = "unknown_printer" if run.command.kind == "test_connection" else "unreachable"
    return failure(code, "the agent at this site does not know the printer")


def _tested(test: Callable[[], PrinterInfo]) -> Outcome:
    try:
        info = test()
    except ConnectionFailed as error:
        return failure(error.code, str(error))
    found = {"model": info.model, "firmwareVersion": info.firmware_version, "serial": info.serial}
    return completed("the printer answers", {name: value for name, value in found.items() if value is not None})


def _listing(run: Run, storage: Storage) -> Outcome:
    listing = storage.files(LISTED, run.authorise)
    files, room = [], LISTED_BYTES
    sayable = [file for file in listing.files[:LISTED] if _is_sayable(file)]
    for file in sayable:
        wire = _wire(file)
        room -= len(json.dumps(wire))
        if room < 0:
            break
        files.append(wire)
    truncated = listing.truncated or len(listing.files) > LISTED or len(files) < len(sayable)
    return completed(f"{len(files)} files are on the printer", {"files": files, "truncated": truncated})


def _is_sayable(file: StoredFile) -> bool:
    """Whether the cloud can take the entry: a printer's drive may hold what nobody can name."""
    try:
        return len(file.path.encode()) <= LONGEST_PATH and 0 <= file.size < 2**53
    except UnicodeEncodeError:
        return False


def _wire(file: StoredFile) -> dict[str, object]:
    modified_at = None if file.modified_at is None else render(file.modified_at)
    return {"path": file.path, "name": file.name, "size": file.size, "modifiedAt": modified_at}
