"""What the exchange wants said: messages for sockets, answers that were waited for, lines for the record.

The exchange fills it, the server empties it after every turn. What always holds: things leave in the order they
happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy.rehearsal.protocol import Json


@dataclass(frozen=True, slots=True)
class ToMarket:
    """A message about a market, or several in one frame. custom: only for who asked for custom features."""

    condition_id: str
    message: Json | list[Json]
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ToEverybody:
    """A message for every market connection that asked for custom features."""

    message: Json


@dataclass(frozen=True, slots=True)
class ToUser:
    """A message for the user connections of one API key."""

    api_key: str
    condition_id: str
    message: Json


@dataclass(frozen=True, slots=True)
class ToPrices:
    """A reference price. window_s: what it averages over, 0 for the instantaneous one."""

    symbol: str
    window_s: int
    source_ms: int
    value_e18: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request that had to wait. ticket: what `place` gave out for it."""

    ticket: int
    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the venue's own record; wall time is added when it is written."""

    at_ms: int
    kind: str
    fields: Json


Effect = ToMarket | ToEverybody | ToUser | ToPrices | Answer | Line


class Outbox:
    """Effects since the last `take`. watched: markets some connection listens to; others get no messages made."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self.watched: set[str] = set()

    def put(self, effect: Effect) -> None:
        """Say something."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Everything said since the last call."""
        effects, self._effects = self._effects, []
        return effects
