"""Which spool a filament comes from, and why there is none."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain.filaments import Feed, Loaded, Needed, fits, loaded_of, needed_of, resolve, type_of
from printpipe.domain.file_records import Filament, Plate
from printpipe.domain.job_records import Wish

RED, DARK_RED, BLUE = "#C12E1F", "#9D2235", "#0A2989"

types = st.sampled_from([None, "PLA", "PLA-CF", "PETG"])
asked_colours = st.sampled_from([None, RED, "#C23020", BLUE, "red", "blue", "Galaxy"])
shown_colours = st.sampled_from([None, RED, DARK_RED, BLUE, "#FFFFFF"])
remains = st.sampled_from([None, 0.0, 3.0, 50.0, 100.0])
needs = st.lists(
    st.builds(Needed, slot=st.integers(1, 6), type=types, color=asked_colours),
    min_size=1,
    max_size=5,
    unique_by=lambda each: each.slot,
)
spools = st.lists(
    st.builds(
        Loaded, slot=st.sampled_from([0, 1, 2, 3, 15, 128, 254]), type=types, color=shown_colours, remain=remains
    ),
    max_size=6,
    unique_by=lambda each: each.slot,
)


def texts(outcome: Any) -> list[str]:
    assert isinstance(outcome, tuple)
    return [reason.text for reason in outcome]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PLA", "PLA"),
        (" pla ", "PLA"),
        ("pla cf", "PLA-CF"),
        ("PLA_CF", "PLA-CF"),
        ("PLA - CF", "PLA-CF"),
        ("PLA+", "PLA+"),
        ("pla plus", "PLA+"),
        ("PET-G", "PETG"),
        ("Nylon", "PA"),
        ("PLA Silk", "PLA-SILK"),
        ("", None),
        ("unknown", None),
        (None, None),
        (7, None),
    ],
)
def test_types_have_one_spelling(text: Any, expected: str | None) -> None:
    assert type_of(text) == expected


def test_the_spools_of_a_status_are_read() -> None:
    status = {
        "loadedFilaments": [
            {"slot": 5, "type": "petg", "color": "#00AE42", "remain": 40},
            {"slot": 0, "type": "PLA", "color": "C12E1FFF", "remain": -1},
            {"slot": 254, "type": "PLA", "color": "#FFFFFF", "remain": 0},
            {"slot": 128, "type": "PA-CF", "color": "#000000", "remain": 100},
        ]
    }
    assert loaded_of(status) == (
        Loaded(0, "PLA", "#C12E1F", None),
        Loaded(5, "PETG", "#00AE42", 40.0),
        Loaded(128, "PA-CF", "#000000", 100.0),
        Loaded(254, "PLA", "#FFFFFF", None),
    )


@pytest.mark.parametrize("status", [{}, {"loadedFilaments": None}, {"loadedFilaments": "PLA"}, {"loadedFilaments": {}}])
def test_a_status_that_does_not_say_is_not_an_empty_printer(status: dict[str, Any]) -> None:
    assert loaded_of(status) is None
    assert loaded_of({"loadedFilaments": []}) == ()


def test_entries_that_make_no_sense_are_skipped() -> None:
    odd: list[Any] = [
        None,
        1,
        "x",
        [],
        {},
        {"slot": True},
        {"slot": "0"},
        {"slot": 0.0},
        {"slot": -1},
        {"slot": 10**400},
    ]
    odd += [{"slot": 16}, {"slot": 127}, {"slot": 136}, {"slot": 255}, {"slot": None, "type": "PLA"}]
    assert loaded_of({"loadedFilaments": odd}) == ()
    values: dict[str, Any] = {"type": ["PLA"], "color": {"r": 1}, "remain": math.nan}
    assert loaded_of({"loadedFilaments": [{"slot": 1, **values}]}) == (Loaded(1),)
    for remain in (10**400, -(10**400), math.inf, "50", True, None, 101):
        assert loaded_of({"loadedFilaments": [{"slot": 1, "remain": remain}]}) == (Loaded(1),)
    (first,) = loaded_of({"loadedFilaments": [{"slot": 1, "type": "PLA"}, {"slot": 1, "type": "ABS"}]}) or ()
    assert first.type == "PLA"
    (long,) = loaded_of({"loadedFilaments": [{"slot": 1, "type": "P" * 9_999, "color": "c" * 9_999}]}) or ()
    assert len(f"{long.type}{long.color}") <= 80


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["slot", "type", "color", "remain"]), inner),
    max_leaves=8,
)


@given(st.lists(json))
def test_no_status_is_too_odd(entries: list[Any]) -> None:
    found = loaded_of({"loadedFilaments": entries})
    assert found is not None
    assert len({each.slot for each in found}) == len(found)


def test_wishes_take_the_place_of_what_the_file_says() -> None:
    plate = Plate(
        index=1, filament=(Filament(slot=1, type="PLA", color=RED), Filament(slot=3, type="pet-g", color=BLUE))
    )
    assert needed_of(plate, ()) == (Needed(1, "PLA", RED), Needed(3, "PETG", BLUE))
    wishes = (Wish(slot=1, type="ABS", color="Red"), Wish(slot=3), Wish(slot=2, type="PLA"))
    assert needed_of(plate, wishes) == (Needed(1, "ABS", "Red"), Needed(3, "PETG", None))


def test_of_a_file_that_says_nothing_the_wishes_are_all_that_is_known() -> None:
    assert needed_of(Plate(index=1), ()) == (Needed(1),)
    assert needed_of(None, ()) == (Needed(1),)
    assert needed_of(Plate(index=1), (Wish(slot=2, type="PLA", color="Red"),)) == (Needed(2, "PLA", "Red"),)


def test_each_filament_comes_from_a_tray_of_its_type_and_colour() -> None:
    loaded = (Loaded(0, "PLA", BLUE), Loaded(1, "PLA-CF", RED), Loaded(6, "PLA", RED), Loaded(7, "PETG", RED))
    needed = (Needed(1, "PLA", RED), Needed(4, "PETG", "Red"))
    assert resolve(needed, loaded, None) == Feed((6, -1, -1, 7), use_ams=True)
    assert resolve(needed[:1], loaded, True) == Feed((6,), use_ams=True)


def test_the_exact_colour_goes_first_then_the_fuller_tray_then_the_lower_slot() -> None:
    red = Needed(1, "PLA", RED)
    assert resolve([red], [Loaded(0, "PLA", "#C23020", 90), Loaded(1, "PLA", RED, 10)], None) == Feed((1,), True)
    assert resolve([red], [Loaded(0, "PLA", RED, 10), Loaded(1, "PLA", RED, 90)], None) == Feed((1,), True)
    assert resolve([red], [Loaded(0, "PLA", RED, None), Loaded(1, "PLA", RED, 1)], None) == Feed((1,), True)
    assert resolve([red], [Loaded(3, "PLA", RED, 50), Loaded(2, "PLA", RED, 50)], None) == Feed((2,), True)


def test_different_filaments_get_different_trays_where_there_are_enough() -> None:
    any_pla, red = Needed(1, "PLA"), Needed(2, "PLA", RED)
    loaded = [Loaded(0, "PLA", RED, 90), Loaded(1, "PLA", BLUE, 10)]
    assert resolve([any_pla, red], loaded, None) == Feed((1, 0), True)
    assert resolve([any_pla, red], loaded[:1], None) == Feed((0, 0), True)


def test_empty_trays_do_not_count() -> None:
    assert texts(resolve([Needed(1, "PLA", RED)], [Loaded(0, "PLA", RED, 0)], None)) == ["material_missing: PLA"]


def test_the_external_spool() -> None:
    red, ams, external = Needed(1, "PLA", RED), Loaded(0, "PLA", RED), Loaded(254, "PLA", RED)
    assert resolve([red], [ams, external], False) == Feed((), use_ams=False)
    assert resolve([red], [ams, external], None) == Feed((0,), use_ams=True)
    assert resolve([red], [external], None) == Feed((), use_ams=False)
    assert texts(resolve([red], [external], True)) == ["material_missing: PLA"]
    assert texts(resolve([red], [ams], False)) == ["material_missing: PLA"]
    other = Needed(2, "PLA", BLUE)
    assert texts(resolve([red, other], [Loaded(0, "PLA", BLUE), external], None)) == [f"color_missing: PLA {RED}"]


def test_what_is_missing_is_named() -> None:
    loaded = [Loaded(0, "PLA", RED)]
    needed = [Needed(1, "PETG", RED), Needed(2, "PLA", BLUE), Needed(3, None, "Blue"), Needed(4, "PETG", BLUE)]
    assert texts(resolve(needed, loaded, None)) == [
        "material_missing: PETG",
        "color_missing: Blue",
        f"color_missing: PLA {BLUE}",
    ]
    assert texts(resolve([Needed(1)], loaded, None)) == ["material_unknown"]
    assert texts(resolve([], loaded, None)) == ["material_unknown"]


def test_a_filament_number_that_no_print_has_is_refused() -> None:
    for slot in (0, -1, 65, 10**9):
        assert texts(resolve([Needed(slot, "PLA")], [Loaded(0, "PLA")], None)) == ["material_unknown: PLA"]


@given(needs, spools, st.sampled_from([None, True, False]))
def test_no_filament_is_taken_from_a_spool_of_another_type_or_colour(
    needed: list[Needed], loaded: list[Loaded], use_ams: bool | None
) -> None:
    feed = resolve(needed, loaded, use_ams)
    if not isinstance(feed, Feed):
        assert feed
        return
    by_slot = {spool.slot: spool for spool in loaded}
    assert use_ams in (None, feed.use_ams)
    if not feed.use_ams:
        assert feed.ams_mapping == ()
        assert all(fits(each, by_slot[254]) for each in needed)
        return
    assert len(feed.ams_mapping) == max(each.slot for each in needed)
    numbers = {each.slot: each for each in needed}
    for number, slot in enumerate(feed.ams_mapping, 1):
        if number in numbers:
            assert by_slot[slot].remain != 0
            assert slot != 254
            assert fits(numbers[number], by_slot[slot])
        else:
            assert slot == -1


@given(needs, spools, st.sampled_from([None, True, False]), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_told_changes_nothing(
    needed: list[Needed], loaded: list[Loaded], use_ams: bool | None, random: Any
) -> None:
    first = resolve(needed, loaded, use_ams)
    random.shuffle(loaded)
    assert resolve(needed, loaded, use_ams) == first


@given(needs, spools)
def test_sharing_a_tray_is_the_last_resort(needed: list[Needed], loaded: list[Loaded]) -> None:
    feed = resolve(needed, loaded, True)
    if isinstance(feed, Feed):
        used = [slot for slot in feed.ams_mapping if slot >= 0]
        free = [each for each in loaded if each.slot != 254 and each.remain != 0 and each.slot not in used]
        shared = [each for each in needed if used.count(feed.ams_mapping[each.slot - 1]) > 1]
        assert not any(fits(each, spool) for each in shared for spool in free)
