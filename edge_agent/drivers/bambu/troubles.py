"""The problems of a Bambu printer in words: what is wrong, and what the operator can do about it."""

import ssl

from edge_agent.drivers.bambu.certificates import Seen
from edge_agent.drivers.bambu.identity import OTHER_NAME, Target
from edge_agent.drivers.problems import Problem

DEVELOPER_MODE_OFF = Problem(
    "developer_mode_off",
    "the printer refuses commands because Developer Mode is off; switch on LAN Only and Developer Mode on its screen,"
    " then set the new access code here",
)
SILENT = Problem(
    "silent",
    "the printer lets us in and then reports nothing; is its serial number written as on its screen, in capitals?"
    " if it is, switch the printer off and on",
)
FELL_SILENT = Problem("silent", "the printer is connected and has stopped reporting; look at it")
DEAF = Problem(
    "deaf",
    "the printer reports and does not answer what it is told, also on new connections; switch it off and on",
)
TURNED_AWAY = "the printer ends the connection at once; other programs may hold the few that it allows"
EXPIRED = 10
"""OpenSSL's code for a certificate whose time is over."""


def refused(answer: str) -> Problem:
    """The printer does not take the access code."""
    text = (
        f"the printer refuses the access code ({answer}); its screen shows the right one, which changes when LAN Only"
        " or Developer Mode is switched"
    )
    return Problem("access_code_refused", text)


def unreachable(reason: str) -> Problem:
    """There is no connection."""
    return Problem("unreachable", f"the printer cannot be reached: {reason}", passing=True)


def ca_file_unusable(printer: Target, error: OSError) -> Problem:
    """The CA file cannot be read."""
    text = f"the CA file {printer.ca_file} cannot be used: {error.strerror or error}"
    return Problem("ca_file_unusable", text)


def not_verified(printer: Target, error: ssl.SSLCertVerificationError, seen: Seen | None, address: str) -> Problem:
    """The certificate is not the printer's, or is not believed; `seen` is what was shown, where that is known.

    To trust it is advised for the printer's own address alone: any other was merely announced, by whomever.
    """
    facts = {} if seen is None else {"fingerprint": seen.fingerprint}
    if seen is not None and seen.name is not None and seen.name != printer.serial:
        facts["serial"] = seen.name
        text = (
            f"the printer's certificate is not that of {printer.serial} but that of {seen.name}: another printer has"
            " the address, or the serial number is wrong"
        )
        return Problem("wrong_serial", text, facts=facts)
    if error.verify_code == OTHER_NAME:
        text = f"the printer's certificate is not that of {printer.serial}"
        return Problem("wrong_serial", text, facts=facts)
    if printer.pinned_certificate is not None:
        text = f"the printer's certificate is not the pinned one{_shown(seen)}; nothing was said to it"
    elif error.verify_code == EXPIRED:
        text = "the printer's certificate has expired, or the clock of this machine is wrong"
    else:
        text = (
            f"the printer's certificate does not come from the CA in {printer.ca_file} ({error.verify_message});"
            " with a newer CA file it may be known"
        )
        if address != printer.address:
            text += f"; whoever announced {address} as its address need not be it"
        elif seen is not None:
            text += (
                "; if nobody else can have got between, trust this very certificate with"
                f' "pinned_certificate": "{seen.fingerprint}" in the printer\'s configuration'
            )
    return Problem("wrong_certificate", text, facts=facts)


def _shown(seen: Seen | None) -> str:
    return "" if seen is None else f" but {seen.fingerprint}"
