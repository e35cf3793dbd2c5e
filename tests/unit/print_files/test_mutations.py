"""Whatever the bytes, a file is read or refused: no other error, little time, little memory."""

import io
import random
import time
import tracemalloc

import pytest

from printpipe.domain.errors import InvalidInput, TooLarge
from printpipe.domain.print_files import PrintFile, inspect
from tests.counts import count
from tests.unit.print_files import samples

SECONDS = 2.0
PEAK = 24 << 20

STORED = samples.raw_zip([samples.Raw(k.encode(), v, method=0) for k, v in samples.bambu_parts().items()])
SOURCES = {
    "deflated.3mf": samples.pack(samples.bambu_parts()),
    "streamed.3mf": samples.streamed(samples.bambu_parts()),
    "stored.3mf": STORED,
    "zip64.3mf": samples.raw_zip(
        samples.raw_parts(samples.Raw(b"a", b"abc", extra=b"\x01\x00\x08\x00\x03\x00\x00\x00\x00\x00\x00\x00"))
    ),
    "bambu.gcode": samples.BAMBU.encode(),
    "prusa.gcode": samples.PRUSA.encode(),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    end = len(changed)
    # The structures that decide most lie at the end of an archive.
    somewhere = [lambda: chance.randrange(end), lambda: max(0, end - 1 - int(chance.expovariate(1 / 300)))]
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        position = min(chance.choice(somewhere)(), len(changed) - 1)
        match chance.randrange(7):
            case 0 | 1:
                changed[position] ^= 1 << chance.randrange(8)
            case 2:
                changed[position] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 3:
                changed[position : position + 4] = chance.choice((b"\xff" * 4, bytes(4), chance.randbytes(4)))
            case 4:
                del changed[position : position + chance.randrange(1, 60)]
            case 5:
                start = chance.randrange(len(changed) or 1)
                changed[position:position] = changed[start : start + chance.randrange(1, 200)]
            case _:
                del changed[position + 1 if chance.random() < 0.3 else len(changed) :]
        if not changed:
            return b""
    return bytes(changed)


def attempt(data: bytes, name: str) -> str:
    refusal: InvalidInput | TooLarge
    try:
        assert isinstance(inspect(io.BytesIO(data), name), PrintFile)
        return "accepted"
    except (InvalidInput, TooLarge) as error:
        refusal = error
    assert refusal.field == "file"
    assert refusal.message.isprintable()
    return refusal.message


@pytest.mark.parametrize("name", SOURCES)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    outcomes: set[str] = set()
    tracemalloc.start()
    try:
        for seed in range(count(300, quick=25)):
            data = mutated(SOURCES[name], random.Random(f"{name}-{seed}"))
            tracemalloc.reset_peak()
            begin = time.process_time()
            outcomes.add(attempt(data, name))
            assert time.process_time() - begin < SECONDS, seed
            assert tracemalloc.get_traced_memory()[1] < PEAK, seed
    finally:
        tracemalloc.stop()
    assert len(outcomes) >= 2, "the mutations reach only one outcome"


@pytest.mark.parametrize("part", [name for name in samples.bambu_parts() if name.startswith(("Metadata", "["))])
def test_mutated_contents_in_a_sound_archive_are_read_or_refused(part: str) -> None:
    parts = samples.bambu_parts()
    for seed in range(count(300, quick=25)):
        data = mutated(parts[part], random.Random(f"{part}-{seed}"))
        attempt(samples.pack(parts | {part: data}), "a.3mf")


@pytest.mark.parametrize("name", SOURCES)
def test_truncated_files_are_refused_or_shorter_gcode(name: str) -> None:
    data = SOURCES[name]
    step = max(1, len(data) // count(300, quick=25))
    for end in [*range(0, len(data), step), len(data) - 1]:
        outcome = attempt(data[:end], name)
        assert outcome != "accepted" or name.endswith(".gcode"), end


def test_noise_is_refused() -> None:
    chance = random.Random(7)
    for number in range(count(300, quick=25)):
        data = chance.choice((b"", b"PK\x03\x04", b"PK\x05\x06", b"GCDE")) + chance.randbytes(chance.randrange(3_000))
        assert attempt(data, f"{number}.3mf") != "accepted"


@pytest.mark.parametrize("line", [";\n", ";thumbnail begin 1x1 1\n", ";" + "(" * 9_000 + "\n"])
def test_many_plates_of_many_lines_take_little_time(line: str) -> None:
    text = ("G28\n" + line * (700_000 // len(line))).encode() + samples.noise(3_000).hex().encode()
    plates = [samples.Raw(b"Metadata/plate_%d.gcode" % number, text) for number in range(1, count(65, quick=17))]
    packed = samples.raw_zip([samples.Raw(b"[Content_Types].xml", samples.CONTENT_TYPES), *plates])
    begin = time.process_time()
    assert attempt(packed, "a.3mf") == "accepted"
    assert time.process_time() - begin < 8
