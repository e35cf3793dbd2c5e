"""One machine under many names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printpipe.domain.printer_models import MACHINES, SERIES, maker_of, model_of, model_of_file, same_machine


@pytest.mark.parametrize(
    ("text", "brand", "expected"),
    [
        ("X1 Carbon", "Bambu Lab", "X1C"),
        ("X1C", None, "X1C"),
        ("Bambu Lab X1C", None, "X1C"),
        ("Bambu Lab X1-Carbon", "Bambu", "X1C"),
        ("bambulab x1 carbon 0.4 nozzle", None, "X1C"),
        ("3DPrinter-X1-Carbon", None, "X1C"),
        ("BL-P001", "BambuLab", "X1C"),
        ("Bambu Lab P1S", "Bambu Lab GmbH", "P1S"),
        ("C12", None, "P1S"),
        ("A1", "Bambu Lab", "A1"),
        ("A1 Mini", "Bambu Lab", "A1 mini"),
        ("A1mini", None, "A1 mini"),
        ("H2D-Pro", "Bambu Lab", "H2D Pro"),
        ("MK4S", "Prusa Research", "MK4S"),
        ("Original Prusa MK4S", None, "MK4S"),
        ("Original Prusa MK4 Input Shaper", None, "MK4"),
        ("MK4IS", None, "MK4"),
        ("Original Prusa i3 MK3S && MK3S+", None, "MK3S+"),
        ("i3 MK3S+", "Prusa", "MK3S+"),
        ("MK3S", "Prusa", "MK3S+"),
        ("Original Prusa MINI && MINI+ Input Shaper", None, "MINI"),
        ("MINI+", "Original Prusa", "MINI"),
        ("Original Prusa XL - 5T Input Shaper", None, "XL 5T"),
        ("XL5", None, "XL 5T"),
        ("Prusa CORE One", None, "CORE One"),
        ("Core One", "Prusa", "CORE One"),
        ("COREONE", None, "CORE One"),
        ("Prusa CORE One HF0.4 nozzle", None, "CORE One"),
        ("COREONEL", None, "CORE One L"),
    ],
)
def test_spellings_of_known_machines(text: str, brand: str | None, expected: str) -> None:
    model = model_of(text, brand)
    assert model
    assert (model.label, model.machines) == (expected, frozenset({expected}))
    assert model.volume


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *(("BL-P001", "X1C"), ("BL-P002", "X1"), ("C11", "P1P"), ("C12", "P1S"), ("C13", "X1E"), ("N7", "P2S")),
        *(("N1", "A1 mini"), ("N2S", "A1"), ("n9", "A2L"), ("N6-V2", "X2D"), ("O1D", "H2D"), ("O1C2", "H2C")),
    ],
)
def test_the_makers_id_goes_before_the_name(code: str, expected: str) -> None:
    model = model_of_file("Bambu Lab Something", code)
    assert model
    assert model.label == expected


def test_a_file_without_a_known_id_is_known_by_name() -> None:
    for name, code in (("Bambu Lab P1S", None), ("Bambu Lab P1S", "C99"), (None, "P1S")):
        model = model_of_file(name, code)
        assert model
        assert model.label == "P1S"
    assert model_of_file(None, None) is None
    assert model_of_file("", " ") is None


@pytest.mark.parametrize(
    ("printer", "file", "same"),
    [
        (("X1 Carbon", "Bambu Lab"), ("Bambu Lab X1 Carbon", "BL-P001"), True),
        (("P1S", None), ("Bambu Lab X1 Carbon", None), False),
        (("P1P", None), ("Bambu Lab P1S", None), False),
        (("MK4", "Prusa"), ("MK4S", None), False),
        (("X1", "Bambu Lab"), ("Bambu Lab X1 Carbon", None), None),
        (("X1", "Bambu Lab"), ("Bambu Lab P1S", None), False),
        (("P1 Series", "Bambu Lab"), ("Bambu Lab P1S", None), None),
        (("Voron 2.4 350", None), ("voron 2.4-350", None), True),
        (("Ender-3", "Creality"), ("Creality Ender-3", None), True),
        (("Ender-3", None), ("Creality Ender-3", None), None),
        (("Ender-3 V2", "Creality"), ("Creality Ender-3", None), False),
        (("Ender-3", "Creality"), ("Bambu Lab X1 Carbon", None), False),
        (("A1", "Sovol"), ("Bambu Lab A1", None), False),
    ],
)
def test_a_file_is_compared_with_a_printer(
    printer: tuple[str, str | None], file: tuple[str, str | None], same: bool | None
) -> None:
    one, other = model_of(*printer), model_of_file(*file)
    assert one
    assert other
    assert same_machine(one, other) is same
    assert same_machine(other, one) is same


@pytest.mark.parametrize("text", [None, "", "  ", "---"])
def test_nothing_is_no_model(text: str | None) -> None:
    assert model_of(text, "Bambu Lab") is None


def test_the_table_names_each_machine_once() -> None:
    ids = [id_ for machine in MACHINES for id_ in machine.ids]
    assert len(set(ids)) == len(ids)
    for machine in MACHINES:
        for name in (machine.name, *machine.names, *machine.ids):
            if name.lower() not in SERIES:
                model = model_of(name, machine.maker)
                assert model
                assert model.machines == {machine.name}
    names = {machine.name for machine in MACHINES}
    assert all(names.issuperset(machines) for machines in SERIES.values())


def test_of_several_machines_the_smallest_room_counts() -> None:
    model = model_of("H2", "Bambu Lab")
    assert model
    assert model.volume
    assert (model.volume.x, model.volume.y, model.volume.z) == (330, 320, 325)


@given(st.text(), st.text())
def test_no_text_is_too_odd(text: str, brand: str) -> None:
    model = model_of(text, brand)
    if model:
        assert same_machine(model, model) is True
        assert same_machine(model, model_of_file(text, brand) or model) in (True, False, None)


@pytest.mark.parametrize(
    ("brand", "model", "expected"),
    [
        ("Bambu Lab", None, "Bambu Lab"),
        ("bambulab", "whatever", "Bambu Lab"),
        ("BBL", None, "Bambu Lab"),
        ("Original Prusa", "MK4S", "Prusa"),
        ("prusa research", None, "Prusa"),
        (None, "X1 Carbon", "Bambu Lab"),
        (None, "P1 Series", "Bambu Lab"),
        ("", "Core One", "Prusa"),
        (None, "Original Prusa i3 MK3S+", "Prusa"),
        (None, "Prusa Pro HT90", "Prusa"),
        ("Creality", "K1 Max", None),
        ("Voron", "X1 Carbon", None),
        (None, "Voron 2.4", None),
        (None, None, None),
    ],
)
def test_who_makes_a_printer(brand: str | None, model: str | None, expected: str | None) -> None:
    assert maker_of(brand, model) == expected
