"""An exchange with its subscriptions, and connections that keep what they were sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kit.days import START_S, a_day
from kit.venue import an_exchange

from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.outbox import Effect, ToEverybody, ToMarket, ToPrices, ToUser
from deploy.rehearsal.subscriptions import Listener, Subscriptions

NOW_MS = (START_S + 20) * 1_000


@dataclass
class Ear:
    """A connection that keeps what it was sent."""

    number: int = 1
    frames: list[Any] = field(default_factory=list)
    ended: tuple[int, str] | None = None
    backlog: int = 0
    raw: list[bytes] = field(default_factory=list)

    def send(self, frame: bytes) -> None:
        self.raw.append(frame)
        self.frames.append(frame.decode() if frame == b"PONG" else json.loads(frame))

    def waiting(self) -> int:
        return self.backlog

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)

    def take(self) -> list[Any]:
        frames, self.frames = self.frames, []
        return frames


@dataclass
class Hall:
    """An exchange with its subscriptions."""

    exchange: Exchange = field(default_factory=lambda: an_exchange(a_day(), NOW_MS))

    def __post_init__(self) -> None:
        self.subscriptions = Subscriptions(self.exchange)
        self.exchange.out.take()

    @property
    def market(self) -> Market:
        return self.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]

    def join(self, channel: str, wanted: str = "") -> tuple[Ear, Listener]:
        ear = Ear()
        return ear, self.subscriptions.join(channel, ear, wanted)

    def say(self, listener: Listener, frame: Any) -> None:
        self.subscriptions.heard(listener, frame if isinstance(frame, str) else json.dumps(frame))

    def carry(self, *kinds: type[Effect]) -> None:
        """Bring what the exchange said to its listeners."""
        ways = {
            ToMarket: self.subscriptions.to_market,
            ToEverybody: self.subscriptions.to_everybody,
            ToUser: self.subscriptions.to_user,
            ToPrices: self.subscriptions.to_prices,
        }
        for effect in self.exchange.out.take():
            if type(effect) in ways:
                ways[type(effect)](effect)  # type: ignore[operator]

    def advance(self, milliseconds: int) -> None:
        self.exchange.advance(self.exchange.now_ms + milliseconds)
        self.carry()


def credentials(key: Key) -> dict[str, str]:
    return {"apiKey": key.api_key, "secret": key.secret, "passphrase": key.passphrase}
