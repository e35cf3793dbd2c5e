"""Quiet hours are those of the organization's clocks, over midnight and where the clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from printpipe.domain.notifications import QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
AUCKLAND = ZoneInfo("Pacific/Auckland")


def hours(start: str, end: str) -> QuietHours:
    return QuietHours.model_validate({"from": start, "to": end})


def at(zone: ZoneInfo, *parts: int, fold: int = 0) -> datetime:
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("22:00", "07:00", (2026, 1, 10, 21, 59), None),
        ("22:00", "07:00", (2026, 1, 10, 22, 0), (2026, 1, 11, 7, 0)),
        ("22:00", "07:00", (2026, 1, 11, 0, 0), (2026, 1, 11, 7, 0)),
        ("22:00", "07:00", (2026, 1, 11, 6, 59), (2026, 1, 11, 7, 0)),
        ("22:00", "07:00", (2026, 1, 11, 7, 0), None),
        ("12:00", "13:30", (2026, 1, 11, 13, 29), (2026, 1, 11, 13, 30)),
        ("12:00", "13:30", (2026, 1, 11, 13, 30), None),
        ("00:00", "06:00", (2026, 1, 11, 0, 0), (2026, 1, 11, 6, 0)),
        ("18:00", "00:00", (2026, 1, 11, 23, 59), (2026, 1, 12, 0, 0)),
        ("18:00", "00:00", (2026, 1, 11, 0, 0), None),
        ("07:00", "06:59", (2026, 1, 11, 6, 59), None),
    ],
)
@pytest.mark.parametrize("zone", [BERLIN, AUCKLAND], ids=str)
def test_they_are_those_of_the_clocks(
    zone: ZoneInfo, start: str, end: str, now: tuple[int, ...], until: tuple[int, ...] | None
) -> None:
    expected = at(zone, *until) if until is not None else None
    assert hours(start, end).until(at(zone, *now), zone) == expected


def test_a_night_in_which_the_clocks_go_forward_is_an_hour_shorter() -> None:
    now = at(BERLIN, 2026, 3, 28, 22, 0)
    assert hours("22:00", "07:00").until(now, BERLIN) == now + timedelta(hours=8)


def test_a_night_in_which_they_go_back_is_an_hour_longer() -> None:
    now = at(BERLIN, 2026, 10, 24, 22, 0)
    assert hours("22:00", "07:00").until(now, BERLIN) == now + timedelta(hours=10)


def test_an_end_that_the_clocks_leave_out_is_not_before_its_time() -> None:
    """On that night 02:30 does not come: three o'clock follows on two."""
    quiet, last = hours("22:00", "02:30"), at(BERLIN, 2026, 3, 29, 1, 59)
    until = quiet.until(last, BERLIN)
    assert until is not None
    assert until > last
    assert quiet.until(until, BERLIN) is None


def test_an_end_that_comes_twice_is_the_second_and_it_is_quiet_all_the_time_until_then() -> None:
    quiet, second = hours("22:00", "02:30"), at(BERLIN, 2026, 10, 25, 2, 30, fold=1)
    begin = at(BERLIN, 2026, 10, 24, 22, 0)
    for minutes in range(0, int((second - begin).total_seconds()) // 60, 10):
        assert quiet.until(begin + timedelta(minutes=minutes), BERLIN) == second
    assert quiet.until(second, BERLIN) is None


def test_whoever_waits_until_they_end_waits_once() -> None:
    """However the span lies, their end is outside of them, all year round."""
    for start, end in (("22:00", "07:00"), ("02:30", "02:00"), ("01:30", "02:30"), ("00:00", "23:59")):
        for hour in range(0, 366 * 24, 5):
            now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
            until = hours(start, end).until(now, BERLIN)
            assert until is None or (until > now and hours(start, end).until(until, BERLIN) is None)
