"""deploy.analysis.replay.difference: two decisions that should be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.tapes import NO_ACCOUNT, START_S, TERMS, Market, Stream, a_book, a_price

from deploy.analysis.replay.difference import Field, before, fields, told, wishes
from deploy.analysis.replay.footage import Footage
from shared import messages as m
from shared.wire import encode

BUY = m.Place("Up", "BUY", 420_000, 10_000_000, "FAK")


def encoded(*intents: m.Intent, **reasons: Any) -> bytes:
    """A decision's bytes."""
    return encode(m.Decision(intents, reasons))


def test_every_field_that_differs_is_named_verdict_first() -> None:
    """With both values; what one of them lacks is a dash."""
    live = encoded(BUY, verdict="take", edge_bp=300, fair_up_bp=4_800)
    replayed = encoded(verdict="hold: edge", edge_bp=299, fair_up_bp=4_800, more=1)
    assert fields(live, replayed) == [
        Field("verdict", "take", "hold: edge"),
        Field("edge_bp", "300", "299"),
        Field("more", "-", "1"),
        Field("wish 1", "BUY Up 10 at 0.42 FAK", "-"),
    ]


def test_the_same_values_in_another_order_are_told_as_that() -> None:
    """The bytes differ, and nothing else does."""
    assert fields(encoded(a=1, b=2), encoded(b=2, a=1)) == [Field("order of the reasons", "a b", "b a")]


def test_a_number_and_its_text_are_not_the_same() -> None:
    """They would look alike."""
    assert fields(encoded(a=1), encoded(a="1")) == [Field("a", "1", "1")]


def test_what_is_no_decision_is_shown_as_bytes() -> None:
    """A release of another time may answer in another shape."""
    assert fields(b"\xc0", encoded(a=1))[0].name == "bytes"


def test_wishes_are_told_in_words() -> None:
    """Cancels by their order."""
    rest = m.Place("Down", "BUY", 400_000, 7_500_000, "GTC", post_only=True)
    said = ["cancel 0xab", "BUY Down 7.5 at 0.4 GTC post-only"]
    assert wishes(m.Decision((m.Cancel("0xab"), rest), {})) == said


def test_the_frames_before_are_those_of_the_slot_and_its_asset(tmp_path: Path) -> None:
    """In order, the tick itself last; what others were told is left out."""
    stream = Market(Stream(tmp_path), slots=("BTC/5m", "ETH/5m")).run(30)
    tick = [f for f in stream.frames if isinstance(f.event, m.Tick) and f.event.slot == "BTC/5m"][3]
    lines = before(Footage(tmp_path), tick.seq, "BTC/5m")
    assert len(lines) > 3
    assert f"BTC/5m tick {tick.event.tick}" in lines[-1]  # type: ignore[union-attr]
    assert not any("ETH" in line for line in lines)
    assert any("BTC spot" in line for line in lines)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (a_book("BTC/5m", START_S, "Up", 40, 42, stale=True), "BTC/5m Up book 0.4/0.42 stale"),
        (m.BookSeen("BTC/5m", START_S, "Up", (), (), False), "BTC/5m Up book -/-"),
        (a_price(START_S, 61_234.5), "BTC spot 61234.5"),
        (m.StrikeSet("BTC/5m", START_S, str(10**20)), "BTC/5m strike 100"),
        (m.WindowOpened("BTC/5m", START_S, TERMS), "BTC/5m window opened"),
        (m.WindowClosed("BTC/5m", START_S), "BTC/5m window closed"),
        (m.WindowResolved("BTC/5m", START_S, "Up"), "BTC/5m window resolved Up"),
        (m.TradeSeen("BTC/5m", START_S, "Up", "BUY", 420_000, 1), "BTC/5m Up trade at 0.42"),
        (m.ParametersSet("77ab", {}), "parameters 77ab"),
        (m.OrderMoved("0xabcdef0123", "BTC/5m", START_S, "open", 1, ""), "BTC/5m order 0xabcdef01 open"),
        (m.Filled("t", "0xab", "BTC/5m", START_S, "Up", "BUY", 1, 1, 0, "MINED"), "BTC/5m fill of 0xab MINED"),
        (
            m.Tick("BTC/5m", 5, START_S, "w1", 7, "", "", NO_ACCOUNT),
            "BTC/5m tick 5 of w1 under epoch 7: cash 100, 0 positions, 0 orders",
        ),
        (m.Pulse(), "Pulse"),
    ],
)
def test_a_frame_is_told_in_a_few_words(event: m.Event, words: str) -> None:
    """Every kind that a decision may rest on."""
    assert told(event) == words
