"""PolyBolt, the keyed socket of reference prices: who proved a key, who wants which price, and the frames it is sent.

Shapes, limits, codes and error names are facts 4.3 and the session behind them. Every point is sent when it arrived
in the day, so ages and gaps are the recording's. The rate of frames is counted in market time: at speed 1 that is the
real limit, in a faster rehearsal it is wider. Leaves sockets and their pings to `sockets.py`. What always holds: no
price goes to a connection that proved no key; frames of a channel are numbered from 1 for each connection.

Not known of production, and so made up: how far Pyth's price is from Chainlink's (here a hundredth of a per mille).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from deploy.rehearsal import protocol
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import TWAP_S
from deploy.rehearsal.keys import Key
from deploy.rehearsal.outbox import ToPrices
from deploy.rehearsal.peers import Peer
from deploy.rehearsal.protocol import Json, encode

SUBSCRIPTIONS_MAX: Final = 64
ATTEMPTS_MAX: Final = 8
FRAMES_MAX: Final = 20
FRAMES_PER_MS: Final = 1_000
"""Subscriptions of a connection, tries to prove a key, and subscribe frames a second. Source: facts 4.3."""
BACKLOG_MAX: Final = 256
"""A reader with more frames than this still to take misses prices, and is told how many; made up."""
CLOSE_AUTH: Final = 4001
CLOSE_POLICY: Final = 4008
TWAP_CHANNEL: Final = "price.crypto.twap"
SPOT_CHANNEL: Final = "price.crypto"
PROVIDERS: Final = ("chainlink", "pyth")
_PYTH_PARTS: Final = 100_000


class Wanted(NamedTuple):
    """One subscription as it was asked for. window_s: 0 for the instantaneous price, -1 if it made no sense."""

    channel: str
    symbol: str
    window_s: int
    provider: str


@dataclass(slots=True, eq=False)
class PriceListener:
    """A price connection. sequences: the last number sent, by channel. missed: prices it was too slow for."""

    room: PolyBolt
    peer: Peer
    key: Key | None = None
    attempts: int = 0
    wanted: set[Wanted] = field(default_factory=set)
    sequences: dict[str, int] = field(default_factory=dict)
    asked_ms: deque[int] = field(default_factory=lambda: deque(maxlen=FRAMES_MAX))
    missed: int = 0

    def heard(self, text: str) -> None:
        """A text frame came in."""
        self.room.heard(self, text)

    def left(self) -> None:
        """The connection is gone."""
        self.room.listeners.discard(self)


@dataclass(slots=True)
class PolyBolt:
    """Every price connection of one exchange. unavailable: the keys cannot be looked up now, come again."""

    exchange: Exchange
    listeners: set[PriceListener] = field(default_factory=set)
    unavailable: bool = False

    def join(self, peer: Peer) -> PriceListener:
        """A new connection."""
        listener = PriceListener(self, peer)
        self.listeners.add(listener)
        return listener

    def heard(self, listener: PriceListener, text: str) -> None:
        """A text frame came in; each gets an answer, nonsense an error."""
        try:
            frame = msgspec.json.decode(text)
        except msgspec.DecodeError:
            frame = None
        shown: Json = frame if isinstance(frame, dict) else {}
        rid = {"rid": shown["rid"]} if "rid" in shown else {}
        answer = OPS.get(str(shown.get("op")))
        if answer is None:
            _refuse(listener, rid, "bad_op")
        else:
            answer(self, listener, shown, rid)

    def to_prices(self, effect: ToPrices) -> None:
        """Send a reference price to who asked for it."""
        channel = TWAP_CHANNEL if effect.window_s else SPOT_CHANNEL
        for provider in PROVIDERS:
            wanted = Wanted(channel, effect.symbol, effect.window_s, provider)
            hearing = [listener for listener in self.listeners if wanted in listener.wanted]
            if hearing:
                payload = _head(wanted) | _point(wanted, effect.source_ms, effect.value_e18)
                for listener in hearing:
                    _send(listener, channel, effect.at_ms, payload)

    def _auth(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        listener.attempts += 1
        key = proved(self.exchange, frame.get("auth"))
        if listener.attempts > ATTEMPTS_MAX:
            _refuse(listener, rid, "auth_attempts")
            listener.peer.end(CLOSE_AUTH, "auth_attempts")
        elif self.unavailable:
            _refuse(listener, rid, "auth_unavailable")
        elif key is None:
            _refuse(listener, rid, "auth_invalid")
        else:
            listener.key = key
            listener.peer.send(encode({"op": "authed"} | rid))

    def _subscribe(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        if self._hurried(listener):
            _refuse(listener, rid, "rate_limited")
            listener.peer.end(CLOSE_POLICY, "rate_limited")
            return
        for wanted in filters(frame):
            fault = self._fault(listener, wanted)
            if fault:
                _refuse(listener, {"channel": wanted.channel} | rid, fault)
                continue
            listener.peer.send(encode({"op": "subscribed", "channel": wanted.channel} | rid))
            listener.wanted.add(wanted)
            self._send_history(listener, wanted)

    def _hurried(self, listener: PriceListener) -> bool:
        """Whether this is the one subscribe frame too many within a second."""
        asked, now_ms = listener.asked_ms, self.exchange.now_ms
        full = len(asked) == FRAMES_MAX and now_ms - asked[0] < FRAMES_PER_MS
        asked.append(now_ms)
        return full

    def _fault(self, listener: PriceListener, wanted: Wanted) -> str:
        """Why a subscription is refused, blank if it is not."""
        history = self.exchange.floor.history
        known = {window for name, window in history if name == wanted.symbol} | {0, TWAP_S}
        fits = wanted.window_s in known and (wanted.channel == TWAP_CHANNEL) == bool(wanted.window_s)
        checks = (
            (wanted.channel not in (SPOT_CHANNEL, TWAP_CHANNEL), "bad_channel"),
            (listener.key is None, "auth_required"),
            (not wanted.symbol or not fits or wanted.provider not in PROVIDERS, "bad_filter"),
            (len(listener.wanted) >= SUBSCRIPTIONS_MAX, "sub_limit"),
        )
        return next((code for wrong, code in checks if wrong), "")

    def _unsubscribe(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        for wanted in filters(frame):
            listener.wanted.discard(wanted)
            listener.peer.send(encode({"op": "unsubscribed", "channel": wanted.channel} | rid))

    def _ping(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        listener.peer.send(encode({"op": "pong"} | rid))

    def _send_history(self, listener: PriceListener, wanted: Wanted) -> None:
        points = self.exchange.floor.history.get((wanted.symbol, wanted.window_s), ())
        payload = _head(wanted) | {"data": [_point(wanted, *point) for point in points]}
        _send(listener, wanted.channel, self.exchange.floor.stamp_ms, payload, snapshot=True)


Op = Callable[[PolyBolt, PriceListener, Json, Json], None]
OPS: Final[dict[str, Op]] = {
    "auth": PolyBolt._auth,
    "subscribe": PolyBolt._subscribe,
    "unsubscribe": PolyBolt._unsubscribe,
    "ping": PolyBolt._ping,
}


def proved(exchange: Exchange, auth: object) -> Key | None:
    """The key whose credentials a frame carries, None when anything of them is wrong."""
    if not isinstance(auth, Mapping):
        return None
    return exchange.keyring.proved(*(str(auth.get(name, "")) for name in ("apiKey", "secret", "passphrase")))


def filters(frame: Json) -> list[Wanted]:
    """Every subscription of a frame, in its order."""
    items: Any = frame.get("subscriptions")
    found = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            wish = item.get("filter")
            named: Mapping[str, Any] = wish if isinstance(wish, dict) else {}
            window = named.get("window_seconds", 0)
            window_s = window if type(window) is int else -1
            symbol, provider = str(named.get("symbol", "")).lower(), str(named.get("provider", PROVIDERS[0]))
            found.append(Wanted(str(item.get("channel", "")), symbol, window_s, provider))
    return found


def _refuse(listener: PriceListener, about: Json, code: str) -> None:
    listener.peer.send(encode({"op": "error"} | about | {"code": code}))


def _head(wanted: Wanted) -> Json:
    return protocol.price_payload(wanted.symbol, wanted.window_s) | {"source": wanted.provider}


def _point(wanted: Wanted, source_ms: int, value_e18: int) -> Json:
    return protocol.price_point(source_ms, value_e18 + _stray(wanted, source_ms, value_e18))


def _stray(wanted: Wanted, source_ms: int, value_e18: int) -> int:
    """How far the provider's price is from Chainlink's, at most one part in a hundred thousand."""
    if wanted.provider == PROVIDERS[0]:
        return 0
    drawn = blake2b(f"{wanted.symbol}/{source_ms}".encode(), digest_size=4).digest()
    return value_e18 * (int.from_bytes(drawn) % 2_001 - 1_000) // 1_000 // _PYTH_PARTS


def _send(listener: PriceListener, channel: str, at_ms: int, payload: Json, snapshot: bool = False) -> None:
    number = listener.sequences.get(channel, 0) + 1
    listener.sequences[channel] = number
    if listener.peer.waiting() > BACKLOG_MAX and not snapshot:
        listener.missed += 1
        return
    frame = protocol.price_frame(channel, number, at_ms, payload, snapshot)
    if listener.missed:
        frame, listener.missed = frame | {"dropped": listener.missed}, 0
    listener.peer.send(encode(frame))
