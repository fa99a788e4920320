"""Bytes to messages and back."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import messages as m
from shared import wire

MICRO = st.integers(0, 10**12)
NAME = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=12)
LEVELS = st.lists(st.builds(m.Level, MICRO, MICRO), max_size=5).map(tuple)
EVENTS = st.one_of(
    st.builds(m.BookSeen, NAME, MICRO, st.sampled_from(["Up", "Down"]), LEVELS, LEVELS, st.booleans()),
    st.builds(m.PriceSeen, NAME, st.sampled_from(["spot", "twap"]), MICRO, st.integers(0, 10**24).map(str)),
    st.builds(m.WindowClosed, NAME, MICRO),
    st.builds(m.Pulse),
)
DECISIONS = st.builds(
    m.Decision,
    st.lists(
        st.one_of(
            st.builds(m.Cancel, NAME),
            st.builds(m.Place, st.just("Up"), st.just("BUY"), MICRO, MICRO, st.just("GTC"), st.booleans()),
        ),
        max_size=4,
    ).map(tuple),
    st.dictionaries(NAME, st.one_of(NAME, st.integers(-(2**60), 2**60)), max_size=4),
)


@given(
    st.integers(0, 2**60),
    st.integers(0, 2**62),
    st.one_of(EVENTS, st.lists(EVENTS, max_size=4).map(lambda e: m.Keyframe(tuple(e)))),
)
def test_a_frame_of_the_stream_is_read_back_as_it_was(seq: int, at_ns: int, event: m.Event) -> None:
    """Whatever is published arrives."""
    frame = m.Streamed(seq, at_ns, event)
    assert wire.decode_streamed(wire.encode(frame)) == frame


@given(DECISIONS)
def test_a_workers_answer_is_read_back_as_it_was(decision: m.Decision) -> None:
    """Its decision too, to the byte: the journal keeps what the worker would replay."""
    answer = m.Decided("BTC/5m", 1_700_000_005_000, 7, 99, 3, "p", 120, decision)
    read = wire.decode_from_worker(wire.encode(answer))
    assert read == answer
    assert isinstance(read, m.Decided)
    assert wire.encode(read.decision) == wire.encode(decision)
    assert wire.decode_decision(wire.encode(decision)) == decision


def test_frames_are_messagepack_arrays_that_anybody_can_read() -> None:
    """msgpack, which knows nothing of our structs, sees the same values."""
    frame = wire.encode(m.Streamed(5, 6, m.WindowResolved("BTC/5m", 300, "Up")))
    assert msgpack.unpackb(frame) == [5, 6, ["resolved", "BTC/5m", 300, "Up"]]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_refused_by_name(noise: bytes) -> None:
    """Never a crash, never a guess."""
    for decode in (wire.decode_streamed, wire.decode_from_worker, wire.decode_to_worker, wire.decode_decision):
        try:
            decode(noise)
        except wire.BadFrame as error:
            assert str(len(noise)) in str(error)


@given(st.data())
def test_a_frame_cut_short_is_refused(data: st.DataObject) -> None:
    """A torn frame is not half a message."""
    frame = wire.encode(m.Streamed(1, 2, data.draw(EVENTS)))
    with pytest.raises(wire.BadFrame):
        wire.decode_streamed(frame[: data.draw(st.integers(0, len(frame) - 1))])


def test_an_oversized_frame_is_refused_both_ways() -> None:
    """The bound holds for what we send and for what we are sent."""
    with pytest.raises(wire.BadFrame, match="over the bound"):
        wire.encode(m.LastWords("raised", "x" * wire.MAX_FRAME))
    with pytest.raises(wire.BadFrame, match="over the bound"):
        wire.decode_from_worker(bytes(wire.MAX_FRAME + 1))


@pytest.mark.parametrize(("theirs", "common"), [((1, 1), 1), ((1, 3), 2), ((2, 9), 2), ((0, 1), 1)])
def test_the_highest_common_protocol_is_spoken(theirs: tuple[int, int], common: int) -> None:
    """Ranges meet."""
    assert wire.common_protocol(theirs, (1, 2)) == common


@pytest.mark.parametrize("theirs", [(3, 4), (0, 0)])
def test_ranges_that_do_not_meet_are_refused(theirs: tuple[int, int]) -> None:
    """Both are named."""
    with pytest.raises(wire.NoCommonProtocol, match="we speak 1 to 2"):
        wire.common_protocol(theirs, (1, 2))
