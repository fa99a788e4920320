"""What the exchange wants said: messages for sockets, answers that were waited for, lines for the record.

The exchange fills it, the server empties it after every turn. What always holds: things leave in the order they
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
class Shut:
    """Every socket of a channel is to be closed, `all` of them if it says so. code: 0 cuts them without a word.

    because: what the record shall say of it.
    """

    channel: str
    code: int
    because: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the venue's own record; wall time is added when it is written."""

    at_ms: int
    kind: str
    fields: Json


Effect = ToMarket | ToEverybody | ToUser | ToPrices | Answer | Shut | Line


def _somebody(api_key: str) -> bool:
    return True


class Outbox:
    """Effects since the last `take`. watched: markets some connection listens to; others get no messages made.

    listens: whether a user connection may hear of an API key. through: what everything that is put passes, while a
    fault changes what is said.
    """

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self.watched: set[str] = set()
        self.listens: Callable[[str], bool] = _somebody
        self.through: Callable[[Effect], Iterable[Effect]] | None = None

    def wants(self, api_key: str) -> bool:
        """Whether an event for an API key is to be made: somebody hears it, or a fault counts it."""
        return self.through is not None or self.listens(api_key)

    def put(self, effect: Effect) -> None:
        """Say something."""
        if self.through is None:
            self._effects.append(effect)
        else:
            self._effects.extend(self.through(effect))

    def say(self, effects: Iterable[Effect]) -> None:
        """Say things as they are."""
        self._effects.extend(effects)

    def take(self) -> list[Effect]:
        """Everything said since the last call."""
        effects, self._effects = self._effects, []
        return effects
