"""What a printer's acknowledgement says. It means accepted, not done (section B)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.drivers.bambu.numbers import integer

VERIFY_ERRORS = range(84033543, 84033549)
DEVELOPER_MODE_ADVICE = (
    "the printer refused the command because Developer Mode is off; "
    "switch on LAN Only and Developer Mode on its screen, then set the new access code here"
)


@dataclass(frozen=True, slots=True)
class Ack:
    """One acknowledgement, with all its `content`. `accepted` is None where the printer only echoed the request."""

    accepted: bool | None
    reason: str
    needs_developer_mode: bool
    content: Mapping[str, Any]

    @property
    def refusal(self) -> str | None:
        """Why the printer refused, for the operator; None where it did not."""
        if self.needs_developer_mode:
            return DEVELOPER_MODE_ADVICE
        return (
            f"the printer refused the command: {self.reason or 'no reason given'}" if self.accepted is False else None
        )


def ack(payload: Mapping[str, Any]) -> Ack:
    """Read the acknowledgement; `result` may be success or SUCCESS, fail or failed, an int, or missing.

    Where it is missing, an error number other than 0 is a refusal, and nothing else is.
    """
    result = payload.get("result")
    reason = str(payload.get("reason") or "").encode("utf-8", "replace").decode()
    code = integer(payload.get("err_code")) or integer(payload.get("errno")) or 0
    verify = code in VERIFY_ERRORS or "verify failed" in reason.lower()
    accepted: bool | None = None
    if isinstance(result, bool | int):
        accepted = int(result) == 0
    elif isinstance(result, str) and result:
        accepted = result.lower() == "success"
    elif code:
        accepted = False
    if accepted is False and not reason and code:
        reason = f"error {code}"
    return Ack(accepted, reason, verify, payload)
