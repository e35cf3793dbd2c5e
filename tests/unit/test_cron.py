"""Schedules are due when cron says, and what is no schedule is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from printpipe.runtime.cron import Cron

MONDAY = datetime(2025, 11, 3, tzinfo=UTC)
WEEK = [MONDAY + timedelta(minutes=minute) for minute in range(7 * 24 * 60)]


def due(text: str) -> list[str]:
    """The minutes of a week at which it is due."""
    schedule = Cron.parse(text)
    return [f"{moment:%a %H:%M}" for moment in WEEK if schedule.includes(moment)]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("30 4 * * 1", ["Mon 04:30"]),
        ("0 0,12 * * TUE", ["Tue 00:00", "Tue 12:00"]),
        ("*/20 7 * * Fri-Sat", [f"{day} 07:{minute}" for day in ("Fri", "Sat") for minute in ("00", "20", "40")]),
        ("59 23 * * 0", ["Sun 23:59"]),
        ("59 23 * * 7", ["Sun 23:59"]),
        ("5 6 4 * *", ["Tue 06:05"]),
        ("5 6 4 NOV WED", ["Tue 06:05", "Wed 06:05"]),
        ("5 6 * NOV WED", ["Wed 06:05"]),
        ("0 0 3-9/3 11 *", ["Mon 00:00", "Thu 00:00", "Sun 00:00"]),
        ("0 0 * 12 *", []),
    ],
)
def test_a_schedule_is_due_at_its_minutes(text: str, times: list[str]) -> None:
    assert due(text) == times


def test_stars_are_every_minute_and_one_number_every_hour() -> None:
    assert len(due("* * * * *")) == len(WEEK)
    assert len(due("17 * * * *")) == 7 * 24


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "5/10 * * * *",
        "*/0 * * * *",
        "9-5 * * * *",
        "MON * * * *",
        "* * * * SOMEDAY",
        "1,,2 * * * *",
        "-1 * * * *",
        "1.5 * * * *",
        "٣ * * * *",
        "every 5 minutes please now",
        "@hourly",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Cron.parse(text)
