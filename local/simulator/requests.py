"""What the printer does with a message on its `request` topic, and how it acknowledges it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local.simulator.filaments import EXTERNAL, HT_BASE
from local.simulator.gcode import run_lines
from local.simulator.machine import AMS_MAPPING, BUSY, HMS_UNSIGNED, SPEEDS, GcodeState, Job, Machine
from local.simulator.mechanics import EMPTY
from local.simulator.models import BED_BIT, HOMING_BIT, SKIP_BIT
from local.simulator.project import STORAGE_ERROR, PlatePlan, ProjectError, read_gcode_file, read_plate

Message = dict[str, Any]

UNSIGNED_ERROR = 84033543
"""err_code 0x05024007 of a refused unsigned command."""
REFUSAL_SECONDS = 0.4
"""A refusal takes longer than an acknowledgement (recorded: within 0.5 s)."""

NO_TRAY = int(EMPTY)

_IDS = ("project_id", "profile_id", "task_id", "subtask_id")
_NAME_LIMIT = 100
_PLATE = re.compile(r"plate_(\d{1,4})\.gcode$")
_LIGHT_MODES = ("on", "off", "flashing")


@dataclass(frozen=True)
class Start:
    """One accepted start."""

    subtask_name: str
    file: str
    plate: int
    sequence_id: str
    origin: str
    use_ams: bool
    ams_mapping: tuple[Any, ...]
    """As the request had it."""


@dataclass(frozen=True)
class Reply:
    """What follows from a request: the answer, its further delay in seconds of the printer, a start if one began."""

    message: Message
    delay: float = 0.0
    start: Start | None = None
    starting: bool = False

    @property
    def result(self) -> str:
        """The acknowledgement's `result`, or nothing where it has none."""
        return str(next(iter(self.message.values())).get("result", ""))


class RequestHandler:
    """Executes requests on one machine whose files lie in `storage`."""

    def __init__(self, machine: Machine, storage: Path, serial: str) -> None:
        self._machine = machine
        self._model = machine.model
        self._storage = storage
        self._serial = serial
        self._handlers: dict[tuple[str, str], Callable[[Message], Reply | None]] = {
            ("info", "get_version"): self._get_version,
            ("system", "ledctrl"): self._light,
            ("camera", "ipcam_record_set"): self._recording,
            ("camera", "ipcam_timelapse"): self._timelapse,
            ("print", "pause"): self._pause,
            ("print", "resume"): self._resume,
            ("print", "stop"): self._stop,
            ("print", "gcode_line"): self._gcode_line,
            ("print", "print_speed"): self._print_speed,
            ("print", "project_file"): self._project_file,
            ("print", "gcode_file"): self._gcode_file,
            ("print", "clean_print_error"): self._clean_print_error,
            ("print", "ams_change_filament"): self._change_filament,
            ("print", "unload_filament"): self._unload_filament,
            ("print", "back_to_center"): self._home,
            ("print", "set_bed_temp"): self._bed_target,
            ("print", "skip_objects"): self._skip_objects,
            ("print", "calibration"): self._calibrate,
        }

    def handle(
        self, section: str, request: Message, *, developer_mode: bool, bare_refusals: bool = False
    ) -> Reply | None:
        """Act on one request; None where real firmware answers nothing to it.

        `bare_refusals`: what is refused for want of a signature is repeated without a word about it.
        """
        if section == "print" and not developer_mode:
            return self._refuse_unsigned(request, bare=bare_refusals)
        handler = self._handlers.get((section, str(request.get("command", ""))))
        return handler(request) if handler else None

    def start_from_screen(self, file: str, plate: int) -> Reply:
        """A person starts a file at the printer; a `project_file` result appears for it all the same."""
        name = file.removesuffix(".3mf").removesuffix(".gcode")
        request = {
            "command": "project_file",
            "sequence_id": "0",
            "param": f"Metadata/plate_{plate}.gcode",
            "url": f"ftp:///{file}",
            "subtask_name": name,
        }
        return self._project_file(request, origin="screen")

    def _refuse_unsigned(self, request: Message, *, bare: bool) -> Reply:
        if HMS_UNSIGNED not in self._machine.hms:
            self._machine.hms.append(HMS_UNSIGNED)
        if bare:
            return Reply({"print": dict(request)})
        refusal = {
            "command": request.get("command", ""),
            "sequence_id": request.get("sequence_id", ""),
            "result": "failed",
            "reason": "mqtt message verify failed",
            "err_code": UNSIGNED_ERROR,
        }
        return Reply({"print": refusal}, REFUSAL_SECONDS)

    def _accept(self, request: Message, **more: Any) -> Reply:
        """The acknowledgement of a `print.*` command: P1 echoes the whole request, X1 its essentials."""
        essentials = ("command", "sequence_id", "param")
        echo = request if self._model.sends_deltas else {key: request[key] for key in essentials if key in request}
        outcome = {"result": self._model.success, "reason": self._model.success}
        return Reply({"print": {**echo, **outcome, **more}})

    def _decline(self, request: Message, reason: str, **more: Any) -> Reply:
        echo = {key: request[key] for key in ("command", "sequence_id", "param") if key in request}
        return Reply({"print": {**echo, "result": "fail", "reason": reason, **more}})

    def _pause(self, request: Message) -> Reply:
        self._machine.pause()
        return self._accept(request)

    def _resume(self, request: Message) -> Reply:
        self._machine.resume()
        return self._accept(request)

    def _stop(self, request: Message) -> Reply:
        self._machine.cancel()
        return self._accept(request)

    def _clean_print_error(self, request: Message) -> Reply:
        self._machine.set_error(0)
        return self._accept(request)

    def _print_speed(self, request: Message) -> Reply:
        level = str(request.get("param", ""))
        if level not in {str(known) for known in SPEEDS}:
            return self._decline(request, "invalid speed level")
        self._machine.speed_level = int(level)
        return self._accept(request)

    def _change_filament(self, request: Message) -> Reply:
        """Newer firmware wants the AMS and its place named besides the target, and answers errno -6 without them."""
        target = request.get("target")
        if type(target) is not int or (not self._model.sends_deltas and not {"ams_id", "slot_id"} <= request.keys()):
            return self._decline(request, "wrong parameter", errno=-6)
        if self._machine.busy or self._machine.changing:
            return self._decline(request, "device is busy")
        if target != NO_TRAY and target not in self._machine.filaments.loaded:
            return self._decline(request, "no filament in the tray")
        self._machine.change_filament(str(target))
        return self._accept(request)

    def _unload_filament(self, request: Message) -> Reply:
        self._machine.change_filament(EMPTY)
        return self._accept(request)

    def _home(self, request: Message) -> Reply | None:
        if not self._model.offers(HOMING_BIT):
            return None
        self._machine.home()
        return self._accept(request)

    def _bed_target(self, request: Message) -> Reply | None:
        if not self._model.offers(BED_BIT):
            return None
        self._machine.bed.set(float(request.get("temp", 0)))
        return self._accept(request)

    def _skip_objects(self, request: Message) -> Reply | None:
        """Firmware that does not tell what it can is taken for one that can."""
        if self._model.fun is not None and not self._model.offers(SKIP_BIT):
            return None
        if self._machine.job is None or self._machine.state not in (GcodeState.RUNNING, GcodeState.PAUSE):
            return self._decline(request, "nothing is printed")
        self._machine.skip({each for each in request.get("obj_list", ()) if type(each) is int})
        return self._accept(request)

    def _calibrate(self, request: Message) -> Reply:
        option = request.get("option")
        if type(option) is not int or not option or option & ~self._model.calibrations:
            return self._decline(request, "unknown calibration")
        if self._machine.busy:
            return self._decline(request, "device is busy", err_code=BUSY)
        self._machine.calibrate(option)
        return self._accept(request)

    def _gcode_line(self, request: Message) -> Reply:
        run_lines(self._machine, str(request.get("param", "")))
        return self._accept(request, err_code=0) if not self._model.sends_deltas else self._accept(request)

    # Starts.

    def _project_file(self, request: Message, origin: str = "mqtt") -> Reply:
        param = str(request.get("param", ""))
        plate = int(found[1]) if (found := _PLATE.search(param)) else 0
        name = self._job_name(str(request.get("subtask_name", "")))

        def read(path: Path) -> PlatePlan:
            return read_plate(path, param, str(request.get("md5", "")))

        used = _used_slots(request)
        job = Job(
            name=name,
            param=param,
            plan=None,
            refusal=0 if all(slot in self._machine.filaments.loaded for slot in used) else AMS_MAPPING,
            tray=str(used[0] if used else EXTERNAL),
            ids={key: str(request.get(key, "0")) for key in _IDS},
        )
        return self._start({**request, "subtask_name": name}, job, str(request.get("url", "")), read, plate, origin)

    def _gcode_file(self, request: Message) -> Reply:
        param = str(request.get("param", ""))
        job = Job(name=self._job_name(Path(param).name), param=param, plan=None)
        return self._start(request, job, param, read_gcode_file, 0, "mqtt")

    def _start(
        self, request: Message, job: Job, url: str, read: Callable[[Path], PlatePlan], plate: int, origin: str
    ) -> Reply:
        """Acknowledge and begin; a file that cannot be printed is acknowledged too and fails afterwards."""
        if self._machine.busy:
            self._machine.show_passing_error(BUSY)
            return self._decline(request, "device is busy", err_code=BUSY)
        path = self._locate(url)
        start: Start | None = None
        try:
            if path is None:
                raise ProjectError(STORAGE_ERROR, f"no file at {url}")
            job.plan = read(path)
            mapping = request.get("ams_mapping")
            start = Start(
                job.name,
                path.name,
                plate,
                str(request.get("sequence_id", "")),
                origin,
                use_ams=request.get("use_ams") is True,
                ams_mapping=tuple(mapping) if isinstance(mapping, list) else (),
            )
        except ProjectError as error:
            job.refusal = error.print_error
        self._machine.start(job)
        shown = {} if self._model.sends_deltas else {"subtask_name": job.name}
        accepted = self._accept(request, **shown)
        return Reply(accepted.message, start=start, starting=True)

    def _job_name(self, name: str) -> str:
        """P1 firmware writes underscores for spaces and cuts long names."""
        return name.replace(" ", "_")[:_NAME_LIMIT] if self._model.sends_deltas else name

    def _locate(self, url: str) -> Path | None:
        """The file on the printer's storage that a `url` or path means, if there is one."""
        scheme, separator, rest = url.partition("://")
        if not separator:
            rest = url
        elif scheme == "file":
            rest = rest.lstrip("/")
            mount = next((mount for mount in ("sdcard/", "mnt/sdcard/", "media/usb0/") if rest.startswith(mount)), None)
            if mount is None:
                return None
            rest = rest.removeprefix(mount)
        elif scheme != "ftp":
            return None
        root = self._storage.resolve()
        try:
            candidates = [(root / text.lstrip("/")).resolve() for text in (rest, unquote(rest))]
            return next((path for path in candidates if path.is_relative_to(root) and path.is_file()), None)
        except (OSError, ValueError):  # a name that no file system takes
            return None

    # Other sections.

    def _light(self, request: Message) -> Reply:
        node, mode = str(request.get("led_node", "")), str(request.get("led_mode", ""))
        result, reason = "success", ""
        if node not in self._machine.lights:
            result, reason = "fail", f"did not find the valid led: {node}"
        elif mode not in _LIGHT_MODES:
            result, reason = "fail", f"invalid led mode: {mode}"
        else:
            self._machine.lights[node] = mode
        echo = {key: request.get(key, "") for key in ("command", "sequence_id", "led_node", "led_mode")}
        return Reply({"system": {**echo, "result": result, "reason": reason}})

    def _recording(self, request: Message) -> Reply:
        self._machine.recording = str(request.get("control", "disable"))
        return self._camera_reply(request)

    def _timelapse(self, request: Message) -> Reply:
        self._machine.timelapse = str(request.get("control", "disable"))
        return self._camera_reply(request)

    def _camera_reply(self, request: Message) -> Reply:
        return Reply({"camera": {**request, "result": 0, "reason": ""}})

    def _get_version(self, request: Message) -> Reply:
        main = "esp32" if self._model.sends_deltas else "ap"
        modules = [
            {"name": "ota", "product_name": self._model.product, "sw_ver": self._model.firmware, "hw_ver": "OTA"},
            {"name": main, "product_name": "", "sw_ver": "01.11.32.89", "hw_ver": "AP04"},
            {"name": "mc", "product_name": "", "sw_ver": "00.00.29.75", "hw_ver": "MC07"},
            {"name": "th", "product_name": "", "sw_ver": "00.00.09.95", "hw_ver": "TH09"},
            *(_ams_module(unit, self._model.ams_module) for unit in self._machine.filaments.units),
        ]
        modules[0]["sn"] = self._serial
        answer = {
            "command": "get_version",
            "sequence_id": request.get("sequence_id", ""),
            "module": modules,
            "result": "success",
            "reason": "",
        }
        return Reply({"info": answer})


def _used_slots(request: Message) -> list[int]:
    """The slots of the AMS that a start takes filament from."""
    mapping = request.get("ams_mapping")
    if request.get("use_ams") is not True or not isinstance(mapping, list):
        return []
    return [slot for slot in mapping if type(slot) is int and slot >= 0]


def _ams_module(unit: int, kind: str) -> Message:
    """An AMS among the modules; an AMS HT is called n3s (section A of the protocol notes)."""
    name, product = (f"n3s/{unit}", "AMS HT") if unit >= HT_BASE else (f"{kind}/{unit}", "AMS")
    return {"name": name, "product_name": f"{product} ({unit + 1})", "sw_ver": "00.00.06.49", "hw_ver": "AMS08"}
