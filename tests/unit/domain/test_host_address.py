"""Which texts are taken for a machine's address."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from printpipe.domain.values import HostAddress

LABEL = "a" * 63
ADDRESSES: TypeAdapter[str] = TypeAdapter(HostAddress)


@pytest.mark.parametrize(
    "text",
    [
        *("192.168.1.9", "10.0.0.255", "::1", "fe80::1ff:fe23:4567:890a", "2001:DB8:0:0:0:0:0:9", "::ffff:10.0.0.9"),
        *("p1s", "P1S-left", "x", "7up", "printer-7.local", "1.hall.example", f"{LABEL}.{LABEL}.{LABEL}.{LABEL[:61]}"),
    ],
)
def test_addresses_and_host_names(text: str) -> None:
    assert ADDRESSES.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "192.168.1", "192.168.1.256", "192.168.01.9", "1.2.3.4.5", "3232235777", "10.0.0.0/8"),
        *(":::", "fe80::1%eth0", "[::1]", "g::1", "1:2:3:4:5:6:7", "10.0.0.9:80", "p1s\n", "p1s local", "p1s_left"),
        *("-p1s", "p1s-", "p1s.", ".p1s", "p1s..local", "p1s.7", "drücker", "a@b", "a/b", "http://p1s", "p1s\0"),
        *(f"{LABEL}a", f"{LABEL}.{LABEL}.{LABEL}.{LABEL[:62]}", "x" * 5000),
    ],
)
def test_what_is_neither(text: str) -> None:
    with pytest.raises(ValidationError):
        ADDRESSES.validate_python(text)


def test_the_description_says_what_a_host_name_is() -> None:
    described: dict[str, Any] = ADDRESSES.json_schema()
    (pattern,) = [each["pattern"] for each in described["anyOf"] if "pattern" in each]
    texts = ("p1s", "printer-7.local", "10.0.0.9", "p1s_left", "-p1s")
    assert [each for each in texts if re.search(pattern, each)] == ["p1s", "printer-7.local"]
