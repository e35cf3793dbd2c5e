"""The kinds of text, time and data that callers send, with their bounds."""

import ipaddress
import json
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypeAliasType

from printpipe.domain.printer_status import without_url_users

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")
_ID = re.compile(r"[A-Za-z0-9._~:@+=-]{1,128}")
_ACCESS_CODE = re.compile(r"[!-~]{1,64}")
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = rf"({_LABEL}\.)*(?![0-9]+$){_LABEL}"
_RESERVED_ID = re.compile(r"\.{1,2}|__.*__")
_OTHER_COUNTINGS = ("posix/", "right/")  # of seconds, by the same names
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})  # files that lie there, of each machine its own
_PAYLOAD_BYTES = 64 * 1024
_PAYLOAD_DEPTH = 10
_PAYLOAD_FIELDS = 1000
_FIELD_NAME_BYTES = 128


def _check_id(value: str) -> str:
    if not _ID.fullmatch(value) or _RESERVED_ID.fullmatch(value):
        raise ValueError("must be 1 to 128 letters, digits or . _ ~ : @ + = -")
    return value


def _check_name(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters")
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _check_access_code(value: SecretStr) -> SecretStr:
    if not _ACCESS_CODE.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 64 printable ASCII characters")
    return value


def _check_host_address(value: str) -> str:
    if re.fullmatch(_HOST_NAME, value):
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        address = None
    if address is None or "%" in value:  # a zone is a name of one machine's own
        raise ValueError("must be an IPv4 or IPv6 address, or a host name")
    return value


def _check_file_name(value: str) -> str:
    if "/" in value or "\\" in value or value in (".", ".."):
        raise ValueError("must be a bare file name")
    return _check_name(value)


def _clean_text(value: str) -> str:
    """A client's message is worth more than the escape sequences and the camera's password that its printer put in."""
    return without_url_users(_CONTROL.sub(lambda found: found[0] if found[0] in "\n\r\t" else " ", value))


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _integral(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_number(value: object) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("must be a date and time, as 2025-11-12T10:30:00Z")
    return value


def _check_time(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        known = False
    else:
        known = not value.startswith(_OTHER_COUNTINGS) and value not in _NO_PLACES
    if not known:
        raise ValueError("must be a time zone of the tz database, as Europe/Berlin")
    return value


def _check_payload(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _PAYLOAD_BYTES:
        raise ValueError(f"must be at most {_PAYLOAD_BYTES} bytes of JSON")
    if _count_fields(value, depth=1, in_list=False) > _PAYLOAD_FIELDS:
        raise ValueError(f"must hold at most {_PAYLOAD_FIELDS} fields")
    return value


def _count_fields(value: Any, *, depth: int, in_list: bool) -> int:
    if depth > _PAYLOAD_DEPTH:
        raise ValueError(f"must be nested at most {_PAYLOAD_DEPTH} deep")
    if isinstance(value, list):
        if in_list:
            raise ValueError("must not hold a list directly within a list")
        return sum(_count_fields(each, depth=depth + 1, in_list=True) for each in value)
    if not isinstance(value, dict):
        return 0
    for key in value:
        if not key or len(key.encode()) > _FIELD_NAME_BYTES or _RESERVED_ID.fullmatch(key):
            raise ValueError("must not hold an empty, reserved or over-long field name")
    return len(value) + sum(_count_fields(each, depth=depth + 1, in_list=False) for each in value.values())


# What the checks above refuse, for the API's document. In a pattern blank is what `str.strip` takes away.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_BLANKS = r" \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"


def _line(besides: str = "", refused: str = "") -> dict[str, Any]:
    pattern = f"^{refused}[^{_CONTROLS}{besides}]*[^{_CONTROLS}{_BLANKS}{besides}][^{_CONTROLS}{besides}]*$"
    said = "one line, not blank" + (", a bare file name" if besides else "")
    return {"type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern, "description": said}


_ID_SCHEMA = {
    "type": "string",
    "description": "letters, digits and . _ ~ : @ + = -",
    "minLength": 1,
    "maxLength": 128,
    "pattern": r"^(?!\.{1,2}$)(?!__.*__$)[A-Za-z0-9._~:@+=-]+$",
}
_HOST_ADDRESSES: list[dict[str, Any]] = [
    {"type": "string", "format": "ipv4"},
    {"type": "string", "format": "ipv6"},
    {"type": "string", "maxLength": 253, "pattern": f"^{_HOST_NAME}$", "description": "a host name"},
]
_ACCESS_CODE_SCHEMA = {
    "type": "string",
    "format": "password",
    "pattern": f"^{_ACCESS_CODE.pattern}$",
    "writeOnly": True,
}
_FIELD_NAME: dict[str, JsonValue] = {
    "minLength": 1,
    "maxLength": _FIELD_NAME_BYTES,
    "pattern": r"^(?!\.{1,2}$)(?!__.*__$)",
}


Id = Annotated[str, AfterValidator(_check_id), WithJsonSchema(_ID_SCHEMA)]
"""Names a document, a subscription or a printer: a safe part of a path."""

OptionalId = Annotated[
    Id | None,
    BeforeValidator(_blank_is_none),
    WithJsonSchema({"anyOf": [_ID_SCHEMA, {"const": ""}, {"type": "null"}]}),
]
"""An id that clients in the field send empty where they have none."""

NewId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,99}$")]
"""An id that a caller chooses for something new: also a part of a topic's or a subscription's name."""

NewOrganizationId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.~-]{0,99}$"),
    Field(description="letters, digits and . ~ - (no _, which parts an organization's id from what follows it)"),
]
"""Such an id of an organization: `_` parts it from what follows it in the ids of documents."""

FileName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(_check_file_name),
    WithJsonSchema(_line(besides=r"/\\", refused=r"(?!\.{1,2}$)")),
]
"""A file's name without a path."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(_check_name),
    WithJsonSchema(_line()),
]
"""A short label of one line that somebody typed."""

OptionalName = Annotated[
    Name | None,
    BeforeValidator(_blank_is_none),
    WithJsonSchema({"anyOf": [_line(), {"const": ""}, {"type": "null"}]}),
]
"""A name that clients in the field send empty where they have none."""

AccessCode = Annotated[SecretStr, AfterValidator(_check_access_code), WithJsonSchema(_ACCESS_CODE_SCHEMA)]
"""A printer's: hidden from logs and from the digest that a repeated call is known by, since so short a secret could be
guessed."""

OptionalAccessCode = Annotated[
    AccessCode | None,
    BeforeValidator(_blank_is_none),
    WithJsonSchema({"anyOf": [_ACCESS_CODE_SCHEMA, {"const": ""}, {"type": "null"}]}),
]
"""An access code that is sent empty where it is not to be changed."""

HostAddress = Annotated[
    str,
    StringConstraints(max_length=253),
    AfterValidator(_check_host_address),
    WithJsonSchema({"anyOf": _HOST_ADDRESSES}),
]
"""A machine in its network: an IPv4 or IPv6 address, or a host name (RFC 1123), but none that ends in a number."""

OptionalHostAddress = Annotated[
    HostAddress | None,
    BeforeValidator(_blank_is_none),
    WithJsonSchema({"anyOf": [*_HOST_ADDRESSES, {"const": ""}, {"type": "null"}]}),
]
"""Such an address, sent empty where there is none."""

EmailAddress = Annotated[str, StringConstraints(max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$")]
"""An e-mail address, as far as its form shows."""

Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_clean_text)]
"""A message of a few lines at the most, kept and shown without the users and passwords of its URLs."""

OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
"""Such a message, sent empty where there is none."""

WithoutFraction = BeforeValidator(_integral)
"""Behind the limits of an integer: JSON makes no difference between 7 and 7.0."""

Whole = Annotated[int, WithoutFraction]
"""A number without a fraction."""

PlateIndex = Annotated[int, Field(ge=1, le=64), WithoutFraction]
"""A plate of a print file, counted from 1."""

Moment = Annotated[datetime, AfterValidator(_check_time)]
"""A point in time, in UTC; one without a zone is read as UTC."""

QueryMoment = Annotated[Moment, BeforeValidator(_no_number)]
"""A point in time in a query, where a number could be meant as one."""

QueryDate = Annotated[date, BeforeValidator(_no_number)]
"""A date in a query, likewise."""

TimeZone = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"),
    AfterValidator(_check_time_zone),
    Field(description="a name of the tz database, as Europe/Berlin"),
]
"""A time zone by its name."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="a code of ISO 4217, as EUR")]
"""What money is counted in."""

StorableItem = TypeAliasType(
    "StorableItem", "bool | Annotated[float, Field(ge=-(2**63), lt=2**63)] | str | Storable | None"
)
Storable = TypeAliasType(
    "Storable",
    "Annotated[dict[str, StorableItem | list[StorableItem]], "
    "Field(json_schema_extra={'propertyNames': _FIELD_NAME, 'maxProperties': _PAYLOAD_FIELDS})]",
)


class _Described:
    """Describes data as the document store can hold it."""

    @staticmethod
    def __get_pydantic_json_schema__(_: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(TypeAdapter(Storable).core_schema)


Payload = Annotated[dict[str, Any], AfterValidator(_check_payload), _Described()]
"""Free data that a client attaches: an object that the document store can hold, at most 64 KiB."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$", to_lower=True)]
"""A SHA-256 in hex."""

Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{32}$", to_lower=True)]
"""An MD5 in hex."""
