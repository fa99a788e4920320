"""deploy.analysis.replay.made: a tape of a recorded day, as a supervisor would have written it."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from kit.days import START_S, WINDOW_S, a_day, write_day

from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.made import SETTLE_MS, WARM_UP_MS, make, stretch
from deploy.rehearsal.days import settle
from deploy.rehearsal.layouts import read_day
from shared import messages as m
from shared.config import Settings
from shared.records import segments
from shared.slots import parse_slot, schedule

MS = 1_000_000
WINDOWS = 2


def made(folder: Path, seed: int = 1, seconds: int = WINDOWS * WINDOW_S + 600) -> list[m.Streamed]:
    """Two windows of a day, or a part of them."""
    first_ms, until_ms = (START_S - 30) * 1_000, (START_S + seconds) * 1_000
    make(a_day(WINDOWS), first_ms, until_ms, folder, seed=seed, progress=lambda done, of: None)
    return [frame for _, frame in Footage(folder).frames()]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[m.Streamed]]:
    """Made once."""
    folder = tmp_path_factory.mktemp("made") / "tape"
    return folder, made(folder)


def test_windows_are_told_from_opening_to_winner(tape: tuple[Path, list[m.Streamed]]) -> None:
    """With the day's own strikes and winners, each once, at its moment."""
    listings = a_day(WINDOWS).listings(0, 2**40)
    told = defaultdict(list)
    for frame in tape[1]:
        if isinstance(frame.event, m.WindowOpened | m.StrikeSet | m.WindowClosed | m.WindowResolved):
            told[frame.event.start_s].append((type(frame.event), frame))
    for listing in listings:
        (_, opened), (_, strike), (_, closed), (_, resolved) = told[listing.start_s]
        assert opened.at_ns == listing.start_s * 1_000 * MS
        assert opened.event.terms.condition_id == listing.condition_id  # type: ignore[union-attr]
        assert strike.event.exact == str(settle(a_day(WINDOWS), listing).strike_e18)  # type: ignore[union-attr]
        assert closed.at_ns == listing.end_s * 1_000 * MS
        assert resolved.event.winner == settle(a_day(WINDOWS), listing).winner  # type: ignore[union-attr]


def test_every_scheduled_tick_of_a_running_window_is_there(tape: tuple[Path, list[m.Streamed]]) -> None:
    """At its moment and for its window; no other."""
    slot = parse_slot("BTC/5m")
    end_ms = (START_S + WINDOWS * WINDOW_S) * 1_000
    wanted = list(schedule(slot, Settings().beat(slot), START_S * 1_000 - 1, end_ms - 1))
    ticks = [(f.at_ns, f.event) for f in tape[1] if isinstance(f.event, m.Tick)]
    assert [tick.tick for _, tick in ticks] == wanted
    assert all(at_ns == tick.tick * MS for at_ns, tick in ticks)
    assert all(tick.start_s == slot.window_start(tick.tick // 1_000) for _, tick in ticks)


def test_the_stream_is_one_a_fold_can_begin_in(tape: tuple[Path, list[m.Streamed]]) -> None:
    """Numbers without holes, time that never runs back, keyframes each minute and at every segment's beginning."""
    folder, frames = tape
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert all(a.at_ns <= b.at_ns for a, b in pairwise(frames))
    kinds = Counter(type(frame.event) for frame in frames)
    assert kinds[m.Keyframe] >= 20
    assert kinds[m.BookSeen] > 500
    assert kinds[m.TradeSeen] > 10
    assert kinds[m.PriceSeen] > 1_000
    assert len(segments(folder)) == 3
    firsts = [next(frame for _, frame in Footage(folder).frames(from_seq=frame_seq)) for frame_seq in (1, len(frames))]
    assert isinstance(firsts[1].event, m.Keyframe)


def test_books_are_five_levels_best_first(tape: tuple[Path, list[m.Streamed]]) -> None:
    """And never crossed."""
    books = [frame.event for frame in tape[1] if isinstance(frame.event, m.BookSeen)]
    for book in books:
        bids, asks = ([level.price_micro for level in side] for side in (book.bids, book.asks))
        assert len(bids) <= 5 >= len(asks)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert not (bids and asks) or bids[0] < asks[0]


def test_the_same_day_and_seed_give_the_same_tape(tmp_path: Path) -> None:
    """Byte for byte; another seed, another crowd."""
    one, again, other = (made(tmp_path / f"{n}", seed, 60) for n, seed in enumerate((1, 1, 2)))
    assert one == again != other
    first, second = (segments(tmp_path / name)[0].read_bytes() for name in ("0", "1"))
    assert first == second


def test_what_was_not_made_to_its_end_is_not_there(tmp_path: Path) -> None:
    """The tape is there when it is whole."""

    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(a_day(1), START_S * 1_000, (START_S + 300) * 1_000, tmp_path / "tape", seed=1, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_what_is_made_reaches_far_enough_before_and_behind(tmp_path: Path) -> None:
    """So that the first decision asked for has its past, and the last one its winner."""
    day = read_day(write_day(tmp_path, windows=12))
    assert stretch(day, None, None) == (day.first_ms, day.span_s[1] * 1_000 + 1_000 + SETTLE_MS)
    begin_ns, end_ns = ((START_S + second) * 1_000 * MS for second in (2_400, 3_000))
    first_ms, until_ms = stretch(day, begin_ns, end_ns)
    assert (first_ms, until_ms) == ((START_S + 2_400) * 1_000 - WARM_UP_MS, (START_S + 3_000) * 1_000 + SETTLE_MS)


def test_a_stretch_without_a_market_is_a_tape_without_ticks(tmp_path: Path) -> None:
    """Prices go on; nobody decides."""
    make(
        a_day(1),
        (START_S + 310) * 1_000,
        (START_S + 330) * 1_000,
        tmp_path / "t",
        seed=1,
        progress=lambda done, of: None,
    )
    frames = [frame for _, frame in Footage(tmp_path / "t").frames()]
    assert any(isinstance(frame.event, m.PriceSeen) for frame in frames)
    assert not any(isinstance(frame.event, m.Tick) for frame in frames)
