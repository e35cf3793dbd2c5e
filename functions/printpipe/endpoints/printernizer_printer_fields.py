"""What the dialect `printernizer` lets people say of a printer."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.errors import InvalidInput
from printpipe.domain.printer_records import OnFatal
from printpipe.domain.values import OptionalAccessCode, OptionalId, OptionalName
from printpipe.services.printers.fleet import Details

Type = Literal["bambu_lab", "prusa"]

MAKERS: Mapping[Type, str] = {"bambu_lab": "Bambu Lab", "prusa": "Prusa"}
"""Who makes a type of printer."""

ON_FATAL = "pause: its print is paused when it reports a fatal error; none: nothing is done by itself"


def type_of(maker: str | None) -> Type | None:
    """The type of a maker's printers; None for another maker's."""
    return next((word for word, name in MAKERS.items() if name == maker), None)


class PrinterFields(printernizer.Model):
    """What may be said of a printer when it is entered and later; an empty code, serial number or model is none."""

    access_code: OptionalAccessCode = Field(None, description="of a Prusa printer: the API key of its PrusaLink")
    api_key: OptionalAccessCode = Field(None, description="another name of access_code")
    serial_number: OptionalId = None
    model: OptionalName = None
    recipient_id: OptionalId = Field(None, description="the site; needed where the organization has several")
    on_fatal: OnFatal | None = Field(None, description=ON_FATAL)

    @property
    def code(self) -> str | None:
        """The printer's secret, by whichever name. Raises `InvalidInput` for two different ones."""
        codes = {each.get_secret_value() for each in (self.access_code, self.api_key) if each is not None}
        if len(codes) > 1:
            raise InvalidInput("access_code: differs from api_key", field="access_code")
        return next(iter(codes), None)

    def details(self, **more: Any) -> Details:
        """What was given, with `more` of the record's fields, where these are not None; it is to be tested."""
        named = {
            "serial": self.serial_number,
            "model": self.model,
            "recipient_id": self.recipient_id,
            "on_fatal": self.on_fatal,
            **more,
        }
        return Details({name: each for name, each in named.items() if each is not None}, self.code, tested=True)
