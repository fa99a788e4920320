"""The market's own probability is that of the book a decision could see, and is read off the tape once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from kit.histories import Made, a_desk_that_did

from deploy.analysis.attribution.mids import FILE, Books, bring_up, found, middle_micro
from shared import messages as m
from shared import wire
from shared.paths import State
from shared.records import Appender, Damaged

START_S = 1_780_012_800
BTC = "BTC/5m"


def _book(bid: int, ask: int, outcome: m.Outcome = "Up", start_s: int = START_S, *, stale: bool = False) -> m.BookSeen:
    bids = (m.Level(bid, 10**6),) if bid else ()
    asks = (m.Level(ask, 10**6),) if ask else ()
    return m.BookSeen(BTC, start_s, outcome, bids, asks, stale)


def _tick(number: int, start_s: int = START_S) -> m.Tick:
    return m.Tick(BTC, number, start_s, "w", 1, "p", "", m.Account(1, 0, 0, (), ()))


def _tape(*events: m.Event) -> list[m.Streamed]:
    return [m.Streamed(seq, seq, event) for seq, event in enumerate(events, start=1)]


def test_a_tick_has_the_middle_of_the_book_before_it() -> None:
    """Not the one after it, which no decision could see."""
    told = found(_tape(_book(400_000, 420_000), _tick(1), _book(600_000, 620_000), _tick(2)))
    assert list(told) == [(2, BTC, 1, 410_000), (4, BTC, 2, 610_000)]


def test_what_is_stale_or_one_sided_is_no_opinion_and_the_other_token_is_asked() -> None:
    """One minus the middle of Down, where Up has none; nothing where neither has."""
    assert middle_micro(_book(400_000, 420_000, stale=True)) is middle_micro(_book(0, 420_000)) is None
    books = Books()
    books.take(_book(400_000, 0))
    assert books.up_micro(BTC, START_S) is None
    books.take(_book(560_000, 600_000, "Down"))
    assert books.up_micro(BTC, START_S) == 420_000


def test_a_window_never_sees_the_book_of_another() -> None:
    """Neither of the one before it nor of the one after."""
    books = Books()
    books.take(_book(400_000, 420_000))
    books.take(_book(900_000, 920_000, start_s=START_S + 300))
    books.take(_book(100_000, 120_000))
    assert books.up_micro(BTC, START_S) is None
    assert books.up_micro(BTC, START_S + 300) == 910_000


def test_a_keyframe_tells_what_stood_before_it() -> None:
    """So reading may begin with any segment."""
    told = found(_tape(m.Keyframe((_book(400_000, 420_000),)), _tick(1)))
    assert list(told) == [(2, BTC, 1, 410_000)]


def _all(path: Path) -> list[tuple[int, str, int, int | None]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM mids ORDER BY seq").fetchall()
    connection.close()
    return rows


def test_reading_goes_on_where_it_ended_and_comes_to_the_same(tmp_path: Path) -> None:
    """In pieces, again, and after the file was deleted."""
    state = State(tmp_path)
    events = [m.Keyframe(()), _book(400_000, 420_000), _tick(1), m.Keyframe((_book(400_000, 420_000),)), _tick(2)]
    frames = [wire.encode(frame) for frame in _tape(*events)]
    appender = Appender(state.tape, "tape")
    for frame in frames[:3]:
        appender.append(frame)
    appender.flush()
    assert len(_all(bring_up(state))) == 1
    appender.roll()
    for frame in frames[3:]:
        appender.append(frame)
    appender.close()
    pieces = _all(bring_up(state))
    assert pieces == _all(bring_up(state)) == [(3, BTC, 1, 410_000), (5, BTC, 2, 410_000)]
    (tmp_path / FILE).unlink()
    heard: list[tuple[int, int]] = []
    assert _all(bring_up(state, lambda done, of: heard.append((done, of)))) == pieces
    assert heard == [(1, 2), (2, 2)]


def test_a_desk_without_a_tape_has_no_middles(tmp_path: Path) -> None:
    """That is no fault: its market scores are left out."""
    assert _all(bring_up(State(tmp_path))) == []


def test_a_tape_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    """One byte in the middle of it, and the place is named."""
    state = a_desk_that_did(tmp_path, Made(1, quarters=1))
    (segment,) = state.tape.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(Damaged, match=segment.name):
        bring_up(state)
