"""Binance's market streams: who hears which stream, the control frames they send, and the clockwork behind the events.

Rules are facts 9 and Binance's own page of the streams: raw at /ws/<name>, combined at /stream?streams=a/b, five
control frames a second, 1,024 streams, a `serverShutdown` ten minutes before a connection is cut at 24 hours. The 24
hours are market time, so that a fast rehearsal meets them; the five frames are counted in market time too, which is
never stricter than the world's. Events are made only for streams somebody hears; an event is the same however many
connections hear it. Leaves pings to `sockets.py`. What always holds: a depth stream's numbers have no holes while it
is heard; a stream nobody makes (another pair, another kind) is taken and stays silent, as at Binance.

Not known, and so made up: the code a hasty connection is closed with (1008), and that of the cut (1001).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import msgspec

from deploy.rehearsal import binance
from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.peers import Peer
from deploy.rehearsal.protocol import Json, encode
from deploy.rehearsal.spot import PAIRS, TICK_MS, TICKS_PER_S, Deal, Pair, Spot

STREAMS_MAX: Final = 1_024
CONTROLS_MAX: Final = 5
CONTROLS_PER_MS: Final = 1_000
LIFE_MS: Final = 24 * 3_600_000
WARNING_MS: Final = 600_000
CLOSE_HASTY: Final = 1008
CLOSE_OLD: Final = 1001
SHUTDOWN_STREAM: Final = "!serverShutdown"
PARTIAL_DEPTHS: Final = (5, 10, 20)
KLINE_BEATS_S: Final = {"1s": 1, "1m": 2}
"""How often a candle is told while it grows, seconds."""


@dataclass(slots=True, eq=False)
class SpotListener:
    """A connection. combined: events are wrapped with their stream's name. micros: times in microseconds."""

    room: SpotStreams
    peer: Peer
    combined: bool
    micros: bool
    streams: dict[str, None] = field(default_factory=dict)
    controls_ms: deque[int] = field(default_factory=lambda: deque(maxlen=CONTROLS_MAX))

    def heard(self, text: str) -> None:
        """A text frame came in."""
        self.room.heard(self, text)

    def left(self) -> None:
        """The connection is gone."""
        self.room.leave(self)

    def tell(self, stream: str, data: Json) -> None:
        """Send an event in the form this connection asked for."""
        shown = binance.in_micros(data) if self.micros else data
        self.peer.send(encode(binance.combined(stream, shown) if self.combined else shown))


@dataclass(slots=True)
class SpotStreams:
    """Every stream connection of one exchange's Binance."""

    exchange: Exchange
    spot: Spot = field(init=False)
    listeners: dict[SpotListener, None] = field(default_factory=dict)
    _beating: bool = False

    def __post_init__(self) -> None:
        self.spot = Spot(self.exchange.day, self.exchange.dice)

    @property
    def agenda(self) -> Agenda:
        """Where events are planned."""
        return self.exchange.agenda

    def join(self, peer: Peer, wanted: str) -> SpotListener:
        """A new connection. wanted: its path and query, /ws/<stream> or /stream?streams=<stream>/<stream>."""
        path, _, query = wanted.partition("?")
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        combined = not path.startswith("/ws")
        named = asked.get("streams", "") if combined else unquote(path.removeprefix("/ws").strip("/"))
        micros = asked.get("timeUnit", "").upper() == "MICROSECOND"
        listener = SpotListener(self, peer, combined, micros)
        self.listeners[listener] = None
        now_ms = self.exchange.now_ms
        self.agenda.add(now_ms + LIFE_MS - WARNING_MS, partial(self._warn, listener))
        self.agenda.add(now_ms + LIFE_MS, partial(self._cut, listener))
        self._subscribe(listener, [name for name in named.split("/") if name])
        return listener

    def leave(self, listener: SpotListener) -> None:
        """A connection is gone."""
        self.listeners.pop(listener, None)

    def heard(self, listener: SpotListener, text: str) -> None:
        """A control frame came in."""
        controls, now_ms = listener.controls_ms, self.exchange.now_ms
        if len(controls) == CONTROLS_MAX and now_ms - controls[0] < CONTROLS_PER_MS:
            listener.peer.end(CLOSE_HASTY, "Too many requests")
        controls.append(now_ms)
        try:
            frame = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            listener.peer.send(encode({"code": 3, "msg": f"Invalid JSON: {error}"}))
            return
        answer = CONTROLS.get(str(frame.get("method"))) if isinstance(frame, dict) else None
        if answer is None:
            listener.peer.send(encode({"code": 2, "msg": "Invalid request: unknown method"}))
            return
        params = frame.get("params")
        reply = answer(self, listener, params if isinstance(params, list) else [])
        listener.peer.send(encode(reply | ({"id": frame["id"]} if "id" in frame else {})))

    def snapshot(self, symbol: str, limit: int) -> Json:
        """The book of a pair that has one, as of the last whole tick."""
        tick = self.exchange.now_ms // TICK_MS
        return binance.depth(tick, self.spot.book(PAIRS[symbol], tick), limit)

    def shut_down(self) -> None:
        """Tell every connection that the server is about to go."""
        for listener in list(self.listeners):
            self._warn(listener)

    # Control frames.

    def _subscribe(self, listener: SpotListener, names: list[Any]) -> Json:
        listener.streams.update(dict.fromkeys(str(name) for name in names))
        if len(listener.streams) > STREAMS_MAX:
            listener.peer.end(CLOSE_HASTY, "Too many streams")
        if not self._beating and listener.streams:
            self._beating = True
            self._plan(self.exchange.now_ms // TICK_MS + 1)
        return {"result": None}

    def _unsubscribe(self, listener: SpotListener, names: list[Any]) -> Json:
        for name in names:
            listener.streams.pop(str(name), None)
        return {"result": None}

    def _list(self, listener: SpotListener, params: list[Any]) -> Json:
        return {"result": list(listener.streams)}

    def _set(self, listener: SpotListener, params: list[Any]) -> Json:
        if params[:1] != ["combined"]:
            return {"code": 0, "msg": "Unknown property"}
        if len(params) != 2 or not isinstance(params[1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        listener.combined = params[1]
        return {"result": None}

    def _get(self, listener: SpotListener, params: list[Any]) -> Json:
        return {"result": listener.combined} if params == ["combined"] else {"code": 0, "msg": "Unknown property"}

    def _warn(self, listener: SpotListener) -> None:
        if listener in self.listeners:
            listener.tell(SHUTDOWN_STREAM, binance.server_shutdown(self.exchange.now_ms))

    def _cut(self, listener: SpotListener) -> None:
        if listener in self.listeners:
            listener.peer.end(CLOSE_OLD, "24 hours")

    # The clockwork.

    def _plan(self, tick: int) -> None:
        self.agenda.add(tick * TICK_MS, partial(self._beat, tick))

    def _beat(self, tick: int) -> None:
        """Tell what the last tick changed, plan the trades of the coming one, and the next beat."""
        heard = {name for listener in self.listeners for name in listener.streams}
        self._beating = bool(heard)
        for pair in PAIRS.values():
            kinds = {name.partition("@")[2] for name in heard if name.partition("@")[0] == pair.symbol.lower()}
            if kinds and self.spot.has(pair.symbol, (tick - TICKS_PER_S) * TICK_MS):
                for kind, data in self._due(pair, kinds, tick):
                    self._tell(pair, kind, data)
                self._plan_trades(pair, kinds, tick)
        if heard:
            self._plan(tick + 1)

    def _due(self, pair: Pair, kinds: set[str], tick: int) -> Iterator[tuple[str, Json]]:
        for kind in sorted(kinds):
            make = MAKERS.get(kind)
            if make is not None and (data := make(self.spot, pair, tick)) is not None:
                yield kind, data

    def _plan_trades(self, pair: Pair, kinds: set[str], tick: int) -> None:
        if kinds & {"trade", "aggTrade"}:
            for deal in self.spot.deals(pair, tick * TICK_MS, (tick + 1) * TICK_MS):
                self.agenda.add(deal.at_ms, partial(self._trade, pair, deal))

    def _trade(self, pair: Pair, deal: Deal) -> None:
        for data in binance.trades(pair, deal):
            self._tell(pair, "trade", data)
        self._tell(pair, "aggTrade", binance.agg_trade(pair, deal))

    def _tell(self, pair: Pair, kind: str, data: Json) -> None:
        stream = f"{pair.symbol.lower()}@{kind}"
        for listener in list(self.listeners):
            if stream in listener.streams:
                listener.tell(stream, data)


Control = Callable[[SpotStreams, SpotListener, list[Any]], Json]
CONTROLS: Final[dict[str, Control]] = {
    "SUBSCRIBE": SpotStreams._subscribe,
    "UNSUBSCRIBE": SpotStreams._unsubscribe,
    "LIST_SUBSCRIPTIONS": SpotStreams._list,
    "SET_PROPERTY": SpotStreams._set,
    "GET_PROPERTY": SpotStreams._get,
}


def _book_ticker(spot: Spot, pair: Pair, tick: int) -> Json | None:
    was, now = (binance.book_ticker(pair, tick, spot.book(pair, at)) for at in (tick - 1, tick))
    return None if was == now else now


def _depth(spot: Spot, pair: Pair, tick: int) -> Json:
    return binance.depth_update(pair, tick - 1, tick, spot.changes(pair, tick - 1, tick))


def _slow_depth(spot: Spot, pair: Pair, tick: int) -> Json | None:
    older = tick - TICKS_PER_S
    return None if tick % TICKS_PER_S else binance.depth_update(pair, older, tick, spot.changes(pair, older, tick))


def _partial(levels: int, every: int, spot: Spot, pair: Pair, tick: int) -> Json | None:
    return None if tick % every else binance.depth(tick, spot.book(pair, tick), levels)


def _kline(interval: str, spot: Spot, pair: Pair, tick: int) -> Json | None:
    """A candle on its beat; at its end it is told once more, closed."""
    at_ms, length_ms = tick * TICK_MS, binance.INTERVALS_MS[interval]
    if at_ms % (KLINE_BEATS_S[interval] * 1_000):
        return None
    start_ms = (at_ms - 1) // length_ms * length_ms
    candle = spot.candle(pair, start_ms, length_ms, at_ms)
    return binance.kline(pair, interval, candle, at_ms, closed=at_ms % length_ms == 0)


MAKERS: Final[dict[str, Callable[[Spot, Pair, int], Json | None]]] = {
    "bookTicker": _book_ticker,
    "depth@100ms": _depth,
    "depth": _slow_depth,
    **{f"kline_{interval}": partial(_kline, interval) for interval in KLINE_BEATS_S},
    **{f"depth{levels}@100ms": partial(_partial, levels, 1) for levels in PARTIAL_DEPTHS},
    **{f"depth{levels}": partial(_partial, levels, TICKS_PER_S) for levels in PARTIAL_DEPTHS},
}
"""What makes the event of a stream at a tick, None when there is nothing to tell. Trades have moments of their own."""
