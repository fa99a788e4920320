"""One window at one tick: everything a strategy weighs, put together, or why that cannot be done.

`look(view, tick)` finds the window's terms, strike, books, price, candles and volatility in the view and prices Up.
Leaves to others what to do about it. What always holds: a Scene is complete - a strategy that has one never meets a
missing strike, a stale book or an old price - and a Blind says which part is missing, in numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from shared.clock import NS
from shared.messages import MEAN_OVER_S, OUTCOMES, BookSeen, Outcome, Terms, Tick
from shared.slots import parse_slot
from shared.units import MICRO
from worker.candles import Candle
from worker.fair_value import known_mean, up_probability
from worker.indicators import realised_volatility
from worker.technicals import CANDLES, Technicals, read
from worker.view import FAST_S, SLOW_S, Price, View, Window

VOLATILITY_CANDLES: Final = 36
"""Three minutes of five-second candles."""
CALM_CANDLES: Final = 120
"""Ten minutes: the volatility used is the larger of both, a lull does not make the next minute safe."""
_MS: Final = 1_000_000


class Blind(msgspec.Struct, frozen=True):
    """The window cannot be judged; `why` names what is missing."""

    why: str


class Scene(msgspec.Struct, frozen=True):
    """See the room's docstring. `volatility` is relative, per square root of a second; `fair_up` a probability.

    `vwaps`: what others paid for a token in the last minute. `technicals`: None with fewer candles than they look at.
    """

    asset: str
    minutes: int
    left_s: float
    terms: Terms
    price_micro: int
    strike_micro: int
    books: dict[Outcome, BookSeen]
    vwaps: dict[Outcome, int | None]
    fast: tuple[Candle, ...]
    slow: tuple[Candle, ...]
    closes: tuple[int, ...]
    technicals: Technicals | None
    volatility: float
    fair_up: float

    @property
    def volatility_bp(self) -> float:
        """Volatility per square root of a minute in ten-thousandths of the price."""
        return self.volatility * sqrt(60.0) * 10_000

    @property
    def mid_up_micro(self) -> int | None:
        """What the market gives Up, in millionths: the middle of its book, or of Down's; None where neither has one."""
        for outcome in OUTCOMES:
            bid, ask = self.best_bid(outcome), self.best_ask(outcome)
            if bid is not None and ask is not None:
                middle = (bid + ask) // 2
                return middle if outcome == "Up" else MICRO - middle
        return None

    def odds(self) -> dict[str, int | str]:
        """Our odds and the market's, for the reasons of a decision: reports hold both against what came true."""
        ours, market = round(self.fair_up * 10_000), self.mid_up_micro
        return {"fair_up_bp": ours} if market is None else {"fair_up_bp": ours, "mid_up_micro": market}

    def fair_micro(self, outcome: Outcome) -> int:
        """What a share of a token is worth, in millionths."""
        up = round(self.fair_up * 1_000_000)
        return up if outcome == "Up" else 1_000_000 - up

    def best_bid(self, outcome: Outcome) -> int | None:
        """The best bid of a token, in millionths; None when there is none."""
        bids = self.books[outcome].bids
        return bids[0].price_micro if bids else None

    def best_ask(self, outcome: Outcome) -> int | None:
        """The best ask of a token, in millionths; None when there is none."""
        asks = self.books[outcome].asks
        return asks[0].price_micro if asks else None


def other(outcome: Outcome) -> Outcome:
    """The token that wins when this one loses."""
    return "Down" if outcome == "Up" else "Up"


def look(view: View, tick: Tick, *, candles: int = CANDLES) -> Scene | Blind:
    """Put a tick's window together from the view; with fewer than so many closed candles it is still blind."""
    slot = parse_slot(tick.slot)
    window = view.windows.get((tick.slot, tick.start_s))
    price, fast = view.prices.get((slot.asset, "spot")), view.closed(slot.asset, FAST_S)
    missing = _missing(view, window, price) or _young(fast, candles)
    if missing or window is None or window.terms is None or window.strike_micro is None or price is None:
        return Blind(missing)
    volatility, left_ms = view.once(slot.asset, FAST_S, _volatility), max(0, window.end_ns - view.at_ns) // _MS
    fair_up = _fair_up(view, slot.asset, window.terms, window.strike_micro, left_ms, price, volatility)
    if fair_up is None:
        return Blind("the settling seconds were not seen from their beginning")
    return Scene(
        asset=slot.asset,
        minutes=slot.minutes,
        left_s=left_ms / 1_000,
        terms=window.terms,
        price_micro=price.micro,
        strike_micro=window.strike_micro,
        books=window.books,
        vwaps={outcome: view.vwap(tick.slot, tick.start_s, outcome) for outcome in OUTCOMES},
        fast=fast,
        slow=view.closed(slot.asset, SLOW_S),
        closes=view.once(slot.asset, FAST_S, _closes),
        technicals=view.once(slot.asset, FAST_S, read),
        volatility=volatility,
        fair_up=fair_up,
    )


def _fair_up(
    view: View, asset: str, terms: Terms, strike_micro: int, left_ms: int, price: Price, volatility: float
) -> float | None:
    """The probability of Up; None in settling seconds that were not all seen."""
    now_ms, over_ms = view.at_ns // _MS, MEAN_OVER_S[terms.rule] * 1_000
    known_micro = None
    if left_ms < over_ms:
        known_micro = known_mean(view.samples(asset), now_ms + left_ms - over_ms, now_ms)
        if known_micro is None:
            return None
    return up_probability(
        price_micro=price.micro,
        strike_micro=strike_micro,
        volatility=volatility,
        noise=view.parameters.noise_bp / 10_000,
        left_s=left_ms / 1_000,
        age_s=max(0, now_ms - price.source_ms) / 1_000,
        rule=terms.rule,
        known_micro=known_micro,
    )


def _missing(view: View, window: Window | None, price: Price | None) -> str:
    """What a scene lacks, empty when nothing."""
    if window is None or window.terms is None:
        return "no market known for this window"
    if window.strike_micro is None:
        return "no strike yet"
    for outcome in OUTCOMES:
        book = window.books.get(outcome)
        if book is None or book.stale:
            return f"{'no' if book is None else 'stale'} book of {outcome}"
    if price is None:
        return "no reference price"
    age_s = view.at_ns / NS - price.source_ms / 1_000
    if age_s > view.parameters.price_age_s:
        return f"price is {age_s:.1f} s old > {view.parameters.price_age_s:.1f}"
    return ""


def _young(fast: Sequence[Candle], candles: int) -> str:
    return f"{len(fast)} candles of {candles}" if len(fast) < candles else ""


def _closes(candles: Sequence[Candle]) -> tuple[int, ...]:
    return tuple(candle.close_micro for candle in candles)


def _volatility(candles: Sequence[Candle]) -> float:
    """Relative volatility per square root of a second: the larger of a short and a long look back."""
    closes = _closes(candles)
    looks = (realised_volatility(closes[-1 - count :]) for count in (VOLATILITY_CANDLES, CALM_CANDLES))
    return max(look or 0.0 for look in looks) / sqrt(FAST_S)
