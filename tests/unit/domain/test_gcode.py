"""G-code: what may be sent, and why the rest may not."""

import pytest

from printpipe.domain import gcode
from printpipe.domain.gcode import Refusal

SENT = [
    "G0 X10",
    "G1 X10 Y-5.5 Z.2 E1.25 F3000",
    "g1 x10 f600",
    "G1 X+10.",
    "G4 S5",
    "G4 P60000",
    "G28",
    "G28 X",
    "G28 X Y Z",
    "G28 X0 Y0",
    "G90",
    "G91",
    "G92 E0",
    "M17",
    "M18 E",
    "M84 S60",
    "M82",
    "M83",
    "M104 S0",
    "M104 S300",
    "M104 T1 S210",
    "M0104 S210",
    "M105",
    "M106",
    "M106 P2 S255",
    "M107",
    "M109 R220",
    "M114",
    "M115",
    "M140 S120",
    "M141 S65",
    "M190 S60",
    "M191 S45",
    "M220 S10",
    "M220 S300",
    "M221 S50",
    "M221 S200",
    "M400",
    "G1  X10   Y10",
]
REFUSED = {
    "": "no G-code command",
    "   ": "no G-code command",
    "hello": "no G-code command",
    "G": "no G-code command",
    "G 28": "no G-code command",
    "G28\nM112": "control characters",
    "G28\r\nM112": "control characters",
    "G28\tX": "control characters",
    "G28\x00": "control characters",
    "G28\x1b[2J": "control characters",
    "G28\x7f": "control characters",
    "G28\x85M112": "control characters",
    "G28\u2028M112": "control characters",
    "G28\u202eX": "control characters",
    "G28\xa0X": "control characters",
    "G28 X" + " " * 252: "256 bytes",
    "M117 " + "é" * 126: "256 bytes",
    "G28 ; home": "comments",
    "G28;M112": "comments",
    "(G28) M112": "comments",
    "G28 (X) Z": "comments",
    "G28*51": "checksums",
    "N5 G28": "no G-code command",
    "/G28": "no G-code command",
    "%": "no G-code command",
    "$H": "no G-code command",
    "!": "no G-code command",
    "Ｇ28": "no G-code command",
    "G28 M112": "one command",
    "G28 G1 X5": "one command",
    "G28M112": "no G-code command",
    "G1X10": "no G-code command",
    "G1 X10Y10": "no word",
    "G1 X1E3": "no word",
    "G1 X--5": "no word",
    "G1 X0x10": "no word",
    "G1 X1e5": "no word",
    "G1 X١": "no word",
    "G1 X": "X of G1 must be a number",
    "G1 X501": "from -500 to 500",
    "G1 Z-501": "from -500 to 500",
    "G1 E201": "from -200 to 200",
    "G1 F0": "from 1 to 30000",
    "G1 F99999": "from 1 to 30000",
    "G1 X" + "9" * 200: "from -500 to 500",
    "G1 X10 X20": "X twice",
    "G1 X10 S500": "G1 with S",
    "G4": "needs S or P",
    "G4 S61": "from 0 to 60",
    "G4 P60001": "from 0 to 60000",
    "G28 Z": "Z without X and Y",
    "g28 z0": "Z without X and Y",
    "G028 Z": "Z without X and Y",
    "G28 X Z": "Z without X and Y",
    "G28 X Y Z P0": "G28 with P",
    "G90 X1": "G90 with X",
    "G92": "needs X or Y or Z or E",
    "M104": "needs S or R",
    "M104 S301": "from 0 to 300",
    "M104 S-1": "from 0 to 300",
    "M104 S200 S400": "S twice",
    "M104 S200 R400": "R of M104 must be a number from 0 to 300",
    "M104 S200 T9": "T of M104",
    "M104 F1 S200": "M104 with F",
    "M109 S350": "from 0 to 300",
    "M140 S121": "from 0 to 120",
    "M190 R500": "from 0 to 120",
    "M141 S66": "from 0 to 65",
    "M191 S100": "from 0 to 65",
    "M106 S256": "from 0 to 255",
    "M106 S-1": "from 0 to 255",
    "M220 S9": "from 10 to 300",
    "M220 S301": "from 10 to 300",
    "M221 S49": "from 50 to 200",
    "M221 S201": "from 50 to 200",
    "T0": "T0 is not allowed",
    "G20": "G20 is not allowed",
    "G28.1": "G28.1 is not allowed",
    "G29": "G29 is not allowed",
    "M0112": "M112 is not allowed",
    "m112": "M112 is not allowed",
    "M600": "M600 is not allowed",
    "M117 hello": "M117 is not allowed",
}
NEVER = [
    "M108",
    "M110 N0",
    "M112",
    "M410",
    "M20",
    "M21",
    "M22",
    "M23 a.gco",
    "M24",
    "M25",
    "M26 S0",
    "M27",
    "M28 a.gco",
]
NEVER += ["M29", "M30 a.gco", "M32 a.gco", "M33", "M80", "M81", "M149 F", "M206 X1", "M211 S0", "M301 P1", "M302 S0"]
NEVER += ["M303 E0", "M304", "M500", "M501", "M502", "M503", "M504", "M569", "M851 Z-1", "M906 X900", "M907", "M928 a"]
NEVER += ["M997", "M999", "M201 X9999", "M203 X9999", "M204 S9999", "M92 X80", "M42 P1 S255", "M280 P0 S10", "M400 U1"]


@pytest.mark.parametrize("line", SENT)
def test_a_harmless_line_is_sent_as_it_is(line: str) -> None:
    assert gcode.check(line, ()) == line


def test_blanks_around_a_line_are_dropped() -> None:
    assert gcode.check("  G28 X  ", ()) == "G28 X"


@pytest.mark.parametrize("line", REFUSED)
def test_a_line_that_may_not_be_sent_is_refused_with_the_reason(line: str) -> None:
    with pytest.raises(Refusal) as refused:
        gcode.check(line, ())
    assert REFUSED[line] in str(refused.value)


@pytest.mark.parametrize("line", NEVER)
def test_what_changes_firmware_settings_files_or_power_is_not_on_the_list(line: str) -> None:
    with pytest.raises(Refusal):
        gcode.check(line, ())


def test_256_bytes_are_enough() -> None:
    assert gcode.check("M117 " + "é" * 125 + "!", {"M117"})


@pytest.mark.parametrize("line", ["M117 Hello, world!", "M600", "M600 X10 Y10 Z5", "m117 50 %"])
def test_a_deployment_may_add_codes(line: str) -> None:
    assert gcode.check(line, {"M117", "M600"}) == line


@pytest.mark.parametrize("line", ["M117 hi\nM112", "M117 hi ; M112", "M117 M112", "M117 N5 x", "M118 hi", "M117 hi*1"])
def test_an_added_code_is_one_line_and_one_command_too(line: str) -> None:
    with pytest.raises(Refusal):
        gcode.check(line, {"M117"})


def test_adding_a_code_of_the_list_lifts_no_bound() -> None:
    with pytest.raises(Refusal):
        gcode.check("M104 S400", {"M104"})


@pytest.mark.parametrize(("text", "written"), [("m0600", "M600"), ("G29.1", "G29.1"), ("T1", "T1")])
def test_a_code_is_written_one_way(text: str, written: str) -> None:
    assert gcode.code(text) == written


@pytest.mark.parametrize("text", ["", "M", "600", "M600 X1", "M-1", "X1", "M12345"])
def test_what_is_no_code_cannot_be_added(text: str) -> None:
    with pytest.raises(Refusal):
        gcode.code(text)
