"""Messages that were tried in vain: what is kept of them, who is alerted when, and how they are delivered again."""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.domain.dead_letters import COUNT, MAX_CONTENT, MAX_ERROR, REPLAY, SOURCE, TOPICS, DeadLetter
from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from printpipe.domain.ids import NO_KEY, Once
from printpipe.domain.messages import DEAD_LETTERS, JobEvent, Posted
from printpipe.domain.ports.documents import Query
from printpipe.domain.tenancy import SYSTEM, Caller
from printpipe.runtime.catalog import rows
from printpipe.services import dead_letters, replays
from printpipe.services.context import Context
from printpipe.services.store.paging import Slice
from tests.farm import START, Farm
from tests.unit.services.test_lost_answers import ForgetfulDocuments

FUNCTION = "trigger-job-counted"
WATCH = "watch"
ALERT = "message_dead_lettered"


@pytest.fixture
def documents(tmp_path: Path) -> ForgetfulDocuments:
    return ForgetfulDocuments(tmp_path / "documents.db")


@pytest.fixture
def farm(documents: ForgetfulDocuments, tmp_path: Path) -> Farm:
    files = EmbeddedFiles(tmp_path / "files", "bucket", base_url="http://127.0.0.1", secret=bytes(32))
    made = Farm(documents, files)
    made.bus.create_subscription(WATCH, "job-events")
    return made


@pytest.fixture
def alerts(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How often somebody was alerted."""
    caplog.set_level(logging.INFO)
    return lambda: sum(each.getMessage() == ALERT and each.levelno == logging.ERROR for each in caplog.records)


def by(farm: Farm, caller: Caller) -> Context:
    """A call of somebody's."""
    return dataclasses.replace(farm.context(), caller=caller)


def system(farm: Farm) -> Context:
    """A delivery of the bus."""
    return by(farm, SYSTEM)


def operator(farm: Farm) -> Context:
    return by(farm, Caller("operator", "operator-key"))


def posted(farm: Farm, event_id: str = "event-1", **attributes: str) -> Posted:
    """A message about a job of the farm's."""
    message = JobEvent(
        event_id=event_id,
        kind="job_completed",
        organization_id=farm.organization,
        occurred_at=farm.now,
        request_id="request-1",
        about="job",
        job_id="job-1",
    )
    return Posted(message.content(), {**message.attributes(), **attributes}, farm.now)


def garbage(farm: Farm) -> Posted:
    """A message that nobody can read."""
    return Posted(b"\xff not { JSON", {}, farm.now)


def given_up(message: Posted, function: str = FUNCTION) -> Posted:
    """The message as it comes to those who store dead letters."""
    added = {SOURCE: function, f"{SOURCE}Project": "demo", COUNT: "5"}
    return dataclasses.replace(message, attributes={**message.attributes, **added})


def stored(farm: Farm) -> list[DeadLetter]:
    return [DeadLetter.of(each) for each in farm.documents.query(Query("dead_letters"))]


def dies(farm: Farm, message: Posted, error: Exception | None = None) -> DeadLetter:
    """A function fails five times to take a message."""
    before = {each.dead_letter_id for each in stored(farm)}
    for _ in range(5):
        dead_letters.note_failure(system(farm), FUNCTION, message, error or RuntimeError("broken"))
    dead_letters.store(system(farm), given_up(message))
    found = stored(farm)
    return next((each for each in found if each.dead_letter_id not in before), found[-1])


def redelivered(farm: Farm) -> Posted:
    """What was published on demand, as its subscription brings it."""
    [received] = farm.bus.pull(WATCH, 10, 0)
    farm.bus.acknowledge(WATCH, [received.ack_id])
    return Posted(received.data, received.attributes, farm.now)


def test_the_topics_of_functions_are_those_of_the_catalog() -> None:
    followed = {row.name: row.trigger.topic for row in rows().values() if row.trigger and row.trigger.topic}

    assert {name: topic for name, topic in followed.items() if topic != DEAD_LETTERS} == TOPICS


def test_a_failure_is_noted_with_what_may_be_told_of_it(farm: Farm) -> None:
    message = posted(farm)
    with pytest.raises(ValidationError) as told:
        JobEvent.model_validate({"eventId": "s3cret", "run": "s3cret"})
    for error, said in (
        (RuntimeError("https://example.org/?token=s3cret"), "RuntimeError"),
        (NotFound("No such job"), "NotFound: No such job"),
        (told.value, "ValidationError: kind: Field required; "),
        (InvalidInput("x" * 900), "InvalidInput: xx"),
    ):
        farm.later(seconds=10)
        dead_letters.note_failure(system(farm), FUNCTION, message, error)
        [letter] = stored(farm)
        assert letter.error.startswith(said)
        assert "s3cret" not in letter.error
        assert len(letter.error) <= MAX_ERROR

    assert (letter.status, letter.attempts, letter.created_at, letter.last_failed_at) == (
        "failing",
        4,
        START + timedelta(seconds=10),
        farm.now,
    )
    assert (letter.function, letter.topic, letter.kind, letter.event_id) == (
        FUNCTION,
        "job-events",
        "job_completed",
        "event-1",
    )
    assert letter.expires_at == letter.created_at + timedelta(days=7)


def test_what_fails_and_is_taken_then_is_shown_to_nobody_who_does_not_ask_for_it(farm: Farm) -> None:
    dead_letters.note_failure(system(farm), FUNCTION, posted(farm), RuntimeError("broken"))

    assert not replays.find(farm.context(), None, None, None, Slice()).items
    assert len(replays.find(farm.context(), None, None, "failing", Slice()).items) == 1


def test_a_failure_that_cannot_be_noted_is_no_failure(farm: Farm, documents: ForgetfulDocuments) -> None:
    for manner in ("before", "after"):
        documents.lose = manner
        dead_letters.note_failure(system(farm), FUNCTION, posted(farm), RuntimeError("broken"))

    assert len(stored(farm)) <= 1


def test_a_death_alerts_once_however_often_it_is_delivered(farm: Farm, alerts: Callable[[], int]) -> None:
    letter = dies(farm, posted(farm), NotFound("No such job"))
    for _ in range(3):
        dead_letters.store(system(farm), given_up(posted(farm)))

    assert alerts() == 1
    assert stored(farm) == [letter]
    assert (letter.status, letter.attempts, letter.error) == ("dead", 5, "NotFound: No such job")
    assert (letter.died_at, letter.expires_at) == (farm.now, None)


def test_deliveries_at_the_same_time_alert_once(farm: Farm, alerts: Callable[[], int]) -> None:
    def deliver(_: int) -> None:
        with contextlib.suppress(Unavailable):  # too many at once: it is delivered again
            dead_letters.store(system(farm), given_up(posted(farm)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deliver, range(32)))

    assert alerts() == 1
    assert [each.status for each in stored(farm)] == ["dead"]


def test_the_alert_says_what_died_and_nothing_of_what_it_says(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    letter = dies(farm, posted(farm))

    [alert] = [each for each in caplog.records if each.getMessage() == ALERT]
    assert vars(alert)["fields"] == {
        "deadLetterId": letter.dead_letter_id,
        "consumer": FUNCTION,
        "organizationId": farm.organization,
        "kind": "job_completed",
        "error": "RuntimeError",
        "attempts": 5,
        "replays": 0,
    }


@pytest.mark.parametrize("manner", ["before", "after"])
def test_a_death_alerts_once_though_the_store_loses_its_answer(
    farm: Farm, documents: ForgetfulDocuments, alerts: Callable[[], int], manner: str
) -> None:
    documents.lose = manner
    for _ in range(2):
        try:
            dead_letters.store(system(farm), given_up(posted(farm)))
        except Unavailable:
            assert manner == "before"

    assert alerts() == 1


def test_one_of_which_no_failure_was_noted_is_kept_too(farm: Farm) -> None:
    dead_letters.store(system(farm), given_up(garbage(farm)))

    [letter] = stored(farm)
    assert (letter.status, letter.attempts, letter.error) == ("dead", 5, "No error was noted")
    assert (letter.organization_id, letter.event_id, letter.message) == (None, None, None)


def test_each_function_has_its_own(farm: Farm) -> None:
    for function in TOPICS:
        dead_letters.note_failure(system(farm), function, posted(farm), RuntimeError("broken"))
    dead_letters.store(system(farm), given_up(posted(farm)))

    assert sorted(each.status for each in stored(farm)) == ["dead", *["failing"] * (len(TOPICS) - 1)]


def test_a_dead_letter_that_is_not_stored_yet_is_none_of_its_own(farm: Farm) -> None:
    dead_letters.note_failure(system(farm), "trigger-dead-letter-stored", given_up(posted(farm)), RuntimeError())

    assert stored(farm) == []


def test_it_is_delivered_again_to_the_one_function_alone(farm: Farm) -> None:
    message = posted(farm)
    letter = dies(
        farm, dataclasses.replace(message, attributes={**message.attributes, "googclient_schemaencoding": "JSON"})
    )
    farm.later(minutes=5)

    shown = replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)

    again = redelivered(farm)
    assert again.data == message.data
    assert again.attributes == {**message.attributes, "only": FUNCTION, REPLAY: "1"}
    assert (shown.status, shown.replays, shown.replayed_at, shown.replayed_by) == (
        "replayed",
        1,
        farm.now,
        "user:user-1",
    )
    assert stored(farm) == [shown]


def test_one_that_fails_again_dies_again_and_alerts_again(farm: Farm, alerts: Callable[[], int]) -> None:
    letter = dies(farm, posted(farm))
    for number in (1, 2):
        replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)
        again = redelivered(farm)
        dead_letters.store(system(farm), given_up(posted(farm)))  # the first death once more, and late
        assert alerts() == number
        assert stored(farm)[0].status == "replayed"

        assert dies(farm, again).dead_letter_id == letter.dead_letter_id
        dead_letters.store(system(farm), given_up(again))
        [letter] = stored(farm)
        assert (letter.status, letter.replays, letter.attempts) == ("dead", number, 5 * (number + 1))
        assert alerts() == number + 1


def test_a_death_that_is_faster_than_the_answer_to_its_replay_counts(farm: Farm, alerts: Callable[[], int]) -> None:
    letter = dies(farm, posted(farm))

    dead_letters.store(system(farm), given_up(posted(farm, **{REPLAY: "1"})))

    assert alerts() == 2
    assert replays.replay(farm.context(), letter.dead_letter_id, NO_KEY).replays == 2


def test_a_repeated_call_delivers_once(farm: Farm) -> None:
    letter = dies(farm, posted(farm))
    once = Once("replay", "key-1", "digest")

    first, second = (replays.replay(farm.context(), letter.dead_letter_id, once) for _ in range(2))

    assert first == second
    redelivered(farm)


@pytest.mark.parametrize("status", ["failing", "replayed"])
def test_what_is_not_dead_is_not_delivered_again(farm: Farm, status: str) -> None:
    if status == "failing":
        dead_letters.note_failure(system(farm), FUNCTION, posted(farm), RuntimeError())
    else:
        replays.replay(farm.context(), dies(farm, posted(farm)).dead_letter_id, NO_KEY)
        redelivered(farm)
    [letter] = stored(farm)

    with pytest.raises(Conflict):
        replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)
    assert farm.bus.pull(WATCH, 1, 0) == []


def test_one_that_is_not_published_stays_dead(farm: Farm) -> None:
    dead_letters.store(system(farm), given_up(garbage(farm)))
    dead_letters.store(system(farm), given_up(posted(farm), "no-function-of-ours"))

    for letter in stored(farm):
        with pytest.raises(Conflict, match=r"schema|not known"):
            replays.replay(operator(farm), letter.dead_letter_id, NO_KEY)
    assert [each.status for each in stored(farm)] == ["dead", "dead"]


@pytest.mark.parametrize("size", [MAX_CONTENT, MAX_CONTENT + 1])
def test_a_message_is_kept_unless_it_is_too_large(farm: Farm, size: int) -> None:
    message = posted(farm)
    large = json.dumps({**json.loads(message.data), "reason": "x"}).encode()
    large = large.replace(b'"x"', b'"' + b"x" * (size - len(large) + 1) + b'"')
    letter = dies(farm, dataclasses.replace(message, data=large))

    assert letter.size == size
    if size <= MAX_CONTENT:
        replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)
        assert len(redelivered(farm).data) == size
    else:
        with pytest.raises(Conflict, match="too large"):
            replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)


@pytest.mark.parametrize(
    "data",
    [b"", b"[1]", b'"text"', b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": ' * 30 + b"1" + b"}" * 30, b"[" * 100_000],
)
def test_what_is_no_object_of_ours_is_not_shown(farm: Farm, data: bytes) -> None:
    letter = dies(farm, dataclasses.replace(posted(farm), data=data))

    assert letter.message is None
    assert letter.content == data


def test_others_neither_see_nor_touch_it(farm: Farm) -> None:
    letter = dies(farm, posted(farm))
    stranger = by(farm, Caller("admin", "key-2", organization_id="org-2"))
    narrowed = by(
        farm, Caller("admin", "key-3", organization_id=farm.organization, recipient_ids=frozenset({farm.site}))
    )

    assert not replays.find(stranger, None, None, None, Slice()).items
    with pytest.raises(Forbidden):
        replays.find(narrowed, None, None, None, Slice())
    for who, refusal in ((stranger, NotFound), (narrowed, Forbidden)):
        with pytest.raises(refusal):
            replays.replay(who, letter.dead_letter_id, NO_KEY)
        with pytest.raises(refusal):
            replays.remove(who, letter.dead_letter_id)
    assert stored(farm) == [letter]


def test_the_operator_sees_all_of_them(farm: Farm) -> None:
    dies(farm, posted(farm))
    farm.later(minutes=1)
    nobodys = dies(farm, garbage(farm))
    assert nobodys.organization_id is None

    page = replays.find(operator(farm), None, None, None, Slice(limit=1))
    rest = replays.find(operator(farm), None, None, None, Slice(limit=1, cursor=page.next_cursor))
    assert [each.event_id for each in (*page.items, *rest.items)] == [None, "event-1"]
    assert rest.next_cursor is None
    assert not replays.find(operator(farm), None, "trigger-file-read", None, Slice()).items
    assert replays.remove(operator(farm), nobodys.dead_letter_id) == nobodys


def test_what_is_removed_is_gone_and_the_audit_knows_by_whom(farm: Farm) -> None:
    letter = dies(farm, posted(farm))
    replays.replay(farm.context(), letter.dead_letter_id, NO_KEY)
    replays.remove(farm.context(), letter.dead_letter_id)

    assert stored(farm) == []
    with pytest.raises(NotFound):
        replays.remove(farm.context(), letter.dead_letter_id)
    kept = [each.data for each in farm.documents.query(Query("audit_log"))]
    assert {each["action"] for each in kept} == {"dead_letter.replayed", "dead_letter.removed"}
    assert {(each["organizationId"], each["subject"]) for each in kept} == {(farm.organization, letter.dead_letter_id)}
