"""How a transfer can end badly."""

from typing import Literal

from edge_agent.command import Outcome, failed
from edge_agent.drivers.base import StorageErrorCode
from edge_agent.execution import Refused

FailureCode = StorageErrorCode | Literal["changed", "cloud", "too_large"]


class TransferFailed(Exception):
    """The transfer ends as failed; the message is for the operator."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code: FailureCode = code


class Cancelled(Refused):
    """The cloud does not want the transfer any more."""

    def __init__(self) -> None:
        super().__init__("cancelled")


def failure(code: str, message: str) -> Outcome:
    """The outcome of a command that failed for a reason with a code."""
    return failed(message, {"errorCode": code})
