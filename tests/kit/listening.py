"""A trading desk with its ears on: every frame it hears ends as events, as a counted name, or as a bad frame.

What became of each is told in those words, so that a frame which ended as none of them is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kit.recordings import API_KEY
from kit.still_desk import a_trading_desk

from shared import messages as m
from supervisor.arrivals import Arrivals
from supervisor.effects import Moment
from supervisor.venue.market import Ignored

FEEDS: Final = ("market", "user", "prices")


class Listening:
    """Args: key: the API key whose orders are ours. `events`: how many each frame brought, of any kind."""

    def __init__(self, key: str = API_KEY) -> None:
        self.still = a_trading_desk()
        desk = self.still.desk
        self.events = 0
        for room, name in ((desk.executions, "on_leg"), (desk.executions, "on_report"), (desk.markets, "on_prices")):
            self._spy(room, name)
        self._spy(desk.board.lanes, "market_event")
        self.arrivals = Arrivals(desk, self._turn, own_key=lambda: key, welcome=lambda protocol: _NOBODY)
        self._doors: dict[str, Callable[[bytes], None]] = {
            "market": self.arrivals.on_market_frame,
            "user": self.arrivals.on_user_frame,
            "prices": self.arrivals.on_price_frame,
        }

    @property
    def counters(self) -> dict[str, int]:
        """What was counted."""
        return self.still.desk.board.counters

    def hear(self, feed: str, frame: bytes) -> set[str]:
        """What a frame ended as: "events", "bad frame", and the names it was counted by."""
        before, events, said = dict(self.counters), self.events, len(self.still.journal)
        self._doors[feed](frame)
        grown = {name for name, count in self.counters.items() if count != before.get(name, 0)}
        ended = {name.removeprefix(f"ignored:{feed}:") for name in grown if name.startswith("ignored:")}
        if "alarm:bad_frame" in grown:
            assert len(self.still.journal) > said, "what is bad is written down, with its reason"
            ended.add("bad frame")
        return ended | ({"events"} if self.events > events else set())

    def _spy(self, room: Any, name: str) -> None:
        real = getattr(room, name)

        def counted(*arguments: Any) -> Any:
            self.events += arguments[-1] != [] and not isinstance(arguments[-1], Ignored)
            return real(*arguments)

        setattr(room, name, counted)

    @contextmanager
    def _turn(self) -> Iterator[Moment]:
        yield self.still.now()
        self.still.settle()


_NOBODY: Final = m.Welcome(1, "stream", "tape", "ledger")
