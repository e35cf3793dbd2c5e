"""Colours as slicers, printers and people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain.colors import FAMILIES, TOLERANCE, families, is_exact, matches, parse

parts = st.integers(0, 255)
colours = st.tuples(parts, parts, parts)


def code(rgb: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*rgb)


@pytest.mark.parametrize("text", ["#C12E1F", "c12e1f", "C12E1FFF", "#c12e1f80", " #C12E1F "])
def test_codes_are_read_with_and_without_opacity(text: str) -> None:
    color = parse(text)
    assert color
    assert (color.text, color.rgb, color.named) == ("#C12E1F", (0xC1, 0x2E, 0x1F), False)


@pytest.mark.parametrize("text", [None, "", "  ", "00000000", "#FFFFFF00"])
def test_an_empty_or_invisible_colour_is_none(text: str | None) -> None:
    assert parse(text) is None
    assert not matches("white", text)
    assert not matches(text or "", text)


@pytest.mark.parametrize(
    ("spool", "expected"),
    [
        ("C12E1F", {"red"}),
        ("DE4343", {"red"}),
        ("D32941", {"red"}),
        ("9D2235", {"red"}),
        ("FF6A13", {"orange"}),
        ("FF9016", {"orange"}),
        ("F99963", {"orange"}),
        ("FEC600", {"yellow"}),
        ("F4EE2A", {"yellow"}),
        ("FFF144", {"yellow"}),
        ("E4BD68", {"yellow"}),
        ("00AE42", {"green"}),
        ("BECF00", {"green"}),
        ("0ACC38", {"green"}),
        ("789D4A", {"green"}),
        ("68724D", {"green"}),
        ("00B1B7", {"cyan"}),
        ("0086D6", {"cyan", "blue"}),
        ("0078BF", {"cyan", "blue"}),
        ("0A2989", {"blue"}),
        ("0056B8", {"blue"}),
        ("489FDF", {"blue"}),
        ("042F56", {"blue"}),
        ("5E43B7", {"purple"}),
        ("D357FE", {"purple"}),
        ("482960", {"purple"}),
        ("AE96D4", {"purple"}),
        ("EC008C", {"pink"}),
        ("F5547C", {"pink"}),
        ("E8AFCF", {"pink"}),
        ("9D432C", {"brown"}),
        ("6F5034", {"brown"}),
        ("7D6556", {"brown"}),
        ("4D3324", {"brown"}),
        ("AE835B", {"brown"}),
        ("D3B7A7", {"brown"}),
        ("847D48", {"brown"}),
        ("FFFFFF", {"white"}),
        ("F7E6DE", {"white"}),
        ("8E9089", {"grey"}),
        ("A6A9AA", {"grey"}),
        ("87909A", {"grey"}),
        ("5B6579", {"grey"}),
        ("BCBCBC", {"grey"}),
        ("545454", {"grey"}),
        ("000000", {"black"}),
        ("161616", {"black"}),
    ],
)
def test_spools_are_called_as_their_makers_call_them(spool: str, expected: set[str]) -> None:
    color = parse(spool + "FF")
    assert color
    assert color.families == expected
    for family in FAMILIES:
        assert matches(family.title(), f"#{spool}") == (family in expected)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("#FF0000", "#FE0205"),
        ("Red", "#C12E1F"),
        ("RED", "D32941FF"),
        ("Gray", "#8E9089"),
        ("silver", "#A6A9AA"),
        ("Light Blue", "#76D9F4"),
        ("Navy", "#0A2989"),
        ("brown", "#A52A2A"),
        ("violet", "#5E43B7"),
        ("#FF0000", "red"),
        ("Galaxy Black", "galaxy  black"),
    ],
)
def test_what_matches(wanted: str, shown: str) -> None:
    assert matches(wanted, shown)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("#C12E1F", "#FF6A13"),
        ("#C12E1F", "#DE4343"),
        ("#C12E1F", "red"),
        ("#000000", "#161616"),
        ("orange", "#C12E1F"),
        ("red", "#FF6A13"),
        ("Galaxy Black", "#000000"),
        ("black", "Galaxy Black"),
        ("rainbow", "#FF0000"),
        ("", "#FF0000"),
    ],
)
def test_what_does_not_match(wanted: str, shown: str) -> None:
    assert not matches(wanted, shown)


def test_the_exact_colour_is_told_from_a_similar_one() -> None:
    assert is_exact("#ff0000", "FF0000FF")
    assert is_exact("Red", "#FF0000")
    assert not is_exact("#FF0000", "#FF0001")
    assert not is_exact("Red", "#C12E1F")
    assert not is_exact("Galaxy", None)


@given(colours)
def test_every_colour_belongs_to_a_family_and_matches_itself(rgb: tuple[int, int, int]) -> None:
    assert families(rgb)
    assert families(rgb) <= FAMILIES
    assert matches(code(rgb), code(rgb).lower() + "ff")


@given(colours, colours)
def test_codes_match_both_ways_and_only_within_the_tolerance(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    close = max(abs(left - right) for left, right in zip(one, other, strict=True)) <= TOLERANCE
    assert matches(code(one), code(other)) == matches(code(other), code(one)) == close


@given(st.text(), st.text())
def test_no_text_is_too_odd(wanted: str, shown: str) -> None:
    assert matches(wanted, shown) in (True, False)
    assert is_exact(wanted, shown) in (True, False)
