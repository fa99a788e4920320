"""worker.technicals: all indicators of one run of candles, the same whenever a process began."""

from __future__ import annotations

import msgspec
import pytest
from kit.bars import walked_bars

from worker.candles import Candle
from worker.indicators import atr, ema, rate_of_change, realised_volatility, rsi, zscore
from worker.technicals import CANDLES, FAST, SLOW, Engine, read

BARS = [Candle(5 * n, *bar[:4]) for n, bar in enumerate(walked_bars(1, 300))]


def test_every_number_is_the_indicators_own_over_the_run() -> None:
    """One engine, fed once, says what each function says of the same candles."""
    run, found = BARS[-CANDLES:], read(BARS)
    closes = [bar.close_micro for bar in run]
    assert found is not None
    assert (found.close_micro, found.fast_micro, found.slow_micro) == (closes[-1], ema(closes, FAST), ema(closes, SLOW))
    assert (found.strength, found.range_micro) == (rsi(closes, 14), atr(run, 14))
    assert (found.change_percent, found.stretch) == (rate_of_change(closes, SLOW), zscore(closes[-20:]))
    assert found.volatility == realised_volatility(closes)
    middle = sum(closes[-20:]) / 20
    assert found.upper_micro - middle == pytest.approx(middle - found.lower_micro)


def test_only_the_last_candles_count() -> None:
    """The same number is always looked at, whatever was before: two beginnings, one answer to the last bit."""
    images = {msgspec.msgpack.encode(read(BARS[begin:])) for begin in (0, 37, 200, len(BARS) - CANDLES)}
    assert len(images) == 1


def test_too_few_candles_are_not_read() -> None:
    """None, never a guess."""
    assert read(BARS[: CANDLES - 1]) is None
    assert read([]) is None


def test_an_engine_can_be_written_down_and_gone_on_with() -> None:
    """Its state is bounded, and read back it says the same."""
    engine, sizes = Engine(), list[int]()
    for bar in BARS:
        engine.update(bar)
        state = msgspec.msgpack.encode(engine)
        engine = msgspec.msgpack.decode(state, type=Engine)
        sizes.append(len(state))
    straight = Engine()
    for bar in BARS:
        straight.update(bar)
    assert engine.value == straight.value
    assert sizes[-1] <= sizes[CANDLES] + 40


def test_a_market_that_stands_still_has_numbers_without_scale() -> None:
    """No range, no stretch, no volatility; neither strong nor weak."""
    found = read([Candle(5 * n, 7, 7, 7, 7) for n in range(CANDLES)])
    assert found is not None
    assert (found.range_micro, found.stretch, found.volatility, found.strength) == (0, 0, 0, 50)
    assert found.lower_micro == found.upper_micro == found.fast_micro == 7
