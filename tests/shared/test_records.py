"""The append-only file: what is in it after anything that can happen to a process or a disk."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.disks import files_end_at

from shared.records import HEADER, MAX_RECORD, RECORD, Appender, CannotWrite, Damaged, Segment, read, segments

PAYLOADS = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=12)


def written(folder: Path, payloads: list[bytes], *, roll_after: int = 10**9) -> list[tuple[int, bytes]]:
    """Write payloads, a new segment after every so many."""
    appender = Appender(folder, "test")
    for count, payload in enumerate(payloads, start=1):
        appender.append(payload)
        if count % roll_after == 0:
            appender.roll()
    appender.close()
    return list(enumerate(payloads, start=1))


@given(payloads=PAYLOADS, roll_after=st.integers(1, 5), start=st.integers(0, 13))
@settings(max_examples=40)
def test_what_was_written_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], roll_after: int, start: int
) -> None:
    """Across segments, from any number on."""
    folder = tmp_path_factory.mktemp("records")
    expected = written(folder, payloads, roll_after=roll_after)
    assert list(read(folder, "test")) == expected
    assert list(read(folder, "test", start)) == expected[max(0, start - 1) :]


@given(payloads=PAYLOADS, data=st.data())
@settings(max_examples=60)
def test_a_torn_end_costs_only_what_was_torn(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    """Cut anywhere: every whole record is there, the rest is kept aside, and writing goes on behind it."""
    folder = tmp_path_factory.mktemp("records")
    expected = written(folder, payloads)
    path = segments(folder)[-1]
    whole = path.read_bytes()
    cut = data.draw(st.integers(HEADER.size, len(whole)))
    path.write_bytes(whole[:cut])
    survived = [(n, p) for n, p in expected if HEADER.size + sum(RECORD.size + len(q) for _, q in expected[:n]) <= cut]
    assert list(read(folder, "test")) == survived
    appender = Appender(folder, "test")
    assert appender.append(b"after") == len(survived) + 1
    appender.close()
    assert list(read(folder, "test")) == [*survived, (len(survived) + 1, b"after")]
    assert appender.torn_bytes == sum(len(p.read_bytes()) for p in folder.glob("*.torn"))


@given(payloads=PAYLOADS, data=st.data())
@settings(max_examples=60)
def test_a_changed_byte_is_never_read_as_data(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    """Wherever it is: what is read before it is what was written, nothing after it is read, and no writer goes on.

    Only a length that now reaches beyond the end looks as if the rest had not been written.
    """
    folder = tmp_path_factory.mktemp("records")
    expected = written(folder, payloads)
    path = segments(folder)[-1]
    spoilt = bytearray(path.read_bytes())
    at = data.draw(st.integers(HEADER.size, len(spoilt) - 1))
    spoilt[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(spoilt)
    found = []
    try:
        found.extend(read(folder, "test"))
        beyond = True
    except Damaged:
        beyond = False
        with pytest.raises(Damaged, match="does not check"):
            Appender(folder, "test")
    assert beyond == reaches_beyond(bytes(spoilt), at)
    assert found == expected[: len(found)]
    assert len(found) < len(expected)


def reaches_beyond(data: bytes, at: int) -> bool:
    """Whether the record of the changed byte says that it is longer than what is there, as a torn one does."""
    begin = HEADER.size
    while True:
        length = RECORD.unpack_from(data, begin)[0]
        if begin <= at < begin + RECORD.size + length or length > len(data):
            missing = len(data[begin:].rstrip(b"\0")) < RECORD.size + length
            return 0 < length <= MAX_RECORD and missing
        begin += RECORD.size + length


@pytest.mark.parametrize("sector", [0, 1])
def test_a_sector_the_disk_did_not_get_to_is_a_torn_end(tmp_path: Path, sector: int) -> None:
    """A machine that went down may have written what is behind it: all of that was promised to nobody."""
    appender = Appender(tmp_path, "test", preallocate=1 << 16)
    for size in (100, 900, 900):
        appender.append(b"x" * size)
    appender.close()
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[512 * (1 + sector) : 512 * (2 + sector)] = bytes(512)
    path.write_bytes(data)
    assert [number for number, _ in read(tmp_path, "test")] == [1]
    assert Appender(tmp_path, "test").next == 2


def test_a_last_record_that_was_changed_is_an_error(tmp_path: Path) -> None:
    """It is all there: no crash leaves it so, and what it said is not to be cut off in silence."""
    written(tmp_path, [b"one", b"two"])
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(Damaged, match="record 2 at byte"):
        list(read(tmp_path, "test"))
    with pytest.raises(Damaged, match="record 2 at byte"):
        Appender(tmp_path, "test")


def test_damage_that_is_not_at_the_end_is_an_error(tmp_path: Path) -> None:
    """A broken record with segments behind it is no torn tail: it is named with its place."""
    written(tmp_path, [b"one", b"two", b"three", b"four"], roll_after=2)
    first = segments(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:-1] + b"\xff")
    with pytest.raises(Damaged, match="record 2 at byte"):
        list(read(tmp_path, "test"))


def test_a_missing_segment_is_an_error(tmp_path: Path) -> None:
    """The chain does not continue, and that is said."""
    written(tmp_path, [b"one", b"two", b"three"], roll_after=1)
    segments(tmp_path)[1].unlink()
    with pytest.raises(Damaged, match="does not continue"):
        list(read(tmp_path, "test"))


def test_a_segment_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A tape is no journal."""
    written(tmp_path, [b"one"])
    with pytest.raises(Damaged, match="not a journal segment"):
        list(read(tmp_path, "journal"))


def test_the_end_of_a_segment_is_on_the_disk_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the power could leave a torn end in a segment that is not the last, and nobody could start over it."""
    appender = Appender(tmp_path, "test")
    synced: list[int] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        synced.append(len(segments(tmp_path)))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    appender.append(b"the last of its segment")
    appender.roll()
    assert (synced, len(segments(tmp_path))) == ([1], 2)
    appender.close()


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_reader_goes_on_behind_a_record_it_knows(tmp_path: Path, number: int) -> None:
    """By its chain: what follows is checked as ever; under another chain, or beyond the end, it is not there."""
    appender = Appender(tmp_path, "test", preallocate=4_096)
    links = {}
    for payload in (b"one", b"two", b"three", b"four", b"five"):
        written = appender.append(payload)
        links[written] = appender.link
    appender.close()
    segment = Segment(segments(tmp_path)[0], "test")
    assert segment.skip_past(number, links[number])
    assert [n for n, _ in segment] == list(range(number + 1, 6))
    assert not Segment(segments(tmp_path)[0], "test").skip_past(number, bytes(16))
    assert not Segment(segments(tmp_path)[0], "test").skip_past(6, links[5])


def test_preallocated_room_is_not_read_as_records(tmp_path: Path) -> None:
    """Zeros are the end, also after a crash that never cut them off."""
    appender = Appender(tmp_path, "test", preallocate=4096)
    appender.append(b"one")
    appender.flush()
    assert segments(tmp_path)[0].stat().st_size == 4096
    assert list(read(tmp_path, "test")) == [(1, b"one")]
    again = Appender(tmp_path, "test", preallocate=4096)
    again.append(b"two")
    again.close()
    assert list(read(tmp_path, "test")) == [(1, b"one"), (2, b"two")]


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk that takes 8 kB of a file and no more."""
    with files_end_at(8_192):
        yield


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_takes_all_of_a_batch_or_nothing(tmp_path: Path) -> None:
    """The error names the file; what was there stays readable; giving the batch up lets writing go on."""
    appender = Appender(tmp_path, "test")
    appender.append(b"fits")
    appender.flush()
    appender.append(bytes(9_000))
    with pytest.raises(CannotWrite, match=r"0000000000000001\.seg"):
        appender.flush()
    assert list(read(tmp_path, "test")) == [(1, b"fits")]
    assert appender.abandon() == 1
    assert appender.append(b"fits again") == 2
    appender.close()
    assert list(read(tmp_path, "test")) == [(1, b"fits"), (2, b"fits again")]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="file"):
        Appender(tmp_path / "file" / "tape", "test")


def test_a_segment_that_the_disk_did_not_take_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had been written in the old one may be lost, and whoever rolls hears of it."""
    appender = Appender(tmp_path, "test")
    appender.append(b"one")

    def lost(fd: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fdatasync", lost)
    with pytest.raises(CannotWrite, match="Input/output error"):
        appender.roll()
