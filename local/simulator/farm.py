"""Several simulated printers in this process, to be used as a context manager."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from local.simulator.authority import Authority
from local.simulator.control import ControlledPrinter, ControlServer
from local.simulator.faults import Faults
from local.simulator.filaments import Filaments
from local.simulator.ftps import FtpsService
from local.simulator.models import Model, PrusaModel, model_named
from local.simulator.printer import Printer, access_code_of
from local.simulator.prusa_printer import SimulatedPrusa
from local.simulator.ssdp import Announcement, Announcer

STANDARD_MQTT, STANDARD_FTPS, STANDARD_CAMERA, STANDARD_VIDEO = 8883, 990, 6000, 322
STANDARD_HTTP = 80
_FIRST_STANDARD_HOST = 11
_CALL_SECONDS = 10.0

T = TypeVar("T")


class SimulatedPrinter:
    """One printer of a farm, usable from any thread."""

    def __init__(
        self, printer: Printer, loop: asyncio.AbstractEventLoop, *, host: str, ftps_port: int, ca_file: Path
    ) -> None:
        self._printer = printer
        self._loop = loop
        self.serial = printer.serial
        self.model = printer.model.name
        self.host = host
        self.mqtt_port = printer.broker.port
        self.ftps_port = ftps_port
        self.camera_port = printer.camera.port
        self.rtsps_port = None if printer.video is None else printer.video.port
        self.access_code = access_code_of(printer.serial)
        self.ca_file = ca_file

    def describe(self) -> dict[str, Any]:
        """How to reach the printer, as in the ready line and in the stack's file."""
        return {
            "serial": self.serial,
            "model": self.model,
            "host": self.host,
            "mqtt_port": self.mqtt_port,
            "ftps_port": self.ftps_port,
            "camera_port": self.camera_port,
            "rtsps_port": self.rtsps_port,
            "access_code": self.access_code,
            "ca_file": str(self.ca_file),
        }

    def inspect(self) -> dict[str, Any]:
        """The printer's state, files, accepted starts and received commands."""
        return self._call(self._printer.inspect)

    def set_faults(self, **changes: Any) -> None:
        """Switch faults by name; `drop_connection=True` cuts the clients off once."""
        self._call(lambda: self._printer.set_faults(changes))

    def set_hms(self, entries: list[tuple[int, int]], print_error: int | None = None) -> None:
        """Show these HMS entries (attr, code) and, when given, this print_error."""
        self._call(lambda: self._printer.set_hms(entries, print_error))

    def set_filaments(self, **setup: Any) -> None:
        """Change spools (`loaded`), AMS units (`units`) or the nozzle (`nozzle_diameter`): see `Filaments.parse`."""
        self._call(lambda: self._printer.set_filaments(setup))

    def at_screen(self, action: str, file: str = "", plate: int = 1) -> None:
        """What a person does at the screen: cancel, pause, resume, start."""
        self._call(lambda: self._printer.at_screen(action, file, plate))

    def set_speed(self, speed: float) -> None:
        """Let the printer's time run so many times faster than real time."""
        if not speed > 0:
            raise ValueError("speed is a positive number")

        def change() -> None:
            self._printer.speed = speed

        self._call(change)

    def fail(self, print_error: int) -> None:
        """Let the print fail with this error."""
        self._call(lambda: self._printer.fail(print_error))

    def _call(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_CALL_SECONDS)


class Farm:
    """Printers, one per entry of `models`, with one CA, one event loop, one FTPS thread and one control API.

    `printers` are those of Bambu Lab, `prusas` those with PrusaLink, `everyone` all in the order of `models`.
    """

    def __init__(
        self,
        models: Iterable[str],
        *,
        state_dir: Path,
        speed: float = 1.0,
        standard_ports: bool = False,
        control_port: int = 0,
        filaments: Mapping[int, Mapping[str, Any]] | None = None,
        ssdp_ports: tuple[int, ...] = (),
    ) -> None:
        """`filaments`: what is loaded (see `Filaments.parse`), by the printer's place in `models`; else as the model.

        `ssdp_ports`: where Bambu printers announce themselves, on loopback; empty: nowhere.
        Raises ValueError for an unknown model, wrong filaments or a speed that is not positive, OSError for a taken
        port.
        """
        if not speed > 0:
            raise ValueError("speed is a positive number")
        self._models = [model_named(name) for name in models]
        self._filaments = {place: Filaments.parse(setup) for place, setup in (filaments or {}).items()}
        if any(not 0 <= place < len(self._models) for place in self._filaments):
            raise ValueError("filaments are for a printer that does not exist")
        if any(isinstance(self._models[place], PrusaModel) for place in self._filaments):
            raise ValueError("filaments are for a printer that does not say what is loaded")
        self._state_dir = state_dir
        self._speed = speed
        self._standard_ports = standard_ports
        self._control_port = control_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._ftps = FtpsService()
        self._ssdp_ports = ssdp_ports
        self.announcer: Announcer | None = None
        self._devices: list[Printer] = []
        self._control: ControlServer | None = None
        self.printers: list[SimulatedPrinter] = []
        self.prusas: list[SimulatedPrusa] = []
        self.everyone: list[ControlledPrinter] = []

    @property
    def control_url(self) -> str:
        """The control API's address."""
        if self._control is None:
            raise RuntimeError("the farm is not open")
        return self._control.url

    def open(self) -> None:
        """Listen on every port and answer from now on."""
        self._thread.start()
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            authority = Authority(self._state_dir / "ca")
            if self._ssdp_ports:
                self.announcer = Announcer(self._ssdp_ports)
            for index, model in enumerate(self._models):
                if isinstance(model, PrusaModel):
                    self._add_prusa(index, model)
                else:
                    self._add(index, model, authority)
            self._control = ControlServer(self.everyone, self._control_port)
            self._ftps.begin()
            self._run(self._begin_all())
            for prusa in self.prusas:
                prusa.begin()
            self._control.begin()
            if self.announcer is not None:
                self.announcer.begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End everything; may be called twice."""
        if self._loop.is_closed():
            return
        if self._control is not None:
            self._control.close()
        if self.announcer is not None:
            self.announcer.close()
        for prusa in self.prusas:
            prusa.close()
        self._ftps.close()
        self._run(self._close_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, index: int, model: Model, authority: Authority) -> None:
        serial = f"{model.serial_prefix}00A{index + 1:09d}"
        standard = self._standard_ports
        host = self._host(index)
        certificate, faults = authority.leaf(serial), Faults()
        storage = self._state_dir / "printers" / serial
        printer = Printer(
            model,
            serial,
            host=host,
            ports=(STANDARD_MQTT, STANDARD_CAMERA, STANDARD_VIDEO) if standard else (0, 0, 0),
            certificate=certificate,
            storage=storage,
            speed=self._speed,
            faults=faults,
            filaments=self._filaments.get(index),
        )
        self._devices.append(printer)
        ftps_port = self._ftps.add(
            (host, STANDARD_FTPS if standard else 0),
            access_code=access_code_of(serial),
            certificate=certificate,
            root=storage,
            faults=faults,
        )
        simulated = SimulatedPrinter(printer, self._loop, host=host, ftps_port=ftps_port, ca_file=authority.ca_file)
        self.printers.append(simulated)
        self.everyone.append(simulated)
        if self.announcer is not None:
            self.announcer.announce(Announcement(serial, host, model.name, model.firmware))

    def _add_prusa(self, index: int, model: PrusaModel) -> None:
        serial = f"{model.serial_prefix}{index + 1:011d}"
        prusa = SimulatedPrusa(
            model,
            serial,
            address=(self._host(index), STANDARD_HTTP if self._standard_ports else 0),
            folder=self._state_dir / "printers" / serial,
            speed=self._speed,
        )
        self.prusas.append(prusa)
        self.everyone.append(prusa)

    def _host(self, index: int) -> str:
        return f"127.0.0.{_FIRST_STANDARD_HOST + index}" if self._standard_ports else "127.0.0.1"

    async def _begin_all(self) -> None:
        for printer in self._devices:
            printer.begin()

    async def _close_all(self) -> None:
        await asyncio.gather(*(printer.close() for printer in self._devices))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_SECONDS)
