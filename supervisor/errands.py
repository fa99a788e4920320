"""What takes a while, of the venue or on this machine: each errand is sent off, and its answer is told to the desk.

An errand decides nothing. One that must not fail tries again; one that may is logged, and the desk asks anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from shared.clock import Clock
from shared.messages import MEAN_OVER_S
from supervisor import effects as fx
from supervisor.arrivals import Turn
from supervisor.claimer import Claimer, Unclear
from supervisor.desk import Desk
from supervisor.feed import UNANSWERED, Discovery, PriceChannel
from supervisor.gates import Tried
from supervisor.gateway import Gateway, VenueRefused
from supervisor.venue.frames import BadFrame

log = structlog.get_logger()

RETRY_S: Final = 0.5
"""Between two attempts at what must be known."""
ALWAYS_FOLLOWED_S: Final = frozenset({0, 60})
"""Averaging windows whose prices the price channel sends anyway."""


class Errands:
    """Args: heard_book: takes a fetched book, in the shape of a frame of the market channel.

    replayed_twice: what comes of the two replays of a trial. asked: why a release cannot use a set of parameters.
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
        asked: Callable[[str, dict[str, Any]], Awaitable[str]],
    ) -> None:
        self._desk, self._turn, self._clock = desk, turn, clock
        self._gateway, self._discovery, self._heard_book = gateway, discovery, heard_book
        self._replayed_twice, self._asked = replayed_twice, asked
        self.prices: PriceChannel | None = None
        self.claimer: Claimer | None = None

    async def place(self, effect: fx.Submit) -> None:
        """Send an order; whatever comes back, or does not, is an answer."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self._gateway.place(effect.body)
        with self._turn() as now:
            self._desk.executions.on_answer(now, effect.order_id, answer, self._since_us(sent_ns))

    async def cancel(self, effect: fx.CancelOrder) -> None:
        """Send a cancel."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self._gateway.cancel(effect.order_id)
        with self._turn() as now:
            self._desk.executions.on_cancel_answer(now, effect.order_id, answer, self._since_us(sent_ns))

    async def send(self, effect: fx.Batch) -> None:
        """Send several orders, or several cancels, as one; each is told with the others what became of it."""
        sent_ns, executions = self._clock.monotonic_ns(), self._desk.executions
        orders = {leg.order_id: leg.body for leg in effect.legs if isinstance(leg, fx.Submit)}
        ids = [leg.order_id for leg in effect.legs]
        answers = await (self._gateway.place_batch(orders) if orders else self._gateway.cancel_batch(ids))
        with self._turn() as now:
            took_us = self._since_us(sent_ns)
            if orders:
                for order_id, answer in zip(ids, answers, strict=True):
                    executions.on_answer(now, order_id, answer, took_us)
            else:
                executions.on_cancel_answers(now, dict(zip(ids, answers, strict=True)), took_us)

    def _since_us(self, sent_ns: int) -> int:
        """How long ago something was sent, never less: looked at in the turn that tells it, after the turn's moment.

        The user channel is blind where it said no word since an order was sent, and a word that came is one.
        """
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
            self._desk.executions.on_lookup(now, effect.order_id, found, legs)

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
            self._desk.catching_up.on_caught_up(now, legs, resting)

    async def reconcile(self, effect: fx.Reconcile) -> None:
        """Fetch what the venue has of ours; if that fails, the desk asks again the next time."""
        view = None
        try:
            if self._gateway.key is not None:
                view = await self._gateway.view(effect.since_s, effect.tokens)
        except (VenueRefused, BadFrame) as error:
            log.warning("reconcile_failed", reason=str(error))
        with self._turn() as now:
            self._desk.reconciling.on_view(now, view)

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
        window_s = MEAN_OVER_S[found[0].market.terms.rule]
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

    async def ask_release(self, effect: fx.AskRelease) -> None:
        """Ask a release about a set of parameters."""
        fault = await self._asked(effect.release, effect.values)
        with self._turn() as now:
            self._desk.tuning.on_asked(now, effect.op, effect.release, fault)

    async def look_at_claim(self, effect: fx.LookAtClaim) -> None:
        """Ask how a claim stands."""
        assert self.claimer is not None
        seen = None
        try:
            seen = await self.claimer.look(effect.claim)
        except Unclear as error:
            log.warning("claim_not_seen", claim=effect.claim.name, reason=str(error))
        with self._turn() as now:
            self._desk.claiming.on_seen(now, effect.claim.name, seen)

    async def prepare_claim(self, effect: fx.PrepareClaim) -> None:
        """Have a claim's transaction signed."""
        assert self.claimer is not None
        prepared = None
        try:
            prepared = await self.claimer.prepare(effect.claim, effect.nonce, effect.amount_micro)
        except Unclear as error:
            log.warning("claim_not_prepared", claim=effect.claim.name, reason=str(error))
        with self._turn() as now:
            self._desk.claiming.on_prepared(now, effect.claim.name, prepared)

    async def submit_claim(self, effect: fx.SubmitClaim) -> None:
        """Send a claim's transaction; whatever comes back, or does not, is an answer."""
        assert self.claimer is not None
        answer = await self.claimer.submit(effect.body)
        with self._turn() as now:
            self._desk.claiming.on_answer(now, effect.claim, answer)


ERRANDS: Final[dict[type, Callable[[Errands, Any], Coroutine[Any, Any, None]]]] = {
    fx.Submit: Errands.place,
    fx.CancelOrder: Errands.cancel,
    fx.Batch: Errands.send,
    fx.LookUp: Errands.look_up,
    fx.CatchUp: Errands.catch_up,
    fx.Reconcile: Errands.reconcile,
    fx.AskListing: Errands.discover,
    fx.Refetch: Errands.refetch,
    fx.AskStanding: Errands.ask_standing,
    fx.Try: Errands.try_out,
    fx.AskRelease: Errands.ask_release,
    fx.LookAtClaim: Errands.look_at_claim,
    fx.PrepareClaim: Errands.prepare_claim,
    fx.SubmitClaim: Errands.submit_claim,
}
"""Which errand an effect asks for."""
