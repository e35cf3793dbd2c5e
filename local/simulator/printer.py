"""One simulated printer: its machine, its broker, its files and its camera, and the pace of its reports.

Everything here belongs to one event loop; other threads go through the farm.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.simulator import frames
from local.simulator.broker import Broker
from local.simulator.camera import Camera
from local.simulator.faults import Faults
from local.simulator.filaments import Filaments
from local.simulator.gcode import FANS
from local.simulator.machine import HMS_UNSIGNED, PAUSED_AT_SCREEN, Machine
from local.simulator.models import Model
from local.simulator.requests import Message, Reply, RequestHandler
from local.simulator.rtsps import PATH, VideoCamera, pictures_of

MIN_FRAME_SECONDS = 0.05
"""However fast the printer's time runs, periodic reports are at least this far apart."""
_SHORTEST_TICK, _LONGEST_TICK = 0.005, 0.1
_LONGEST_WAIT = 0.2
_KEPT_COMMANDS = 2000
_X1_OWN_ECHOES = ("3313", "3314", "3315")
"""Sequence ids of the G-code lines that an X1 sends to itself at a start (recorded)."""


def utc_now() -> str:
    """The time as the control API writes it: RFC 3339, UTC, milliseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def access_code_of(serial: str) -> str:
    """The access code of a simulated printer: eight digits, always the same for one serial."""
    return f"{int.from_bytes(hashlib.sha256(serial.encode()).digest()[:8]) % 10**8:08d}"


class Printer:
    """The whole device on its event loop."""

    def __init__(
        self,
        model: Model,
        serial: str,
        *,
        host: str,
        ports: tuple[int, int, int],
        certificate: Path,
        storage: Path,
        speed: float,
        faults: Faults,
        filaments: Filaments | None = None,
    ) -> None:
        """`ports` are those of MQTT, pictures and video, 0 for a free one; `filaments` are the model's where None."""
        self.model = model
        self.serial = serial
        self.speed = speed
        self.faults = faults
        self.storage = storage
        self.machine = Machine(model)
        self.machine.filaments = filaments or model.filaments
        self.starts: list[dict[str, Any]] = []
        self.commands: deque[dict[str, Any]] = deque(maxlen=_KEPT_COMMANDS)
        self._requests = RequestHandler(self.machine, storage, serial)
        self._last_frame: frames.Frame = {}
        self._frame_number = 0
        self._framed_at = 0.0
        self._advanced_at = 0.0
        self._digests: dict[tuple[str, int, int], str] = {}
        self._received: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        code = access_code_of(serial)
        self.broker = Broker(
            (host, ports[0]),
            serial=serial,
            access_code=code,
            certificate=certificate,
            slots=model.client_slots,
            refused_code=model.connack_refused,
            faults=faults,
            on_subscribe=lambda: self._later(model.ack_seconds, self._publish_full),
            on_request=self._take,
        )
        self.camera = Camera(
            (host, ports[1]),
            access_code=code,
            certificate=certificate,
            faults=faults,
            percent=lambda: self.machine.percent,
        )
        self.video: VideoCamera | None = None
        if not model.sends_deltas:
            self.video = VideoCamera(
                (host, ports[2]),
                access_code=code,
                certificate=certificate,
                faults=faults,
                pictures=pictures_of(lambda: self.machine.percent),
            )
        self._host = host

    def begin(self) -> None:
        """Answer from now on, in the running loop."""
        self.broker.begin()
        self.camera.begin()
        if self.video is not None:
            self.video.begin()
        self._tasks = [asyncio.ensure_future(self._keep_pace()), asyncio.ensure_future(self._work_off())]

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.broker.close()
        await self.camera.close()
        if self.video is not None:
            await self.video.close()

    # What happens at the printer itself and to it.

    def set_faults(self, changes: dict[str, Any]) -> None:
        """Switch faults; `drop_connection` cuts the clients off once. ValueError when a name or value is wrong."""
        changes = dict(changes)
        drop = changes.pop("drop_connection", False)
        if type(drop) is not bool:
            raise ValueError("fault 'drop_connection' takes bool")
        was_half_open = self.faults.half_open
        self.faults.update(changes)
        if "ignore_commands" in changes:
            self.broker.ignore_requests(self.faults.ignore_commands)
        if self.faults.developer_mode and HMS_UNSIGNED in self.machine.hms:
            self.machine.hms.remove(HMS_UNSIGNED)
        if self.faults.half_open and not was_half_open:
            self.broker.half_open_began()
        elif was_half_open and not self.faults.half_open:
            self.broker.half_open_ended()
        if drop:
            self.broker.drop_clients()

    def set_hms(self, entries: list[tuple[int, int]], print_error: int | None) -> None:
        """Show these HMS entries (attr, code) and, when given, this print_error."""
        self.machine.hms = list(entries)
        if print_error is not None:
            self.machine.set_error(print_error)
        self._publish_full()

    def set_filaments(self, setup: dict[str, Any]) -> None:
        """Somebody changes spools, AMS units or the nozzle: see `Filaments.parse`; ValueError when it is wrong."""
        self.machine.filaments = Filaments.parse(setup, self.machine.filaments)
        self._publish_full()

    def at_screen(self, action: str, file: str = "", plate: int = 1) -> None:
        """A person presses cancel, pause, resume or start (`file`, else the newest one); ValueError otherwise."""
        self._catch_up()
        match action:
            case "cancel":
                self.machine.cancel()
            case "pause":
                self.machine.pause(PAUSED_AT_SCREEN)
            case "resume":
                self.machine.resume()
            case "start":
                chosen = file or self._newest_file()
                if not chosen:
                    raise ValueError("there is no file to start")
                self._acknowledge(self._requests.start_from_screen(chosen, plate))
            case _:
                raise ValueError(f"unknown action {action!r}, known: cancel, pause, resume, start")

    def fail(self, print_error: int) -> None:
        """The print fails with this error."""
        self.machine.fail(print_error)
        self._publish_full()

    def inspect(self) -> dict[str, Any]:
        """Everything a test or the control API wants to see."""
        machine = self.machine
        fitted = [FANS[number] for number in self.model.fans]
        fans = {name: round(getattr(machine.fans, name) * 100 / 255) for name in fitted}
        return {
            "serial": self.serial,
            "model": self.model.name,
            "gcode_state": str(machine.state),
            "percent": machine.percent,
            "remaining_minutes": machine.remaining_minutes,
            "layer": machine.layer,
            "total_layers": machine.total_layers,
            "subtask_name": machine.subtask_name,
            "print_error": machine.print_error,
            "hms": [{"attr": attr, "code": code} for attr, code in machine.hms],
            "nozzle": round(machine.nozzle.current, 2),
            "nozzle_target": machine.nozzle.target,
            "nozzle_targets": [heater.target for heater in machine.nozzles],
            "bed": round(machine.bed.current, 2),
            "bed_target": machine.bed.target,
            "chamber_target": machine.chamber_target,
            "air_duct_heats": machine.air_duct_heats,
            "light": machine.lights["chamber_light"],
            "lights": dict(machine.lights),
            "recording": machine.recording,
            "timelapse": machine.timelapse,
            "print_type": machine.print_type,
            "skipped": sorted(machine.skipped),
            "moved": dict(machine.moved),
            "blind_moves": machine.blind_moves,
            "speed_level": machine.speed_level,
            "fans": fans,
            "files": self._files(),
            "homed": machine.homed == 7,
            "tray_now": machine.tray_now,
            "filaments": machine.filaments.describe(),
            "starts": list(self.starts),
            "commands": list(self.commands),
            "clients": self.broker.clients,
            "faults": vars(self.faults).copy(),
            "speed": self.speed,
        }

    # Requests.

    def _take(self, payload: bytes) -> None:
        if self.faults.half_open:
            return
        try:
            message = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict):
            for section, request in message.items():
                if isinstance(request, dict):
                    self._received.put_nowait((section, request))

    async def _work_off(self) -> None:
        while True:
            section, request = await self._received.get()
            await asyncio.sleep(self.model.ack_seconds / self.speed)
            self._execute(section, request)

    def _execute(self, section: str, request: Message) -> None:
        self._catch_up()
        command, sequence_id = str(request.get("command", "")), str(request.get("sequence_id", ""))
        if (section, command) == ("pushing", "pushall"):
            self._note(section, command, sequence_id, "")
            self._publish_full()
            return
        before = self.machine.notable()
        faults = self.faults
        reply = self._requests.handle(
            section, request, developer_mode=faults.developer_mode, bare_refusals=faults.bare_refusals
        )
        self._note(section, command, sequence_id, reply.result if reply else "")
        if reply is not None:
            self._acknowledge(reply)
            if not reply.starting and self.machine.notable() != before:
                self._publish_full()

    def _note(self, section: str, command: str, sequence_id: str, result: str) -> None:
        self.commands.append(
            {"section": section, "command": command, "sequence_id": sequence_id, "result": result, "at": utc_now()}
        )

    def _acknowledge(self, reply: Reply) -> None:
        if reply.start:
            mapping = list(reply.start.ams_mapping)
            self.starts.append({**vars(reply.start), "ams_mapping": mapping, "at": utc_now()})
        if reply.starting and self.faults.drop_after_project_file:
            self.faults.drop_after_project_file = False
            self.broker.drop_clients()
            return
        if self.faults.drop_acks > 0:
            self.faults.drop_acks -= 1
        elif reply.delay:
            self._later(reply.delay, lambda: self._publish(reply.message))
        else:
            self._publish(reply.message)
        if reply.starting:
            self._show_start()

    def _show_start(self) -> None:
        """Right after an accepted start: P1 sends an IDLE frame, X1 its own echoes and the stale numbers (recorded)."""
        if not self.model.sends_deltas:
            for number in _X1_OWN_ECHOES:
                self._publish(
                    {
                        "print": {
                            "command": "gcode_line",
                            "sequence_id": number,
                            "result": "SUCCESS",
                            "reason": "SUCCESS",
                        }
                    }
                )
            led = {"command": "ledctrl", "sequence_id": "2301"}
            missing = "did not find the valid led: chamber_light2"
            self._publish({"system": {**led, "result": "success", "reason": ""}})
            self._publish({"system": {**led, "result": "fail", "reason": missing}})
        self._publish_full()

    # Reports.

    async def _keep_pace(self) -> None:
        loop = asyncio.get_running_loop()
        self._advanced_at = next_frame = loop.time()
        while True:
            interval = max(MIN_FRAME_SECONDS, self.model.frame_interval / self.speed)
            await asyncio.sleep(min(max(next_frame - loop.time(), _SHORTEST_TICK), _LONGEST_TICK))
            now = loop.time()
            if now - self._framed_at < MIN_FRAME_SECONDS and now - self._advanced_at < _LONGEST_WAIT:
                continue
            if self._catch_up():
                next_frame = now + interval
            elif now >= next_frame:
                self._publish_periodic()
                next_frame = now + interval

    def _catch_up(self) -> bool:
        """Let the machine live up to now; when something noticeable happened, report it and return True."""
        now = asyncio.get_running_loop().time()
        changed = self.machine.advance((now - self._advanced_at) * self.speed)
        self._advanced_at = now
        if changed:
            self._publish_full()
        return changed

    def _publish_full(self) -> None:
        self._send_frame(self._build(), 0)

    def _publish_periodic(self) -> None:
        last = self._last_frame
        frame = self._build()
        if self.model.sends_deltas:
            delta = frames.changed_fields(last, frame)
            self._send_frame(delta or {"wifi_signal": frame["wifi_signal"]}, 1)
        elif self._frame_number % 2:
            self._send_frame(frames.near_complete(frame), None)
        else:
            self._send_frame(frame, 0)

    def _build(self) -> frames.Frame:
        """The frame of now; while nothing is sent, later deltas still refer to the last frame that was."""
        self._frame_number += 1
        frame = frames.full_frame(self.machine, beat=self._frame_number, developer_mode=self.faults.developer_mode)
        if self.video is not None:
            shown = f"rtsps://{self._host}:{self.video.port}{PATH}" if self.faults.live_view else "disable"
            frame["ipcam"]["rtsp_url"] = shown
        if not self.faults.silent:
            self._last_frame = frame
        return frame

    def _send_frame(self, frame: frames.Frame, msg: int | None) -> None:
        self._framed_at = asyncio.get_running_loop().time()
        marks: frames.Frame = {"command": "push_status", "sequence_id": str(self._frame_number)}
        if msg is not None:
            marks["msg"] = msg
        self._publish({"print": {**frame, **marks}})

    def _publish(self, message: Message) -> None:
        if not self.faults.silent:
            self.broker.publish(json.dumps(message).encode())

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds / self.speed, action)

    # Files.

    def _files(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted(self.storage.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    name, size = path.relative_to(self.storage).as_posix(), path.stat().st_size
                    found.append({"name": name, "size": size, "sha256": self._digest(path)})
        return found

    def _digest(self, path: Path) -> str:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._digests:
            with path.open("rb") as source:
                self._digests[key] = hashlib.file_digest(source, "sha256").hexdigest()
        return self._digests[key]

    def _newest_file(self) -> str:
        files = [path for path in self.storage.iterdir() if path.is_file()]
        return max(files, key=lambda path: path.stat().st_mtime_ns).name if files else ""
