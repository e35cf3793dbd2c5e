"""What a person should do about an error, in one sentence: for the codes that matter most, in our own words.

The codes are those of the protocol notes, section D. A family is the beginning of a code, `*` standing for any digit;
of several that fit, the longest counts.
"""

import re
from collections.abc import Mapping

PROMPTS = frozenset({83918896, 50364434, 83935249, 134184967})
"""Values of `print_error` with which a printer merely asks something."""

CANCELLED_AT_PRINTER = frozenset({0x0300400C, 0x0500400E})
"""`print_error` of a print that a person has cancelled."""

PAUSED_BY_PERSON = frozenset({0x03008001})
"""`print_error` of a print that a person has paused."""

_HEATING_BED = "Switch the printer off, let the bed cool down, and check its heater's cable and thermistor."
_HEATING_NOZZLE = (
    "Switch the printer off, let the nozzle cool down, and check its heater and thermistor for loose plugs."
)
_RUNOUT = "Load a spool of the same filament and resume the print at the printer."
_AMS = "Check the AMS's cable and power, and that no filament is stuck in its tubes, then try again at the printer."

ADVICE: Mapping[str, str] = {
    "0300_0300_0002_0003": _HEATING_BED,
    "0500_0200_0001_0001": _HEATING_NOZZLE,
    "0500_0300_0002_0001": _HEATING_NOZZLE,
    "0700_0300_0001_0002": "Take away whatever blocks the axes, then home the printer again.",
    "0C00_0100_0001_0001": "Check the cable between printer and AMS, and restart both.",
    "0D00_0200_0001_0001": _RUNOUT,
    "0500_0500_0001_0007": "Switch on Developer Mode at the printer: until then it refuses what is sent to it.",
    "0500_4003": "Slice the model anew for this printer and upload it again: the printer could not read the file.",
    "0500_4004": "Wait until the printer has finished what it does, then start the job again.",
    "0500_C010": "Check the printer's SD card or USB stick, then start the job again: the file could not be read.",
    "0500_803C": "Fit the nozzle that the file was sliced for, or slice it for the one that is fitted.",
    "07FF_8012": "Load what the job needs into the AMS, or choose other slots for it, then start the job again.",
    "0300_8003": "Look at the print: if it has come loose, cancel it and clean the plate; if not, resume it.",
    "0300_8004": _RUNOUT,
    "0300_8008": _HEATING_NOZZLE,
    "0300_8009": _HEATING_BED,
    "0300_800A": "Empty the chute behind the nozzle, then resume the print.",
    "07**_8003": "Check the extruder for broken or stuck filament, pull it out, and try again at the printer.",
    "07**_8004": "Pull the filament back by hand: it could not be drawn into the AMS.",
    "07**_8005": "Cut the filament's end straight, and check that its spool turns freely in the AMS.",
    "07**_8011": _RUNOUT,
    "07**_2*00_0002_0001": _RUNOUT,
    "07**_2*00_0002_0002": "Put a spool into the empty AMS slot, or choose another slot, then resume the print.",
    "12**_2*00_0002_0001": _RUNOUT,
    "0C00_8009": "Clean the plate, and put it on with its marker in view of the camera.",
    "0C00_03": "Look at the camera's picture: the printer believes that the first layer or the print has gone wrong.",
    "0300_01": _HEATING_BED,
    "0300_02": _HEATING_NOZZLE,
    "0300_03": "Check that the fan of the hot end turns freely and that its plug sits firmly.",
    "0300_0A": "Check that the plate lies flat and that nothing lies under it, then level the bed again.",
    "0300_0D": "Put the plate on straight, and check that nothing is in the way while the printer homes.",
    "0300_10": "Clean the X axis and check that its belt is tight.",
    "0300_11": "Clean the Y axis and check that its belt is tight.",
    "07": _AMS,
    "12": _AMS,
    "18": _AMS,
    "08": "Let the printer cool down, and check that the tool head's cover and cables sit firmly.",
    "0C": "Clean the camera and the lidar, and restart the printer if the error stays.",
}
"""By code, or family of codes."""

_FAMILIES = tuple(
    (re.compile(re.escape(code).replace(r"\*", "[0-9A-F]")), sentence)
    for code, sentence in sorted(ADVICE.items(), key=lambda each: -len(each[0]))
)


def advice(code: str) -> str | None:
    """What to do about a code; None for one of which we have nothing better to say than what it is."""
    return ADVICE.get(code) or next((sentence for form, sentence in _FAMILIES if form.match(code)), None)
