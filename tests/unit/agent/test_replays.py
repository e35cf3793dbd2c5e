"""Recorded payloads of real printers, whole and broken, through everything that reads them.

Frames are merged, brought into the normal form, and shown to the tracker and the HMS watch. The recordings lie beside
the repository; where they are absent the tests are skipped.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.drivers.bambu.acks import ack
from edge_agent.drivers.polled.tracking import Tracker as PolledTracker
from edge_agent.drivers.prusalink.state import seen_in
from edge_agent.execution import Rooms
from edge_agent.jobs import Job
from tests.counts import count
from tests.unit.agent.bambu_fixtures import recorded
from tests.unit.agent.replayed import (
    JOB_ENDS,
    JUNK,
    START,
    Hand,
    Reader,
    agent_rooms,
    altered,
    assert_told_right,
    changes,
    places,
    prusalink,
    pushed,
    wire,
)

IN_MEMORY = next((path for path in (Path("/dev/shm"),) if path.is_dir()), None)
"""Where thousands of agents write to no disk, where there is such a place."""
P2S_EVENTS = "p2s_start_pause_stop_events.json"
FULL_FRAMES = ("p2s_idle_pushall.json", "p1_full.json", "a1.json", "p1p.json", "x1c_multi_ams.json")
EXAMPLES = count(10_000, quick=60)

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand()


class Serials:
    """A printer that was never seen before, for each reading."""

    last = 0

    @classmethod
    def new(cls) -> str:
        cls.last += 1
        return f"P{cls.last}"


def reader(rooms: Rooms, hand: Hand) -> Reader:
    """What reads a printer that was never seen; the recordings' names would meet again on the disk."""
    rooms.store.execute("DELETE FROM jobs")
    read = Reader(rooms, hand, Serials.new())
    read.told()
    return read


@pytest.fixture(scope="module")
def rooms(hand: Hand) -> Iterator[Rooms]:
    with TemporaryDirectory(dir=IN_MEMORY) as folder, agent_rooms(Path(folder), hand) as made:
        yield made


def replay(read: Reader, hand: Hand, events: Sequence[Mapping[str, Any]], *, stop: bool) -> None:
    """The recorded P2S: a start of ours, its pause by the printer, and its stop, by us or by a person."""
    began = hand.seconds
    for event in events:
        hand.seconds = max(hand.seconds, began + event["ms"] / 1000)
        fields = {name: value for name, value in event.items() if name not in ("ms", "phase", "section")}
        if event["command"] == "push_status" and not read.reports.is_whole:
            fields["msg"] = 0
        assert read.take(wire(fields, event["section"]))
        if event["command"] == "project_file":
            read.start("ams", layer_before=read.reports.picture.layer)
            read.desk.accept()
        elif event["command"] == "stop" and stop:
            read.desk.stop("c-stop")
    read.wait(60)


@pytest.mark.parametrize(
    ("stop", "reason"), [(True, "stopped_by_command"), (False, "cancelled_at_printer")], ids=["by us", "by a person"]
)
def test_the_recorded_p2s_is_started_paused_and_cancelled_once(
    rooms: Rooms, hand: Hand, stop: bool, reason: str
) -> None:
    read = reader(rooms, hand)
    replay(read, hand, recorded(P2S_EVENTS), stop=stop)
    told = read.told()
    jobs = [each for each in told if each.kind.startswith("job")]
    assert [each.kind for each in jobs] == ["job_preparing", "job_started", "job_paused", "job_cancelled"]
    assert jobs[-1].body["errorData"]["reason"] == reason
    assert {each.body["printJobId"] for each in jobs} == {"job-1"}
    errors = [each.body["errorData"] for each in told if each.kind == "hms_error"]
    codes = [error["hmsCode"] for error in errors]
    assert len(codes) == len(set(codes))
    assert [error["printError"] for error in errors if "printError" in error] == [0x0500803C]


def test_the_recorded_p2s_is_followed_through_a_restart_at_every_event(rooms: Rooms, hand: Hand) -> None:
    events = recorded(P2S_EVENTS)
    began = next(place for place, event in enumerate(events) if event["command"] == "project_file") + 1
    for place in range(began, len(events)):
        before = reader(rooms, hand)
        start = hand.seconds
        for event in events[:place]:
            hand.seconds = max(hand.seconds, start + event["ms"] / 1000)
            if event["command"] == "push_status":
                before.see({**event, "msg": 0})
            elif event["command"] == "project_file":
                before.start("ams", layer_before=750)
                before.desk.accept()
        after = Reader(rooms, hand, before.serial)
        for event in events[place:]:
            hand.seconds = max(hand.seconds, start + event["ms"] / 1000)
            if event["command"] == "push_status":
                after.see({**event, "msg": 0})
        after.wait(60)
        kinds = after.kinds()
        assert kinds == ["job_preparing", "job_started", "job_paused", "job_cancelled"], place


@pytest.mark.parametrize(
    ("name", "state", "entries"),
    [
        ("p2s_idle_pushall.json", "completed", 2),
        ("p1_full.json", "printing", 0),
        ("a1.json", "idle", 0),
        ("p1p.json", "failed", 0),
        ("x1c_multi_ams.json", "completed", 0),
    ],
)
def test_a_full_frame_has_its_normal_form_and_tells_of_no_job(
    rooms: Rooms, hand: Hand, name: str, state: str, entries: int
) -> None:
    read = reader(rooms, hand)
    for _ in range(3):
        assert read.take(wire(pushed(name)))
        hand.seconds += 1
    read.wait(60)
    assert read.reports.picture.state == state
    told = read.told()
    assert [each.kind for each in told] == ["hms_error"] * entries
    assert len({each.body["errorData"]["hmsCode"] for each in told}) == entries


def test_the_recorded_delta_changes_the_recorded_p1(rooms: Rooms, hand: Hand) -> None:
    read = reader(rooms, hand)
    for name in ("p1_full.json", "p1_delta.json"):
        assert read.take(wire(recorded(name)["print"]))
    seen = read.reports.picture
    assert (seen.nozzle, seen.bed, seen.remaining_seconds, seen.percent, seen.layer) == (
        229.9375,
        64.96875,
        6000,
        11,
        20,
    )
    assert read.kinds() == []


def test_every_recorded_acknowledgement_is_read(rooms: Rooms, hand: Hand) -> None:
    for entry in recorded("acks.json"):
        messages = entry["message"] if isinstance(entry["message"], list) else [entry["message"]]
        for message in messages:
            for section, content in message.items():
                assert reader(rooms, hand).take(wire(content, section))
                said = ack(content)
                if "accepted" in entry["case"] or entry["case"].endswith("ok"):
                    assert said.accepted is True, entry["case"]
                if "authorization control on" in entry["case"]:
                    assert said.needs_developer_mode, entry["case"]
                if "lacks" in entry["case"]:
                    assert said.accepted is False, entry["case"]


def test_the_recorded_prusalink_answers_are_a_print_from_start_to_end() -> None:
    idle, printing = prusalink("status_idle.json"), prusalink("status_printing.json")
    job, diameter = prusalink("job_printing.json"), prusalink("info.json")["nozzle_diameter"]
    at_rest, running = seen_in(idle, {}, diameter), seen_in(printing, job, diameter)
    assert (at_rest.normal_state, at_rest.has_job, at_rest.bed, at_rest.nozzle_diameter) == ("idle", False, 41.9, 0.4)
    assert (running.normal_state, running.job_id, running.file) == ("printing", 129, "TabletStand3.bgcode")
    assert (running.percent, running.remaining_seconds, running.bed_target) == (37.0, 73020, 85.0)
    assert prusalink("version.json")["text"] == "PrusaLink"
    tracker = PolledTracker("P", timedelta(seconds=10), timedelta(seconds=90), lambda: START)
    tracker.see(at_rest, True, START)
    tracker.begin(Job(marker="TabletStand3.bgcode", printer="P", command_id="c", published_at=START))
    tracker.accept()
    for second, seen in ((3, running), (6, running), (9, at_rest), (12, at_rest), (30, at_rest)):
        tracker.see(seen, False, START + timedelta(seconds=second))
    assert [event.kind for event in tracker.events] == ["job_preparing", "job_started", "job_failed"]
    assert tracker.events[-1].error_data == {"reason": "lost_track"}


# Broken payloads


@functools.cache
def all_frames() -> list[str]:
    """As JSON: full frames of every generation, then the P2S print frame by frame, as full as its first."""
    whole = [pushed(name) for name in FULL_FRAMES]
    base = pushed("p2s_idle_pushall.json")
    delta = dict(recorded("p1_delta.json")["print"])
    shown = [each for each in recorded(P2S_EVENTS) if each["command"] == "push_status"]
    return [json.dumps(each) for each in (*whole, delta, *({**base, **each, "msg": 0} for each in shown))]


FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@FUZZED
@given(data=st.data())
def test_no_broken_frame_breaks_anything(rooms: Rooms, hand: Hand, data: st.DataObject) -> None:
    frames = all_frames()
    order = data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=1, max_size=12))
    started = data.draw(st.none() | st.integers(0, len(order)))
    broken = [json.loads(frames[number]) for number in order]
    for number, place, value, removed in data.draw(changes(len(order))):
        there = places(broken[number])
        if there:
            altered(broken[number], there[place % len(there)], value, removed=removed)
    read = reader(rooms, hand)
    for number, frame in enumerate(broken):
        if number == started:
            read.start("ams", layer_before=read.reports.picture.layer)
        read.see(frame)
        hand.seconds += data.draw(st.sampled_from([0.2, 1.0, 20.0]))
        read.desk.tick()
    read.see(json.loads(frames[0]))
    assert read.reports.picture.state == "completed"
    assert_told_right(read.told())


@FUZZED
@given(data=st.data())
def test_no_broken_bytes_break_anything(rooms: Rooms, hand: Hand, data: st.DataObject) -> None:
    frames = all_frames()
    read = reader(rooms, hand)
    assert read.take(wire(json.loads(frames[0])))
    for _ in range(data.draw(st.integers(1, 4))):
        payload = wire(json.loads(data.draw(st.sampled_from(frames))))
        at = data.draw(st.integers(0, len(payload)))
        junk = data.draw(st.sampled_from(JUNK))
        kept = payload[at + data.draw(st.integers(0, 8)) :] if data.draw(st.booleans()) else b""
        read.take(payload[:at] + junk + kept)
        hand.seconds += 1
    assert read.take(wire(json.loads(frames[0])))
    assert read.reports.picture.state == "completed"
    assert_told_right(read.told())


@FUZZED
@given(data=st.data())
def test_no_order_of_the_recorded_print_tells_of_it_twice(rooms: Rooms, hand: Hand, data: st.DataObject) -> None:
    events = recorded(P2S_EVENTS)
    cut = data.draw(st.integers(0, len(events)))
    first = next(place for place, event in enumerate(events) if event["command"] == "project_file")
    tail = data.draw(st.permutations(events[first + 1 :]))
    read = reader(rooms, hand)
    replay(read, hand, [*events[: first + 1], *tail][:cut], stop=data.draw(st.booleans()))
    told = read.told()
    assert_told_right(told)
    assert sum(each.kind in JOB_ENDS for each in told if each.body.get("printJobId") == "job-1") <= 1


@FUZZED
@given(data=st.data())
def test_no_broken_answer_of_prusalink_breaks_anything(data: st.DataObject) -> None:
    recordings = [json.dumps(prusalink(name)) for name in ("status_idle.json", "status_printing.json")]
    job = json.dumps(prusalink("job_printing.json"))
    tracker = PolledTracker("P", timedelta(seconds=10), timedelta(seconds=90), lambda: START)
    tracker.begin(Job(marker="TabletStand3.bgcode", printer="P", command_id="c", print_job_id="j", published_at=START))
    for second in range(data.draw(st.integers(1, 6))):
        answers = [json.loads(data.draw(st.sampled_from(recordings))), json.loads(job)]
        for number, place, value, removed in data.draw(changes(2)):
            there = places(answers[number])
            if there:
                altered(answers[number], there[place % len(there)], value, removed=removed)
        seen = seen_in(answers[0], answers[1], 0.4)
        assert seen.normal_state
        tracker.see(seen, second == 0, START + timedelta(seconds=5 * second))
        tracker.tick(START + timedelta(seconds=5 * second))
    ours = [event.kind for event in tracker.events if event.job.is_ours]
    assert sum(kind in JOB_ENDS for kind in ours) <= 1
    assert ours.count("job_started") <= 1
