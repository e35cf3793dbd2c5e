"""What an examination finds: one line each, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge_agent.cli.text import plain

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is for the operator, where something is to be done."""

    verdict: Verdict
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<4}  {self.subject:<14}  {plain(self.text)}"
        return f"{line}\n{'':22}{self.advice}" if self.advice else line


def show(findings: Iterable[Finding]) -> bool:
    """Print each as it comes; whether nothing failed."""
    good = True
    for finding in findings:
        print(finding, flush=True)
        good = good and finding.verdict != "fail"
    return good
