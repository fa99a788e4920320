"""What takes a while, of the venue or on this machine: each errand is sent off, and its answer is told to the desk.

An errand decides nothing. One that must not fail tries again; one that may is logged, and the desk asks anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from shared.clock import Clock
from supervisor import effects as fx
from supervisor.arrivals import Turn
from supervisor.desk import Desk
from supervisor.feed import UNANSWERED, Discovery, PriceChannel
from supervisor.gates import Tried
from supervisor.gateway import Gateway, VenueRefused
from supervisor.settlement import WINDOW_OF_RULE
from supervisor.venue.frames import BadFrame

log = structlog.get_logger()

RETRY_S: Final = 0.5
"""Between two attempts at what must be known."""
ALWAYS_FOLLOWED_S: Final = frozenset({0, 60})
"""Averaging windows whose prices the price channel sends anyway."""


class Errands:
    """Args: heard_book: takes a fetched book, in the shape of a frame of the market channel.

    replayed_twice: what comes of the two replays of a trial.
    """

    def __init__(
        self,
        desk: Desk,
        turn: Turn,
        clock: Clock,
        gateway: Gateway,
        discovery: Discovery,
        heard_book: Callable[[bytes], None],
        replayed_twice: Callable[[fx.Try], Awaitable[tuple[Tried, Tried]]],
    ) -> None:
        self._desk, self._turn, self._clock = desk, turn, clock
        self._gateway, self._discovery, self._heard_book = gateway, discovery, heard_book
        self._replayed_twice = replayed_twice
        self.prices: PriceChannel | None = None

    async def place(self, effect: fx.Submit) -> None:
        """Send an order; whatever comes back, or does not, is an answer."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self._gateway.place(effect.body)
        with self._turn() as now:
            self._desk.dealing.on_answer(now, effect.order_id, answer, self._since_us(sent_ns))

    async def withdraw(self, effect: fx.Withdraw) -> None:
        """Send a cancel."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self._gateway.cancel(effect.order_id)
        with self._turn() as now:
            self._desk.dealing.on_cancel_answer(now, effect.order_id, answer, self._since_us(sent_ns))

    def _since_us(self, sent_ns: int) -> int:
        return (self._clock.monotonic_ns() - sent_ns) // 1_000

    async def look_up(self, effect: fx.LookUp) -> None:
        """Ask what became of an order whose answer is missing."""
        accounts = self._desk.board.accounts
        order = accounts.orders.get(effect.order_id)
        opened = accounts.windows.get((order.slot, order.start_s)) if order is not None else None
        if opened is None or self._gateway.key is None:
            return
        try:
            found, legs = await self._gateway.look_up(effect.order_id, opened.terms.condition_id)
        except VenueRefused as error:
            log.warning("lookup_failed", order=effect.order_id[:10], reason=str(error))
            return
        with self._turn() as now:
            self._desk.dealing.on_lookup(now, effect.order_id, found, legs)

    async def catch_up(self, effect: fx.CatchUp) -> None:
        """Fetch trades and resting orders until it works: what the user channel did not tell is not known otherwise."""
        while True:
            try:
                if self._gateway.key is not None:
                    legs = await self._gateway.trades(f"after={effect.since_s}")
                    resting = {order.order_id for order in await self._gateway.open_orders()}
                    break
            except (VenueRefused, BadFrame) as error:
                log.warning("catch_up_failed", reason=str(error))
            await asyncio.sleep(RETRY_S)
        with self._turn() as now:
            self._desk.dealing.on_caught_up(now, legs, resting)

    async def discover(self, effect: fx.AskListing) -> None:
        """Ask for a window's market, and follow the mean it settles by."""
        try:
            found = await self._discovery.ask(effect.slot, effect.start_s, effect.known)
        except UNANSWERED as error:
            self._desk.board.count("discovery_failed")
            log.warning("discovery_failed", slot=effect.slot.name, start_s=effect.start_s, reason=str(error))
            return
        if found is None:
            return
        window_s = WINDOW_OF_RULE[found[0].market.terms.rule]
        if self.prices is not None and window_s not in ALWAYS_FOLLOWED_S:
            await self.prices.follow(effect.slot.asset, window_s)
        with self._turn() as now:
            self._desk.markets.on_listing(now, effect.slot, effect.start_s, *found)

    async def refetch(self, effect: fx.Refetch) -> None:
        """Fetch a book that can no longer be believed."""
        try:
            frame = await self._discovery.book(effect.token)
        except UNANSWERED as error:
            log.warning("book_not_fetched", reason=str(error))
            return
        self._heard_book(frame)

    async def ask_standing(self, effect: fx.AskStanding) -> None:
        """Ask where we are, and what the account may do; who does not answer does not hide the other's word."""
        where = closed_only = None
        faults: list[str] = []
        try:
            where = await self._gateway.where()
        except (VenueRefused, BadFrame) as error:
            faults.append(str(error))
        try:
            closed_only = await self._gateway.closed_only()
        except (VenueRefused, BadFrame) as error:
            faults.append(str(error))
        with self._turn() as now:
            self._desk.standing.on_told(now, where, closed_only, "; ".join(faults))

    async def try_out(self, effect: fx.Try) -> None:
        """Let the tape be replayed through a candidate."""
        first, second = await self._replayed_twice(effect)
        with self._turn() as now:
            self._desk.operations.on_trial(now, effect.op, first, second)


ERRANDS: Final[dict[type, Callable[[Errands, Any], Coroutine[Any, Any, None]]]] = {
    fx.Submit: Errands.place,
    fx.Withdraw: Errands.withdraw,
    fx.LookUp: Errands.look_up,
    fx.CatchUp: Errands.catch_up,
    fx.AskListing: Errands.discover,
    fx.Refetch: Errands.refetch,
    fx.AskStanding: Errands.ask_standing,
    fx.Try: Errands.try_out,
}
"""Which errand an effect asks for."""
