"""Market time: windows and tick numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.slots import CADENCE_MS, Beat, Slot, UnknownSlot, in_snipe_window, next_tick, parse_slot, schedule

SLOTS = st.sampled_from([Slot("BTC", 5), Slot("ETH", 15)])
BEATS = st.builds(Beat, st.integers(0, 300), st.sampled_from([250, 500, 1000, 2500, 5000]))
MOMENTS_MS = st.integers(1_700_000_000_000, 1_700_003_600_000)


@given(SLOTS, st.integers(0, 2_000_000_000))
def test_a_moment_lies_in_exactly_one_window(slot: Slot, unix_s: int) -> None:
    """Windows start at whole multiples of the timeframe and follow one another without a gap."""
    start = slot.window_start(unix_s)
    assert start % slot.window_s == 0
    assert start <= unix_s < start + slot.window_s
    assert unix_s + slot.seconds_left(unix_s) == start + slot.window_s


@given(SLOTS, BEATS, MOMENTS_MS)
def test_every_cadence_is_a_tick(slot: Slot, beat: Beat, after_ms: int) -> None:
    """However fast the snipe window beats, no whole five seconds is left out."""
    ticks = list(schedule(slot, beat, after_ms, after_ms + 900_000))
    cadences = [t for t in range(after_ms + 1, after_ms + 900_001) if t % CADENCE_MS == 0]
    assert [t for t in ticks if t % CADENCE_MS == 0] == cadences


@given(SLOTS, BEATS, MOMENTS_MS, st.lists(st.integers(1, 200_000), max_size=20))
def test_the_schedule_is_the_same_however_it_is_cut(slot: Slot, beat: Beat, after_ms: int, steps: list[int]) -> None:
    """Asked in pieces or at once, before or after a crash: the same numbers, growing, none twice."""
    end_ms = after_ms + sum(steps)
    pieces, at_ms = [], after_ms
    for step in steps:
        pieces += list(schedule(slot, beat, at_ms, at_ms + step))
        at_ms += step
    assert pieces == list(schedule(slot, beat, after_ms, end_ms))
    assert pieces == sorted(set(pieces))


def test_the_snipe_window_is_the_last_part_of_a_window() -> None:
    """90 s of a 5-minute window: from 3:30 on, not at its end, which begins the next one."""
    slot, beat, start_ms = Slot("BTC", 5), Beat(90, 1_000), 1_700_000_100_000
    assert start_ms % 300_000 == 0
    assert not in_snipe_window(slot, beat, start_ms + 209_999)
    assert in_snipe_window(slot, beat, start_ms + 210_000)
    assert in_snipe_window(slot, beat, start_ms + 299_999)
    assert not in_snipe_window(slot, beat, start_ms + 300_000)
    assert next_tick(slot, beat, start_ms + 210_000) == start_ms + 211_000


def test_a_snipe_window_may_begin_between_two_cadences() -> None:
    """154 s of a window: its first fast tick comes a second after a cadence, from wherever one looks."""
    slot, beat, snipe_ms = Slot("BTC", 5), Beat(154, 250), 1_700_000_100_000 + 146_000
    assert next_tick(slot, beat, snipe_ms - 1_000) == next_tick(slot, beat, snipe_ms - 1) == snipe_ms
    assert list(schedule(slot, beat, snipe_ms - 6_001, snipe_ms)) == [snipe_ms - 6_000, snipe_ms - 1_000, snipe_ms]


@pytest.mark.parametrize("name", ["BTC", "BTC/", "BTC/7m", "/5m", "B TC/5m", "BTC/5m/x"])
def test_a_name_that_is_no_slot_is_refused(name: str) -> None:
    """The text says how a slot is written."""
    with pytest.raises(UnknownSlot, match="write it like BTC/5m"):
        parse_slot(name)


@given(SLOTS)
def test_a_slot_is_read_back_from_its_name(slot: Slot) -> None:
    """Names are how slots travel."""
    assert parse_slot(slot.name) == slot
