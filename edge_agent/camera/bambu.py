"""The camera of a Bambu Lab printer, looked at in the way that its model, its report and the configuration say."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_agent.camera import jpeg, rtsps
from edge_agent.camera.limit import Limit
from edge_agent.config import PrinterConfig
from edge_agent.drivers.bambu.identity import context_for
from edge_agent.drivers.bambu.models import MODELS, PREFIX_LENGTH, capabilities
from edge_agent.drivers.base import CameraFailed


@dataclass(frozen=True, slots=True)
class BambuView:
    """What to know for a look through it. `address` is the printer's now, `rtsp_url` what it reports.

    `code_is_right`: whether the printer has just let us in with the access code, over another line.
    """

    printer: PrinterConfig
    address: Callable[[], str]
    rtsp_url: Callable[[], str | None]
    code_is_right: Callable[[], bool]

    def look(self, limit: Limit) -> bytes:
        """A picture. Raises CameraFailed."""
        printer, address, rtsp_url = self.printer, self.address(), self.rtsp_url()
        kind = self._kind(rtsp_url) if printer.camera == "auto" else printer.camera
        if kind == "off":
            raise CameraFailed("off", "the agent's configuration has this printer's camera switched off")
        if kind == "jpeg":
            port = printer.camera_port
            return jpeg.look(address, port, self._secure, printer.access_code, self.code_is_right, limit)
        configured = printer.rtsps_port if "rtsps_port" in printer.model_fields_set else None
        port, path = rtsps.place(rtsp_url, configured)
        return rtsps.look(address, port, path, self._secure, printer.access_code, limit)

    def _kind(self, rtsp_url: str | None) -> Literal["jpeg", "rtsps"]:
        """By the model; one that is not known has video where it tells of some."""
        serial = self.printer.serial
        is_known = serial[:PREFIX_LENGTH] in MODELS
        return "rtsps" if rtsp_url is not None and not is_known else capabilities(serial).camera

    def _secure(self) -> ssl.SSLContext:
        return context_for(self.printer)
