"""RTDS, the older and public socket of reference prices: topics, their filters, and its traps.

Shapes are facts 4.3 and the captures behind them. Its traps are kept: the first answer to a filtered subscription is
of type `subscribe` and carries history; that of Chainlink is labelled `crypto_prices`; a space inside the filter's
JSON stops every update of that subscription; one unknown topic spoils the whole array; PING gets no PONG. Points come
when they arrived in the day; Binance's come every second, made by `spot.py`. Production said it would remove this
socket in late October 2026: here it is there on every day. Leaves sockets to `sockets.py`. What always holds: a
connection hears only topics it subscribed to, each in the units that topic has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import msgspec

from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import HISTORY_S
from deploy.rehearsal.outbox import ToPrices
from deploy.rehearsal.peers import Peer
from deploy.rehearsal.protocol import Json, encode
from deploy.rehearsal.quantities import E18
from deploy.rehearsal.spot import E8, PAIRS, TICK_MS, Pair, Spot

BINANCE: Final = "crypto_prices"
CHAINLINK: Final = "crypto_prices_chainlink"
WINDOWS_S: Final = {CHAINLINK: 0, "crypto_prices_twap_thirty": 30, "crypto_prices_twap_sixty": 60}
TOPICS: Final = frozenset({BINANCE, *WINDOWS_S, "equity_prices", "comments", "activity"})
"""The last three exist and are silent here."""
BINANCE_DELAY_MS: Final = 142
"""How long after its second a Binance price was sent, in the one capture there is."""
_MEMBERS_MAX: Final = 64
"""Subscriptions of one connection; production's own bound is not known."""


@dataclass(slots=True, eq=False)
class RtdsListener:
    """A connection. wanted: (topic, symbol or blank for all) to whether its updates flow."""

    room: Rtds
    peer: Peer
    name: str
    wanted: dict[tuple[str, str], bool] = field(default_factory=dict)

    def heard(self, text: str) -> None:
        """A text frame came in."""
        self.room.heard(self, text)

    def left(self) -> None:
        """The connection is gone."""
        self.room.listeners.discard(self)

    def hears(self, topic: str, symbol: str) -> bool:
        """Whether an update concerns it."""
        return self.wanted.get((topic, symbol), False) or self.wanted.get((topic, ""), False)

    def tell(self, topic: str, kind: str, at_ms: int, payload: Json) -> None:
        """Send a message."""
        head = {"topic": topic, "type": kind, "timestamp": at_ms, "connection_id": self.name}
        self.peer.send(encode(head | {"payload": payload}))


@dataclass(slots=True)
class Rtds:
    """Every connection of one exchange."""

    exchange: Exchange
    spot: Spot
    listeners: set[RtdsListener] = field(default_factory=set)
    _beating: bool = False

    def join(self, peer: Peer) -> RtdsListener:
        """A new connection."""
        name = blake2b(f"{self.exchange.now_ms}/{peer.number}".encode(), digest_size=9).hexdigest()
        listener = RtdsListener(self, peer, name)
        self.listeners.add(listener)
        return listener

    def heard(self, listener: RtdsListener, text: str) -> None:
        """A text frame came in; what makes no sense, and PING, gets no answer."""
        try:
            frame = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        asked = list(_asked(frame)) if isinstance(frame, dict) else []
        if not all(topic in TOPICS for topic, _ in asked):
            return
        for topic, filters in asked:
            if frame.get("action") == "subscribe":
                self._subscribe(listener, topic, filters)
            elif frame.get("action") == "unsubscribe":
                listener.wanted.pop((topic, _symbol(filters)), None)

    def to_prices(self, effect: ToPrices) -> None:
        """Send a reference price to who asked for it."""
        symbol = f"{effect.symbol.removesuffix('usd')}/usd"
        for topic, window_s in WINDOWS_S.items():
            if window_s == effect.window_s:
                hearing = [listener for listener in self.listeners if listener.hears(topic, symbol)]
                payload = {"symbol": symbol} | _exact(effect.source_ms, effect.value_e18, window_s)
                for listener in hearing:
                    listener.tell(topic, "update", effect.at_ms, payload)

    def _subscribe(self, listener: RtdsListener, topic: str, filters: str) -> None:
        symbol = _symbol(filters)
        if len(listener.wanted) >= _MEMBERS_MAX:
            return
        listener.wanted[topic, symbol] = " " not in filters
        if symbol and topic in WINDOWS_S | {BINANCE: 0}:
            label = BINANCE if topic == CHAINLINK else topic
            payload = {"symbol": symbol, "data": list(self._history(topic, symbol))}
            listener.tell(label, "subscribe", self.exchange.floor.stamp_ms, payload)
        if topic == BINANCE and not self._beating:
            self._beating = True
            self._plan(self.exchange.now_ms // 1_000 + 1)

    def _history(self, topic: str, symbol: str) -> Iterator[Json]:
        """The last two minutes of a symbol."""
        if topic == BINANCE:
            last = self.exchange.now_ms // 1_000
            pair = PAIRS.get(symbol.upper())
            for second in range(last - HISTORY_S, last) if pair else ():
                if pair and self.spot.has(pair.symbol, second * 1_000):
                    yield {"timestamp": second * 1_000, "value": self._price(pair, second) / E8}
        else:
            key = symbol.replace("/", ""), WINDOWS_S[topic]
            for source_ms, value_e18 in self.exchange.floor.history.get(key, ()):
                yield {"timestamp": source_ms, "value": value_e18 / E18}

    def _price(self, pair: Pair, second: int) -> int:
        return self.spot.quote(pair, second * 1_000 // TICK_MS)[0]

    def _plan(self, second: int) -> None:
        self.exchange.agenda.add(second * 1_000 + BINANCE_DELAY_MS, partial(self._beat, second))

    def _beat(self, second: int) -> None:
        """Send every pair's price of one second, and plan the next as long as somebody listens."""
        self._beating = any(topic == BINANCE for listener in self.listeners for topic, _ in listener.wanted)
        if not self._beating:
            return
        for pair in PAIRS.values():
            symbol = pair.symbol.lower()
            hearing = [listener for listener in self.listeners if listener.hears(BINANCE, symbol)]
            if hearing and self.spot.has(pair.symbol, second * 1_000):
                units = self._price(pair, second)
                exact = f"{units // E8}.{units % E8:08d}"
                point = {"timestamp": second * 1_000, "value": units / E8, "full_accuracy_value": exact}
                for listener in hearing:
                    listener.tell(BINANCE, "update", self.exchange.floor.stamp_ms, {"symbol": symbol} | point)
        self._plan(second + 1)


def _asked(frame: Json) -> Iterator[tuple[str, str]]:
    """(topic, filter text) of every subscription in a frame."""
    items: Any = frame.get("subscriptions")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield str(item.get("topic", "")), str(item.get("filters") or "")


def _symbol(filters: str) -> str:
    """The symbol a filter's JSON names, blank for none."""
    try:
        named = msgspec.json.decode(filters) if filters else {}
    except msgspec.DecodeError:
        return ""
    return str(named.get("symbol", "")).lower() if isinstance(named, dict) else ""


def _exact(source_ms: int, value_e18: int, window_s: int) -> Json:
    """A point in this socket's units: the exact value is an integer of 1e-18."""
    point: Json = {"timestamp": source_ms, "value": value_e18 / E18, "full_accuracy_value": str(value_e18)}
    return point | ({"window_s": window_s} if window_s else {})
