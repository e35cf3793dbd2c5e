"""The document port: the same behaviour on SQLite and on Firestore."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest

from printpipe.domain.ports.documents import (
    REMOVE,
    Create,
    Delete,
    Document,
    DocumentChanged,
    DocumentExists,
    DocumentMissing,
    Documents,
    Increment,
    Put,
    Query,
    Update,
    Version,
    Where,
    Write,
)
from tests.backends import Backend
from tests.contract.ports.deadlines import eventually
from tests.counts import count

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def store(backend: Backend) -> Documents:
    return backend.documents


def stored(store: Documents, path: str) -> Document:
    document = store.get(path)
    assert document is not None
    return document


def ids(documents: list[Document]) -> list[str]:
    return [document.id for document in documents]


def test_a_document_comes_back_as_it_was_written(store: Documents) -> None:
    data: dict[str, Any] = {
        "nothing": None,
        "yes": True,
        "no": False,
        "small": -3,
        "large": 2**62,
        "float": 21.5,
        "text": "Düse → 220 °C 🖨",
        "empty": "",
        "bytes": b"\x00\xffplate",
        "moment": MOMENT,
        "list": [1, "two", 3.0, None, {"deep": [MOMENT, b"x"]}],
        "map": {"a": {"b": {"c": [1]}}, "empty": {}, "dotted.name": 1, "01P00": 2},
        "empty list": [],
        "$time": "not ours",
        "tagged": {"$time": "2026-01-01"},
    }
    store.commit(Create("files/one", data))

    document = stored(store, "files/one")

    assert document.data == data
    assert document.path == "files/one"
    assert document.id == "one"
    moment = document.data["moment"]
    assert type(moment) is datetime
    assert moment.utcoffset() == timedelta(0)
    assert type(document.data["list"][4]["deep"][0]) is datetime
    assert type(document.data["yes"]) is bool
    assert type(document.data["small"]) is int
    assert type(document.data["list"][2]) is float
    assert type(document.data["bytes"]) is bytes


def test_a_time_of_another_zone_comes_back_in_utc(store: Documents) -> None:
    store.commit(Create("files/one", {"at": MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))}))

    at = stored(store, "files/one").data["at"]

    assert at == MOMENT
    assert at.utcoffset() == timedelta(0)


def test_what_is_not_there_is_none(store: Documents) -> None:
    store.commit(Create("files/one", {"n": 1}), Create("files/two", {"n": 2}))

    assert store.get("files/none") is None
    assert store.get_many([]) == {}
    found = store.get_many(["files/one", "files/none", "files/two", "files/one"])
    assert {path: document.data["n"] for path, document in found.items()} == {"files/one": 1, "files/two": 2}


def test_create_refuses_a_document_that_exists(store: Documents) -> None:
    store.commit(Create("files/one", {"n": 1}))

    with pytest.raises(DocumentExists):
        store.commit(Create("files/one", {"n": 2}))

    assert stored(store, "files/one").data == {"n": 1}


def test_put_replaces_the_whole(store: Documents) -> None:
    store.commit(Put("files/one", {"a": 1, "b": {"c": 2}}))
    store.commit(Put("files/one", {"b": {"d": 3}}))

    assert stored(store, "files/one").data == {"b": {"d": 3}}


def test_delete_removes_and_is_content_with_nothing(store: Documents) -> None:
    store.commit(Create("files/one", {"n": 1}))

    (version,) = store.commit(Delete("files/one"))
    store.commit(Delete("files/one"))

    assert store.get("files/one") is None
    store.commit(Create("files/one", {"n": 2}))
    with pytest.raises(DocumentChanged):
        store.commit(Update("files/one", {"n": 3}, if_version=version))


def test_update_changes_the_named_fields_only(store: Documents) -> None:
    store.commit(Create("printers/p", {"name": "P1S", "state": {"bed": 60, "nozzle": 220}, "map": {"a": 1, "b": 2}}))

    store.commit(
        Update(
            "printers/p",
            {"state.bed": 55, "state.fan.part": 100, "map": {"c": 3}, "totals.01P00-x": 7, "list": [1], "empty": {}},
        )
    )

    assert stored(store, "printers/p").data == {
        "name": "P1S",
        "state": {"bed": 55, "nozzle": 220, "fan": {"part": 100}},
        "map": {"c": 3},
        "totals": {"01P00-x": 7},
        "list": [1],
        "empty": {},
    }


def test_update_through_a_field_that_is_no_map_makes_it_one(store: Documents) -> None:
    store.commit(Create("printers/p", {"state": "idle"}))

    store.commit(Update("printers/p", {"state.name": "idle"}))

    assert stored(store, "printers/p").data == {"state": {"name": "idle"}}


def test_update_refuses_a_document_that_is_missing(store: Documents) -> None:
    with pytest.raises(DocumentMissing):
        store.commit(Update("printers/p", {"n": 1}))

    assert store.get("printers/p") is None


def test_remove_and_increment(store: Documents) -> None:
    store.commit(Create("statistics/day", {"jobs": 2, "hours": 1.5, "gone": 1, "map": {"a": 1, "b": 2}, "text": "x"}))

    store.commit(
        Update(
            "statistics/day",
            {
                "jobs": Increment(3),
                "hours": Increment(0.25),
                "by.serial": Increment(1),
                "gone": REMOVE,
                "map.a": REMOVE,
                "never.there": REMOVE,
                "text": Increment(4),
            },
        )
    )

    data = stored(store, "statistics/day").data
    assert {name: value for name, value in data.items() if name != "never"} == {
        "jobs": 5,
        "hours": 1.75,
        "by": {"serial": 1},
        "map": {"b": 2},
        "text": 4,
    }


def test_increments_add_up_whoever_makes_them(store: Documents) -> None:
    store.commit(Create("statistics/day", {"jobs": 0}))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: store.commit(Update("statistics/day", {"jobs": Increment(1)})), range(32)))

    assert stored(store, "statistics/day").data["jobs"] == 32


def test_a_version_changes_with_every_change(store: Documents) -> None:
    (created,) = store.commit(Create("jobs/j", {"n": 1}))
    assert stored(store, "jobs/j").version == created

    (updated,) = store.commit(Update("jobs/j", {"n": 2}, if_version=created))
    assert updated != created
    assert stored(store, "jobs/j").version == updated

    (put,) = store.commit(Put("jobs/j", {"n": 3}))
    assert len({created, updated, put}) == 3


def test_a_write_that_changes_nothing_keeps_the_version(store: Documents) -> None:
    (created,) = store.commit(Create("jobs/j", {"n": 1, "map": {"a": 1, "b": MOMENT}}))

    (put,) = store.commit(Put("jobs/j", {"map": {"b": MOMENT, "a": 1}, "n": 1}))
    (updated,) = store.commit(Update("jobs/j", {"n": 1, "map.a": 1}, if_version=created))

    assert {put, updated} == {created}
    assert stored(store, "jobs/j").version == created


def test_a_stale_version_is_refused(store: Documents) -> None:
    (first,) = store.commit(Create("jobs/j", {"n": 1}))
    (second,) = store.commit(Update("jobs/j", {"n": 2}))

    with pytest.raises(DocumentChanged):
        store.commit(Update("jobs/j", {"n": 3}, if_version=first))
    with pytest.raises(DocumentChanged):
        store.commit(Delete("jobs/j", if_version=first))
    with pytest.raises(DocumentChanged):
        store.commit(Update("jobs/none", {"n": 3}, if_version=first))
    with pytest.raises(DocumentChanged):
        store.commit(Delete("jobs/none", if_version=first))
    with pytest.raises(DocumentChanged):
        store.commit(Update("jobs/j", {"n": 3}, if_version=Version("of another store")))

    assert stored(store, "jobs/j").data == {"n": 2}
    store.commit(Delete("jobs/j", if_version=second))
    assert store.get("jobs/j") is None


def test_a_batch_is_written_whole_or_not_at_all(store: Documents) -> None:
    store.commit(Create("jobs/taken", {"n": 1}), Create("jobs/other", {"n": 1}))

    refusals: list[tuple[Write, type[Exception]]] = [
        (Create("jobs/taken", {"n": 2}), DocumentExists),
        (Update("jobs/none", {"n": 2}), DocumentMissing),
        (Update("jobs/taken", {"n": 2}, if_version=Version("1.000001000")), DocumentChanged),
    ]
    for refused, error in refusals:
        fine: list[Write] = [Create("jobs/new", {}), Update("jobs/other", {"n": Increment(1)})]
        for writes in ([*fine, refused], [refused, *fine], [*fine, refused, Delete("jobs/taken")]):
            with pytest.raises(error):
                store.commit(*writes)
    assert store.get("jobs/new") is None
    assert stored(store, "jobs/other").data == {"n": 1}
    assert stored(store, "jobs/taken").data == {"n": 1}

    versions = store.commit(Create("jobs/new", {"n": 1}), Update("jobs/other", {"n": 2}), Delete("jobs/taken"))
    assert [versions[0], versions[1]] == [stored(store, "jobs/new").version, stored(store, "jobs/other").version]
    assert store.commit() == []


@pytest.mark.parametrize("racers", [32])
def test_of_many_that_create_one_wins(store: Documents, racers: int) -> None:
    for round_ in range(count(20, quick=3)):
        path = f"claims/{round_}"
        outcomes = race(racers, lambda n, path=path: store.commit(Create(path, {"by": n})))

        winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert len(winners) == 1, outcomes
        assert {type(outcome) for outcome in outcomes if outcome} == {DocumentExists}
        assert stored(store, path).data == {"by": winners[0]}


@pytest.mark.parametrize("racers", [32])
def test_of_many_that_update_one_version_one_wins(store: Documents, racers: int) -> None:
    for round_ in range(count(20, quick=3)):
        path = f"jobs/{round_}"
        (version,) = store.commit(Create(path, {"state": "queued", "claims": 0}))
        outcomes = race(
            racers,
            lambda n, path=path, version=version: store.commit(
                Update(path, {"state": "claimed", "by": n, "claims": Increment(1)}, if_version=version),
                Create(f"{path.replace('/', '-')}/{n}", {}),
            ),
        )

        winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert len(winners) == 1, outcomes
        assert {type(outcome) for outcome in outcomes if outcome} == {DocumentChanged}
        assert stored(store, path).data == {"state": "claimed", "by": winners[0], "claims": 1}
        assert ids(store.query(Query(path.replace("/", "-")))) == [str(winners[0])]


def race(racers: int, act: Any) -> list[Exception | None]:
    """All at once; what each raised."""
    together = Barrier(racers)

    def run(number: int) -> Exception | None:
        together.wait()
        try:
            act(number)
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(run, range(racers)))


@pytest.fixture
def jobs(store: Documents) -> Documents:
    """Seven jobs of two sites."""
    rows: list[tuple[str, str, int | None, list[str], str]] = [
        ("a", "queued", 1, ["pla"], "s1"),
        ("b", "queued", 2, ["pla", "petg"], "s1"),
        ("c", "printing", 2, ["abs"], "s2"),
        ("d", "held", 3, [], "s1"),
        ("e", "queued", 2, ["petg"], "s2"),
        ("f", "done", None, ["pla"], "s1"),
    ]
    for name, state, priority, materials, site in rows:
        store.commit(
            Create(
                f"jobs/{name}",
                {
                    "state": state,
                    "priority": priority,
                    "materials": materials,
                    "at": {"site": site, "when": MOMENT + timedelta(hours=ord(name))},
                },
            )
        )
    store.commit(Create("jobs/g", {"state": "queued", "note": "without a priority"}), Create("other/h", {"state": "x"}))
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([], "abcdefg"),
        ([Where("state", "==", "queued")], "abeg"),
        ([Where("state", "==", "queued"), Where("at.site", "==", "s1")], "ab"),
        ([Where("priority", "==", None)], "f"),
        ([Where("priority", "==", 2)], "bce"),
        ([Where("priority", "==", 2.0)], "bce"),
        ([Where("priority", "==", "2")], ""),
        ([Where("priority", "<", 2)], "a"),
        ([Where("priority", "<=", 2)], "abce"),
        ([Where("priority", ">", 2)], "d"),
        ([Where("priority", ">=", 2), Where("priority", "<", 3)], "bce"),
        ([Where("priority", ">", "1")], ""),
        ([Where("state", "in", ["held", "done", "never"])], "df"),
        ([Where("state", "in", [])], ""),
        ([Where("materials", "array_contains", "pla")], "abf"),
        ([Where("materials", "array_contains", "pla"), Where("state", "==", "queued")], "ab"),
        ([Where("materials", "==", ["pla", "petg"])], "b"),
        ([Where("at.when", ">", MOMENT + timedelta(hours=ord("d")))], "ef"),
        ([Where("at", "==", {"site": "s1", "when": MOMENT + timedelta(hours=ord("a"))})], "a"),
        ([Where("none.such", "==", "x")], ""),
    ],
)
def test_conditions(jobs: Documents, where: list[Where], expected: str) -> None:
    query = Query("jobs", where)

    assert sorted(ids(jobs.query(query))) == list(expected)
    assert jobs.count(query) == len(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("jobs"), "abcdefg"),
        (Query("jobs", limit=3), "abc"),
        (Query("jobs", order=[("priority", "asc")]), "fabced"),
        (Query("jobs", order=[("priority", "desc")]), "decbaf"),
        (Query("jobs", order=[("priority", "desc"), ("at.when", "asc")]), "dbceaf"),
        (Query("jobs", order=[("priority", "asc"), ("at.site", "desc")]), "faecbd"),
        (Query("jobs", [Where("priority", ">=", 2)]), "bced"),
        (Query("jobs", [Where("priority", ">=", 2)], [("priority", "desc")], limit=2), "de"),
        (Query("jobs", order=[("priority", "asc")], limit=2, after=[1, "a"]), "bc"),
        (Query("jobs", order=[("priority", "asc")], after=[2, "c"]), "ed"),
        (Query("jobs", order=[("priority", "desc")], after=[2, "c"]), "baf"),
        (Query("jobs", order=[("priority", "asc")], after=[None, "f"]), "abced"),
        (Query("jobs", order=[("at.when", "desc")], after=[MOMENT + timedelta(hours=ord("c")), "c"]), "ba"),
        (Query("jobs", after=["d"]), "efg"),
        (Query("jobs", [Where("priority", ">=", 2)], after=[2, "c"]), "ed"),
        (Query("jobs", [Where("state", "==", "queued")], after=["b"], limit=1), "e"),
        (Query("empty"), ""),
    ],
)
def test_order_limit_and_cursor(jobs: Documents, query: Query, expected: str) -> None:
    assert "".join(ids(jobs.query(query))) == expected


def test_pages_join_without_gap_or_repetition(store: Documents) -> None:
    store.commit(*(Create(f"jobs/{n:02}", {"rank": n % 4}) for n in range(25)))
    order = [("rank", "desc")]
    seen: list[str] = []
    after = None
    while page := store.query(Query("jobs", order=order, limit=4, after=after)):  # type: ignore[arg-type]
        seen += ids(page)
        after = [page[-1].data["rank"], page[-1].id]

    assert seen == ids(store.query(Query("jobs", order=order)))  # type: ignore[arg-type]
    assert len(set(seen)) == 25


def test_values_of_all_types_have_one_order(store: Documents) -> None:
    ascending: list[Any] = [None, False, True, -1.5, 0, 2, 2.5, MOMENT, MOMENT + timedelta(microseconds=1)]
    ascending += [
        "",
        "A",
        "a",
        "ä",
        "\uffee",
        "😀",
        b"",
        b"\x01",
        [],
        [1],
        [1, 2],
        [2],
        {},
        {"a": 1},
        {"a": 2},
        {"b": 0},
    ]
    store.commit(*(Create(f"values/{99 - n}", {"v": value}) for n, value in enumerate(ascending)))

    found = [document.data["v"] for document in store.query(Query("values", order=[("v", "asc")]))]

    assert found == ascending


def test_count_is_bounded_by_the_limit(jobs: Documents) -> None:
    assert jobs.count(Query("jobs", limit=2)) == 2
    assert jobs.count(Query("jobs", order=[("priority", "asc")])) == 6


def test_a_total_is_of_the_numbers_alone(store: Documents) -> None:
    sizes: list[Any] = [3, 2**40, 4, None, "5", True, [6]]
    writes = [Create(f"parts/{n}", {"kind": "ab"[n % 2], "of": {"size": size}}) for n, size in enumerate(sizes)]
    store.commit(
        *writes, Create("parts/none", {"kind": "a"}), Create("parts/float", {"kind": "c", "of": {"size": 1.5}})
    )
    whole = store.total(Query("parts", [Where("kind", "in", ["a", "b"])], [("of.size", "asc")]), "of.size")
    assert (whole, type(whole)) == (7 + 2**40, int)
    assert store.total(Query("parts", [Where("kind", "==", "a")]), "of.size") == 7
    assert store.total(Query("parts"), "of.size") == 8.5 + 2**40
    assert store.total(Query("parts", [Where("kind", "==", "a")], [("of.size", "asc")], limit=1), "of.size") == 3
    for nothing in (Query("empty"), Query("parts", [Where("kind", "in", [])])):
        assert store.total(nothing, "of.size") == 0
    assert store.total(Query("parts"), "none") == 0


@pytest.mark.parametrize(
    "write",
    [
        Create("jobs", {}),
        Create("jobs/j/deeper", {}),
        Create("jobs/j", {"at": datetime(2026, 1, 1)}),  # noqa: DTZ001 (the naive time is what is refused)
        Create("jobs/j", {"n": 2**63}),
        Create("jobs/j", {"list": [[1]]}),
        Update("jobs/j", {}),
        Update("jobs/j", {"a": 1, "a.b": 2}),
        Update("jobs/j", {"a..b": 1}),
        Put("jobs/j", {"text": "x" * ((1 << 20) + 1)}),
    ],
)
def test_what_cannot_be_stored_is_refused(store: Documents, write: Any) -> None:
    with pytest.raises(ValueError):
        store.commit(write)


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, {"a": {1: 2}}, {"a": Increment(1)}, [REMOVE]])
def test_a_value_of_another_type_is_refused(store: Documents, value: Any) -> None:
    with pytest.raises(TypeError):
        store.commit(Put("jobs/j", {"value": value}))


def test_a_query_that_firestore_would_refuse_is_refused(store: Documents) -> None:
    with pytest.raises(ValueError):
        store.query(Query("jobs", [Where("state", "in", [str(n) for n in range(31)])]))
    with pytest.raises(ValueError):
        store.query(Query("jobs", order=[("n", "asc")], after=["id only"]))


def test_a_listener_hears_at_once_and_of_every_change(store: Documents) -> None:
    store.commit(Create("jobs/a", {"state": "queued", "n": 1}), Create("jobs/x", {"state": "done", "n": 0}))
    heard: list[list[tuple[str, int]]] = []

    def on_change(documents: list[Document]) -> None:
        assert all(isinstance(document, Document) for document in documents)
        heard.append([(document.id, document.data["n"]) for document in documents])

    query = Query("jobs", [Where("state", "==", "queued")], [("n", "desc")])
    with store.listen(query, on_change) as listener:
        eventually(lambda: heard == [[("a", 1)]])
        store.commit(Create("jobs/b", {"state": "queued", "n": 2}))
        eventually(lambda: heard[-1] == [("b", 2), ("a", 1)])
        store.commit(Update("jobs/a", {"n": 3}))
        eventually(lambda: heard[-1] == [("a", 3), ("b", 2)])
        store.commit(Update("jobs/b", {"state": "done"}), Delete("jobs/a"))
        eventually(lambda: heard[-1] == [])
        listener.close()
        told = len(heard)
        store.commit(Create("jobs/c", {"state": "queued", "n": 1}))
    assert ids(store.query(query)) == ["c"]
    assert len(heard) == told


def test_later_writes_have_later_places(store: Documents) -> None:
    together = store.commit(Create("jobs/a", {"n": 1}), Create("printers/a", {"n": 1}))
    later = store.commit(Create("printers/b", {"n": 1}))
    last = store.commit(Update("jobs/a", {"n": 2}))
    assert max(each.place for each in together) < later[0].place < last[0].place
    assert stored(store, "jobs/a").version.place == last[0].place
    assert [document.version.place for document in store.query(Query("printers", [], [("n", "asc")]))] == [
        stored(store, f"printers/{name}").version.place for name in "ab"
    ]


def test_a_listener_lives_until_it_is_closed(store: Documents) -> None:
    heard: list[list[Document]] = []
    with store.listen(Query("jobs"), heard.append) as listener:
        eventually(lambda: bool(heard))
        assert listener.alive
        listener.close()
        assert not listener.alive


def test_a_listener_of_nothing_hears_of_nothing_at_once(store: Documents) -> None:
    heard: list[list[Document]] = []

    with store.listen(Query("jobs", limit=5), heard.append):
        eventually(lambda: heard == [[]])
