"""Who listens to what: market, user and price connections, and the frames they send to say so.

Holds no socket: a connection is anything with a `send`. Leaves sockets and their ends to `sockets.py`. What always
holds: a connection hears only what it asked for and may hear; every frame it sends gets the answer the facts give it,
or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from deploy.rehearsal import protocol
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import TWAP_S
from deploy.rehearsal.keys import Key
from deploy.rehearsal.outbox import ToEverybody, ToMarket, ToPrices, ToUser
from deploy.rehearsal.protocol import Json, encode

SUBSCRIPTIONS_MAX: Final = 64
ATTEMPTS_MAX: Final = 8
"""Price socket limits. Source: facts 4.3."""
TOKENS_MAX: Final = 500
"""Tokens of one market connection; more are ignored. Source: facts 4.1."""
CLOSE_AUTH: Final = 4001
CLOSE_POLICY: Final = 1008
"""How the user socket ends a connection that does not prove a key; production's own code is not known."""
TWAP_CHANNEL: Final = "price.crypto.twap"
SPOT_CHANNEL: Final = "price.crypto"


class Peer(Protocol):
    """The other end of a connection."""

    number: int

    def send(self, frame: bytes) -> None:
        """Queue a text frame."""

    def end(self, code: int, reason: str) -> None:
        """Close after what is queued."""


@dataclass(slots=True, eq=False)
class MarketListener:
    """A market connection: its tokens with their markets' condition ids, and whether it wants custom features."""

    peer: Peer
    tokens: dict[str, str] = field(default_factory=dict)
    custom: bool = False


@dataclass(slots=True, eq=False)
class UserListener:
    """A user connection. markets: None is all of them."""

    peer: Peer
    key: Key | None = None
    markets: set[str] | None = None

    def hears(self, message: ToUser) -> bool:
        """Whether an event concerns it."""
        mine = self.key is not None and self.key.api_key == message.api_key
        return mine and (self.markets is None or message.condition_id.lower() in self.markets)


@dataclass(slots=True, eq=False)
class PriceListener:
    """A price connection. sequences: the last number sent, by channel."""

    peer: Peer
    key: Key | None = None
    attempts: int = 0
    wanted: set[tuple[str, int]] = field(default_factory=set)
    sequences: dict[str, int] = field(default_factory=dict)


Listener = MarketListener | UserListener | PriceListener


@dataclass(slots=True)
class Subscriptions:
    """Every listener of one exchange."""

    exchange: Exchange
    markets: set[MarketListener] = field(default_factory=set)
    users: set[UserListener] = field(default_factory=set)
    prices: set[PriceListener] = field(default_factory=set)
    _by_condition: dict[str, set[MarketListener]] = field(default_factory=dict)

    def join(self, channel: str, peer: Peer) -> Listener:
        """A new connection on a channel: market, user or prices."""
        if channel == "market":
            market = MarketListener(peer)
            self.markets.add(market)
            return market
        if channel == "user":
            user = UserListener(peer)
            self.users.add(user)
            return user
        price = PriceListener(peer)
        self.prices.add(price)
        return price

    def leave(self, listener: Listener) -> None:
        """A connection is gone."""
        if isinstance(listener, MarketListener):
            self.markets.discard(listener)
            self._unsubscribe(listener, set(listener.tokens))
        elif isinstance(listener, UserListener):
            self.users.discard(listener)
        else:
            self.prices.discard(listener)

    def heard(self, listener: Listener, text: str) -> None:
        """A text frame came in. What makes no sense is let pass in silence, as production does on its older sockets."""
        if text.strip() == "PING" and not isinstance(listener, PriceListener):
            listener.peer.send(b"PONG")
            return
        try:
            frame = msgspec.json.decode(text)
        except msgspec.DecodeError:
            frame = None
        if isinstance(frame, dict):
            self._understand(listener, frame)
        elif isinstance(listener, PriceListener):
            listener.peer.send(encode({"op": "error", "code": "bad_op"}))

    def _understand(self, listener: Listener, frame: Json) -> None:
        if isinstance(listener, MarketListener):
            self._market_frame(listener, frame)
        elif isinstance(listener, UserListener):
            self._user_frame(listener, frame)
        else:
            self._price_frame(listener, frame)

    # The market channel.

    def _market_frame(self, listener: MarketListener, frame: Json) -> None:
        tokens = _texts(frame.get("assets_ids"))
        if frame.get("operation") == "unsubscribe":
            self._unsubscribe(listener, tokens)
        elif frame.get("operation") == "subscribe" or str(frame.get("type", "")).lower() == "market":
            listener.custom = bool(frame.get("custom_feature_enabled", listener.custom))
            self._subscribe(listener, tokens, dump=frame.get("initial_dump") is not False)

    def _subscribe(self, listener: MarketListener, tokens: set[str], dump: bool) -> None:
        known = self.exchange.floor.by_token
        new = [token for token in sorted(tokens) if token in known and token not in listener.tokens]
        new = new[: TOKENS_MAX - len(listener.tokens)]
        for token in new:
            condition = listener.tokens[token] = known[token].listing.condition_id
            self._by_condition.setdefault(condition, set()).add(listener)
        self.exchange.out.watched = set(self._by_condition)
        if new and dump:
            listener.peer.send(encode([self._snapshot(token) for token in new]))

    def _snapshot(self, token: str) -> Json:
        market = self.exchange.floor.by_token[token]
        return protocol.book_event(market.view(market.outcome_of(token), self.exchange.floor.stamp_ms))

    def _unsubscribe(self, listener: MarketListener, tokens: set[str]) -> None:
        dropped = {listener.tokens.pop(token, "") for token in tokens}
        for condition in dropped - set(listener.tokens.values()) - {""}:
            listeners = self._by_condition[condition]
            listeners.discard(listener)
            if not listeners:
                del self._by_condition[condition]
        self.exchange.out.watched = set(self._by_condition)

    def to_market(self, effect: ToMarket) -> None:
        """Send a market message to who listens to it."""
        listeners = self._by_condition.get(effect.condition_id, ())
        wanting = [listener for listener in listeners if listener.custom or not effect.custom]
        _send_all(wanting, effect.message)

    def to_everybody(self, effect: ToEverybody) -> None:
        """Send a message to every market connection with custom features."""
        _send_all([listener for listener in self.markets if listener.custom], effect.message)

    # The user channel.

    def _user_frame(self, listener: UserListener, frame: Json) -> None:
        if listener.key is None:
            self._authenticate_user(listener, frame)
            return
        markets = {text.lower() for text in _texts(frame.get("markets"))}
        if frame.get("operation") == "subscribe":
            listener.markets = (listener.markets or set()) | markets
        elif frame.get("operation") == "unsubscribe" and listener.markets is not None:
            listener.markets -= markets

    def _authenticate_user(self, listener: UserListener, frame: Json) -> None:
        key = self._proved(frame.get("auth"))
        if key is None or str(frame.get("type", "")).lower() != "user":
            listener.peer.end(CLOSE_POLICY, "auth")
            return
        listener.key = key
        named = frame.get("markets")
        listener.markets = {text.lower() for text in _texts(named)} if named else None

    def to_user(self, effect: ToUser) -> None:
        """Send an event to the user connections of its key."""
        _send_all([listener for listener in self.users if listener.hears(effect)], effect.message)

    # The price channel.

    def _price_frame(self, listener: PriceListener, frame: Json) -> None:
        answer = PRICE_OPS.get(str(frame.get("op")))
        rid = {"rid": frame["rid"]} if "rid" in frame else {}
        if answer is None:
            listener.peer.send(encode({"op": "error"} | rid | {"code": "bad_op"}))
        else:
            answer(self, listener, frame, rid)

    def _auth(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        listener.attempts += 1
        key = self._proved(frame.get("auth"))
        if listener.attempts > ATTEMPTS_MAX:
            listener.peer.send(encode({"op": "error"} | rid | {"code": "auth_attempts"}))
            listener.peer.end(CLOSE_AUTH, "auth_attempts")
        elif key is None:
            listener.peer.send(encode({"op": "error"} | rid | {"code": "auth_invalid"}))
        else:
            listener.key = key
            listener.peer.send(encode({"op": "authed"} | rid))

    def _subscribe_prices(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        for channel, symbol, window_s in _filters(frame):
            reply: Json = {"channel": channel} | rid
            fault = self._fault(listener, channel, symbol, window_s)
            if fault:
                listener.peer.send(encode({"op": "error"} | reply | {"code": fault}))
                continue
            listener.peer.send(encode({"op": "subscribed"} | reply))
            listener.wanted.add((symbol, window_s))
            self._send_history(listener, channel, symbol, window_s)

    def _fault(self, listener: PriceListener, channel: str, symbol: str, window_s: int) -> str:
        """Why a price subscription is refused, blank if it is not."""
        known = {window for name, window in self.exchange.floor.history if name == symbol} | {0, TWAP_S}
        checks = (
            (channel not in (SPOT_CHANNEL, TWAP_CHANNEL), "bad_channel"),
            (listener.key is None, "auth_required"),
            (not symbol or window_s not in known or (channel == TWAP_CHANNEL) != bool(window_s), "bad_filter"),
            (len(listener.wanted) >= SUBSCRIPTIONS_MAX, "sub_limit"),
        )
        return next((code for wrong, code in checks if wrong), "")

    def _unsubscribe_prices(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        for channel, symbol, window_s in _filters(frame):
            listener.wanted.discard((symbol, window_s))
            listener.peer.send(encode({"op": "unsubscribed", "channel": channel} | rid))

    def _ping(self, listener: PriceListener, frame: Json, rid: Json) -> None:
        listener.peer.send(encode({"op": "pong"} | rid))

    def _send_history(self, listener: PriceListener, channel: str, symbol: str, window_s: int) -> None:
        points = self.exchange.floor.history.get((symbol, window_s), ())
        payload = protocol.price_payload(symbol, window_s) | {
            "data": [protocol.price_point(*point) for point in points]
        }
        self._send_price(listener, channel, self.exchange.floor.stamp_ms, payload, snapshot=True)

    def to_prices(self, effect: ToPrices) -> None:
        """Send a reference price to who asked for it, numbered for each connection."""
        channel = TWAP_CHANNEL if effect.window_s else SPOT_CHANNEL
        payload: Json | None = None
        for listener in self.prices:
            if (effect.symbol, effect.window_s) in listener.wanted:
                payload = payload or protocol.price_payload(effect.symbol, effect.window_s) | protocol.price_point(
                    effect.source_ms, effect.value_e18
                )
                self._send_price(listener, channel, effect.at_ms, payload)

    def _send_price(
        self, listener: PriceListener, channel: str, at_ms: int, payload: Json, snapshot: bool = False
    ) -> None:
        number = listener.sequences.get(channel, 0) + 1
        listener.sequences[channel] = number
        listener.peer.send(encode(protocol.price_frame(channel, number, at_ms, payload, snapshot)))

    def _proved(self, auth: object) -> Key | None:
        if not isinstance(auth, Mapping):
            return None
        return self.exchange.keyring.proved(*(str(auth.get(name, "")) for name in ("apiKey", "secret", "passphrase")))


PriceOp = Callable[[Subscriptions, PriceListener, Json, Json], None]
PRICE_OPS: Final[dict[str, PriceOp]] = {
    "auth": Subscriptions._auth,
    "subscribe": Subscriptions._subscribe_prices,
    "unsubscribe": Subscriptions._unsubscribe_prices,
    "ping": Subscriptions._ping,
}


def _texts(value: object) -> set[str]:
    return {str(item) for item in value} if isinstance(value, list) else set()


def _filters(frame: Json) -> list[tuple[str, str, int]]:
    """(channel, symbol, window) of every subscription in a frame; a window that is no number is -1."""
    found = []
    items: Any = frame.get("subscriptions")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            wish = item.get("filter")
            wanted: Mapping[str, Any] = wish if isinstance(wish, dict) else {}
            window = wanted.get("window_seconds", 0)
            symbol = str(wanted.get("symbol", "")).lower()
            found.append((str(item.get("channel", "")), symbol, window if isinstance(window, int) else -1))
    return found


def _send_all(listeners: Sequence[MarketListener | UserListener], message: Json) -> None:
    if listeners:
        frame = encode(message)
        for listener in listeners:
            listener.peer.send(frame)
