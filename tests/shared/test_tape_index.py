"""What a segment holds is known without reading it, and never believed against it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit.tapes import Market, Stream

from shared.records import Segment, segments
from shared.tape_index import KIND, SUFFIX, Pruned, describe, entries, keep, kept, pruned
from shared.wire import decode_streamed


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """Four minutes of two lanes, a segment each minute."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    return folder, Market(Stream(folder, segment_keyframes=1)).run(240)


def test_an_index_says_what_is_in_its_segment(tape: tuple[Path, Stream]) -> None:
    """Numbers, times and kinds, counted anew here from the frames."""
    folder, stream = tape
    found = [entry for _, entry in entries(folder)]
    frames = [[decode_streamed(payload) for _, payload in Segment(path, KIND)] for path in segments(folder)]
    assert [(e.first_seq, e.last_seq) for e in found] == [(part[0].seq, part[-1].seq) for part in frames]
    assert [(e.first_ns, e.last_ns) for e in found] == [(part[0].at_ns, part[-1].at_ns) for part in frames]
    assert [e.records for e in found] == [sum(e.events.values()) for e in found] == list(map(len, frames))
    ticks = [sum(type(frame.event).__name__ == "Tick" for frame in part) for part in frames]
    assert [e.ticks for e in found] == ticks and sum(ticks) > 40
    assert [e.size for e in found] == [path.stat().st_size for path in segments(folder)]
    assert [e.before for e in found[1:]] == [e.chain for e in found[:-1]]
    assert found[-1].last_seq == stream.seq


def test_a_kept_index_spares_reading_the_segment(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """The segment may even be gone from under it."""
    path = segments(tape[0])[0]
    entry = describe(Segment(path, KIND))
    keep(tmp_path / f"{path.stem}{SUFFIX}", msgspec.json.encode(entry))
    (tmp_path / path.name).write_bytes(b"not read")
    assert list(entries(tmp_path)) == [(tmp_path / path.name, entry)]
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("spoilt", [b"", b"{", b"\xff", b'{"first": 1}'])
def test_an_index_that_makes_no_sense_is_made_again(tape: tuple[Path, Stream], tmp_path: Path, spoilt: bytes) -> None:
    """It is read from the segment, whatever stands beside it."""
    path = segments(tape[0])[1]
    (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / path.name).with_suffix(SUFFIX).write_bytes(spoilt)
    assert kept(tmp_path / path.name) is None
    assert [entry for _, entry in entries(tmp_path)] == [describe(Segment(path, KIND))]


def test_an_index_of_another_segment_is_not_believed(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """A file that was copied to the wrong name."""
    one, other = segments(tape[0])[:2]
    (tmp_path / other.name).with_suffix(SUFFIX).write_bytes(msgspec.json.encode(describe(Segment(one, KIND))))
    assert kept(tmp_path / other.name) is None


def test_an_empty_segment_has_an_index_too(tmp_path: Path) -> None:
    """The tape has just rolled."""
    stream = Stream(tmp_path)
    assert stream.tape is not None
    stream.tape.flush()
    entry = describe(Segment(segments(tmp_path)[0], KIND))
    assert (entry.records, entry.first_seq, entry.last_ns, entry.events) == (0, 0, 0, {})


def test_what_was_pruned_is_known(tmp_path: Path) -> None:
    """Nothing, until it is said."""
    assert pruned(tmp_path) is None
    said = Pruned(to_record=9, to_seq=9, to_ns=7, chain="ab", segments=1, size=100)
    keep(tmp_path / "pruned.json", msgspec.json.encode(said))
    assert pruned(tmp_path) == said
