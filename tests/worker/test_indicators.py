"""worker.indicators: textbook values, equal to TA-Lib and scipy, from a bounded state that can be written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose, log, sqrt
from typing import Any

import msgspec
import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from kit.bars import DealtBar, every_series, walked_bars
from scipy import stats

from worker.candles import Candle
from worker.indicators import (
    Atr,
    Bollinger,
    Macd,
    RealisedVolatility,
    Rsi,
    Vwap,
    ZScore,
    atr,
    ema,
    exponential,
    rate_of_change,
    realised_volatility,
    rsi,
    zscore,
)

WILDER = [
    44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00,
    46.03, 46.41, 46.22, 45.64,
]  # fmt: skip
prices = st.lists(st.integers(1_000, 1_000_000_000), min_size=2, max_size=60)
SERIES = every_series()
series = pytest.mark.parametrize("bars", SERIES.values(), ids=SERIES)
NAN = float("nan")


def column(bars: Sequence[DealtBar], name: str) -> np.ndarray[Any, Any]:
    return np.array([getattr(bar, f"{name}_micro") for bar in bars], dtype=float)


def run(machine: Any, values: Sequence[Any], read: Callable[[Any], float] = float) -> np.ndarray[Any, Any]:
    """What a machine says after each value; not a number while it says nothing."""
    said = []
    for value in values:
        machine.update(value)
        said.append(NAN if machine.value is None else read(machine.value))
    return np.array(said)


def closes(bars: Sequence[DealtBar]) -> list[int]:
    return [bar.close_micro for bar in bars]


# --- beside others' arithmetic --------------------------------------------------------------------------------------


@series
@pytest.mark.parametrize("period", [6, 24])
def test_ema_is_ta_libs(bars: list[DealtBar], period: int) -> None:
    """From the first bar on, silent ones included."""
    theirs = talib.EMA(column(bars, "close"), period)
    np.testing.assert_allclose(run(exponential(period), closes(bars)), theirs, rtol=1e-9)


@series
def test_rsi_is_ta_libs(bars: list[DealtBar]) -> None:
    """But where nothing moved yet: theirs is 0, ours 50."""
    ours, theirs = run(Rsi.over(14), closes(bars)), talib.RSI(column(bars, "close"), 14)
    still = ours == 50.0
    assert np.all(theirs[still] == 0.0)
    np.testing.assert_allclose(ours[~still], theirs[~still], rtol=1e-9)


@series
def test_atr_is_ta_libs(bars: list[DealtBar]) -> None:
    """High, low and the close before."""
    theirs = talib.ATR(*(column(bars, name) for name in ("high", "low", "close")), 14)
    np.testing.assert_allclose(run(Atr.over(14), bars), theirs, rtol=1e-9)


@series
@pytest.mark.parametrize("part", ["line", "signal", "histogram"])
def test_macd_is_ta_libs(bars: list[DealtBar], part: str) -> None:
    """Line, signal and histogram, seeded where theirs are; a difference of averages is as exact as they are."""
    theirs = dict(zip(("line", "signal", "histogram"), talib.MACD(column(bars, "close"), 12, 26, 9), strict=True))
    ours = run(Macd.over(12, 26, 9), closes(bars), lambda value: float(getattr(value, part)))
    np.testing.assert_allclose(ours, theirs[part], rtol=1e-9, atol=1e-9 * closes(bars)[0])


@series
@pytest.mark.parametrize("part", ["upper", "middle", "lower"])
def test_bollinger_is_ta_libs(bars: list[DealtBar], part: str) -> None:
    """The mean and two population deviations either side."""
    theirs = dict(zip(("upper", "middle", "lower"), talib.BBANDS(column(bars, "close"), 20, 2.0, 2.0), strict=True))
    ours = run(Bollinger(20), closes(bars), lambda value: float(getattr(value, part)))
    np.testing.assert_allclose(ours, theirs[part], rtol=1e-9)


@series
def test_zscore_is_scipys(bars: list[DealtBar]) -> None:
    """The last of each twenty among them; where nothing moved ours is 0 and theirs is none."""
    values, ours = column(bars, "close"), run(ZScore(20), closes(bars))
    for end in range(20, len(bars) + 1, 7):
        window = values[end - 20 : end]
        theirs = stats.zscore(window)[-1] if window.std() else 0.0
        assert ours[end - 1] == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@series
def test_realised_volatility_is_the_root_of_the_mean_squared_return(bars: list[DealtBar]) -> None:
    """Over the last 36 steps, in numpy's words."""
    squares = np.diff(np.log(column(bars, "close"))) ** 2
    ours = run(RealisedVolatility.over(36), closes(bars))
    theirs = np.sqrt(np.convolve(squares, np.ones(36) / 36, "valid"))
    assert np.all(np.isnan(ours[:36]))
    np.testing.assert_allclose(ours[36:], theirs, rtol=1e-9, atol=1e-12)


@series
def test_vwap_is_what_was_paid_over_what_was_bought(bars: list[DealtBar]) -> None:
    """Over the last twelve bars, those in which nothing traded included."""
    ours, paid, size = run(Vwap(12), bars), column(bars, "paid"), column(bars, "size")
    for end in range(12, len(bars) + 1, 5):
        window = slice(end - 12, end)
        assert ours[end - 1] == pytest.approx(paid[window].sum() / size[window].sum() * 1e6, rel=1e-9)


# --- a state that is bounded and can be written down ----------------------------------------------------------------

MACHINES: dict[str, Callable[[], Any]] = {
    "ema": lambda: exponential(24),
    "rsi": lambda: Rsi.over(14),
    "atr": lambda: Atr.over(14),
    "macd": lambda: Macd.over(12, 26, 9),
    "bollinger": lambda: Bollinger(20),
    "zscore": lambda: ZScore(20),
    "volatility": lambda: RealisedVolatility.over(36),
    "vwap": lambda: Vwap(12),
}
WINDOWS = ("bollinger", "zscore", "volatility", "vwap")
machines = pytest.mark.parametrize("name", MACHINES)


def fed(name: str, bars: Sequence[DealtBar], machine: Any = None) -> Any:
    """A machine, or a new one, after these bars."""
    machine = machine or MACHINES[name]()
    for bar in bars:
        machine.update(bar if name in ("atr", "vwap") else bar.close_micro)
    return machine


@machines
def test_a_machine_goes_on_where_its_written_state_ended(name: str) -> None:
    """Written down in the middle and read back, it is the same to the last bit."""
    bars = walked_bars(3, 200)
    whole, half = fed(name, bars), fed(name, bars[:90])
    read_back = msgspec.msgpack.decode(msgspec.msgpack.encode(half), type=type(half))
    assert fed(name, bars[90:], read_back) == whole
    assert whole.value is not None


@machines
def test_a_long_life_does_not_grow_the_state(name: str) -> None:
    """After a day of bars a machine is no larger than after its first hundred."""
    machine = fed(name, walked_bars(4, 100))
    young = len(msgspec.msgpack.encode(machine))
    assert len(msgspec.msgpack.encode(fed(name, walked_bars(5, 1_440), machine))) <= young + 40


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_forgets_when_it_began(name: str) -> None:
    """Equal bytes after the same last bars, however much was seen before them."""
    bars = walked_bars(6, 400)
    images = {msgspec.msgpack.encode(fed(name, bars[begin:])) for begin in (0, 100, 300, 363)}
    assert len(images) == 1


@machines
def test_a_machine_says_nothing_before_it_has_seen_enough(name: str) -> None:
    """None, never a guess; VWAP alone needs a trade and not a number of bars."""
    assert MACHINES[name]().value is None
    assert fed(name, walked_bars(7, 5)).value is None or name == "vwap"


def test_a_vwap_of_no_trades_is_no_price() -> None:
    """Bars in which nothing was bought say nothing."""
    machine = Vwap(3)
    machine.update(DealtBar(5, 5, 5, 5, 0))
    assert machine.value is None


# --- one number over a run ------------------------------------------------------------------------------------------
def test_ema_is_seeded_with_the_mean_of_its_first_period() -> None:
    """(2, 4, 6) seed at 4; then half of the way to each next value, weight 2 / (3 + 1)."""
    assert ema([2, 4, 6], 3) == 4.0
    assert ema([2, 4, 6, 8, 10], 3) == 8.0


def test_rsi_is_wilders() -> None:
    """The widely printed example of fourteen periods: 70.46, then 66.25."""
    first, second = rsi(WILDER[:15], 14), rsi(WILDER[:16], 14)
    assert first is not None
    assert second is not None
    assert (round(first, 1), round(second, 1)) == (70.5, 66.2)


def test_rsi_of_a_market_that_never_moved_is_neutral() -> None:
    """Nothing gained and nothing lost is neither strength nor weakness."""
    assert rsi([5] * 20, 14) == 50.0
    assert rsi(range(1, 20), 14) == 100.0


def test_atr_counts_the_gap_from_the_close_before() -> None:
    """True ranges 3, 5 and 1: seeded with (3 + 5) / 2 and smoothed once."""
    bars = [Candle(0, 10, 11, 9, 10), Candle(5, 12, 13, 11, 12), Candle(10, 8, 9, 7, 8), Candle(15, 8, 9, 8, 9)]
    assert atr(bars[:3], 2) == 4.0
    assert atr(bars, 2) == 2.5


def test_realised_volatility_takes_no_mean_out() -> None:
    """A steady climb is movement, not calm."""
    value = realised_volatility([100, 110, 121])
    assert value is not None
    assert isclose(value, log(1.1))


def test_zscore_measures_with_the_population_deviation() -> None:
    """(1, 2, 3): the last is one over the mean, the deviation is the root of two thirds."""
    assert zscore([1, 2, 3]) == pytest.approx(1 / sqrt(2 / 3))
    assert zscore([4, 4, 4]) == 0.0


def test_rate_of_change_is_in_percent() -> None:
    """From 50 to 55 in two steps is ten percent."""
    assert rate_of_change([50, 1, 55], 2) == pytest.approx(10.0)


def test_too_few_values_give_none() -> None:
    """Never a guess."""
    bars = [Candle(0, 1, 1, 1, 1)] * 3
    assert (ema([1], 2), rsi([1, 2], 2), atr(bars, 3), rate_of_change([1], 1)) == (None, None, None, None)
    assert (realised_volatility([1]), zscore([1]), realised_volatility([1, 0])) == (None, None, None)


@given(prices, st.integers(1, 20))
def test_averages_stay_between_the_lowest_and_the_highest(values: list[int], period: int) -> None:
    """An average of prices is a price that could have been, up to the last digit."""
    average = ema(values, period)
    assert average is None or min(values) * (1 - 1e-12) <= average <= max(values) * (1 + 1e-12)


@given(prices, st.integers(1, 20))
def test_strength_is_bounded_and_mirrors_itself(values: list[int], period: int) -> None:
    """Turned upside down, a rise is a fall of the same strength."""
    up, down = rsi(values, period), rsi([-value for value in values], period)
    assert up is None or (down is not None and 0 <= up <= 100 and abs(up + down - 100) < 1e-6)
