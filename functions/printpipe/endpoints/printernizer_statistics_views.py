"""How statistics look in the dialect `printernizer`, where whole numbers become hours, kilogrammes and money."""

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.domain.periods import Named
from printpipe.domain.statistics import OTHER, UNKNOWN, Counts
from printpipe.domain.values import QueryDate, QueryMoment
from printpipe.services.statistics.overview import Outcome, Span

_MILLIGRAMS = 1_000_000
"""Of a kilogramme."""

_CENT = 100
"""In 1/10,000 of the currency's unit."""


class Arguments(printernizer.Model):
    """The query: the present day, week (from Monday), month or year, or both a start and an end, of 366 days at most.

    A date is one of the organization's time zone; of a point in time the date counts that it is there.
    """

    period: Named | None = Field(None, description="the present one, so far; a month where nothing is said")
    start_date: QueryDate | QueryMoment | None = Field(None, union_mode="left_to_right", description="the first day")
    end_date: QueryDate | QueryMoment | None = Field(None, union_mode="left_to_right", description="the last day")

    @property
    def span(self) -> Span:
        """What is asked for."""
        return Span(self.period, self.start_date, self.end_date)


def rate(part: float, whole: float) -> float | None:
    """A share from 0 to 1; None of nothing."""
    return round(min(part / whole, 1.0), 3) if whole > 0 else None


def success_rate(counts: Counts) -> float | None:
    """The share of good ends, cancelled jobs left aside."""
    return rate(counts.completed, counts.completed + counts.failed)


def average_seconds(counts: Counts) -> int:
    """How long a job has printed on average, of those of which that is known; 0 of none."""
    return (counts.seconds + counts.timed // 2) // counts.timed if counts.timed else 0


def money(amount: int) -> float:
    """In the currency's unit, to the cent."""
    return (amount + _CENT // 2) // _CENT / 100


def kilogrammes(milligrams: int) -> float:
    """To the milligram."""
    return milligrams / _MILLIGRAMS


def most_used(outcome: Outcome) -> str | None:
    """The material of which the most was used, as far as anybody says which it was."""
    return next((each.name for each in outcome.materials if each.name not in (OTHER, UNKNOWN)), None)
