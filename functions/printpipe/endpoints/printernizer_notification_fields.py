"""What the dialect `printernizer` lets people say of a notification channel."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, WithJsonSchema

from printpipe.dialects import printernizer
from printpipe.domain.errors import InvalidInput
from printpipe.domain.notifications import CHATTY, EVENT_TYPES, QuietHours
from printpipe.domain.values import Id
from printpipe.services.notifications.channels import Wish

_LONGEST_ADDRESS = 2048
_LONGEST_TOKEN = 256
_TOKEN = re.compile(rf"[!-~]{{0,{_LONGEST_TOKEN}}}")


def _check_type(value: str) -> str:
    if value not in EVENT_TYPES:
        raise ValueError(f"must be one of {', '.join(EVENT_TYPES)}")
    return value


def _check_address(value: SecretStr) -> SecretStr:
    if not re.fullmatch(rf"[!-~]{{1,{_LONGEST_ADDRESS}}}", value.get_secret_value()):
        raise ValueError(f"must be 1 to {_LONGEST_ADDRESS} printable ASCII characters without spaces")
    return value


def _check_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError(f"must be at most {_LONGEST_TOKEN} printable ASCII characters without spaces")
    return value


EventType = Annotated[
    str,
    AfterValidator(_check_type),
    WithJsonSchema(
        {
            "type": "string",
            "enum": list(EVENT_TYPES),
            "description": "; ".join(f"{name}: {said}" for name, said in EVENT_TYPES.items()),
        }
    ),
]
"""Something that there is to tell of."""

Address = Annotated[
    SecretStr,
    AfterValidator(_check_address),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": _LONGEST_ADDRESS,
            "pattern": "^[!-~]+$",
            "writeOnly": True,
            "description": "where to send: a URL with https, of ntfy that of the topic; or an e-mail address",
        }
    ),
]
"""Where a channel sends to: hidden from logs and digests, for whoever knows it can send there too."""

Token = Annotated[
    SecretStr,
    AfterValidator(_check_token),
    WithJsonSchema({"type": "string", "maxLength": _LONGEST_TOKEN, "pattern": "^[!-~]*$", "writeOnly": True}),
]
"""What a server of ntfy may want to see; empty where it wants none any more."""

Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(description="as 22:00, in 24 hours")
]
"""A time of day in the organization's time zone."""


class QuietFields(printernizer.Model):
    """From when until when nothing is sent, every day; over midnight where it ends earlier than it begins."""

    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")


class ChannelFields(printernizer.Model):
    """What may be said of a channel when it is set up and later."""

    secret: Token | None = Field(None, description="for ntfy: the access token of a server that wants one")
    event_types: list[EventType] | None = Field(
        None,
        max_length=len(EVENT_TYPES),
        description=f"what is told; empty or null: all but {', '.join(sorted(CHATTY))}",
    )
    printer_ids: list[Id] | None = Field(
        None,
        max_length=50,
        description="of which printers, by any of their names; empty or null: all. What concerns no single printer is "
        "told anyway",
    )
    quiet_hours: QuietFields | None = Field(None, description="null: there are none")
    urgent_anyway: bool | None = Field(None, description="errors that endanger a machine are sent in quiet hours too")
    picture: bool | None = Field(None, description="the printer's picture is sent along; it is waited for a minute")
    active: bool | None = None

    def wish(self, address: SecretStr | None, name: str | None, *, rotated: bool = False) -> Wish:
        """What is wished. Raises `InvalidInput` for quiet hours that end as they begin."""
        given = self.model_fields_set
        switches = {"urgent_anyway": self.urgent_anyway, "picture": self.picture, "active": self.active, "name": name}
        fields: dict[str, Any] = {name: value for name, value in switches.items() if value is not None}
        if "event_types" in given:
            fields["event_types"] = tuple(dict.fromkeys(self.event_types or ()))
        if "quiet_hours" in given:
            fields["quiet_hours"] = self._quiet_hours()
        return Wish(
            fields,
            printers=(self.printer_ids or ()) if "printer_ids" in given else None,
            address=address.get_secret_value() if address is not None else None,
            token=self._token() if "secret" in given else None,
            rotated=rotated,
        )

    def _token(self) -> str:
        return self.secret.get_secret_value() if self.secret is not None else ""

    def _quiet_hours(self) -> QuietHours | None:
        if self.quiet_hours is None:
            return None
        if self.quiet_hours.start == self.quiet_hours.end:
            raise InvalidInput("quiet_hours: end when they begin", field="quiet_hours")
        return QuietHours.model_validate(self.quiet_hours.model_dump(include={"start", "end"}))
