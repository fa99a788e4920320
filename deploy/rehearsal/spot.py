"""Binance's spot market beside a day: mid, quotes, book, trades and candles as pure functions of dice, pair and time.

Nothing of it is recorded: it is made up around the day's reference price, so that a venue started again, or a second
connection, finds the same trades with the same numbers. The mid walks from one second's reference value to the next
(it is there when the reference is reported, one to two seconds later: Binance leads), times a basis that wanders with
a standard deviation of BASIS. That number is fitted: in 11,431 recorded five-minute windows the official outcome and
the sign of Binance's own move differ in 3.9 % of them, nearly all with a move below 0.0075 %; the same windows with a
Gaussian error of 0.006 % between open and close differ in 3.8 % (a generated day's moves are seldom very small: there
it is 1 to 2 %). In a gap of the recording the trend stands still.

Rates of trades, sizes, depth and the one-tick spread are plausible, not measured. What always holds: trade numbers and
aggregate numbers have no holes, update numbers neither; a book's best bid is below its best ask; a trade is at the
quote of its moment; prices and quantities are integers of 1e-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from math import exp
from statistics import NormalDist
from typing import Final

from deploy.rehearsal.days import Day
from deploy.rehearsal.floor import Dice

E8: Final = 10**8
_E18_OF_E8: Final = 10**10
TICK_MS: Final = 100
"""The book changes this often."""
TICKS_PER_S: Final = 10
TICKS_PER_MINUTE: Final = 600
MINUTE_MS: Final = 60_000
IDS_PER_TICK: Final = 12
"""Update numbers used up by one tick of a book."""
LEVELS: Final = 60
"""Levels a side; deeper ones do not exist."""
BASIS: Final = 4.2e-5
BASIS_STEP_TICKS: Final = 600
"""The basis is drawn for every minute and joined by straight lines."""
FLICKER: Final = 4e-6
SIZE_LIFE_TICKS: Final = 20
FILLS: Final = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
"""How many makers ten takers in a row meet."""
_SIZE_SPREAD: Final = 1.6
MEMORY_MAX: Final = 256
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Pair:
    """One traded pair. Steps are of 1e-8: tick of the price, grid of deeper levels, lot of the quantity.

    takers: taker orders a minute, a multiple of ten. median: the usual taker's quantity, in lots.
    """

    symbol: str
    asset: str
    tick: int
    grid: int
    lot: int
    takers: int
    median: int


PAIRS: Final = {
    pair.symbol: pair
    for pair in (
        Pair("BTCUSDT", "BTC", 1_000_000, E8, 1_000, 240, 200),
        Pair("ETHUSDT", "ETH", 1_000_000, 10_000_000, 10_000, 180, 400),
        Pair("SOLUSDT", "SOL", 1_000_000, 1_000_000, 100_000, 120, 900),
        Pair("XRPUSDT", "XRP", 10_000, 10_000, 10_000_000, 120, 700),
        Pair("DOGEUSDT", "DOGE", 1_000, 1_000, E8, 80, 900),
    )
}
"""Only assets with markets here; a stream of another pair stays silent."""


@dataclass(frozen=True, slots=True)
class Deal:
    """One taker order's trades at one price. number: of the aggregate; first: of its first trade; sizes: each trade."""

    number: int
    first: int
    at_ms: int
    price: int
    sizes: tuple[int, ...]
    buyer_is_maker: bool

    @property
    def size(self) -> int:
        """All of it."""
        return sum(self.sizes)

    @property
    def last(self) -> int:
        """The number of its last trade."""
        return self.first + len(self.sizes) - 1


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle so far; first and last trade are -1 and all volumes 0 when nothing traded. quote: of 1e-16."""

    start_ms: int
    end_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    trades: int = 0
    taker_volume: int = 0
    taker_quote: int = 0
    first: int = -1
    last: int = -1


Side = dict[int, int]
"""One side of a book: quantity by price, both of 1e-8."""


class Spot:
    """The market of one day. dice: other dice make another world."""

    def __init__(self, day: Day, dice: Dice) -> None:
        self._day = day
        self._dice = dice
        self._key = dice("spot").getrandbits(64)
        self._minutes: dict[tuple[str, int], tuple[Deal, ...]] = {}
        self._drawn = lru_cache(maxsize=MEMORY_MAX)(self._normal)
        self.book = lru_cache(maxsize=MEMORY_MAX)(self._book)

    def has(self, symbol: str, at_ms: int) -> bool:
        """Whether the pair exists and has a price by then."""
        pair = PAIRS.get(symbol)
        return pair is not None and self._day.value_at(pair.asset, at_ms // 1_000) is not None

    def mid(self, pair: Pair, tick: int) -> float:
        """The price in dollars at a tick of 100 ms; the day must have one."""
        second, part = divmod(tick, TICKS_PER_S)
        older = self._day.value_at(pair.asset, second)
        newer = self._day.value_at(pair.asset, second + 1)
        assert older is not None and newer is not None, "only pairs with a price are asked for"
        reference = (older + (newer - older) * part / TICKS_PER_S) / 1e18
        flicker = FLICKER * self._normal(pair.symbol, "flicker", tick)
        return reference * (1 + self._basis(pair, tick) + flicker)

    def quote(self, pair: Pair, tick: int) -> tuple[int, int]:
        """Best bid and ask at a tick: one step of the price apart."""
        bid = max(1, int(self.mid(pair, tick) * E8) // pair.tick) * pair.tick
        return bid, bid + pair.tick

    def _book(self, pair: Pair, tick: int) -> tuple[Side, Side]:
        """Bids and asks at a tick, the best first."""
        bid, ask = self.quote(pair, tick)
        under = (bid - 1) // pair.grid
        above = ask // pair.grid + 1
        bids = [bid, *(price * pair.grid for price in range(under, max(0, under - LEVELS + 1), -1))]
        asks = [ask, *(price * pair.grid for price in range(above, above + LEVELS - 1))]
        return (
            {price: self._rests(pair, "bid", price, tick) for price in bids},
            {price: self._rests(pair, "ask", price, tick) for price in asks},
        )

    def changes(self, pair: Pair, older: int, newer: int) -> tuple[Side, Side]:
        """What became of the book between two ticks; quantity 0 is a level that is gone."""
        was, now = self.book(pair, older), self.book(pair, newer)
        bids, asks = (
            {price: after.get(price, 0) for price in before | after if before.get(price) != after.get(price)}
            for before, after in zip(was, now, strict=True)
        )
        return bids, asks

    def deals(self, pair: Pair, from_ms: int, until_ms: int) -> list[Deal]:
        """Taker orders at from_ms and later, before until_ms, in order."""
        minutes = range(from_ms // MINUTE_MS, (until_ms - 1) // MINUTE_MS + 1)
        return [deal for minute in minutes for deal in self._minute(pair, minute) if from_ms <= deal.at_ms < until_ms]

    def candle(self, pair: Pair, start_ms: int, length_ms: int, until_ms: int) -> Candle:
        """The candle that starts then, of the trades before until_ms."""
        end_ms = start_ms + length_ms - 1
        deals = self.deals(pair, start_ms, min(end_ms + 1, until_ms))
        if not deals:
            still = self._last_price(pair, start_ms)
            return Candle(start_ms, end_ms, still, still, still, still)
        prices = [deal.price for deal in deals]
        bought = [deal for deal in deals if not deal.buyer_is_maker]
        return Candle(
            start_ms=start_ms,
            end_ms=end_ms,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=sum(deal.size for deal in deals),
            quote=sum(deal.size * deal.price for deal in deals),
            trades=deals[-1].last - deals[0].first + 1,
            taker_volume=sum(deal.size for deal in bought),
            taker_quote=sum(deal.size * deal.price for deal in bought),
            first=deals[0].first,
            last=deals[-1].last,
        )

    def _last_price(self, pair: Pair, at_ms: int) -> int:
        """The last trade's price before a moment, the bid where the day only just began."""
        minute = at_ms // MINUTE_MS
        if not self.has(pair.symbol, (minute - 1) * MINUTE_MS):
            return self.quote(pair, at_ms // TICK_MS)[0]
        return self.deals(pair, (minute - 1) * MINUTE_MS, at_ms)[-1].price

    def _minute(self, pair: Pair, minute: int) -> tuple[Deal, ...]:
        key = (pair.symbol, minute)
        found = self._minutes.get(key)
        if found is None:
            found = self._trade(pair, minute) if self.has(pair.symbol, minute * MINUTE_MS) else ()
            if len(self._minutes) >= MEMORY_MAX:
                del self._minutes[next(iter(self._minutes))]
            self._minutes[key] = found
        return found

    def _trade(self, pair: Pair, minute: int) -> tuple[Deal, ...]:
        """A minute's taker orders: always as many of them, with as many trades, so that numbers have no holes."""
        rng = self._dice(f"spot/{pair.symbol}/{minute}")
        fills = list(FILLS * (pair.takers // len(FILLS)))
        rng.shuffle(fills)
        moments = sorted(rng.randrange(MINUTE_MS) for _ in fills)
        firsts = accumulate(fills[:-1], initial=minute * sum(fills))
        numbers = range(minute * pair.takers, (minute + 1) * pair.takers)
        drawn = [(rng.random(), [exp(rng.gauss(0, _SIZE_SPREAD)) for _ in range(count)]) for count in fills]
        rows = zip(numbers, firsts, moments, drawn, strict=True)
        return tuple(self._deal(pair, number, first, minute * MINUTE_MS + at, *how) for number, first, at, how in rows)

    def _deal(self, pair: Pair, number: int, first: int, at_ms: int, mood: float, sizes: Sequence[float]) -> Deal:
        """One taker. mood: below the pair's lean he buys, 0 to 1. sizes: of each trade, against the usual."""
        tick = at_ms // TICK_MS
        bid, ask = self.quote(pair, tick)
        rising = bid - self.quote(pair, tick - TICKS_PER_S)[0]
        buys = mood < 0.5 + (0.2 if rising > 0 else -0.2 if rising < 0 else 0.0)
        lots = (max(1, round(pair.median * size / len(sizes))) for size in sizes)
        return Deal(number, first, at_ms, ask if buys else bid, tuple(lot * pair.lot for lot in lots), not buys)

    def _basis(self, pair: Pair, tick: int) -> float:
        step, part = divmod(tick, BASIS_STEP_TICKS)
        older = self._drawn(pair.symbol, "basis", step)
        newer = self._drawn(pair.symbol, "basis", step + 1)
        return BASIS * (older + (newer - older) * part / BASIS_STEP_TICKS)

    def _rests(self, pair: Pair, side: str, price: int, tick: int) -> int:
        """A level's quantity: drawn anew every two seconds, each level at its own moment."""
        life = (tick + price // pair.tick) // SIZE_LIFE_TICKS
        word = self._word(pair.symbol, side, price, life)
        return (1 + word % (pair.median * 40)) * pair.lot

    def _normal(self, *names: object) -> float:
        return _NORMAL.inv_cdf(((self._word(*names) >> 12) + 0.5) / (1 << 52))

    def _word(self, *names: object) -> int:
        text = "/".join(map(str, (self._key, *names)))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
