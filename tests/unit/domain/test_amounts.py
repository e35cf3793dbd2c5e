"""What a plate's amounts of filament are completed to, and that a start is the same before and after."""

import pytest

from printpipe.domain.amounts import completed, is_complete
from printpipe.domain.filaments import needed_of
from printpipe.domain.file_records import Filament, Plate
from printpipe.domain.print_files import Extruded

PLA = Filament(slot=1, type="PLA", color="#FFFFFF")
PETG = Filament(slot=3, type="PETG")
METRE = Extruded({1: 1000.0})


def plate(*filament: Filament, weight: float | None = None) -> Plate:
    return Plate(index=1, filament=filament, weight_g=weight)


@pytest.mark.parametrize(
    ("said", "extruded", "metres", "grams"),
    [
        (PLA, METRE, [1.0], [2.983]),
        (PLA, Extruded({1: 1000.0}, (1.3,), (2.85,)), [1.0], [8.293]),
        (PLA, Extruded({1: 1000.0}, (0.0,), (0.0,)), [1.0], [2.983]),
        (PLA, Extruded({4: 1000.0}), [1.0], [2.983]),
        (PLA, Extruded({}), [None], [None]),
        (PLA.model_copy(update={"used_m": 2.0, "used_g": 0.0}), METRE, [2.0], [5.965]),
        (PLA.model_copy(update={"used_m": 2.0, "used_g": 7.0}), METRE, [2.0], [7.0]),
        (PLA.model_copy(update={"type": None}), METRE, [1.0], [None]),
        (PLA.model_copy(update={"type": "PLA-CF"}), METRE, [1.0], [None]),
        (PLA, Extruded({1: 1e12}), [None], [None]),
    ],
)
def test_one_filament(said: Filament, extruded: Extruded, metres: list[float], grams: list[float]) -> None:
    told = completed(plate(said), extruded)
    assert [each.used_m for each in told.filament] == metres
    assert [each.used_g for each in told.filament] == grams
    assert told.weight_g == grams[0]


def test_several_count_by_their_slots() -> None:
    told = completed(plate(PLA, PETG), Extruded({1: 1000.0, 3: 2000.0}))
    assert [(each.used_m, each.used_g) for each in told.filament] == [(1.0, 2.983), (2.0, 6.109)]
    assert told.weight_g == 9.092
    part = completed(plate(PLA, PETG), Extruded({1: 1000.0}))
    assert ([each.used_g for each in part.filament], part.weight_g) == ([2.983, None], None)


def test_what_the_slicer_wrote_stands() -> None:
    said = plate(PLA, weight=12.5)
    assert not is_complete(said)
    told = completed(said, METRE)
    assert (told.weight_g, told.filament[0].used_g) == (12.5, 12.5)
    assert is_complete(told)
    assert completed(told, Extruded({1: 9.0})) == told


def test_a_start_is_the_same_before_and_after() -> None:
    for said in (plate(), plate(PLA), plate(PETG, PLA), plate(Filament(type="ABS"), Filament(color="#000000"))):
        told = completed(said, Extruded({1: 500.0, 2: 70.0, 3: 9.0}))
        assert needed_of(told, ()) == needed_of(said, ())
        kept = {"filament", "weight_g"}
        assert told.model_dump(exclude=kept) == said.model_dump(exclude=kept)
