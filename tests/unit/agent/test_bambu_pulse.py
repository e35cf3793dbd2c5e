"""Whether a printer still hears us: it is asked rarely, and twice at most; only one that goes on reporting is deaf."""

from edge_agent.drivers.bambu.pulse import Pulse

EVERY, PATIENCE = 120.0, 10.0


def asked(pulse: Pulse, until: float, *, start: float = 0.0, reports: bool = True) -> list[float]:
    """When the printer was asked by then, looked at every second; it answers nothing."""
    times = []
    for second in range(int(start), int(until) + 1):
        last_frame = float(second) if reports else 0.0
        if pulse.is_due(second, last_frame):
            pulse.probed(f"p{second}", second)
            times.append(float(second))
        if pulse.gives_up(second, last_frame):
            return [*times, -1.0]
    return times


def test_a_quiet_printer_is_asked_twice_and_then_given_up() -> None:
    assert asked(Pulse(0, EVERY, PATIENCE), 300) == [120, 124, -1]


def test_an_acknowledged_request_puts_the_question_off() -> None:
    pulse = Pulse(0, EVERY, PATIENCE)
    pulse.sent("30001", 100)
    pulse.heard("30001", 101)
    assert asked(pulse, 220, start=101) == []
    assert asked(pulse, 221, start=221) == [221]


def test_a_request_that_waits_is_followed_by_the_question_at_once() -> None:
    pulse = Pulse(0, EVERY, PATIENCE)
    pulse.sent("30001", 20)
    assert asked(pulse, 60, start=20) == [23, 27, -1]


def test_what_others_are_told_does_not_count() -> None:
    pulse = Pulse(0, EVERY, PATIENCE)
    pulse.sent("30001", 20)
    pulse.heard("2021", 21)
    assert asked(pulse, 60, start=21)[-1] == -1


def test_one_lost_answer_is_made_up_for() -> None:
    pulse = Pulse(0, EVERY, PATIENCE)
    assert asked(pulse, 124) == [120, 124]
    pulse.heard("p124", 125)
    assert asked(pulse, 240, start=125) == []


def test_a_printer_that_says_nothing_at_all_is_not_deaf_and_is_not_asked() -> None:
    assert asked(Pulse(0, EVERY, PATIENCE), 300, reports=False) == []
    pulse = Pulse(0, EVERY, PATIENCE)
    assert asked(pulse, 121) == [120]
    assert not any(pulse.gives_up(second, 121.0) for second in range(122, 300))


def test_where_new_connections_do_not_help_it_is_asked_ever_more_rarely() -> None:
    pulse, gaps = Pulse(0, EVERY, PATIENCE), []
    for _ in range(8):
        pulse.begin(0)
        gaps.append(asked(pulse, 10_000)[0])
    assert gaps == [120, 240, 480, 960, 1920, 3840, 3840, 3840]
    assert pulse.is_hopeless
    pulse.begin(0)
    pulse.sent("1", 0)
    assert asked(pulse, 1000) == [], "no request is followed by a question any more"
    pulse.heard("1", 1000)
    assert not pulse.is_hopeless
