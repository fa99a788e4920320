"""The fold over the stream: everything a decision may see, and nothing else.

`View.apply(at_ns, event)` takes the frames in order. **Same past, same state**: what is kept depends on the last
LOOKBACK_S of frames and on the keyframe a fold began with, never on when the process started. So everything that comes
one by one has an age at which it is dropped, counted in market time and dropped at whole SWEEP_S; what must be known
longer - a window's terms and strike, its books, the parameters - a keyframe tells. A fold that is still empty applies
a keyframe, every other skips it: it knows already.

Leaves to others the order of frames (`reading`) and what to conclude (`strategy`). Our own orders and fills are not
folded: each tick brings the account as the ledger has it. Neither are gaps and resolutions: no decision uses them yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from shared.clock import NS
from shared.messages import (
    Account,
    BookSeen,
    Event,
    Keyframe,
    Outcome,
    ParametersSet,
    PriceSeen,
    StrikeSet,
    Terms,
    Tick,
    TickSizeSet,
    TradeSeen,
    WindowClosed,
    WindowOpened,
)
from shared.slots import parse_slot
from shared.units import micro_of_exact
from worker.candles import Candle, Candles
from worker.parameters import BadParameters, Parameters, read
from worker.turnover import Turnover

T = TypeVar("T")

FAST_S: Final = 5
SLOW_S: Final = 60
SERIES: Final = ((FAST_S, 120), (SLOW_S, 20))
"""Candle length in seconds, and how many of them are kept: ten minutes fine, twenty minutes coarse."""
SAMPLES_S: Final = 90
"""How long single spot prices are kept: the 60 settling seconds, and the price that held when they began."""
TRADES_S: Final = (5, 12)
"""Length and number of the buckets in which trades between others are summed up: the last minute, and a little."""
PRICE_KEPT_S: Final = 300
"""After this a reference price is forgotten, whatever has happened to its feed."""
ACCOUNT_KEPT_S: Final = 60
"""After this a slot without ticks has no account."""
WINDOW_KEPT_S: Final = 60
"""How long a window is kept after its end when nobody says that it has closed."""
AHEAD_MS: Final = 60_000
"""A price from further in the future is not believed: it would outlive the lookback."""
SWEEP_S: Final = 5
LOOKBACK_S: Final = max(bucket_s * (count + 1) for bucket_s, count in SERIES)
"""How much of the past the state depends on."""
assert (
    max(SAMPLES_S, TRADES_S[0] * (TRADES_S[1] + 1), PRICE_KEPT_S, ACCOUNT_KEPT_S, WINDOW_KEPT_S)
    + SWEEP_S
    + AHEAD_MS // 1_000
    <= LOOKBACK_S
)


class Window(msgspec.Struct):
    """One market's life as far as it was told: a part is None or missing until its frame has come."""

    end_ns: int
    terms: Terms | None = None
    strike_micro: int | None = None
    books: dict[Outcome, BookSeen] = msgspec.field(default_factory=dict)


class Price(msgspec.Struct, frozen=True):
    """The reference price that arrived last, and the moment it is the price of."""

    source_ms: int
    micro: int


class View:
    """See the room's docstring. Everything a decision may look at is a public name; it changes nothing.

    Args: fixed: parameters to use whatever the stream says, for a replay that asks "what if".
    """

    def __init__(self, fixed: Parameters | None = None) -> None:
        self.at_ns = 0
        self.empty = True
        self.windows: dict[tuple[str, int], Window] = {}
        self.prices: dict[tuple[str, str], Price] = {}
        self.accounts: dict[str, tuple[int, Account]] = {}
        self.fixed = fixed
        self.parameters = fixed or Parameters()
        self.digest = ""
        self.fault = ""
        self._samples: dict[str, deque[tuple[int, int]]] = {}
        self._candles: dict[tuple[str, int], Candles] = {}
        self._trades: dict[tuple[str, int, Outcome], Turnover] = {}
        self._sweep_ns = 0

    def apply(self, at_ns: int, event: Event) -> None:
        """Fold one frame. Raises: UnknownSlot: the frame names no slot; the stream is not what was promised."""
        self.at_ns = at_ns
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, at_ns, event)
            self.empty = False
        if at_ns >= self._sweep_ns:
            self._sweep(at_ns - at_ns % (SWEEP_S * NS))

    def closed(self, asset: str, bucket_s: int) -> tuple[Candle, ...]:
        """The closed candles of an asset as of now, oldest first; empty when nothing is known."""
        candles = self._candles.get((asset, bucket_s))
        return candles.closed(self.at_ns) if candles else ()

    def once(self, asset: str, bucket_s: int, fold: Callable[[tuple[Candle, ...]], T]) -> T:
        """What a pure function says of `closed`: it is asked once a bucket, however many slots and ticks want it."""
        candles = self._candles.get((asset, bucket_s))
        return candles.once(self.at_ns, fold) if candles else fold(())

    def vwap(self, slot: str, start_s: int, outcome: Outcome) -> int | None:
        """What others paid for a share of a token in the last minute, by volume; None when nobody did."""
        turnover = self._trades.get((slot, start_s, outcome))
        return turnover.vwap(self.at_ns) if turnover else None

    def samples(self, asset: str) -> list[tuple[int, int]]:
        """(unix ms, price) of the last SAMPLES_S, in order, as the source stamped them."""
        return list(self._samples.get(asset, ()))

    def state(self) -> bytes:
        """All of it in one canonical form: equal bytes mean equal folds."""
        image = [
            self.at_ns,
            [(*key, _image(window)) for key, window in sorted(self.windows.items())],
            [(*key, price.source_ms, price.micro) for key, price in sorted(self.prices.items())],
            [(slot, *account) for slot, account in sorted(self.accounts.items())],
            [(asset, tuple(samples)) for asset, samples in sorted(self._samples.items())],
            [(*key, candles.image()) for key, candles in sorted(self._candles.items())],
            [(*key, turnover.image()) for key, turnover in sorted(self._trades.items())],
            [self.digest, self.parameters, self.fault],
        ]
        return msgspec.msgpack.encode(image)

    def state_digest(self) -> str:
        """The name of the state, 32 hex digits: equal names mean equal folds."""
        return blake2b(self.state(), digest_size=16).hexdigest()

    # --- one handler for each kind of frame ------------------------------------------------------------------------

    def _window(self, slot: str, start_s: int) -> Window:
        window = self.windows.get((slot, start_s))
        if window is None:
            end_ns = (start_s + parse_slot(slot).window_s) * NS
            window = self.windows[slot, start_s] = Window(end_ns)
        return window

    def _opened(self, at_ns: int, event: WindowOpened) -> None:
        self._window(event.slot, event.start_s).terms = event.terms

    def _closed(self, at_ns: int, event: WindowClosed) -> None:
        self.windows.pop((event.slot, event.start_s), None)

    def _strike(self, at_ns: int, event: StrikeSet) -> None:
        self._window(event.slot, event.start_s).strike_micro = micro_of_exact(int(event.exact))

    def _tick_size(self, at_ns: int, event: TickSizeSet) -> None:
        window = self._window(event.slot, event.start_s)
        if window.terms is not None:
            window.terms = msgspec.structs.replace(window.terms, tick_micro=event.tick_micro)

    def _book(self, at_ns: int, event: BookSeen) -> None:
        self._window(event.slot, event.start_s).books[event.outcome] = event

    def _trade(self, at_ns: int, event: TradeSeen) -> None:
        key = (event.slot, event.start_s, event.outcome)
        turnover = self._trades.get(key)
        if turnover is None:
            turnover = self._trades[key] = Turnover(*TRADES_S)
        turnover.add(at_ns, event.price_micro, event.size_micro)

    def _price(self, at_ns: int, event: PriceSeen) -> None:
        """A price that has just arrived: it is also a part of the candles in which it did."""
        micro = self._price_known(at_ns, event)
        if event.feed != "spot" or micro is None:
            return
        for bucket_s, count in SERIES:
            key = (event.asset, bucket_s)
            candles = self._candles.get(key)
            if candles is None:
                candles = self._candles[key] = Candles(bucket_s, count)
            candles.add(at_ns, micro)

    def _price_known(self, at_ns: int, event: PriceSeen) -> int | None:
        """The price in millionths, or None when it is none that can be believed."""
        micro = micro_of_exact(int(event.exact))
        if micro <= 0 or event.source_ms * 1_000_000 > at_ns + AHEAD_MS * 1_000_000:
            return None
        self.prices[event.asset, event.feed] = Price(event.source_ms, micro)
        if event.feed == "spot":
            samples = self._samples.setdefault(event.asset, deque())
            if not samples or event.source_ms > samples[-1][0]:
                samples.append((event.source_ms, micro))
        return micro

    def _parameters(self, at_ns: int, event: ParametersSet) -> None:
        self.digest = event.digest
        if self.fixed is not None:
            return
        try:
            self.parameters, self.fault = read(event.values), ""
        except BadParameters as error:
            self.parameters, self.fault = Parameters(), str(error)

    def _tick(self, at_ns: int, event: Tick) -> None:
        self.accounts[event.slot] = (event.tick, event.account)

    def _keyframe(self, at_ns: int, event: Keyframe) -> None:
        if not self.empty:
            return
        for known in event.events:
            handler = _FROM_KEYFRAME.get(type(known))
            if handler is not None:
                handler(self, at_ns, known)

    # --- forgetting -------------------------------------------------------------------------------------------------

    def _sweep(self, at_ns: int) -> None:
        """Drop everything that is too old at `at_ns`, a whole SWEEP_S: at the same moments in every fold."""
        self._sweep_ns = at_ns + SWEEP_S * NS
        at_ms = at_ns // 1_000_000
        self.windows = {k: w for k, w in self.windows.items() if w.end_ns + WINDOW_KEPT_S * NS > at_ns}
        self.prices = {k: p for k, p in self.prices.items() if p.source_ms + PRICE_KEPT_S * 1_000 > at_ms}
        self.accounts = {k: a for k, a in self.accounts.items() if a[0] + ACCOUNT_KEPT_S * 1_000 > at_ms}
        for samples in self._samples.values():
            while samples and samples[0][0] + SAMPLES_S * 1_000 <= at_ms:
                samples.popleft()
        for candles in self._candles.values():
            candles.forget(at_ns)
        for turnover in self._trades.values():
            turnover.forget(at_ns)
        self._samples = {k: samples for k, samples in self._samples.items() if samples}
        self._candles = {k: candles for k, candles in self._candles.items() if len(candles)}
        self._trades = {k: turnover for k, turnover in self._trades.items() if len(turnover)}


def _image(window: Window) -> tuple[object, ...]:
    return window.end_ns, window.terms, window.strike_micro, sorted(window.books.items())


Handler = Callable[[View, int, Any], object]

_HANDLERS: Final[dict[type, Handler]] = {
    WindowOpened: View._opened,
    WindowClosed: View._closed,
    StrikeSet: View._strike,
    TickSizeSet: View._tick_size,
    BookSeen: View._book,
    TradeSeen: View._trade,
    PriceSeen: View._price,
    ParametersSet: View._parameters,
    Tick: View._tick,
    Keyframe: View._keyframe,
}
_FROM_KEYFRAME: Final[dict[type, Handler]] = {
    kind: handler for kind, handler in _HANDLERS.items() if kind not in (Tick, Keyframe)
} | {PriceSeen: View._price_known}
"""What a keyframe tells is known, not new: its prices make no candles, its moments are past."""
