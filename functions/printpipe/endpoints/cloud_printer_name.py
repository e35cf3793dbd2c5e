"""How the `cloud` dialect's reports name the printer that they are about."""

from typing import Self

from pydantic import model_validator

from printpipe.dialects import cloud
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import OptionalId


class NamesPrinter(cloud.Model):
    """A body that names a printer by its serial, or by its address at the site."""

    printer_serial: OptionalId = None
    printer_ip_address: OptionalId = None

    @model_validator(mode="after")
    def _check_named(self) -> Self:
        if self.printer_serial is None and self.printer_ip_address is None:
            raise InvalidInput("Name the printer by printerSerial or printerIpAddress", field="printerSerial")
        return self
