"""Who listens to what: market and user connections and the frames they send; other streams have rooms of their own.

Holds no socket: a connection is anything with a `send`. Leaves sockets and their ends to `sockets.py`. What always
holds: a connection hears only what it asked for and may hear; every frame it sends gets the answer the facts give it,
or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from deploy.rehearsal import protocol
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.keys import Key
from deploy.rehearsal.outbox import ToEverybody, ToMarket, ToPrices, ToUser
from deploy.rehearsal.peers import Guest, Peer
from deploy.rehearsal.polybolt import PolyBolt, proved
from deploy.rehearsal.protocol import Json, encode
from deploy.rehearsal.rtds import Rtds
from deploy.rehearsal.spotstreams import SpotStreams

TOKENS_MAX: Final = 500
"""Tokens of one market connection; more are ignored. Source: facts 4.1."""
CLOSE_POLICY: Final = 1008
"""How the user socket ends a connection that does not prove a key; production's own code is not known."""


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


Listener = MarketListener | UserListener | Guest


@dataclass(slots=True)
class Subscriptions:
    """Every listener of one exchange."""

    exchange: Exchange
    markets: set[MarketListener] = field(default_factory=set)
    users: set[UserListener] = field(default_factory=set)
    polybolt: PolyBolt = field(init=False)
    binance: SpotStreams = field(init=False)
    rtds: Rtds = field(init=False)
    _by_condition: dict[str, set[MarketListener]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.polybolt = PolyBolt(self.exchange)
        self.binance = SpotStreams(self.exchange)
        self.rtds = Rtds(self.exchange, self.binance.spot)
        self.exchange.out.listens = self._listens

    def join(self, channel: str, peer: Peer, wanted: str = "") -> Listener:
        """A new connection on a channel: market, user, prices, rtds or binance. wanted: Binance's path and query."""
        if channel == "market":
            market = MarketListener(peer)
            self.markets.add(market)
            return market
        if channel == "user":
            user = UserListener(peer)
            self.users.add(user)
            return user
        if channel == "binance":
            return self.binance.join(peer, wanted)
        return self.rtds.join(peer) if channel == "rtds" else self.polybolt.join(peer)

    def leave(self, listener: Listener) -> None:
        """A connection is gone."""
        if isinstance(listener, MarketListener):
            self.markets.discard(listener)
            self._unsubscribe(listener, set(listener.tokens))
        elif isinstance(listener, UserListener):
            self.users.discard(listener)
        else:
            listener.left()

    def heard(self, listener: Listener, text: str) -> None:
        """A text frame came in. What makes no sense is let pass in silence, as production does on its older sockets."""
        if not isinstance(listener, MarketListener | UserListener):
            listener.heard(text)
            return
        frame = _object(text)
        if text.strip() == "PING":
            listener.peer.send(b"PONG")
        elif frame is not None and isinstance(listener, MarketListener):
            self._market_frame(listener, frame)
        elif frame is not None and isinstance(listener, UserListener):
            self._user_frame(listener, frame)

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
            listener.peer.send(encode([self._snapshot(token) for token in new]) + b"\n")

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
        """Send a market's message to who listens to it; one about a token only to who asked for that token."""
        listeners = self._by_condition.get(effect.condition_id, ())
        frames: dict[tuple[bool, ...], bytes] = {}
        messages = effect.message if isinstance(effect.message, list) else [effect.message]
        for listener in listeners:
            tokens = listener.tokens
            wanted = tuple("asset_id" not in message or message["asset_id"] in tokens for message in messages)
            if any(wanted) and (listener.custom or not effect.custom):
                if wanted not in frames:
                    chosen = [message for message, want in zip(messages, wanted, strict=True) if want]
                    frames[wanted] = encode(chosen if isinstance(effect.message, list) else chosen[0])
                listener.peer.send(frames[wanted])

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
        key = proved(self.exchange, frame.get("auth"))
        if key is None or str(frame.get("type", "")).lower() != "user":
            listener.peer.end(CLOSE_POLICY, "auth")
            return
        listener.key = key
        named = frame.get("markets")
        listener.markets = {text.lower() for text in _texts(named)} if named else None

    def _listens(self, api_key: str) -> bool:
        return any(listener.key is not None and listener.key.api_key == api_key for listener in self.users)

    def to_user(self, effect: ToUser) -> None:
        """Send an event to the user connections of its key."""
        _send_all([listener for listener in self.users if listener.hears(effect)], effect.message)

    # The streams with rooms of their own.

    def to_prices(self, effect: ToPrices) -> None:
        """Send a reference price to who asked for it."""
        self.polybolt.to_prices(effect)
        self.rtds.to_prices(effect)


def _object(text: str) -> Json | None:
    try:
        frame = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return frame if isinstance(frame, dict) else None


def _texts(value: object) -> set[str]:
    return {str(item) for item in value} if isinstance(value, list) else set()


def _send_all(listeners: Sequence[MarketListener | UserListener], message: Json) -> None:
    if listeners:
        frame = encode(message)
        for listener in listeners:
            listener.peer.send(frame)
