"""One simulated Prusa printer: its machine, its USB drive and its PrusaLink. Usable from any thread."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.simulator.models import PrusaModel
from local.simulator.printer import access_code_of, utc_now
from local.simulator.project import ProjectError
from local.simulator.prusa_auth import USER, Doorkeeper
from local.simulator.prusa_faults import PrusaFaults
from local.simulator.prusa_machine import PrusaJob, PrusaMachine, PrusaState
from local.simulator.prusa_storage import ROOT, UsbDrive, read_plan
from local.simulator.prusalink import PrusaLinkServer

_HOT_FAN, _PART_FAN = 5000, 2500
"""Revolutions per minute while printing (recorded)."""
_BAMBU_WORDS = {
    PrusaState.IDLE: "IDLE",
    PrusaState.READY: "IDLE",
    PrusaState.BUSY: "PREPARE",
    PrusaState.PRINTING: "RUNNING",
    PrusaState.PAUSED: "PAUSE",
    PrusaState.ATTENTION: "PAUSE",
    PrusaState.FINISHED: "FINISH",
    PrusaState.STOPPED: "FAILED",
    PrusaState.ERROR: "FAILED",
}


class SimulatedPrusa:
    """The whole device; the machine lives on whenever somebody looks at it."""

    def __init__(self, model: PrusaModel, serial: str, *, address: tuple[str, int], folder: Path, speed: float) -> None:
        """`address` is the host and the port, 0 for a free one. Raises OSError for a taken port."""
        self.model = model.name
        self.serial = serial
        self.host = address[0]
        self.access_code = access_code_of(serial)
        self.faults = PrusaFaults()
        self.drive = UsbDrive(folder)
        self.doorkeeper = Doorkeeper(self.access_code)
        self._traits = model
        self._speed = speed
        self._machine = PrusaMachine(model)
        self._starts: list[dict[str, Any]] = []
        self._commands: list[dict[str, Any]] = []
        self._advanced_at = time.monotonic()
        self._lock = threading.RLock()
        self._server = PrusaLinkServer(address, self)
        self.http_port = self._server.port

    def begin(self) -> None:
        """Answer from now on."""
        self._server.begin()

    def close(self) -> None:
        """End everything."""
        self._server.close()

    # What the farm and the control API do.

    def describe(self) -> dict[str, Any]:
        """How to reach the printer."""
        return {
            "serial": self.serial,
            "model": self.model,
            "type": "prusalink",
            "host": self.host,
            "http_port": self.http_port,
            "user": USER,
            "access_code": self.access_code,
        }

    def inspect(self) -> dict[str, Any]:
        """The printer's state, files, accepted starts and received commands. `gcode_state` is in Bambu's words."""
        with self._now() as machine:
            job = machine.job
            return {
                "serial": self.serial,
                "model": self.model,
                "state": str(machine.state),
                "gcode_state": _BAMBU_WORDS[machine.state],
                "job_id": machine.job_id,
                "percent": int(job.percent) if job is not None else 0,
                "file": Path(job.path).name if job is not None else "",
                "nozzle": round(machine.nozzle.current, 2),
                "nozzle_target": machine.nozzle.target,
                "bed": round(machine.bed.current, 2),
                "bed_target": machine.bed.target,
                "files": list(self.drive.all_files()),
                "starts": list(self._starts),
                "commands": list(self._commands),
                "faults": vars(self.faults).copy(),
                "speed": self._speed,
            }

    def set_faults(self, **changes: Any) -> None:
        """Switch faults by name; `drop_connection=True` cuts the clients off once. ValueError for a wrong one."""
        drop = changes.pop("drop_connection", False)
        if type(drop) is not bool:
            raise ValueError("fault 'drop_connection' takes bool")
        with self._now() as machine:
            self.faults.update(changes)
            machine.attention, machine.occupied = self.faults.attention, self.faults.busy
        if drop:
            self._server.drop_clients()

    def set_hms(self, entries: list[tuple[int, int]], print_error: int | None = None) -> None:
        """Refused: ValueError."""
        raise ValueError(f"a {self.model} has no HMS")

    def set_filaments(self, **setup: Any) -> None:
        """Refused: ValueError."""
        raise ValueError(f"a {self.model} does not say what is loaded")

    def at_screen(self, action: str, file: str = "", plate: int = 1) -> None:
        """A person presses cancel, pause, resume, dismiss (what the end of a print shows) or start (`file`)."""
        with self._now() as machine:
            match action:
                case "cancel":
                    machine.stop()
                    self.faults.attention = machine.attention
                case "pause":
                    machine.pause()
                case "resume":
                    machine.resume()
                case "dismiss":
                    machine.dismiss()
                case "start":
                    found = self.drive.locate(f"{ROOT}/{file}") if file else None
                    if found is None or self.start(found, "screen") is not HTTPStatus.NO_CONTENT:
                        raise ValueError("that file cannot be started now")
                case _:
                    raise ValueError(f"unknown action {action!r}, known: cancel, pause, resume, start, dismiss")

    def set_speed(self, speed: float) -> None:
        """Let the printer's time run so many times faster than real time."""
        if not speed > 0:
            raise ValueError("speed is a positive number")
        with self._now():
            self._speed = speed

    def fail(self, print_error: int = 0) -> None:
        """The printer fails; PrusaLink has no number for it."""
        with self._now() as machine:
            machine.fail()

    # What PrusaLink does and shows.

    def version(self) -> dict[str, Any]:
        """`/api/version`."""
        return {
            "api": "2.0.0",
            "server": "2.1.2",
            "text": "PrusaLink",
            "hostname": "prusa-core-one",
            "nozzle_diameter": self._traits.nozzle_diameter,
            "firmware": self._traits.firmware,
            "printer": self._traits.product,
            "capabilities": {"upload-by-put": True},
        }

    def info(self) -> dict[str, Any]:
        """`/api/v1/info`."""
        return {
            "nozzle_diameter": self._traits.nozzle_diameter,
            "mmu": False,
            "serial": self.serial,
            "hostname": "prusa-core-one",
            "min_extrusion_temp": 170,
        }

    def status(self) -> dict[str, Any]:
        """`/api/v1/status`; without `job` while none is shown."""
        with self._now() as machine:
            job = machine.shown_job
            spinning = job is not None and not job.is_paused
            shown: dict[str, Any] = {} if job is None else {"job": self._progress(job)}
            shown["storage"] = {"path": "/usb/", "name": "usb", "read_only": False}
            shown["printer"] = {
                "state": str(machine.state),
                "temp_bed": round(machine.bed.current, 1),
                "target_bed": machine.bed.target,
                "temp_nozzle": round(machine.nozzle.current, 1),
                "target_nozzle": machine.nozzle.target,
                "axis_z": 10.0,
                **({} if job is not None else {"axis_x": 0.0, "axis_y": 0.0}),
                "flow": 100,
                "speed": 100,
                "fan_hotend": _HOT_FAN if spinning else 0,
                "fan_print": _PART_FAN if spinning else 0,
            }
            return shown

    def job(self) -> dict[str, Any] | None:
        """`/api/v1/job`: a dialogue is shown as a pause here; None where there is no job."""
        with self._now() as machine:
            job = machine.shown_job
            if job is None:
                return None
            paused = machine.state in (PrusaState.PAUSED, PrusaState.ATTENTION)
            found = self.drive.locate(job.path)
            short = self.drive.short_path(found) if found is not None else job.path
            folder, _, name = short.rpartition("/")
            file = {
                "refs": {"icon": f"/thumb/s{short}", "thumbnail": f"/thumb/l{short}", "download": short},
                "name": name,
                "display_name": job.path.rsplit("/", 1)[-1],
                "path": folder,
            }
            return {**self._progress(job), "state": "PAUSED" if paused else "PRINTING", "file": file}

    def control(self, job_id: int, word: str) -> HTTPStatus:
        """Pause, resume or stop that job: 404 for another job, 409 for a wrong state."""
        with self._now() as machine:
            actions = {"pause": machine.pause, "resume": machine.resume, "stop": machine.stop}
            if job_id != machine.job_id:
                status = HTTPStatus.NOT_FOUND
            elif word not in actions:
                status = HTTPStatus.BAD_REQUEST
            else:
                status = HTTPStatus.NO_CONTENT if actions[word]() else HTTPStatus.CONFLICT
            self.faults.attention = machine.attention
            self._commands.append({"command": word, "job_id": job_id, "result": int(status), "at": utc_now()})
            return status

    def start(self, path: Path, origin: str) -> HTTPStatus:
        """Print a file of the drive: 409 where that cannot be now."""
        with self._now() as machine:
            if not machine.can_start:
                return HTTPStatus.CONFLICT
            try:
                plan = read_plan(path)
            except ProjectError:
                return HTTPStatus.CONFLICT
            inside = path.relative_to(self.drive.folder).as_posix()
            machine.start(f"{ROOT}/{inside}", plan)
            self._starts.append({"subtask_name": path.name, "file": path.name, "origin": origin, "at": utc_now()})
            return HTTPStatus.NO_CONTENT

    def is_printing(self, path: Path) -> bool:
        """Whether this file is printed now."""
        with self._now() as machine:
            return machine.job is not None and self.drive.locate(machine.job.path) == path

    def _progress(self, job: PrusaJob) -> dict[str, Any]:
        return {
            "id": self._machine.job_id,
            "progress": round(job.percent, 2),
            "time_remaining": max(0, int(job.plan.seconds - job.printed)),
            "time_printing": int(job.lasted),
        }

    @contextmanager
    def _now(self) -> Iterator[PrusaMachine]:
        """The machine as it is now, alone with it."""
        with self._lock:
            now = time.monotonic()
            self._machine.advance((now - self._advanced_at) * self._speed)
            self._advanced_at = now
            yield self._machine
