"""A packed segment is the plain one again, or it is named as damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.tapes import Market, Stream

from shared import packed
from shared.packed import PACKED_HEADER, pack, unpack
from shared.records import HEADER, PACKED, RECORD, Appender, Damaged, Segment, first_number, read, segments

PAYLOADS = st.lists(st.binary(min_size=1, max_size=200), max_size=20)


def a_segment(folder: Path, payloads: list[bytes]) -> bytes:
    """The second segment of a folder, so that it has a past; its bytes."""
    appender = Appender(folder, "tape")
    appender.append(b"past")
    appender.roll()
    for payload in payloads:
        appender.append(payload)
    appender.close()
    return appender.path.read_bytes()


def replace_by_packed(path: Path, data: bytes | None = None) -> Path:
    """Put the packed segment in the place of the plain one."""
    path.with_suffix(PACKED).write_bytes(pack(path.read_bytes()) if data is None else data)
    path.unlink()
    return path.with_suffix(PACKED)


@settings(max_examples=40)
@given(PAYLOADS)
def test_what_was_packed_is_unpacked_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    """Header, checksums and links as well, although they are not in it."""
    data = a_segment(tmp_path_factory.mktemp("packed"), payloads)
    assert unpack(pack(data)) == data


@settings(max_examples=60)
@given(PAYLOADS.filter(bool), st.data())
def test_a_changed_byte_of_a_packed_segment_is_never_read_as_data(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    """Wherever it is: what is unpacked is what was packed, bit for bit, or it is named as damaged.

    Not every bit of a zstd frame says something, and some contents can be said in two ways.
    """
    plain = a_segment(tmp_path_factory.mktemp("packed"), payloads)
    spoilt = bytearray(pack(plain))
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    assert unpacked(bytes(spoilt)) in (plain, None)


def unpacked(data: bytes) -> bytes | None:
    """The plain segment; None if it is named as damaged."""
    try:
        return unpack(data)
    except Damaged:
        return None


def test_a_bit_that_the_frame_does_not_use_costs_nothing(tmp_path: Path) -> None:
    """Readers of zstd frames ignore the fifth bit of the byte behind the magic number: what was packed is all there."""
    plain = a_segment(tmp_path, [b"sold 5", b"kept"])
    spoilt = bytearray(pack(plain))
    spoilt[PACKED_HEADER.size + len(b"\x28\xb5\x2f\xfd")] ^= 1 << 4
    assert unpack(bytes(spoilt)) == plain


@settings(max_examples=60)
@given(PAYLOADS.filter(bool), st.data())
def test_a_packed_segment_that_is_cut_off_or_goes_on_is_never_read_as_data(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    """A byte too few or too many is damage, wherever it breaks off and whatever stands behind it."""
    whole = pack(a_segment(tmp_path_factory.mktemp("packed"), payloads))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    longer = whole + data.draw(st.binary(min_size=1, max_size=40))
    assert (unpacked(cut), unpacked(longer)) == (None, None)


def test_records_that_were_put_in_anew_are_found_by_the_chain(tmp_path: Path) -> None:
    """Everything else in it is sound: packed again with another payload, under the old header."""
    ours = pack(a_segment(tmp_path / "a", [b"sold 5", b"kept"]))
    theirs = pack(a_segment(tmp_path / "b", [b"sold 9", b"kept"]))
    with pytest.raises(Damaged, match="records 2 to 3 are not those that were packed"):
        unpack(ours[: PACKED_HEADER.size] + theirs[PACKED_HEADER.size :])


def test_a_packed_segment_that_says_it_is_endless_is_not_believed(tmp_path: Path) -> None:
    """Nobody takes so much memory for it."""
    import zstandard

    head = pack(a_segment(tmp_path, [b"x"]))[: PACKED_HEADER.size]
    endless = zstandard.ZstdCompressor().compressobj(size=packed.SEGMENT_MAX + 1).compress(b"x" * 200_000)
    with pytest.raises(Damaged, match="larger than"):
        unpack(head + endless)


def test_what_does_not_check_is_not_packed(tmp_path: Path) -> None:
    """A flipped bit, a record of another past, bytes behind the last one: it stays as it is, and is named."""
    data = a_segment(tmp_path, [b"one", b"two"])
    for at in (-1, HEADER.size + 8, 30):
        spoilt = bytearray(data)
        spoilt[at] ^= 1
        with pytest.raises(Damaged, match="does not check"):
            pack(bytes(spoilt))
    with pytest.raises(Damaged, match="at byte"):
        pack(data + b"more")


def test_the_beginning_alone_can_be_had(tmp_path: Path) -> None:
    """Whole records from the first on; the chain is not asked for its end."""
    data = a_segment(tmp_path, [b"a" * 100, b"b" * 100])
    assert unpack(pack(data), 150) == data[: HEADER.size + RECORD.size + 100]


def test_readers_take_plain_and_packed_segments_alike(tmp_path: Path) -> None:
    """Same records, same chain across the border between them, in either order."""
    appender = Appender(tmp_path, "tape")
    for number in range(1, 10):
        appender.append(b"%d" % number)
        if number % 3 == 0:
            appender.roll()
    appender.close()
    expected = list(read(tmp_path, "tape"))
    replace_by_packed(segments(tmp_path)[1])
    assert [path.suffix for path in segments(tmp_path)] == [".seg", PACKED, ".seg", ".seg"]
    assert list(read(tmp_path, "tape")) == expected == [(n, b"%d" % n) for n in range(1, 10)]
    replace_by_packed(segments(tmp_path)[0])
    assert list(read(tmp_path, "tape", 5)) == expected[4:]


def test_a_segment_in_both_forms_is_one(tmp_path: Path) -> None:
    """A crash between the two steps of packing: the records are there once."""
    appender = Appender(tmp_path, "tape")
    appender.append(b"one")
    appender.roll()
    appender.append(b"two")
    appender.close()
    first = segments(tmp_path)[0]
    first.with_suffix(PACKED).write_bytes(pack(first.read_bytes()))
    assert list(read(tmp_path, "tape")) == [(1, b"one"), (2, b"two")]


def test_a_segment_that_was_packed_after_it_was_listed_is_found(tmp_path: Path) -> None:
    """Between looking into the folder and opening the file; and one that is gone is still missing."""
    a_segment(tmp_path, [b"one"])
    listed = segments(tmp_path)
    replace_by_packed(listed[1])
    segment = Segment(listed[1], "tape")
    assert ([payload for _, payload in segment], segment.path.suffix) == ([b"one"], PACKED)
    segment.path.unlink()
    with pytest.raises(FileNotFoundError, match=r"\.seg"):
        Segment(listed[1], "tape")


def test_a_segment_that_is_packed_while_it_is_listed_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two forms is looked for first, and whatever happens before the other one is."""
    a_segment(tmp_path, [b"one"])
    *complete, _ = segments(tmp_path)
    look = Path.glob

    def packed_meanwhile(folder: Path, pattern: str) -> Iterator[Path]:
        seen = list(look(folder, pattern))
        for plain in complete:
            if plain.exists():
                replace_by_packed(plain)
        return iter(seen)

    monkeypatch.setattr(Path, "glob", packed_meanwhile)
    assert list(read(tmp_path, "tape")) == [(1, b"past"), (2, b"one")]


def test_a_damaged_packed_segment_is_named_by_its_place(tmp_path: Path) -> None:
    """File and records."""
    a_segment(tmp_path, [b"one", b"two"])
    path = segments(tmp_path)[0]
    data = bytearray(pack(path.read_bytes()))
    data[-1] ^= 1
    packed_path = replace_by_packed(path, bytes(data))
    with pytest.raises(Damaged, match=rf"{packed_path.name}: records 1 to 1 cannot be unpacked"):
        list(read(tmp_path, "tape"))


def test_writing_goes_on_behind_a_packed_segment(tmp_path: Path) -> None:
    """Whatever came after it was taken away: the chain goes on in a new one."""
    a_segment(tmp_path, [b"one"])
    replace_by_packed(segments(tmp_path)[1])
    appender = Appender(tmp_path, "tape")
    assert appender.append(b"two") == 3
    appender.close()
    assert [payload for _, payload in read(tmp_path, "tape")] == [b"past", b"one", b"two"]
    assert [first_number(path) for path in segments(tmp_path)] == [1, 2, 3]


def test_a_tape_becomes_several_times_smaller(tmp_path: Path) -> None:
    """What the level was chosen for: a made-up desk's tape to a fifth at least."""
    Market(Stream(tmp_path, segment_keyframes=100)).run(120)
    data = segments(tmp_path)[0].read_bytes()
    assert len(pack(data)) * 5 < len(data)
