"""What arrives from the venue and from the workers: parse it, take the moment, tell the part of the desk it concerns.

One short handler each. No frame is dropped in silence: it brings events, or it is of a kind that brings none and is
counted by the kind's name, or it breaks the venue's shape, is told to the desk as that and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import structlog

from shared import messages as m
from shared.wire import NoCommonProtocol, common_protocol
from supervisor.death import Death
from supervisor.desk import Desk
from supervisor.effects import Moment, Tell
from supervisor.venue.frames import BadFrame
from supervisor.venue.market import Ignored, parse_market_frame
from supervisor.venue.prices import PriceControl, parse_price_frame
from supervisor.venue.user import TradeLeg, parse_user_frame

log = structlog.get_logger()

KINDS_MAX: Final = 64
"""Kinds that are counted each by its name: the venue may invent as many as it likes, memory may not grow by them."""
KIND_MAX: Final = 40
"""Characters of such a name."""

Turn = Callable[[], AbstractContextManager[Moment]]
"""One arrival: gives the moment, and carries out what the desk left to do when it is left."""


class Arrivals:
    """Args: own_key: the API key's name once the venue is joined. welcome: the answer to a hello, for a protocol."""

    def __init__(
        self, desk: Desk, turn: Turn, *, own_key: Callable[[], str], welcome: Callable[[int], m.Welcome]
    ) -> None:
        self._desk, self._turn, self._own_key, self._welcome = desk, turn, own_key, welcome
        self._kinds: set[str] = set()

    def there(self, feed: str) -> Callable[[str, m.Whose], None]:
        """Return what tells the desk that this feed is there (an empty text), or why it is not, and through whom."""

        def tell(fault: str, whose: m.Whose) -> None:
            log.info("feed_changed", feed=feed, fault=fault or "none", whose=whose if fault else "nobody")
            with self._turn() as now:
                self._desk.markets.on_feed(now, feed, fault, whose)

        return tell

    def on_market_frame(self, frame: bytes) -> None:
        """A frame of the market channel, or a book in the same shape."""
        with self._turn() as now:
            try:
                events = parse_market_frame(frame)
                self._desk.markets.on_market(now, events)
                self._count_silent("market", events)
            except BadFrame as error:
                self._desk.markets.on_bad_frame(now, "market", str(error))

    def on_price_frame(self, frame: bytes) -> None:
        """A frame of the reference-price channel."""
        with self._turn() as now:
            try:
                said = parse_price_frame(frame)
                if isinstance(said, PriceControl):
                    self._on_price_control(said)
                    return
                self._desk.markets.on_prices(now, [price for price in said if not isinstance(price, Ignored)])
                self._count_silent("prices", said)
            except BadFrame as error:
                self._desk.markets.on_bad_frame(now, "prices", str(error))

    def _on_price_control(self, said: PriceControl) -> None:
        self._count_silent("prices", [Ignored(said.op or "nameless")])
        if said.op == "error":
            self._desk.board.alarm("price_channel", f"answered {said.code}")

    def on_user_frame(self, frame: bytes) -> None:
        """A frame of the user channel, which is open only once the venue is joined."""
        with self._turn() as now:
            try:
                events = parse_user_frame(frame, self._own_key())
            except BadFrame as error:
                self._desk.markets.on_bad_frame(now, "user", str(error))
                return
            if not all(isinstance(event, Ignored) for event in events):
                self._desk.board.lifelines.hear(now.mono_ns)
            for event in events:
                if isinstance(event, TradeLeg):
                    self._desk.executions.on_leg(now, event)
                elif not isinstance(event, Ignored):
                    self._desk.executions.on_report(now, event)
            self._count_silent("user", events)

    def _count_silent(self, feed: str, events: Sequence[object]) -> None:
        """Count what a frame brought that is no event; the answer to a PING, or an empty list, brings "nothing"."""
        for kind in [event.kind for event in events if isinstance(event, Ignored)] if events else ["nothing"]:
            name = f"ignored:{feed}:{kind[:KIND_MAX]}"
            known = name in self._kinds or len(self._kinds) < KINDS_MAX
            self._kinds |= {name} if known else set()
            self._desk.board.count(name if known else f"ignored:{feed}:others")

    def on_worker(self, uid: str, pid: int, message: m.FromWorker) -> None:
        """A message of the worker that holds this process id."""
        with self._turn() as now:
            if isinstance(message, m.Hello):
                self._on_hello(now, uid, pid, message)
            else:
                _FROM_WORKER[type(message)](self._desk)(now, uid, message)

    def _on_hello(self, now: Moment, uid: str, pid: int, hello: m.Hello) -> None:
        """Answer a greeting with where to listen; who cannot be talked to, or is not expected, is fenced."""
        try:
            protocol = common_protocol(hello.protocols)
        except NoCommonProtocol as error:
            self._desk.operations.fence(uid, str(error))
            return
        refusal = self._desk.operations.on_hello(now, uid, hello, pid)
        if refusal:
            self._desk.operations.fence(uid, refusal)
        else:
            self._desk.board.effects.append(Tell(uid, self._welcome(protocol)))

    def on_breach(self, uid: str, why: str) -> None:
        """A worker said something that no worker may say."""
        with self._turn() as now:
            self._desk.operations.on_breach(now, uid, why)

    def on_worker_lost(self, uid: str, death: Death) -> None:
        """A worker's process is gone."""
        with self._turn() as now:
            self._desk.operations.on_lost(now, uid, death)


_FROM_WORKER: Final[dict[type, Callable[[Desk], Callable[..., Any]]]] = {
    m.Decided: lambda desk: desk.decisions.on_decided,
    m.Ready: lambda desk: desk.operations.on_ready,
    m.Beating: lambda desk: desk.operations.on_beat,
    m.Hole: lambda desk: desk.operations.on_hole,
    m.Differs: lambda desk: desk.on_differs,
    m.Attested: lambda desk: desk.operations.on_attested,
}
